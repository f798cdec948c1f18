"""The lane itself: from a plain request to its answer, with a set of others in between."""

import asyncio
import uuid
from collections.abc import Sequence

from django.db import connection
from django.utils import timezone

from accounts import key_cache
from accounts.models import ApiKey
from metering import tasks
from metering.coalescing import Answered, Coalescer
from metering.fast_lane import requests
from metering.fast_lane.requests import NOTHING, Application, Body, Headers, Receive, Scope_, Send
from metering.fast_lane.routes import Job, Route, route_of
from metering.fast_lane.works import Rendered

# A body of this size is parsed beside the loop, which others wait for.
_PARSED_ASIDE = 32 * 1024

type Ticket = asyncio.Future[Rendered | None]


class FastLane:
    """An ASGI application that answers what it can itself and leaves the rest to `otherwise`."""

    def __init__(self, otherwise: Application) -> None:
        self._otherwise = otherwise
        self._lookups: dict[str, asyncio.Future[ApiKey | None]] = {}
        self._writers = _coalescer()
        # Who only reads waits for nobody's commit.
        self._readers = _coalescer()

    async def __call__(self, scope: Scope_, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = route_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        headers = requests.headers_of(scope) if route is not None else None
        if (
            route is None
            or headers is None
            or not requests.is_plain(headers, scope, has_body=route[0].has_body)
        ):
            await self._otherwise(scope, receive, send)
            return
        organization_id = await self._organization_of(headers, route[0])
        if organization_id is None:
            await self._otherwise(scope, receive, send)
            return
        body = await requests.read(receive) if route[0].has_body else NOTHING
        answer = None
        if body.is_whole:
            job = await _read(route, headers, scope["path"], body)
            answer = await self._answer(organization_id, route[0], job) if job else None
        if answer is not None:
            await _send(send, answer)
        elif route[0].has_body:
            await self._otherwise(scope, requests.replayed(body, receive), send)
        else:
            await self._otherwise(scope, receive, send)

    async def _organization_of(self, headers: Headers, route: Route) -> uuid.UUID | None:
        """Return who asks, or None when the other door has to look at the key."""
        scheme, _, secret = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        secret = secret.strip()
        key = key_cache.known(secret)
        if key is None:
            try:
                key = await self._looked_up(secret)
            except Exception:  # noqa: BLE001  The other door meets it again, answers and logs it.
                return None
        return key.organization_id if key is not None and key.allows(route.scope) else None

    async def _looked_up(self, secret: str) -> ApiKey | None:
        lookup = self._lookups.get(secret)
        if lookup is None:
            # One question for all who come with this key meanwhile, so that they keep their order.
            lookup = self._lookups[secret] = asyncio.ensure_future(self._look_up(secret))
        return await lookup

    async def _look_up(self, secret: str) -> ApiKey | None:
        try:
            return await asyncio.get_running_loop().run_in_executor(None, _find_key, secret)
        finally:
            del self._lookups[secret]

    async def _answer(self, organization_id: uuid.UUID, route: Route, job: Job) -> Rendered | None:
        ticket: Ticket = asyncio.get_running_loop().create_future()
        coalescer = self._writers if route.waits_for_writers else self._readers
        coalescer.submit(
            organization_id=organization_id,
            work=job.work,
            asked=job.asked,
            ticket=ticket,
            weight=job.weight,
            alone_in=job.alone_in,
        )
        try:
            return await ticket
        except Exception:  # noqa: BLE001  The other door meets it again, answers and logs it.
            return None


async def _read(route: tuple[Route, str], headers: Headers, path: str, body: Body) -> Job | None:
    read, content = route[0].read, body.content
    if len(content) <= _PARSED_ASIDE:
        return read(headers, path, route[1], content)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, read, headers, path, route[1], content)


def _coalescer() -> Coalescer[Ticket, Rendered | None]:
    return Coalescer(clock=timezone.now, deliver=_deliver)


def _find_key(secret: str) -> ApiKey | None:
    try:
        return key_cache.find(secret)
    finally:
        connection.close()


def _deliver(answers: Sequence[Answered[Ticket, Rendered | None]]) -> None:
    """Wake those who wait, by one call into the loop for all of them."""
    answers[0].ticket.get_loop().call_soon_threadsafe(_settle, answers)
    if any(each.done is not None and each.done.firings for each in answers):
        tasks.wake_delivery()


def _settle(answers: Sequence[Answered[Ticket, Rendered | None]]) -> None:
    for each in answers:
        if each.ticket.done():
            continue  # Whoever asked has left.
        if each.error is not None:
            each.ticket.set_exception(each.error)
        else:
            each.ticket.set_result(each.done)


async def _send(send: Send, answer: Rendered) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.content)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *((name.lower().encode(), value.encode()) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})
