"""What the lane takes: an address each, the scope it needs, and what is made of its body.

A reader returns what is to be done, or None for what the other door should look at.
"""

import re
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone

from accounts import exact_json, idempotency
from accounts.models import Scope
from metering import event_drafts
from metering.coalescing import Work
from metering.fast_lane import works
from metering.fast_lane.requests import Headers
from metering.fast_lane.works import Asked, Once, Rendered, Sent

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY = idempotency.HEADER.lower().encode()


class Job(NamedTuple):
    """What is to be done; see `coalescing.Coalescer.submit`."""

    work: Work[Any, Rendered | None]
    asked: Any
    weight: int = 1
    alone_in: Collection[str] = ()


type Read = Callable[[Headers, str, str, bytes], Job | None]
"""Takes the headers, the path, what its pattern has found, and the body."""


class Route(NamedTuple):
    """One kind of request."""

    scope: Scope
    read: Read
    has_body: bool = True
    waits_for_writers: bool = True


def _read_events(headers: Headers, path: str, name: str, content: bytes) -> Job | None:
    try:
        sent = exact_json.decode(content)
    except exact_json.JSONInvalid:
        return None
    if not isinstance(sent, dict):
        return None
    now = timezone.now()
    if "events" not in sent:
        return Job(works.record, Sent([event_drafts.parse(sent, at=now)], is_batch=False))
    raws = sent["events"]
    if len(sent) != 1 or not isinstance(raws, list):
        return None
    if not 1 <= len(raws) <= settings.EVENTS_PER_REQUEST_MAX:
        return None
    drafts = [event_drafts.parse(raw, at=now) for raw in raws]
    return Job(works.record, Sent(drafts, is_batch=True), len(drafts))


def _read_work(headers: Headers, path: str, name: str, content: bytes) -> Job | None:
    return _job(works.authorize, headers, path, None, content, counted="items")


def _read_capture(headers: Headers, path: str, name: str, content: bytes) -> Job | None:
    return _job(works.capture, headers, path, uuid.UUID(name), content, counted="events")


def _read_extension(headers: Headers, path: str, name: str, content: bytes) -> Job | None:
    return _job(works.extend, headers, path, uuid.UUID(name), content, counted="items")


def _read_release(headers: Headers, path: str, name: str, content: bytes) -> Job | None:
    return _job(works.release, headers, path, uuid.UUID(name), content, counted="")


def _job(
    work: Work[Asked, Rendered | None],
    headers: Headers,
    path: str,
    authorization_id: uuid.UUID | None,
    content: bytes,
    *,
    counted: str,
) -> Job | None:
    key = headers[_KEY].decode("latin-1") if _KEY in headers else None
    if key is not None and not idempotency.is_key(key):
        return None
    data: Any = None
    if counted:
        try:
            data = exact_json.decode(content)
        except exact_json.JSONInvalid:
            return None
    listed = data.get(counted) if isinstance(data, Mapping) else None
    once, alone_in = None, []
    if key is not None:
        once = Once(key, idempotency.fingerprint("POST", path, content))
        alone_in.append(f"key {key}")
    if authorization_id is not None:
        alone_in.append(f"authorization {authorization_id}")
    weight = len(listed) if isinstance(listed, list) else 1
    return Job(work, Asked(data, authorization_id, once), weight, alone_in)


def _read_balance(headers: Headers, path: str, name: str, content: bytes) -> Job | None:
    return Job(works.tell_balances, name)


_ROUTES: tuple[tuple[str, re.Pattern[str], Route], ...] = tuple(
    (method, re.compile(f"/api/v1/{pattern}"), route)
    for method, pattern, route in (
        ("POST", "authorizations()", Route(Scope.EVENTS_WRITE, _read_work)),
        (
            "POST",
            f"authorizations/({_UUID})/capture",
            Route(Scope.EVENTS_WRITE, _read_capture),
        ),
        (
            "POST",
            f"authorizations/({_UUID})/extend",
            Route(Scope.EVENTS_WRITE, _read_extension),
        ),
        (
            "POST",
            f"authorizations/({_UUID})/release",
            Route(Scope.EVENTS_WRITE, _read_release, has_body=False),
        ),
        (
            "GET",
            "customers/([A-Za-z0-9._~-]{1,200})/balance",
            Route(Scope.READ, _read_balance, has_body=False, waits_for_writers=False),
        ),
    )
)
_EVENTS = "/api/v1/events", Route(Scope.EVENTS_WRITE, _read_events)


def route_of(method: str, path: str) -> tuple[Route, str] | None:
    """Return the route of a request and what its pattern has found in the path, or None."""
    if path == _EVENTS[0]:
        return (_EVENTS[1], "") if method == "POST" else None
    for its_method, pattern, route in _ROUTES:
        if method == its_method:
            found = pattern.fullmatch(path)
            if found is not None:
                return route, found[1]
    return None
