"""The supervisor: what it restarts, in which order it stops, and whom it leaves behind."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing_site.processes import children, single_run
from billing_site.processes.output import PrefixedOutput
from billing_site.supervisor import Program, ProgramFailedError, StopAskedError, Supervisor


def shell(name: str, script: str) -> Program:
    """Describe a program that is a few lines of shell."""

    def start(output: int) -> subprocess.Popen[bytes]:
        return children.start(["/bin/sh", "-c", script], death_signal=signal.SIGKILL, output=output)

    return Program(name=name, start=start, seconds_to_stop=1)


@pytest.fixture
def shown() -> io.StringIO:
    """Collect what would be shown on the terminal."""
    return io.StringIO()


@pytest.fixture
def supervisor(shown: io.StringIO) -> Iterator[Supervisor]:
    """Give a test a supervisor for programs named first, second and third."""
    with Supervisor(PrefixedOutput(shown), stop_order=("first", "second", "third")) as running:
        yield running


def test_lines_carry_the_name_of_their_program(supervisor: Supervisor, shown: io.StringIO) -> None:
    supervisor.run_to_the_end(shell("first", "echo one; echo two; printf three"))
    assert shown.getvalue().splitlines() == ["first    | one", "first    | two", "first    | three"]


def test_a_program_that_fails_stops_the_start(supervisor: Supervisor) -> None:
    with pytest.raises(ProgramFailedError, match="first ended with code 7"):
        supervisor.run_to_the_end(shell("first", "exit 7"))


def test_what_ends_starts_again_after_a_longer_pause_each_time(
    supervisor: Supervisor, shown: io.StringIO, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    supervisor.keep(shell("first", f"echo . >> '{starts}'; kill -9 $$"))
    supervisor.wait_for(
        "Three starts",
        lambda: starts.exists() and starts.read_text().count(".") == 3,
        seconds=10,
    )
    pauses = [line for line in shown.getvalue().splitlines() if "starts again" in line]
    assert pauses[:2] == [
        "first was ended by SIGKILL; it starts again in 0.25 s",
        "first was ended by SIGKILL; it starts again in 0.5 s",
    ]


def test_waiting_in_vain_is_a_failure(supervisor: Supervisor) -> None:
    with pytest.raises(ProgramFailedError, match="The moon did not answer within 0 s"):
        supervisor.wait_for("The moon", lambda: False, seconds=0)


def test_programs_stop_in_the_order_given_whatever_order_they_started_in(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    script = "trap 'echo {name} >> \"{ended}\"; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    shown = io.StringIO()
    with Supervisor(PrefixedOutput(shown), stop_order=("first", "second", "third")) as running:
        for name in ("third", "first", "second"):
            running.keep(shell(name, script.format(name=name, ended=ended)))
        running.wait_for("All", lambda: shown.getvalue().count("up") == 3, seconds=10)
    assert ended.read_text().split() == ["first", "second", "third"]


def test_what_a_killed_program_had_forked_is_killed_too(
    supervisor: Supervisor, shown: io.StringIO
) -> None:
    supervisor.keep(shell("first", "sleep 60 & echo $!; wait"))
    supervisor.wait_for("A child", lambda: "\n" in shown.getvalue(), seconds=10)
    forked = int(shown.getvalue().splitlines()[0].split("|")[1])
    os.kill(os.getpgid(forked), signal.SIGKILL)
    supervisor.wait_for("The end", lambda: not Path(f"/proc/{forked}").exists(), seconds=10)


def test_a_program_that_does_not_listen_is_killed(shown: io.StringIO) -> None:
    with Supervisor(PrefixedOutput(shown), stop_order=("first",)) as running:
        running.keep(shell("first", "trap '' TERM; echo $$; while :; do sleep 0.05; done"))
        running.wait_for("It", lambda: "\n" in shown.getvalue(), seconds=10)
        pid = int(shown.getvalue().split("|")[1])
    assert not Path(f"/proc/{pid}").exists()


def test_a_signal_asks_to_stop(supervisor: Supervisor) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(StopAskedError):
        supervisor.serve()


def test_a_claim_is_held_by_one_process_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with single_run.claim(path), pytest.raises(single_run.AlreadyRunningError) as refused:
        single_run.claim(path)
    assert str(refused.value) == str(os.getpid())
    single_run.claim(path).close()


def test_children_of_an_earlier_run_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_run, "_SECONDS_TO_LEAVE", 0.3)
    path = tmp_path / "lock"
    with single_run.claim_for_children(path) as lock:
        left_over = children.start(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            death_signal=signal.SIGKILL,
            inherit=[lock.fileno()],
        )
    started_at = time.monotonic()
    single_run.claim_for_children(path).close()
    assert left_over.wait(5) == -signal.SIGKILL
    assert time.monotonic() - started_at < 5
