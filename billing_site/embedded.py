"""Where this checkout keeps what it needs when nobody gave it servers of its own.

Everything here is an address, worked out from one folder: `home()`. The settings read these
addresses when `DATABASE_URL`, `BROKER_URL` or `SECRET_KEY` is unset. Nothing in this module starts
a server or imports one; `billing_site.processes` does that.
"""

import fcntl
import hashlib
import os
import secrets
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
DATABASE = "drawdown"
ROLE = "drawdown"

# A traversable folder gives away nothing: every secret inside has a mode of its own. Root's servers
# run as another user, who has to walk through it to reach the database files.
_HOME_MODE = 0o711


def home() -> Path:
    """Return the folder of this checkout's own data, which may not exist yet."""
    return Path(os.environ.get("DRAWDOWN_HOME") or CHECKOUT / ".drawdown").resolve()


def create_home() -> Path:
    """Create `home()` unless it is there, and return it."""
    folder = home()
    if not folder.exists():
        folder.mkdir(mode=_HOME_MODE, parents=True, exist_ok=True)
        folder.chmod(_HOME_MODE)
    return folder


def socket_directory(of: Path | None = None) -> Path:
    """Return the folder of the sockets of the servers embedded in a home, ours unless named.

    A socket's path may have 107 bytes, which a checkout deep in somebody's folders exceeds, so the
    sockets live in a short one named after the home. `TMPDIR` is not asked: two shells that
    disagree about it must still find the same servers.
    """
    name = hashlib.sha256(os.fsencode(of or home())).hexdigest()[:12]
    return Path("/tmp") / f"drawdown-{name}"  # noqa: S108  Its owner and mode are checked on use.


def database_url(of: Path | None = None) -> str:
    """Return the address of the PostgreSQL embedded in a home, running or not."""
    return f"postgresql://{ROLE}@/{DATABASE}?host={socket_directory(of)}"


def broker_socket() -> Path:
    """Return the path of the embedded Valkey's socket."""
    return socket_directory() / "valkey.sock"


def broker_url() -> str:
    """Return the address of the embedded Valkey, running or not."""
    return f"redis+socket://{broker_socket()}"


def secret_key() -> str:
    """Return this checkout's own secret key, made at the first call and kept with mode 600.

    Processes that ask at the same time get the same key: whoever locks the empty file first
    writes it, the others read it.
    """
    path = create_home() / "secret_key"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        key = file.read()
        if not key:
            key = secrets.token_urlsafe(48)
            file.write(key)
            file.flush()
        return key
