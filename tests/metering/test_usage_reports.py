"""Usage reports read what was committed, day by day in the customer's own time zone."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from accounts.money import to_wire
from metering import usage_reports
from metering.usage_reports import PeriodSpend
from pricing.models import ShortfallPolicy
from tests.clock import DAY, NOW
from tests.worlds import VideoWorld, open_video_world


def by_day(world: VideoWorld, *, at: dt.datetime = NOW, days: int = 3) -> list[tuple[str, str]]:
    spend = usage_reports.spend_by_day(world.customer, at=at, days=days)
    return [(f"{day.date:%m-%d}", to_wire(day.amount)) for day in spend.get(world.usd.id, [])]


def test_spend_falls_on_the_day_it_occurred(video: VideoWorld) -> None:
    video.record(video.minutes_of("fast", "2", timestamp="2025-03-08T00:00:00Z"))
    video.record(video.minutes_of("fast", "3", timestamp="2025-03-08T23:59:59Z"))
    video.record(video.minutes_of("standard", "5"))
    assert by_day(video) == [("03-08", "5"), ("03-09", "0"), ("03-10", "2")]


def test_what_is_older_or_in_another_account_does_not_count(video: VideoWorld) -> None:
    video.record(video.minutes_of("fast", "2", timestamp="2025-03-07T23:59:59Z"))
    other = video.add_customer()
    other.record(other.event(id="other"))
    assert by_day(video) == []


@pytest.mark.django_db
def test_a_day_is_one_of_the_customers_own_time_zone() -> None:
    world = open_video_world(time_zone="America/New_York")
    # The clocks go forward on 9 March 2025, a day of 23 hours.
    world.record(world.minutes_of("fast", "1", timestamp="2025-03-09T04:59:59Z"))
    world.record(world.minutes_of("fast", "2", timestamp="2025-03-09T05:00:00Z"))
    world.record(world.minutes_of("fast", "4", timestamp="2025-03-10T03:59:59Z"))
    world.record(world.minutes_of("fast", "8", timestamp="2025-03-10T04:00:00Z"))
    assert by_day(world) == [("03-08", "1"), ("03-09", "6"), ("03-10", "8")]


def test_spend_counts_overage_too(db: None) -> None:
    world = open_video_world(credit="1", policy=ShortfallPolicy.OVERAGE)
    world.record(world.minutes_of("fast", "3"))
    assert by_day(world, days=1) == [("03-10", "3")]


def test_every_event_shows_at_once_also_a_late_one(video: VideoWorld) -> None:
    assert by_day(video) == []
    video.record(video.event(timestamp="2025-03-09T12:00:00Z"))
    assert by_day(video)[1:] == [("03-09", "1"), ("03-10", "0")]
    video.record(video.event(), video.event(timestamp="2025-03-09T12:00:00Z"))
    assert by_day(video)[1:] == [("03-09", "2"), ("03-10", "1")]


def test_todays_events_do_not_add_up_the_past_again(
    video: VideoWorld, django_assert_num_queries: Any
) -> None:
    video.record(video.event(timestamp="2025-03-09T12:00:00Z"))
    by_day(video)
    video.record(video.event())
    with django_assert_num_queries(2):
        assert by_day(video)[1:] == [("03-09", "1"), ("03-10", "1")]


def test_spend_of_the_open_period_is_kept_by_customer_and_asset(video: VideoWorld) -> None:
    other = video.add_customer()
    video.record(video.event(), video.minutes_of("standard", "1"), at=NOW - 40 * DAY)
    video.record(video.event())
    other.record(other.minutes_of("fast", "7", id="other"))
    spend = usage_reports.spend_in_open_periods(
        organization_id=video.organization.id, customer_ids=[video.customer.id, other.customer.id]
    )
    assert spend == {
        (video.customer.id, video.usd.id): PeriodSpend(amount=Decimal(1)),
        (other.customer.id, video.usd.id): PeriodSpend(amount=Decimal(7)),
    }


def test_activity_moves_with_every_event(video: VideoWorld) -> None:
    seen = {usage_reports.activity(video.customer)}
    video.record(video.event())
    seen.add(usage_reports.activity(video.customer))
    video.record(video.event(timestamp="2025-03-01T00:00:00Z"))
    seen.add(usage_reports.activity(video.customer))
    assert len(seen) == 3
