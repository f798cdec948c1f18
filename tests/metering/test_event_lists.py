"""Lists of a customer's events: newest first, filtered, page by page."""

from decimal import Decimal

import pytest

from metering import event_lists
from metering.event_lists import EventPlace
from tests.clock import DAY, NOW
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


def test_recent_events_come_newest_first(video: VideoWorld) -> None:
    for day in (3, 1, 2):
        video.record(video.minutes_of("fast", str(day), timestamp=f"2025-03-0{day}T12:00:00Z"))
    lines = event_lists.recent_events(video.customer, limit=2)
    assert [line.occurred_at.day for line in lines] == [3, 2]
    assert lines[0].quantities == [event_lists.Quantity(meter="Video minutes", quantity=Decimal(3))]
    [charge] = lines[0].charges
    assert charge == event_lists.Charge(
        asset="USD", scale=2, amount=Decimal(3), overage=Decimal(0), balance=Decimal(97)
    )


def test_an_event_is_summed_up_in_a_line() -> None:
    properties = {
        "minutes": 3,
        "speed": "fast",
        "loud": True,
        "ratio": Decimal("0.50"),
        "tags": ["a"],
        "nothing": None,
        "prompt": "x" * 100,
        "left out": 1,
    }
    words = f"speed fast · loud yes · ratio 0.5 · prompt {'x' * 39}…"
    assert event_lists.summarize(properties, without={"minutes"}) == words


def test_a_list_goes_on_where_it_ended_though_all_are_of_one_moment(video: VideoWorld) -> None:
    video.record(*(video.event(id=f"event-{n}") for n in range(7)))
    seen: list[str] = []
    after = None
    while lines := event_lists.list_events(video.customer, limit=3, after=after):
        seen += [line.external_id for line in lines]
        after = EventPlace(lines[-1].occurred_at, lines[-1].key)
    assert sorted(seen) == [f"event-{n}" for n in range(7)]


def test_a_list_is_narrowed_by_type_and_time(video: VideoWorld) -> None:
    video.record(*(video.event(timestamp=(NOW - n * DAY).isoformat()) for n in range(4)))
    since, until = NOW - 2 * DAY, NOW
    found = event_lists.list_events(video.customer, limit=9, since=since, until=until)
    assert [line.occurred_at for line in found] == [NOW - DAY, NOW - 2 * DAY]
    assert event_lists.list_events(video.customer, limit=9, event_type="other") == []
    [kind] = event_lists.event_types(video.customer)
    assert len(event_lists.list_events(video.customer, limit=9, event_type=kind)) == 4


def test_events_of_another_customer_are_not_listed(video: VideoWorld) -> None:
    other = video.add_customer()
    other.record(other.event())
    assert event_lists.recent_events(video.customer, limit=9) == []
