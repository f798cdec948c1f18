"""Making sure that one home is run by one supervisor, and by none of an earlier one's children."""

import fcntl
import os
import signal
import time
from pathlib import Path
from typing import IO

_SECONDS_TO_LEAVE = 10.0


class AlreadyRunningError(Exception):
    """Another supervisor runs this home; `args[0]` says which process."""


class LeftoversError(Exception):
    """Processes of an earlier run are still there and could not be ended."""


def claim(path: Path) -> IO[str]:
    """Lock a file for this process and return it; the lock ends with the process.

    Raises AlreadyRunningError when another process holds it.
    """
    file = path.open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise AlreadyRunningError(holder) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def claim_for_children(path: Path) -> IO[str]:
    """Lock a file whose descriptor every child inherits, and return it.

    The lock ends when the last of them does. Children of an earlier run, which may still be
    finishing what they do, are given time and then killed.
    """
    file = path.open("a+", encoding="ascii")
    if not _lock_within(file, _SECONDS_TO_LEAVE):
        for pid in _holders(path):
            os.kill(pid, signal.SIGKILL)
        if not _lock_within(file, _SECONDS_TO_LEAVE):
            message = f"Processes of an earlier run are still working in {path.parent}"
            raise LeftoversError(message)
    return file


def _lock_within(file: IO[str], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def _holders(path: Path) -> set[int]:
    """Return the other processes that have the file open; none where there is no /proc."""
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = descriptor.readlink()
        except OSError:
            continue  # Closed meanwhile, or another user's.
        if target == path:
            found.add(int(descriptor.parts[2]))
    return found - {os.getpid()}
