"""Requests as they come by ASGI, and which of them are plain enough for the lane."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http.request import validate_host

type Scope_ = Mapping[str, Any]
type Message = dict[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Application = Callable[[Any, Receive, Send], Awaitable[None]]
type Headers = Mapping[bytes, bytes]

_JSON = b"application/json"
_ANY = b"*/*"
_HOSTS_MAX = 256


class Body(NamedTuple):
    """What was read of a body, and whether that is all of it."""

    content: bytes
    is_whole: bool


NOTHING = Body(b"", is_whole=True)


def headers_of(scope: Scope_) -> Headers | None:
    """Return the headers, or None when one comes twice."""
    sent = scope["headers"]
    headers = dict(sent)
    return headers if len(headers) == len(sent) else None


def is_plain(headers: Headers, scope: Scope_, *, has_body: bool) -> bool:
    """Whether nothing about the request asks for the other door's knowledge of HTTP.

    With `has_body` a body of JSON has to be there; without it none may be.
    """
    return (
        headers.get(b"accept", _ANY) in (_ANY, _JSON)
        and (_has_plain_body(headers) if has_body else _has_none(headers))
        and not scope.get("query_string")
        and b"expect" not in headers
        and _is_secure_enough(headers, scope)
        and _is_ours(headers.get(b"host", b""), tuple(settings.ALLOWED_HOSTS))
    )


def _has_plain_body(headers: Headers) -> bool:
    length = headers.get(b"content-length", b"")
    return (
        headers.get(b"content-type", b"").lower() == _JSON
        and length.isdigit()
        and int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        and b"content-encoding" not in headers
    )


def _has_none(headers: Headers) -> bool:
    return headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers


def _is_secure_enough(headers: Headers, scope: Scope_) -> bool:
    """Whether it came the way it has to: what did not is redirected by the other door."""
    if not settings.SECURE_SSL_REDIRECT or scope["scheme"] == "https":
        return True
    if settings.SECURE_PROXY_SSL_HEADER is None:
        return False
    name, secure = settings.SECURE_PROXY_SSL_HEADER
    header = name.removeprefix("HTTP_").replace("_", "-").lower().encode()
    return headers.get(header, b"").split(b",", 1)[0].strip() == secure.encode()


@lru_cache(_HOSTS_MAX)
def _is_ours(host: bytes, allowed: Sequence[str]) -> bool:
    name, _, port = host.decode("latin-1").lower().rpartition(":")
    return validate_host(name if port.isdigit() else host.decode("latin-1").lower(), allowed)


async def read(receive: Receive) -> Body:
    """Read a body of announced, bounded size."""
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return Body(bytes(content), is_whole=False)
        content += message.get("body", b"")
        if not message.get("more_body", False):
            return Body(bytes(content), is_whole=True)


def replayed(body: Body, receive: Receive) -> Receive:
    """Return a `receive` that gives the body again, and then what else comes."""
    first: list[Message] = [
        {"type": "http.request", "body": body.content, "more_body": False}
        if body.is_whole
        else {"type": "http.disconnect"}
    ]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again
