"""The running ASGI application in this process: its loop in a thread, and callers in others.

What several threads ask at the same moment meets in the fast lane as it does under a web server.
"""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from billing_site.asgi import application

_SECONDS = 60


class Answered(NamedTuple):
    """A status and the JSON that came with it."""

    status: int
    json: Any
    content: bytes


class Lane:
    """The application, asked by one key; any thread may ask."""

    def __init__(self, loop: asyncio.AbstractEventLoop, secret: str) -> None:
        self._loop = loop
        self._secret = secret

    def post(
        self, path: str, body: object, *, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """Send JSON to a path below the API's root, and wait for the answer."""
        asked = _ask(path, json.dumps(body).encode(), self._secret, headers or {})
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result(_SECONDS)


@contextmanager
def running_lane(secret: str) -> Iterator[Lane]:
    """Run the application's loop for the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="lane", daemon=True)
    thread.start()
    try:
        yield Lane(loop, secret)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_SECONDS)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _ask(path: str, body: bytes, secret: str, headers: Mapping[str, str]) -> Answered:
    sent: list[dict[str, Any]] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.sleep(3600)  # The client stays until it has its answer.
        raise AssertionError("unreachable")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(_scope(path, body, secret, headers), receive, send)
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return Answered(sent[0]["status"], json.loads(content or b"null"), content)


def _scope(path: str, body: bytes, secret: str, headers: Mapping[str, str]) -> dict[str, Any]:
    full = f"/api/v1/{path}"
    named = {
        "host": "localhost",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "authorization": f"Bearer {secret}",
        **{name.lower(): value for name, value in headers.items()},
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": full,
        "raw_path": full.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
