"""A pytest plugin that gives a run a PostgreSQL and a Valkey of its own.

It is loaded with `-p tests.servers`, before Django's settings are. Importing it only chooses the
addresses; the servers start with the session and stop, files included, however it ends. With
`DATABASE_URL` and `BROKER_URL` set it does nothing. Workers of pytest-xdist inherit both from the
process that started them and therefore share its servers.

As a program, `python -m tests.servers <command>` runs any command beside such servers.
"""

import atexit
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from billing_site import embedded
from billing_site.processes import children, postgres, valkey

# Removes the files when its input ends, which a killed run cannot do itself. The database may
# still be writing down its last pages then.
_JANITOR = """
cat >/dev/null
for _ in $(seq 100); do [ -e "$1/postgres/postmaster.pid" ] || break; sleep 0.1; done
rm -rf "$(readlink -f "$1/postgres")" "$1" "$2"
"""


class Servers:
    """The servers of one test run and the folder they live in."""

    def __init__(self, *, database: bool, broker: bool) -> None:
        self._database = database
        self._broker = broker
        self._running: list[Callable[[], None]] = []

    def choose_addresses(self) -> None:
        """Point the environment at servers that need not run yet."""
        home = Path(tempfile.mkdtemp(prefix="drawdown-tests-"))
        home.chmod(0o711)  # The database may have to run as another user.
        os.environ["DRAWDOWN_HOME"] = str(home)
        if self._database:
            os.environ["DATABASE_URL"] = embedded.database_url()
        if self._broker:
            os.environ["BROKER_URL"] = embedded.broker_url()
        self._running.append(_start_janitor(home, embedded.socket_directory()))
        atexit.register(self.stop)

    def start(self) -> None:
        """Start what was given no address from outside."""
        with (embedded.home() / "servers.log").open("ab") as log:
            if self._broker:
                self._start_valkey(log.fileno())
            if self._database:
                self._start_postgres(log.fileno())

    def stop(self) -> None:
        """Stop every server and remove the folders; a second call finds nothing to do."""
        while self._running:
            self._running.pop()()

    def _start_valkey(self, log: int) -> None:
        server = valkey.Valkey()
        server.prepare()
        self._stop_later(server.start(log), valkey.STOP_SIGNAL)
        deadline = time.monotonic() + 30
        while not server.answers():
            if time.monotonic() > deadline:
                pytest.exit("Valkey did not answer within 30 s", returncode=3)
            time.sleep(0.02)

    def _start_postgres(self, log: int) -> None:
        server = postgres.Postgres()
        server.prepare()
        process = server.start(log)
        self._stop_later(process, postgres.STOP_SIGNAL)
        postgres.wait_until_it_answers(server, process)
        postgres.create_embedded_database()

    def _stop_later(self, process: subprocess.Popen[bytes], polite: int) -> None:
        self._running.append(lambda: children.stop(process, polite=polite, seconds=20))


def _start_janitor(*folders: Path) -> Callable[[], None]:
    process = subprocess.Popen(
        ["/bin/sh", "-c", _JANITOR, "janitor", *folders],
        stdin=subprocess.PIPE,
        process_group=0,  # Ctrl-C is for the run, not for whoever cleans up behind it.
    )

    def let_it_work() -> None:
        process.communicate()

    return let_it_work


_servers = Servers(
    database=not os.environ.get("DATABASE_URL"), broker=not os.environ.get("BROKER_URL")
)
if not (os.environ.get("DATABASE_URL") and os.environ.get("BROKER_URL")):
    _servers.choose_addresses()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the servers, before pytest-xdist starts its workers, unless no test will run."""
    if not session.config.option.collectonly:
        _servers.start()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop the servers after everybody has let go of them."""
    _servers.stop()


@contextmanager
def running() -> Iterator[None]:
    """Run the servers for the block."""
    _servers.start()
    try:
        yield
    finally:
        _servers.stop()


def main() -> int:
    """Run the command given as arguments and return what it returned."""
    with running():
        return subprocess.run(sys.argv[1:], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
