"""Starting a child process that cannot outlive the process that started it."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from billing_site.processes.system_users import SystemUser

_PR_SET_PDEATHSIG = 1
# Loaded here and not in the child: between fork and exec nothing may allocate or import.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def start(
    argv: Sequence[str | Path],
    *,
    death_signal: signal.Signals,
    user: SystemUser | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    output: int | None = None,
    inherit: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own and return it.

    The kernel sends it `death_signal` when the thread that called this ends, however it ends, so
    call it from the main thread. Standard error goes where `output` goes; standard input is empty.
    """
    return subprocess.Popen(  # noqa: S603  The arguments are ours; no shell reads them.
        [str(argument) for argument in argv],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        env=environment,
        cwd=folder,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        process_group=0,
        pass_fds=inherit,
        # Runs after the change of user, which would have cleared the request.
        preexec_fn=_die_with_parent(os.getpid(), death_signal),  # noqa: PLW1509
    )


def _die_with_parent(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    def ask_the_kernel() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # The parent was gone before we asked: nobody would tell us.

    return ask_the_kernel


def stop(process: subprocess.Popen[bytes], *, polite: int, seconds: float) -> None:
    """Ask a child to end, wait, and kill what is left of its group."""
    if process.poll() is None:
        process.send_signal(polite)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill every process a child left behind in its group; none left is fine."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
