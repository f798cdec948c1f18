"""The programs the running product consists of, in the words of the supervisor."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from billing_site import embedded
from billing_site.processes import children, postgres, valkey
from billing_site.supervisor import Program

# First whoever brings work, then whoever does it, then whoever keeps it.
STOP_ORDER = ("stream", "web", "beat", "worker", "valkey", "postgres")


@dataclass(frozen=True)
class Surroundings:
    """What every program of ours is started with."""

    environment: dict[str, str]
    inherited: int  # The descriptor whose lock tells that one of them still lives.

    def program(self, name: str, *arguments: str | Path, seconds_to_stop: float = 10.0) -> Program:
        """Describe a program of this checkout, run by the Python that runs us."""

        def start(output: int) -> subprocess.Popen[bytes]:
            argv: Sequence[str | Path] = (sys.executable, *arguments)
            return children.start(
                argv,
                death_signal=SIGTERM,
                environment=self.environment,
                folder=embedded.CHECKOUT,
                output=output,
                inherit=[self.inherited],
            )

        return Program(name=name, start=start, seconds_to_stop=seconds_to_stop)


def database(server: postgres.Postgres) -> Program:
    """Describe the embedded PostgreSQL."""
    return Program(
        name="postgres",
        start=server.start,
        prepare=server.prepare,
        stop_signal=postgres.STOP_SIGNAL,
        seconds_to_stop=60.0,  # It writes everything down before it leaves.
    )


def broker(server: valkey.Valkey) -> Program:
    """Describe the embedded Valkey."""
    return Program(
        name="valkey", start=server.start, prepare=server.prepare, stop_signal=valkey.STOP_SIGNAL
    )


def setup(around: Surroundings) -> Program:
    """Describe what has to be done to the database before anything else starts."""
    return around.program("setup", "manage.py", "prepare_demo")


def stream(around: Surroundings) -> Program:
    """Describe the gentle stream of events that makes balances move."""
    return around.program("stream", "manage.py", "stream_demo")


def worker(around: Surroundings) -> Program:
    """Describe the Celery worker."""
    return around.program(
        "worker",
        *("-m", "celery", "--quiet", "-A", "billing_site.celery", "worker"),
        *("--concurrency", "2", "--loglevel", "WARNING"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        seconds_to_stop=20.0,
    )


def beat(around: Surroundings) -> Program:
    """Describe the clock that wakes the worker."""
    return around.program(
        "beat",
        *("-m", "celery", "--quiet", "-A", "billing_site.celery", "beat"),
        *("--schedule", embedded.home() / "beat-schedule", "--pidfile", ""),
        *("--loglevel", "WARNING"),
    )


def web(around: Surroundings, *, host: str, port: int, workers: int) -> Program:
    """Describe the web server."""
    return around.program(
        "web",
        *("-m", "granian", "--interface", "asginl", "billing_site.asgi:application"),
        *("--host", host, "--port", str(port), "--no-ws"),
        *("--workers", str(workers)),
        # A worker that dies is replaced; one that will not leave is not waited for.
        *("--respawn-failed-workers", "--workers-kill-timeout", "5"),
    )
