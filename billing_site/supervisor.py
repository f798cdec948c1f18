"""One process that starts others, shows what they print, restarts what dies and stops in order.

It has a single thread, because the kernel ties a child to the thread that started it.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from billing_site.processes import children
from billing_site.processes.output import PrefixedOutput

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 15.0
_HEALTHY_AFTER = 30.0  # A program that ran this long failed anew; its next pause is short again.


class StopAskedError(Exception):
    """Somebody asked this process to end."""


class ProgramFailedError(Exception):
    """A program that has to succeed did not, or took too long."""


@dataclass(frozen=True)
class Program:
    """What the supervisor has to know to keep something running.

    `start` gets the descriptor to print to. `prepare` runs before every start, the first included.
    """

    name: str
    start: Callable[[int], subprocess.Popen[bytes]]
    prepare: Callable[[], None] = lambda: None
    stop_signal: signal.Signals = signal.SIGTERM
    seconds_to_stop: float = 10.0


@dataclass
class _Running:
    program: Program
    process: subprocess.Popen[bytes]
    started_at: float
    pause: float = _FIRST_PAUSE
    restart_at: float | None = None


class Supervisor:
    """Keeps programs running inside its `with` block and stops them on the way out.

    They stop in the order of the names in `stop_order`, which has to name all of them.

    It works only while one of its methods waits: then output is shown and the dead are restarted.
    SIGINT, SIGTERM, SIGHUP and the end of a launcher make the waiting method raise StopAskedError.
    """

    def __init__(self, output: PrefixedOutput, *, stop_order: Sequence[str]) -> None:
        self._output = output
        self._stop_order = stop_order
        self._running: list[_Running] = []
        self._stop_asked = False
        self._launcher = _launcher()

    def __enter__(self) -> Self:
        self._handlers = {number: signal.signal(number, self._ask_stop) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for running in sorted(self._running, key=self._place_in_stop_order):
            self._stop(running)
        self._running.clear()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def keep(self, program: Program) -> None:
        """Start a program now and again whenever it ends."""
        program.prepare()
        self._running.append(
            _Running(program, process=self._start(program), started_at=time.monotonic())
        )

    def run_to_the_end(self, program: Program) -> None:
        """Run a program once; raise ProgramFailedError unless it succeeds."""
        program.prepare()
        process = self._start(program)
        try:
            while process.poll() is None:
                self._turn()
        finally:
            children.stop(process, polite=program.stop_signal, seconds=program.seconds_to_stop)
        while self._output.show(0):
            pass  # Its last words, and that there are no more, come one after the other.
        if process.returncode != 0:
            message = f"{program.name} {_ending(process)}"
            raise ProgramFailedError(message)

    def wait_for(self, what: str, is_so: Callable[[], bool], *, seconds: float) -> None:
        """Return when something is so; raise ProgramFailedError when that takes too long."""
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                message = f"{what} did not answer within {seconds:.0f} s"
                raise ProgramFailedError(message)
            self._turn()

    def serve(self) -> None:
        """Keep everything running until somebody asks to stop."""
        while True:
            self._turn()

    def _turn(self) -> None:
        if self._stop_asked or self._launcher not in {None, os.getppid()}:
            raise StopAskedError
        self._output.show(0.05)
        for running in self._running:
            if running.restart_at is not None:
                self._restart_when_due(running, running.restart_at)
            elif running.process.poll() is not None:
                self._plan_restart(running)

    def _start(self, program: Program) -> subprocess.Popen[bytes]:
        writing = self._output.open(program.name)
        try:
            return program.start(writing)
        finally:
            os.close(writing)

    def _plan_restart(self, running: _Running) -> None:
        now = time.monotonic()
        children.kill_group(running.process)  # What a killed parent forked would serve on for ever.
        if now - running.started_at > _HEALTHY_AFTER:
            running.pause = _FIRST_PAUSE
        running.restart_at = now + running.pause
        self._output.say(
            f"{running.program.name} {_ending(running.process)};"
            f" it starts again in {running.pause:g} s"
        )
        running.pause = min(running.pause * 2, _LONGEST_PAUSE)

    def _restart_when_due(self, running: _Running, due_at: float) -> None:
        if time.monotonic() < due_at:
            return
        running.program.prepare()
        running.process = self._start(running.program)
        running.started_at = time.monotonic()
        running.restart_at = None

    def _place_in_stop_order(self, running: _Running) -> int:
        return self._stop_order.index(running.program.name)

    def _stop(self, running: _Running) -> None:
        program, process = running.program, running.process
        if process.poll() is None:
            process.send_signal(program.stop_signal)
        deadline = time.monotonic() + program.seconds_to_stop
        while process.poll() is None and time.monotonic() < deadline:
            self._output.show(0.05)
        children.stop(process, polite=signal.SIGKILL, seconds=5)
        self._output.show(0)

    def _ask_stop(self, number: int, frame: FrameType | None) -> None:
        # Ctrl-C often arrives twice, from the terminal and from a launcher: once is enough.
        self._stop_asked = True


def _launcher() -> int | None:
    """Return the process that runs us on a person's behalf, if one does.

    Whoever kills `uv run`, which cannot pass that on, means us. A shell is another matter: what it
    started in the background may outlive it.
    """
    parent = os.getppid()
    try:
        name = Path(f"/proc/{parent}/comm").read_text().strip()
    except OSError:
        return None  # No /proc here, or no parent any more.
    return parent if name == "uv" else None


def _ending(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"
