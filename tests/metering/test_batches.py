"""A set of events: each has its own answer, and none touches its neighbours."""

from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing_site import self_check
from metering import event_drafts, ingestion
from metering.event_drafts import EventDraft, InvalidDraft
from metering.models import Event
from metering.outcomes import Status
from tests.clock import NOW
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db

NEW, KNOWN, TWICE, INVALID, BLOCKED = 70, 10, 10, 5, 5


def _batch(world: VideoWorld) -> list[EventDraft | InvalidDraft]:
    """Return 100 events: new ones, 10 sent before, 10 sent twice, 5 invalid, 5 too dear."""
    known = [world.event(id=f"known-{number}") for number in range(KNOWN)]
    world.record(*known)
    new = [world.event(id=f"new-{number}") for number in range(NEW)]
    invalid = [
        event_drafts.parse({"id": f"bad-{number}", "type": "video.rendered"}, at=NOW)
        for number in range(INVALID)
    ]
    dear = [world.minutes_of("fast", "9999", id=f"dear-{n}") for n in range(BLOCKED)]
    return [*known, *new, *new[:TWICE], *invalid, *dear]


def test_each_of_a_hundred_gets_its_own_answer(video: VideoWorld) -> None:
    batch = _batch(video)
    outcomes = video.record(*batch)
    assert [outcome.status for outcome in outcomes] == (
        [Status.REPLAYED] * KNOWN
        + [Status.RECORDED] * NEW
        + [Status.REPLAYED] * TWICE
        + [Status.INVALID] * INVALID
        + [Status.BLOCKED] * BLOCKED
    )
    assert [outcome.external_id for outcome in outcomes] == [each.external_id for each in batch]
    assert video.balance() == 100 - KNOWN - NEW


def test_sent_again_it_adds_nothing(video: VideoWorld) -> None:
    batch = _batch(video)
    first = video.record(*batch)
    balance = video.balance()
    again = video.record(*batch)
    assert Counter(outcome.status for outcome in again) == {
        Status.REPLAYED: KNOWN + NEW + TWICE,
        Status.INVALID: INVALID,
        Status.BLOCKED: BLOCKED,
    }
    paid = slice(0, KNOWN + NEW + TWICE)
    assert [list(o.charges) for o in again[paid]] == [list(o.charges) for o in first[paid]]
    assert (video.balance(), Event.objects.count()) == (balance, KNOWN + NEW)
    assert self_check.differences() == []


def test_a_changed_duplicate_inside_the_batch_is_a_conflict(video: VideoWorld) -> None:
    outcomes = video.record(
        video.minutes_of("fast", "1", id="same"), video.minutes_of("fast", "2", id="same")
    )
    assert [outcome.status for outcome in outcomes] == [Status.RECORDED, Status.CONFLICT]


def test_a_duplicate_of_a_blocked_event_is_decided_anew(video: VideoWorld) -> None:
    dear = video.minutes_of("fast", "101")
    assert {outcome.status for outcome in video.record(dear, dear)} == {Status.BLOCKED}


def test_events_are_paid_in_the_order_sent() -> None:
    world = open_video_world(credit="5")
    costs = ("3", "3", "2", "1")
    outcomes = world.record(*(world.minutes_of("fast", cost) for cost in costs))
    assert [outcome.status for outcome in outcomes] == [
        Status.RECORDED, Status.BLOCKED, Status.RECORDED, Status.BLOCKED,
    ]  # fmt: skip


def test_one_batch_may_concern_many_customers(video: VideoWorld) -> None:
    others = [video.add_customer(credit="1") for _ in range(5)]
    drafts = [
        world.event(id=f"{place}-{number}")
        for place, world in enumerate([video, *others])
        for number in range(2)
    ]
    outcomes = video.record(*drafts)
    assert Counter(outcome.status for outcome in outcomes) == {
        Status.RECORDED: 7,
        Status.BLOCKED: 5,
    }


def test_nothing_valid_touches_no_table(video: VideoWorld) -> None:
    invalid = event_drafts.parse({}, at=NOW)
    with CaptureQueriesContext(connection) as queries:
        video.record(invalid)
    assert len(queries) == 0


def test_the_number_of_statements_does_not_depend_on_the_number_of_events(
    video: VideoWorld,
) -> None:
    video.record(video.event())
    counts = []
    for size in (1, 50):
        drafts = [video.event() for _ in range(size)]
        with CaptureQueriesContext(connection) as queries:
            ingestion.record_events(organization_id=video.organization.id, drafts=drafts, at=NOW)
        counts.append(len(queries))
    assert counts[0] == counts[1]
