"""A web server of the product, or of what it is compared with, beside the benchmark."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


@contextmanager
def running(
    *,
    workers: int,
    application: str = "billing_site.asgi:application",
    interface: str = "asginl",
    variables: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[int]:
    """Run a server for the block, with these variables in its environment; gives its port.

    `options` are more of granian's.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "--interface", interface, "--no-ws"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)),
            *options,
            application,
        ],
        env={**os.environ, "LOG_LEVEL": "WARNING", **(variables or {})},
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
