"""The period an event finds open."""

import datetime as dt

import pytest

from accounts.models import Customer
from metering import billing_periods
from metering.models import BillingPeriod
from metering.outcomes import Status
from tests.clock import DAY, HOUR, NOW
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db

APRIL = dt.datetime(2025, 4, 1, tzinfo=dt.UTC)


def periods(world: VideoWorld) -> list[BillingPeriod]:
    return list(BillingPeriod.objects.filter(customer=world.customer).order_by("starts_at"))


def test_the_first_event_opens_the_month_around_it(video: VideoWorld) -> None:
    video.record(video.event())
    [march] = periods(video)
    assert (march.starts_at, march.ends_at) == (APRIL - 31 * DAY, APRIL)


def test_a_month_is_the_customers_own() -> None:
    world = open_video_world(time_zone="America/New_York")
    world.record(world.event())
    [period] = periods(world)
    # Subscribed on 31 December in New York, whose clocks went forward in March.
    assert period.starts_at.isoformat() == "2025-02-28T05:00:00+00:00"
    assert period.ends_at.isoformat() == "2025-03-31T04:00:00+00:00"


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
@pytest.mark.parametrize("late", [dt.timedelta(), 4 * HOUR, 20 * HOUR, 3 * DAY])
def test_moving_to_another_time_zone_makes_no_periods_overlap(
    video: VideoWorld, zone: str, late: dt.timedelta
) -> None:
    video.record(video.event())
    Customer.objects.update(time_zone=zone)
    [outcome] = video.record(video.event(), at=APRIL + late)
    assert outcome.status == Status.RECORDED
    march, following = periods(video)
    assert march.ends_at <= following.starts_at <= APRIL + late < following.ends_at


def test_months_without_events_have_no_period(video: VideoWorld) -> None:
    video.record(video.event())
    video.record(video.event(), at=APRIL + 95 * DAY)
    assert [period.starts_at.month for period in periods(video)] == [3, 7]


def test_a_period_that_is_over_is_closed_once(video: VideoWorld) -> None:
    video.record(video.event())
    [march] = periods(video)
    assert not billing_periods.close_if_due(march, at=NOW)
    assert billing_periods.close_if_due(march, at=APRIL)
    assert not billing_periods.close_if_due(march, at=APRIL)
    march, april = periods(video)
    assert (march.closed_at, april.closed_at) == (APRIL, None)
    assert march.ends_at == april.starts_at


def test_an_account_that_moved_meanwhile_does_not_reopen_anything(video: VideoWorld) -> None:
    video.record(video.event())
    [march] = periods(video)
    video.record(video.event(), at=APRIL + HOUR)
    assert not billing_periods.close_if_due(march, at=APRIL + 2 * HOUR)
    assert len(periods(video)) == 2
