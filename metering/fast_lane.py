"""The fast lane: `POST events` answered by a bare ASGI callable, without Django's request cycle.

It takes what most requests are: JSON of a bounded size under a key that may write events. Whatever
it does not want to decide - other content types, refused keys, malformed bodies, errors - it hands
to the reference door unchanged, body included. Both doors parse, record and render by the same
functions, so an answer is the same whichever gave it.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.http.request import validate_host
from django.utils import timezone

from accounts import api_keys, exact_json
from accounts.models import Scope
from accounts.renderers import ExactJSONRenderer
from metering import event_drafts, tasks
from metering.api import events as door
from metering.coalescing import Answered, Coalescer
from metering.event_drafts import EventDraft, InvalidDraft
from metering.ingestion import Recorded

type Scope_ = Mapping[str, Any]
type Message = dict[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Application = Callable[[Any, Receive, Send], Awaitable[None]]
type Drafts = Sequence[EventDraft | InvalidDraft]

PATH = "/api/v1/events"
KEY_SECONDS = 5.0
"""For how long a key is taken for valid after the database has said so."""

_KEYS_MAX = 10_000
# A body of this size is parsed beside the loop, which others wait for.
_PARSED_ASIDE = 32 * 1024
_JSON = b"application/json"
_renderer = ExactJSONRenderer()


class _Body(NamedTuple):
    """What was read of a body, and whether that is all of it."""

    content: bytes
    is_whole: bool


class FastLane:
    """An ASGI application that answers events itself and leaves the rest to `otherwise`."""

    def __init__(self, otherwise: Application) -> None:
        self._otherwise = otherwise
        self._keys: dict[str, tuple[float, uuid.UUID]] = {}
        self._lookups: dict[str, asyncio.Future[uuid.UUID | None]] = {}
        self._coalescer: Coalescer[asyncio.Future[Recorded]] = Coalescer(
            clock=timezone.now, deliver=_deliver
        )

    async def __call__(self, scope: Scope_, receive: Receive, send: Send) -> None:
        """Answer one request."""
        organization_id = await self._organization_of(scope)
        if organization_id is None:
            await self._otherwise(scope, receive, send)
            return
        body = await _read(receive)
        answer = await self._answer(organization_id, body) if body.is_whole else None
        if answer is None:
            await self._otherwise(scope, _replayed(body, receive), send)
        else:
            await _send(send, answer)

    async def _organization_of(self, scope: Scope_) -> uuid.UUID | None:
        """Return who sends the events, or None when the other door has to look at the request."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            return None
        headers = _headers(scope)
        if headers is None or not _is_plain(headers, scope):
            return None
        scheme, _, secret = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        secret = secret.strip()
        checked_at, organization_id = self._keys.get(secret, (0.0, None))
        if organization_id is not None and time.monotonic() - checked_at < KEY_SECONDS:
            return organization_id
        lookup = self._lookups.get(secret)
        if lookup is None:
            # One question for all who come with this key meanwhile, so that they keep their order.
            lookup = self._lookups[secret] = asyncio.ensure_future(self._look_up(secret))
        try:
            return await lookup
        except Exception:  # noqa: BLE001  The other door meets it again, answers and logs it.
            return None

    async def _look_up(self, secret: str) -> uuid.UUID | None:
        loop = asyncio.get_running_loop()
        checked_at = time.monotonic()
        try:
            organization_id = await loop.run_in_executor(None, _organization_of_key, secret)
        finally:
            del self._lookups[secret]
        if organization_id is None:
            self._keys.pop(secret, None)
            return None
        if len(self._keys) >= _KEYS_MAX:
            self._keys.clear()
        self._keys[secret] = checked_at, organization_id
        return organization_id

    async def _answer(self, organization_id: uuid.UUID, body: _Body) -> door.Answer | None:
        loop = asyncio.get_running_loop()
        if len(body.content) > _PARSED_ASIDE:
            parsed = await loop.run_in_executor(None, _parse, body.content)
        else:
            parsed = _parse(body.content)
        if parsed is None:
            return None
        drafts, is_batch = parsed
        ticket: asyncio.Future[Recorded] = loop.create_future()
        self._coalescer.submit(organization_id=organization_id, drafts=drafts, ticket=ticket)
        try:
            recorded = await ticket
        except Exception:  # noqa: BLE001  The other door meets it again, answers and logs it.
            return None
        return (
            door.answer_batch(recorded.outcomes)
            if is_batch
            else door.answer_one(*recorded.outcomes)
        )


def _organization_of_key(secret: str) -> uuid.UUID | None:
    try:
        key = api_keys.find_live(secret)
    finally:
        connection.close()
    return key.organization_id if key is not None and key.allows(Scope.EVENTS_WRITE) else None


def _headers(scope: Scope_) -> dict[bytes, bytes] | None:
    """Return the headers, or None when one that decides anything comes twice."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers:
            return None
        headers[name] = value
    return headers


def _is_plain(headers: Mapping[bytes, bytes], scope: Scope_) -> bool:
    """Whether nothing about the request asks for the other door's knowledge of HTTP."""
    accept = headers.get(b"accept", b"*/*")
    length = headers.get(b"content-length", b"")
    return (
        headers.get(b"content-type", b"").lower() == _JSON
        and accept in (b"*/*", _JSON)
        and length.isdigit()
        and int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        and not scope.get("query_string")
        and b"content-encoding" not in headers
        and b"expect" not in headers
        and _is_secure_enough(headers, scope)
        and validate_host(_host(headers), settings.ALLOWED_HOSTS)
    )


def _is_secure_enough(headers: Mapping[bytes, bytes], scope: Scope_) -> bool:
    """Whether it came the way it has to: what did not is redirected by the other door."""
    if not settings.SECURE_SSL_REDIRECT or scope["scheme"] == "https":
        return True
    if settings.SECURE_PROXY_SSL_HEADER is None:
        return False
    name, secure = settings.SECURE_PROXY_SSL_HEADER
    header = name.removeprefix("HTTP_").replace("_", "-").lower().encode()
    return headers.get(header, b"").split(b",", 1)[0].strip() == secure.encode()


def _host(headers: Mapping[bytes, bytes]) -> str:
    name, _, port = headers.get(b"host", b"").decode("latin-1").lower().rpartition(":")
    return name if port.isdigit() else headers.get(b"host", b"").decode("latin-1").lower()


async def _read(receive: Receive) -> _Body:
    """Read a body of announced, bounded size."""
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return _Body(bytes(content), is_whole=False)
        content += message.get("body", b"")
        if not message.get("more_body", False):
            return _Body(bytes(content), is_whole=True)


def _replayed(body: _Body, receive: Receive) -> Receive:
    """Return a `receive` that gives the body again, and then what else comes."""
    first: list[Message] = [
        {"type": "http.request", "body": body.content, "more_body": False}
        if body.is_whole
        else {"type": "http.disconnect"}
    ]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again


def _parse(body: bytes) -> tuple[Drafts, bool] | None:
    """Return the events of a body and whether it is a batch; None for what is neither."""
    try:
        sent = exact_json.decode(body)
    except exact_json.JSONInvalid:
        return None
    now = timezone.now()
    if not isinstance(sent, dict):
        return None
    if "events" not in sent:
        return [event_drafts.parse(sent, at=now)], False
    raws = sent["events"]
    if len(sent) != 1 or not isinstance(raws, list):
        return None
    if not 1 <= len(raws) <= settings.EVENTS_PER_REQUEST_MAX:
        return None
    return [event_drafts.parse(raw, at=now) for raw in raws], True


def _deliver(answers: Sequence[Answered[asyncio.Future[Recorded]]]) -> None:
    """Wake those who wait, by one call into the loop for all of them."""
    answers[0].ticket.get_loop().call_soon_threadsafe(_settle, answers)
    if any(each.recorded is not None and each.recorded.firings for each in answers):
        tasks.wake_delivery()


def _settle(answers: Sequence[Answered[asyncio.Future[Recorded]]]) -> None:
    for each in answers:
        if each.ticket.done():
            continue  # Whoever asked has left.
        if each.recorded is not None:
            each.ticket.set_result(each.recorded)
        elif each.error is not None:
            each.ticket.set_exception(each.error)


async def _send(send: Send, answer: door.Answer) -> None:
    body = _renderer.render(answer.payload)
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *((name.lower().encode(), value.encode()) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
