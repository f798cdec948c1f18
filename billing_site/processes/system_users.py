"""As whom an embedded server runs, and where that user finds its files.

PostgreSQL refuses to run as root. When we are root the servers run as an unprivileged user of the
system, and everything they touch must be reachable for that user without opening a single folder
that is closed today: what lies behind a closed one is copied or placed under `SHARED` instead.
"""

import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

# Only root writes here, so nobody else can plant a program for us to run.
SHARED = Path("/var/lib/drawdown")
_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class SystemUser:
    """A user of the operating system by its two numbers."""

    uid: int
    gid: int


def for_servers(data: Path) -> SystemUser | None:
    """Return the user who owns, or will own, a server's data; None when that is ourselves."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return SystemUser(uid=owner.st_uid, gid=owner.st_gid)
    return _first_existing()


def _first_existing() -> SystemUser:
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemUser(uid=entry.pw_uid, gid=entry.pw_gid)
    message = f"Started as root, and this system has no user to run servers as: {_CANDIDATES}"
    raise RuntimeError(message)


def give(path: Path, user: SystemUser | None) -> None:
    """Make the user the owner of a folder; a folder of our own is left as it is."""
    if user:
        os.chown(path, user.uid, user.gid)


def reachable(path: Path) -> bool:
    """Tell whether any user of the system can walk to a path."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)


def private_folder(path: Path, user: SystemUser | None) -> Path:
    """Create a folder only the user can enter, or check that it is still that, and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if found.st_uid == os.geteuid():
        give(path, user)
    elif user is None or found.st_uid != user.uid:
        message = f"{path} belongs to another user; refusing to put a server's sockets there"
        raise PermissionError(message)
    if not stat.S_ISDIR(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
        message = f"{path} is not a private folder; remove it and start again"
        raise PermissionError(message)
    return path


def data_folder(link: Path, user: SystemUser | None) -> Path:
    """Create a server's data folder at `link`, or behind it, and return where it really is.

    Behind a folder closed to the user, `link` becomes a symbolic link to a new place under
    `SHARED`; a home that was removed therefore never finds the data of an earlier one.
    """
    if not link.exists():
        link.unlink(missing_ok=True)
        if user and not reachable(link):
            SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
            link.symlink_to(tempfile.mkdtemp(prefix="data-", dir=SHARED))
        else:
            link.mkdir(mode=0o700)
        give(link, user)
    return link.resolve()


def readable_copy(
    root: Path, folders: tuple[str, ...], *, name: str, user: SystemUser | None
) -> Path:
    """Return a root under which the user can read these folders of programs.

    That is `root` itself where possible, else a copy made once under `SHARED`, where `name` tells
    one version from another.
    """
    present = [folder for folder in folders if (root / folder).exists()]
    if user is None or all(_readable(root / folder) for folder in present):
        return root
    copy = SHARED / name
    if not copy.exists():
        SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
        # Copied aside and renamed: a copy that was interrupted is never taken for a whole one.
        unfinished = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=SHARED))
        for folder in present:
            shutil.copytree(root / folder, unfinished / folder)
        _open(unfinished)
        _rename_unless_there(unfinished, copy)
    return copy


def _readable(folder: Path) -> bool:
    inside = (folder, *folder.rglob("*"))
    return reachable(folder) and all(path.stat().st_mode & stat.S_IROTH for path in inside)


def _open(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if runs else 0o644)


def _rename_unless_there(unfinished: Path, copy: Path) -> None:
    try:
        unfinished.rename(copy)
    except OSError:
        # Another start made the same copy meanwhile; anything else is a failure.
        if not copy.exists():
            raise
        shutil.rmtree(unfinished)
