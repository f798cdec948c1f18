"""Bodies of unknown length: measured before the application sees them.

A client that streams sends no Content-Length, and Django takes a body without one for empty. A
server that can tell where such a body ends says so with `wsgi.input_terminated`.
"""

import io
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

type Environment = dict[str, Any]
type StartResponse = Callable[..., Any]
type Application = Callable[[Environment, StartResponse], Iterable[bytes]]
type Receive = Callable[[], Awaitable[Any]]
type Send = Callable[[Any], Awaitable[None]]
type Asynchronous = Callable[[Any, Receive, Send], Awaitable[None]]


def measured(application: Application, *, most: int) -> Application:
    """Return `application` behind a door that measures bodies.

    At most one byte more than `most` is read, which is enough for the application to see that the
    body is too large.
    """

    def measure(environment: Environment, start_response: StartResponse) -> Iterable[bytes]:
        is_unknown = "HTTP_TRANSFER_ENCODING" in environment
        if is_unknown and environment.get("wsgi.input_terminated"):
            body = environment["wsgi.input"].read(most + 1)
            environment["wsgi.input"] = io.BytesIO(body)
            environment["CONTENT_LENGTH"] = str(len(body))
        return application(environment, start_response)

    return measure


def measured_stream(application: Asynchronous, *, most: int) -> Asynchronous:
    """Return an ASGI `application` behind the same door.

    Django would write a body of any size to disk before a view could refuse it, so here as well
    at most one byte more than `most` is let through.
    """

    async def measure(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await application(scope, receive, send)
            return
        body = bytearray()
        while len(body) <= most:
            message = await receive()
            if message["type"] != "http.request":
                # The client has left, or what it sends has no end: nobody may ever read this.
                await _refuse(send)
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        del body[most + 1 :]
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        measured_scope = {
            **scope,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
        await application(measured_scope, _given(bytes(body), receive), send)

    return measure


_BROKEN_OFF = {
    "type": "/problems/bad_request",
    "title": "Bad request",
    "status": 400,
    "detail": "The body ended before it was complete.",
    "errors": [],
}


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/problem+json")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(_BROKEN_OFF).encode()})


def _has_body(scope: Any) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def _given(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives this body, and then what else comes than the rest of it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Any:
        if messages:
            return messages.pop()
        while (message := await receive())["type"] == "http.request":
            pass
        return message

    return give
