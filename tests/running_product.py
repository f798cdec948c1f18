"""The whole product as a person starts it: `manage.py demo`, its processes and its address."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from billing_site import embedded

_STARTED = re.compile(r"^Started in ([0-9.]+) s\.$", re.MULTILINE)
_SITE = re.compile(r"http://localhost:[0-9]+")
# How each part looks in the list of processes. Forked workers look like whoever forked them.
PARTS = {
    "web": "granian",
    "worker": "billing_site.celery worker",
    "beat": "billing_site.celery beat",
    "postgres": "bin/postgres",
    "valkey": "valkey-server",
}


class RunningProduct:
    """One run of the demo in a home of its own.

    `site` is the address it printed and `facts` what the seeding wrote down: a key, logins,
    addresses, a sample event.
    """

    def __init__(
        self, home: Path, *options: str, variables: Mapping[str, str] | None = None
    ) -> None:
        self.home = home.resolve()
        self._log = home.parent / f"{home.name}.log"
        self._arguments = (sys.executable, "manage.py", "demo", *options)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "BROKER_URL"}
        }
        self.environment = {**inherited, "DRAWDOWN_HOME": str(home), **(variables or {})}

    def start(self, *, seconds: float = 120) -> float:
        """Start it and return after how many seconds it said that it is ready."""
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._arguments,
                cwd=embedded.CHECKOUT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        deadline = time.monotonic() + seconds
        while not (started := _STARTED.search(self.output())):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"The demo did not start:\n{self.output()}")
            time.sleep(0.1)
        self.site = _SITE.findall(self.output())[0]
        self.facts: dict[str, Any] = json.loads((self.home / "demo.json").read_text())
        return float(started[1])

    def output(self) -> str:
        """Return everything it printed."""
        return self._log.read_text(errors="replace")

    def stop(self, *, seconds: float = 60) -> int:
        """Stop it as Ctrl-C does and return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Kill the supervisor and nothing else, without any warning."""
        self.process.kill()
        self.process.wait()

    def remove(self) -> None:
        """Remove its files, wherever they had to be put."""
        data = (self.home / "postgres").resolve()
        for folder in (data, self.home, embedded.socket_directory(self.home)):
            shutil.rmtree(folder, ignore_errors=True)

    def run_again(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a management command in the same home."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=embedded.CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def request(
        self, method: str, path: str, body: Any = None, *, seconds: float = 10
    ) -> tuple[int, Any]:
        """Ask the API with the printed key and return the status and the answer."""
        request = urllib.request.Request(
            f"{self.site}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.facts['api_key']}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return answer.status, _parsed(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _parsed(error.read())

    def processes(self, part: str | None = None) -> list[int]:
        """Return who works for this home, orphans included: everybody, or one part's."""
        wanted = PARTS[part] if part else ""
        return sorted(
            int(entry.name)
            for entry in Path("/proc").glob("[0-9]*")
            if wanted in _command_line(entry) and self._belongs(entry)
        )

    def processes_left(self, *, seconds: float = 90) -> list[int]:
        """Return who is still there after this time, as soon as nobody is."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def _belongs(self, entry: Path) -> bool:
        # The servers write their state over the variables they were started with.
        theirs = (self.home / "postgres").resolve(), embedded.socket_directory(self.home)
        try:
            variables = (entry / "environ").read_bytes()
            working_in = (entry / "cwd").readlink()
        except OSError:
            return False  # It ended meanwhile, or is another user's.
        return f"DRAWDOWN_HOME={self.home}\0".encode() in variables or working_in in theirs


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def _command_line(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
