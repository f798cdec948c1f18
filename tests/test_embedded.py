"""The embedded servers: where they live, who may reach them, what they survive."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from billing_site import embedded
from billing_site.processes import children, postgres, system_users, valkey
from billing_site.processes.postgres import Postgres


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Give a test a home with a space in its name, behind folders only we can enter."""
    shared = Path(tempfile.mkdtemp(prefix="drawdown-shared-"))
    shared.chmod(0o755)
    monkeypatch.setattr(system_users, "SHARED", shared)
    folder = tmp_path / "a home"
    monkeypatch.setenv("DRAWDOWN_HOME", str(folder))
    yield folder
    for leftover in (shared, embedded.socket_directory()):
        shutil.rmtree(leftover, ignore_errors=True)


@pytest.fixture
def server(home: Path) -> Postgres:
    """Give a test a PostgreSQL with its files ready, not running."""
    ready = Postgres()
    ready.prepare()
    return ready


def run(server: Postgres) -> subprocess.Popen[bytes]:
    """Start a server and return when it answers."""
    log = (embedded.home() / "servers.log").open("ab")
    with log:
        process = server.start(log.fileno())
    postgres.wait_until_it_answers(server, process)
    return process


def finish(process: subprocess.Popen[bytes]) -> None:
    """Stop a server the way its owner does."""
    children.stop(process, polite=postgres.STOP_SIGNAL, seconds=20)


def rows() -> list[tuple[int]]:
    """Return what the one table of the embedded database holds."""
    with psycopg.connect(embedded.database_url()) as connection:
        return connection.execute("SELECT number FROM kept ORDER BY number").fetchall()


def wait_for_the_end_of(pid: int, *, seconds: float = 10) -> bool:
    """Tell whether a process that is not our child ended in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False


def test_the_secret_key_is_one_however_many_ask_first(home: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: embedded.secret_key(), range(64)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 50
    assert stat.S_IMODE((home / "secret_key").stat().st_mode) == 0o600


def test_two_checkouts_have_two_homes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DRAWDOWN_HOME")
    monkeypatch.setattr(embedded, "CHECKOUT", tmp_path / "one")
    first = embedded.home(), embedded.database_url(), embedded.broker_url()
    monkeypatch.setattr(embedded, "CHECKOUT", tmp_path / "two")
    second = embedded.home(), embedded.database_url(), embedded.broker_url()
    assert not set(first) & set(second)


def test_a_deep_home_still_has_a_short_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAWDOWN_HOME", f"/srv/{'deep/' * 60}")
    longest = embedded.socket_directory() / ".s.PGSQL.5432.lock"
    assert len(os.fsencode(longest)) < 100


@pytest.mark.parametrize("spoil", ["link", "open"])
def test_sockets_are_never_put_where_others_reach_them(home: Path, spoil: str) -> None:
    folder = embedded.socket_directory()
    if spoil == "link":
        folder.symlink_to(home.parent)
    else:
        folder.mkdir()
        folder.chmod(0o755)
    try:
        with pytest.raises(PermissionError, match="private folder"):
            system_users.private_folder(folder, None)
    finally:
        folder.unlink() if spoil == "link" else folder.rmdir()


def test_data_survive_the_kill_of_the_server(server: Postgres) -> None:
    process = run(server)
    postgres.create_embedded_database()
    with psycopg.connect(embedded.database_url()) as connection:
        connection.execute("CREATE TABLE kept (number integer)")
        connection.execute("INSERT INTO kept VALUES (1), (2)")
    process.kill()
    process.wait()

    server.prepare()
    process = run(server)
    postgres.create_embedded_database()
    assert rows() == [(1,), (2,)]
    finish(process)
    assert process.returncode == 0


def test_a_server_left_running_is_stopped_and_a_stale_note_of_one_forgotten(
    server: Postgres, home: Path
) -> None:
    left_running = run(server)
    Postgres().prepare()
    assert left_running.wait(10) == 0

    (home / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n/elsewhere\n")
    Postgres().prepare()
    finish(run(server))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of a parent's death")
def test_servers_end_with_the_process_that_started_them(home: Path) -> None:
    script = (
        "import time\n"
        "from pathlib import Path\n"
        "from billing_site.processes import postgres, system_users, valkey\n"
        f"system_users.SHARED = Path({str(system_users.SHARED)!r})\n"
        "for server in (postgres.Postgres(), valkey.Valkey()):\n"
        "    server.prepare()\n"
        "    process = server.start(2)\n"
        "    while not server.answers():\n"
        "        time.sleep(0.05)\n"
        "    print(process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert owner.stdout is not None
    pids = [int(owner.stdout.readline()) for _ in range(2)]
    owner.kill()
    owner.communicate()
    assert all(wait_for_the_end_of(pid) for pid in pids)
    assert not (home / "postgres" / "postmaster.pid").exists()


def test_the_broker_starts_again_while_an_earlier_one_runs(home: Path) -> None:
    server = valkey.Valkey()
    server.prepare()
    first = server.start(subprocess.DEVNULL)
    while not server.answers():
        time.sleep(0.02)
    server.prepare()
    assert first.wait(5) == 0
    second = server.start(subprocess.DEVNULL)
    while not server.answers():
        time.sleep(0.02)
    children.stop(second, polite=signal.SIGTERM, seconds=5)
    assert second.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")
def test_root_opens_no_closed_folder_for_its_servers(server: Postgres, home: Path) -> None:
    closed = home.parent
    closed.chmod(0o700)
    finish(run(server))
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    data = (home / "postgres").resolve()
    assert data.is_relative_to(system_users.SHARED)
    assert data.stat().st_uid != 0
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")
def test_programs_behind_a_closed_folder_are_copied_once(home: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "wheel" / "bin").mkdir(parents=True)
    program = tmp_path / "wheel" / "bin" / "program"
    program.write_text("#!/bin/sh\nid -u\n")
    program.chmod(0o700)
    user = system_users.for_servers(home)
    assert user is not None

    copies = {
        system_users.readable_copy(tmp_path, ("wheel/bin", "absent"), name="wheel-1", user=user)
        for _ in range(2)
    }
    copied = copies.pop() / "wheel" / "bin" / "program"
    assert not copies
    answer = subprocess.run([copied], user=user.uid, cwd="/", capture_output=True, check=True)
    assert int(answer.stdout) == user.uid
    assert stat.S_IMODE(program.stat().st_mode) == 0o700
