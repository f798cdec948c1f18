"""The two doors of the API, as tests knock at them: Django, and the ASGI application."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django.test import Client

from billing_site.asgi import application

PATH = "/api/v1/events"


class Given(NamedTuple):
    """What a door answered."""

    status: int
    content_type: str
    replayed: str | None
    body: bytes
    location: str | None = None


type Door = Callable[..., Given]


def reference_door(secret: str) -> Door:
    """Ask Django, as the tests of the API do."""
    client = Client()

    def ask(body: bytes, path: str = PATH, method: str = "POST", **changed: str) -> Given:
        headers = headers_of(secret, changed)
        answer = client.generic(
            method,
            path,
            body,
            content_type=headers.pop("content-type"),
            headers=headers,
        )
        return Given(
            answer.status_code,
            answer.headers["Content-Type"],
            answer.headers.get("Idempotent-Replayed"),
            answer.content,
            answer.headers.get("Location"),
        )

    return ask


def asgi_door(secret: str, app: Any = application) -> Door:
    """Ask the ASGI application, which decides itself who answers."""

    def ask(body: bytes, path: str = PATH, method: str = "POST", **changed: str) -> Given:
        headers = headers_of(secret, changed)
        if body or method == "POST":
            headers["content-length"] = str(len(body))
        return asyncio.run(call(app, body, headers, path, method))

    return ask


def headers_of(secret: str, changed: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a plain request, but for what is changed."""
    plain = {
        "host": "localhost",
        "content-type": "application/json",
        "authorization": f"Bearer {secret}",
    }
    return plain | {name.replace("_", "-"): value for name, value in changed.items()}


async def call(
    app: Any, body: bytes, headers: Mapping[str, str], path: str = PATH, method: str = "POST"
) -> Given:
    """Send one request through an ASGI application, in two parts."""
    messages = [
        {"type": "http.request", "body": body[:7], "more_body": True},
        {"type": "http.request", "body": body[7:], "more_body": False},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(3600)  # The client stays until it has its answer.
        raise AssertionError("unreachable")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    found = {name.lower(): value.decode() for name, value in sent[0]["headers"]}
    return Given(
        sent[0]["status"],
        found[b"content-type"],
        found.get(b"idempotent-replayed"),
        b"".join(message.get("body", b"") for message in sent[1:]),
        found.get(b"location"),
    )
