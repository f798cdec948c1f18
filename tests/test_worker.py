"""A real worker and a real beat, beside the real broker, do what the database says is due."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import api_keys, ledger
from accounts.burndown import Category
from accounts.models import Scope
from billing_site import embedded
from invoicing.models import Invoice
from metering.models import AlertFiring, BillingPeriod, SpendAlert
from tests.clock import NOW
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS_TO_ANSWER = 60


def _database_url() -> str:
    """Return the address the run was given, with the name of the test's own database in it."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


@pytest.fixture
def mail_folder(tmp_path: Path) -> Path:
    """Where the worker's mail ends up."""
    return tmp_path / "mail"


@pytest.fixture
def _celery(tmp_path: Path, mail_folder: Path) -> Iterator[None]:
    """Run one worker with the beat inside, on the schedule of the product."""
    arguments = (
        *("-m", "celery", "-A", "billing_site.celery", "worker", "--beat"),
        *("--schedule", str(tmp_path / "beat"), "--concurrency", "1", "--loglevel", "WARNING"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    )
    environment = {
        **os.environ,
        "DATABASE_URL": _database_url(),
        "EMAIL_URL": f"file://{mail_folder}",
    }
    with (tmp_path / "celery.log").open("wb") as log:
        process = subprocess.Popen(
            (sys.executable, *arguments),
            cwd=embedded.CHECKOUT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        yield
        process.terminate()
        process.wait(timeout=30)
    connection.close()


def _wait_for(fact: Callable[[], object], *, what: str) -> None:
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    while not fact():
        assert time.monotonic() < deadline, f"{what} did not happen in {SECONDS_TO_ANSWER} s"
        time.sleep(0.1)


def _mails(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.glob("*.log"))] if folder.exists() else []


def _post_event(world: VideoWorld, minutes: str) -> int:
    _, secret = api_keys.issue(
        organization=world.organization, name="Test", scopes=[Scope.EVENTS_WRITE]
    )
    event = {
        "id": "crossing",
        "type": "video.rendered",
        "customer": world.customer.external_id,
        "properties": {"minutes": minutes, "speed": "fast"},
    }
    answer = Client().post(
        "/api/v1/events",
        event,
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    return answer.status_code


@pytest.mark.usefixtures("_celery")
def test_an_event_is_mailed_a_grant_expires_and_a_period_becomes_an_invoice(
    mail_folder: Path,
) -> None:
    world = open_video_world(credit="10")
    SpendAlert.objects.create(
        organization=world.organization, account=world.account, threshold=Decimal(5)
    )
    world.record(world.event(), at=NOW)  # Opens the period of a month that is long over.
    ledger.grant_credit(
        account=world.account, amount=Decimal(7), category=Category.PROMOTIONAL, at=NOW,
        expires_at=NOW + (timezone.now() - NOW) / 2,
    )  # fmt: skip

    _wait_for(lambda: world.balance(at=timezone.now()) == 9, what="The read of the expiry")
    _wait_for(
        lambda: world.account.entries.filter(kind="expiry", amount=-7).exists(),
        what="The expiry",
    )
    _wait_for(lambda: Invoice.objects.filter(number=1).exists(), what="The invoice")
    assert BillingPeriod.objects.filter(customer=world.customer, closed_at=None).count() == 1

    assert _post_event(world, "5") == 201
    _wait_for(lambda: _mails(mail_folder), what="The mail")
    _wait_for(
        lambda: AlertFiring.objects.filter(delivered_at__isnull=False).exists(),
        what="The note that it was delivered",
    )
    [text] = _mails(mail_folder)
    assert "Your balance is 4.00 USD" in text
    assert str(AlertFiring.objects.get().id) in text
