"""Two doors, one domain: the fast lane answers byte for byte as the reference door does."""

import asyncio
import datetime as dt
import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from django.utils import timezone

from accounts import api_keys, key_cache
from accounts.models import Scope
from billing_site import self_check
from billing_site.asgi import application
from metering import coalescing, fast_lane, ingestion
from metering.fast_lane import works
from metering.fast_lane.works import Rendered
from metering.models import DeadLetter, Event
from tests.api.bodies import fast_minutes
from tests.api.doors import Given, asgi_door, call, headers_of, reference_door
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)


def one(**changed: Any) -> bytes:
    """An event of one fast minute of customer-1's."""
    event = {
        "id": "e1",
        "type": "video.rendered",
        "customer": "customer-1",
        "properties": {"minutes": "1", "speed": "fast"},
    }
    return json.dumps({**event, **changed}).encode()


def batch(*events: bytes) -> bytes:
    """Several events in one body."""
    return b'{"events": [' + b", ".join(events) + b"]}"


SENT: Sequence[tuple[bytes, dict[str, str]]] = [
    (one(), {}),
    (one(), {}),
    (one(properties={"minutes": "2", "speed": "fast"}), {}),
    (one(id="e2", properties={"minutes": 1.25, "speed": "standard"}), {}),
    (one(id="e3", properties={"minutes": "1000", "speed": "fast"}), {}),
    (one(id="e4", properties={"minutes": "1", "speed": "none"}), {}),
    (one(id="e5", customer="nobody"), {}),
    (one(id="e6", source="eu", timestamp="2025-03-01T00:00:00Z"), {}),
    (one(id="", type=3, more=True), {}),
    (batch(one(), one(id="b1"), one(id="b1"), one(id=""), one(id="b2", customer="nobody")), {}),
    (batch(*(one(id=f"m{number}") for number in range(300))), {}),
    (batch(), {}),
    (b'{"events": [], "more": 1}', {}),
    (b'{"events": 3}', {}),
    (b"[1]", {}),
    (b"{", {}),
    (b'{"id": "e7", "id": "e8"}', {}),
    (b'{"id": NaN}', {}),
    (b"\xff", {}),
    (b"", {}),
    (one(id="h1"), {"content_type": "text/plain"}),
    (one(id="h2"), {"content_type": "application/json; charset=utf-8"}),
    (one(id="h3"), {"accept": "text/html"}),
    (one(id="h4"), {"authorization": "Bearer dd_live_unknown"}),
    (one(id="h5"), {"authorization": "Basic abc"}),
    (one(id="h6"), {"authorization": "bearer"}),
]


def test_both_doors_answer_the_same_byte_for_byte() -> None:
    answers = []
    for door in (reference_door, asgi_door):
        world = open_video_world(external_id="customer-1")
        _, secret = api_keys.issue(
            organization=world.organization, name="k", scopes=[Scope.EVENTS_WRITE]
        )
        ask = door(secret)
        answers.append([ask(body, **headers) for body, headers in SENT])
    for (body, headers), reference, fast in zip(SENT, *answers, strict=True):
        assert fast == reference, (body[:100], headers)
    assert [answer.status for answer in answers[0][:5]] == [201, 200, 409, 201, 402]
    assert self_check.differences() == []


@pytest.fixture
def shop() -> VideoWorld:
    """A company whose customer has 100 USD."""
    return open_video_world()


def key_of(world: VideoWorld, *scopes: Scope) -> tuple[Any, str]:
    """Issue a key of the company."""
    return api_keys.issue(organization=world.organization, name="k", scopes=scopes)


def test_what_comes_at_once_is_recorded_together_and_answered_apart(
    shop: VideoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets: list[int] = []
    record_events = ingestion.record_events

    def counted(**asked: Any) -> ingestion.Recorded:
        sets.append(len(asked["drafts"]))
        return record_events(**asked)

    monkeypatch.setattr(ingestion, "record_events", counted)
    _, secret = key_of(shop, Scope.EVENTS_WRITE)
    bodies = [json.dumps(fast_minutes(shop, id=f"e{n}")).encode() for n in range(60)]
    bodies += bodies[:20] + [json.dumps(fast_minutes(shop, "1000", id="dear")).encode()] * 5

    async def everybody() -> list[Given]:
        headers = headers_of(secret, {})
        return await asyncio.gather(
            *(
                call(application, body, {**headers, "content-length": str(len(body))})
                for body in bodies
            )
        )

    answers = asyncio.run(everybody())
    assert [answer.status for answer in answers[:60]] == [201] * 60
    assert [answer.status for answer in answers[60:]] == [200] * 20 + [402] * 5
    assert [answer.body for answer in answers[60:80]] == [
        body.replace(b'"recorded","code":201', b'"replayed","code":200')
        for body in (answer.body for answer in answers[:20])
    ]
    assert len(sets) < 20
    assert sum(sets) == len(bodies)
    assert shop.balance(at=timezone.now()) == 40
    assert self_check.differences() == []


def test_a_set_that_fails_is_recorded_request_by_request(
    shop: VideoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_events = ingestion.record_events

    def poisoned(**asked: Any) -> ingestion.Recorded:
        if any(draft.external_id == "poison" for draft in asked["drafts"]):
            raise ArithmeticError("poison")
        return record_events(**asked)

    monkeypatch.setattr(ingestion, "record_events", poisoned)
    answered: list[coalescing.Answered[str, Rendered]] = []
    at_work, all_are_there, done = (threading.Event() for _ in range(3))

    def clock() -> dt.datetime:
        at_work.set()
        assert all_are_there.wait(10)
        return timezone.now()

    def deliver(answers: Sequence[coalescing.Answered[str, Rendered]]) -> None:
        answered.extend(answers)
        if len(answered) == 1:
            raise RuntimeError("whoever asked is gone")
        done.set()

    coalescer = coalescing.Coalescer[str, Rendered](clock=clock, deliver=deliver)
    for name in ("first", "a", "poison", "b"):
        coalescer.submit(
            organization_id=shop.organization.id,
            work=works.record,
            asked=works.Sent([shop.event(id=name)], is_batch=False),
            ticket=name,
        )
        assert at_work.wait(10)
    all_are_there.set()
    assert done.wait(10)
    assert [each.ticket for each in answered] == ["first", "a", "poison", "b"]
    assert [each.done is not None for each in answered] == [True, True, False, True]
    assert isinstance(answered[2].error, ArithmeticError)
    assert set(Event.objects.values_list("external_id", flat=True)) == {"first", "a", "b"}


def test_what_the_lane_fails_at_is_tried_by_the_other_door(
    shop: VideoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = key_of(shop, Scope.EVENTS_WRITE)
    record_events = ingestion.record_events
    failures = iter([ArithmeticError("once")])

    def fails_once(**asked: Any) -> ingestion.Recorded:
        for failure in failures:
            raise failure
        return record_events(**asked)

    monkeypatch.setattr(ingestion, "record_events", fails_once)
    answer = asgi_door(secret)(json.dumps(fast_minutes(shop)).encode())
    assert (answer.status, json.loads(answer.body)["status"]) == (201, "recorded")
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("forwarded", "by_lane"), [("https", True), ("https, http", True), ("http", False), ("", False)]
)
def test_the_lane_takes_only_what_came_by_https_where_it_has_to(
    shop: VideoWorld, settings: Any, *, forwarded: str, by_lane: bool
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    _, secret = key_of(shop, Scope.EVENTS_WRITE)
    headers = {"x-forwarded-proto": forwarded, **headers_of(secret, {})}
    handed_on: list[Any] = []

    async def otherwise(scope: Any, receive: Any, send: Any) -> None:
        handed_on.append(scope)
        await send(
            {"type": "http.response.start", "status": 301, "headers": [(b"content-type", b"-")]}
        )
        await send({"type": "http.response.body", "body": b""})

    body = json.dumps(fast_minutes(shop)).encode()
    lane = fast_lane.FastLane(otherwise)
    answer = asyncio.run(call(lane, body, {**headers, "content-length": str(len(body))}))
    assert (answer.status, len(handed_on)) == ((201, 0) if by_lane else (301, 1))


def test_a_revoked_key_is_refused_within_five_seconds(
    shop: VideoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key_cache.KEY_SECONDS <= 5
    key, secret = key_of(shop, Scope.EVENTS_WRITE)
    ask = asgi_door(secret)
    assert ask(json.dumps(fast_minutes(shop)).encode()).status == 201
    api_keys.revoke(key, at=timezone.now())
    monkeypatch.setattr(key_cache, "KEY_SECONDS", 0.0)  # As if that time had passed.
    assert ask(json.dumps(fast_minutes(shop, id="later")).encode()).status == 401
    assert Event.objects.count() == 1


def test_a_key_that_may_only_read_records_nothing(shop: VideoWorld) -> None:
    _, secret = key_of(shop, Scope.READ)
    assert asgi_door(secret)(json.dumps(fast_minutes(shop)).encode()).status == 403
    assert (Event.objects.count(), DeadLetter.objects.count()) == (0, 0)
