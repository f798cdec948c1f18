"""The order in which the whole product starts on one machine."""

import http.client
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote

from billing_site import embedded, programs, welcome
from billing_site.processes import ports, postgres, single_run, valkey
from billing_site.processes.output import PrefixedOutput
from billing_site.supervisor import StopAskedError, Supervisor

_FIRST_PORT = 8000
_PORTS_TRIED = 100
_SECONDS_TO_ANSWER = 90.0


@dataclass(frozen=True)
class Choices:
    """What the person who starts the demo may choose."""

    host: str
    port: int | None
    web_workers: int
    stream: bool


def run(choices: Choices) -> None:
    """Run everything until somebody asks to stop, then stop everything.

    Raises AlreadyRunningError, ports.PortTakenError or ProgramFailedError when it cannot start.
    """
    started_at = time.monotonic()
    home = embedded.create_home()
    (home / "mail").mkdir(mode=0o700, exist_ok=True)
    with (
        single_run.claim(home / "demo.lock"),
        single_run.claim_for_children(home / "children.lock") as lock,
        closing(_claim_port(choices)) as claimed,
    ):
        port = claimed.number
        around = programs.Surroundings(_environment(port), inherited=lock.fileno())
        output = PrefixedOutput(sys.stdout)
        try:
            with Supervisor(output, stop_order=programs.STOP_ORDER) as supervisor:
                _start(supervisor, around, choices, port=port)
                facts = welcome.read_facts(home / "demo.json")
                output.say(welcome.text(facts, site=_site(port)))
                output.say(f"Started in {time.monotonic() - started_at:.1f} s.")
                supervisor.serve()
        except StopAskedError:
            output.say("Everything is stopped.")


def _start(
    supervisor: Supervisor, around: programs.Surroundings, choices: Choices, *, port: int
) -> None:
    _start_servers(supervisor)
    supervisor.run_to_the_end(programs.setup(around))
    supervisor.keep(programs.web(around, host=choices.host, port=port, workers=choices.web_workers))
    supervisor.wait_for("The web server", _answers(port), seconds=_SECONDS_TO_ANSWER)
    # Now and not before: all of them at once would keep a small machine from answering at all.
    supervisor.keep(programs.worker(around))
    supervisor.keep(programs.beat(around))
    if choices.stream:
        supervisor.keep(programs.stream(around))


def _start_servers(supervisor: Supervisor) -> None:
    """Start those servers nobody gave an address of."""
    if url := os.environ.get("DATABASE_URL"):
        postgres.create_database(url)
    else:
        database = postgres.Postgres()
        supervisor.keep(programs.database(database))
        supervisor.wait_for("PostgreSQL", database.answers, seconds=_SECONDS_TO_ANSWER)
        postgres.create_embedded_database()
    if not os.environ.get("BROKER_URL"):
        broker = valkey.Valkey()
        supervisor.keep(programs.broker(broker))
        supervisor.wait_for("Valkey", broker.answers, seconds=_SECONDS_TO_ANSWER)


def _environment(port: int) -> dict[str, str]:
    """Return what our programs read; whatever the person set themselves stays as it is."""
    return {
        "SITE_URL": _site(port),
        "EMAIL_URL": f"file://{quote(str(embedded.home() / 'mail'))}",
        "PYTHONUNBUFFERED": "1",
        # Right for a server, wrong here: the files are found where they lie, and root is at home.
        "PYTHONWARNINGS": "ignore:No directory at,ignore:You're running the worker with superuser",
        **os.environ,
        "DRAWDOWN_HOME": str(embedded.home()),
    }


def _site(port: int) -> str:
    return f"http://localhost:{port}"


def _claim_port(choices: Choices) -> ports.ClaimedPort:
    """Claim the port that was asked for, or the first free one. Raises ports.PortTakenError."""
    if choices.port is not None:
        return ports.claim_first(choices.host, [choices.port])
    return ports.claim_first(choices.host, range(_FIRST_PORT, _FIRST_PORT + _PORTS_TRIED))


def _answers(port: int) -> Callable[[], bool]:
    """Return a question: does the site answer without an error of its own?"""

    def answers() -> bool:
        with closing(http.client.HTTPConnection("localhost", port, timeout=2)) as connection:
            try:
                connection.request("GET", "/livez")
                return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
            except (OSError, http.client.HTTPException):
                return False

    return answers
