"""Slots and what is newer than them add up to the events, whenever they are read."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering import corrections, usage_days, usage_folding
from metering.event_drafts import EventDraft
from metering.models import Event, RatedEvent, UsageFold, UsageSlot
from tests.clock import DAY, NOW
from tests.worlds import VideoWorld, open_video_world

BOUNDS = [NOW.replace(hour=0, minute=0) + back * DAY for back in range(-7, 2)]


def from_slots(world: VideoWorld) -> usage_days.Spend:
    return usage_days.spend_between(world.customer, BOUNDS)


def from_events(world: VideoWorld) -> usage_days.Spend:
    """Add up the rated events that stand, one by one."""
    spend: usage_days.Spend = {}
    standing = Event.objects.standing().filter(customer=world.customer)
    occurred = dict(standing.values_list("key", "occurred_at"))
    rated = RatedEvent.objects.filter(event_key__in=occurred).select_related("price")
    for row in rated:
        [place] = [
            place
            for place, start in enumerate(BOUNDS[:-1])
            if start <= occurred[row.event_key] < BOUNDS[place + 1]
        ]
        key = (row.price.asset_id, place)
        spend[key] = spend.get(key, Decimal(0)) + row.amount
    return spend


class TestFolding:
    def test_every_event_is_added_once(self, video: VideoWorld) -> None:
        video.record(video.minutes_of("fast", "2"), video.minutes_of("fast", "3"))
        assert usage_folding.fold() == 1
        assert usage_folding.fold() == 0
        video.record(video.minutes_of("fast", "4"))
        assert usage_folding.fold() == 1
        [slot] = UsageSlot.objects.values_list("amount", "charges")
        assert slot == (Decimal(9), 3)

    def test_slots_are_half_hours_of_one_customer(self, video: VideoWorld) -> None:
        other = video.add_customer()
        times = ("2025-03-09T11:29:59Z", "2025-03-09T11:30:00Z", "2025-03-09T11:59:59Z")
        video.record(*(video.event(timestamp=at) for at in times), other.event(id="other"))
        usage_folding.fold()
        mine = UsageSlot.objects.filter(customer=video.customer).order_by("starts_at")
        assert [(f"{slot.starts_at:%H:%M}", slot.charges) for slot in mine] == [
            ("11:00", 1),
            ("11:30", 2),
        ]
        assert UsageSlot.objects.count() == 3

    def test_a_long_way_is_gone_in_steps(
        self, video: VideoWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(usage_folding, "POSITIONS_PER_TRANSACTION", 2)
        video.record(*(video.event() for _ in range(7)))
        assert usage_folding.fold() == 4
        assert from_slots(video) == from_events(video)

    def test_an_organization_begins_with_its_own_events(self, video: VideoWorld) -> None:
        video.record(*(video.event() for _ in range(3)))
        usage_folding.fold()
        with connection.cursor() as cursor:
            cursor.execute("SELECT last_value FROM metering_event_position")
            [position] = cursor.fetchone()
        open_video_world()
        usage_folding.fold()
        assert set(UsageFold.objects.values_list("position", flat=True)) == {position}

    def test_slots_are_made_again_from_the_events(self, video: VideoWorld) -> None:
        video.record(video.minutes_of("fast", "2"))
        usage_folding.fold()
        UsageSlot.objects.update(amount=7)
        usage_folding.restart(video.organization.id)
        assert from_slots(video) == from_events(video)
        assert usage_folding.fold() == 1
        assert from_slots(video) == from_events(video)
        assert UsageSlot.objects.values_list("amount", flat=True).get() == 2


class TestReading:
    def test_slots_are_what_is_read(self, video: VideoWorld) -> None:
        video.record(video.event())
        usage_folding.fold()
        UsageSlot.objects.update(amount=7)
        assert set(from_slots(video).values()) == {Decimal(7)}

    def test_a_day_that_begins_within_a_slot_is_read_from_events(self, video: VideoWorld) -> None:
        video.record(video.event())
        usage_folding.fold()
        UsageSlot.objects.update(amount=7)
        quarter = [bound + dt.timedelta(minutes=15) for bound in BOUNDS]
        assert set(usage_days.spend_between(video.customer, quarter).values()) == {Decimal(1)}

    def test_what_was_folded_while_we_looked_counts_once(
        self, video: VideoWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        video.record(video.event())
        usage_folding.fold()
        video.record(video.event())
        looked = usage_days._folded

        def fold_after_looking(customer: Any) -> int:
            position = looked(customer)
            usage_folding.fold()
            return position

        monkeypatch.setattr(usage_days, "_folded", fold_after_looking)
        assert from_slots(video) == from_events(video)

    def test_an_event_voided_after_or_before_it_is_folded_does_not_count(
        self, video: VideoWorld
    ) -> None:
        kept, early, late = (video.minutes_of("fast", str(each)) for each in (1, 2, 4))
        video.record(kept, early, late)
        void(video, early)
        assert from_slots(video) == from_events(video)
        usage_folding.fold()
        assert from_slots(video) == from_events(video)
        void(video, late)
        assert set(from_slots(video).values()) == {Decimal(1)}


def void(world: VideoWorld, draft: EventDraft) -> None:
    corrections.void_event(organization_id=world.organization.id, key=draft.key, reason="", at=NOW)


WORK = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.integers(1, 5), st.integers(0, 6 * 48)),
        st.tuples(st.just("void"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("fold"), st.just(0), st.just(0)),
        st.tuples(st.just("die"), st.just(0), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=12,
)


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(work=WORK)
def test_slots_and_the_rest_are_the_events_after_any_work(work: list[tuple[str, int, int]]) -> None:
    """Late events come too; a worker that dies half-way has added nothing."""
    with transaction.atomic():
        world = open_video_world(credit="100000")
        recorded: list[EventDraft] = []
        for verb, number, slots in work:
            _do(world, recorded, verb, number, slots)
            assert from_slots(world) == from_events(world)
        transaction.set_rollback(True)


def _do(world: VideoWorld, recorded: list[EventDraft], verb: str, number: int, slots: int) -> None:
    match verb:
        case "record":
            occurred = (NOW - slots * dt.timedelta(minutes=29)).isoformat()
            recorded.append(world.minutes_of("fast", str(number), timestamp=occurred))
            world.record(recorded[-1])
        case "void" if recorded:
            void(world, recorded[number % len(recorded)])
        case "fold":
            usage_folding.fold()
        case "die":
            with suppress(Killed), _killed_after_adding():
                usage_folding.fold()
        case "restart":
            usage_folding.restart(world.organization.id)


class Killed(Exception):
    """What happens to a worker that is killed."""


@contextmanager
def _killed_after_adding() -> Iterator[None]:
    """Kill the worker between the slots it has written and the note of how far it is."""
    add = usage_folding._add

    def add_and_die(*args: Any, **kwargs: Any) -> int:
        add(*args, **kwargs)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usage_folding, "_add", add_and_die)
        yield


def test_the_command_makes_the_slots_of_an_organization_again(video: VideoWorld) -> None:
    video.record(video.event())
    usage_folding.fold()
    UsageSlot.objects.update(amount=7)
    call_command("rebuild_usage", organization=video.organization.slug, stdout=StringIO())
    assert UsageSlot.objects.values_list("amount", flat=True).get() == 1


def test_the_command_knows_its_organizations(db: None) -> None:
    with pytest.raises(CommandError, match="no organization 'nowhere'"):
        call_command("rebuild_usage", organization="nowhere")
