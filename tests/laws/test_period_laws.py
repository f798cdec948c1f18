"""Laws of billing calendars: every moment lies in exactly one period, in any zone."""

import datetime as dt
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from accounts.periods import BillingCalendar, Interval

# Zones whose clocks do something unusual: half hours, midnights skipped or met twice.
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "America/St_Johns",
    "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo",
)  # fmt: skip
CALENDARS = st.builds(
    BillingCalendar,
    st.dates(dt.date(2010, 1, 1), dt.date(2030, 12, 31)),
    st.sampled_from(list(Interval)),
    st.sampled_from(ZONES).map(ZoneInfo),
)
MOMENTS = st.datetimes(dt.datetime(2009, 1, 1), dt.datetime(2032, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=dt.UTC)
)
INSTANT = dt.timedelta(microseconds=1)
LONGEST = {Interval.DAY: 2, Interval.WEEK: 8, Interval.MONTH: 32, Interval.YEAR: 367}


@given(CALENDARS, MOMENTS)
def test_a_moment_lies_in_its_period(billing: BillingCalendar, moment: dt.datetime) -> None:
    assert moment in billing.period_containing(moment)


@given(CALENDARS, MOMENTS)
def test_periods_meet_without_gap_or_overlap(billing: BillingCalendar, moment: dt.datetime) -> None:
    period = billing.period_containing(moment)
    assert billing.period_containing(period.start) == period
    assert billing.period_containing(period.end - INSTANT) == period
    assert billing.period_containing(period.end).start == period.end
    assert billing.period_containing(period.start - INSTANT).end == period.start


@given(CALENDARS, MOMENTS)
def test_no_period_is_longer_than_its_interval(
    billing: BillingCalendar, moment: dt.datetime
) -> None:
    period = billing.period_containing(moment)
    assert period.end - period.start < dt.timedelta(days=LONGEST[billing.interval])


@given(CALENDARS)
def test_the_anchor_begins_a_period(billing: BillingCalendar) -> None:
    # In UTC, because a midnight that the clocks skip equals nothing but itself.
    midnight = dt.datetime.combine(billing.anchor, dt.time(), tzinfo=billing.zone)
    midnight = midnight.astimezone(dt.UTC)
    assert billing.period_containing(midnight).start == midnight


@given(CALENDARS, MOMENTS)
def test_a_month_begins_on_the_anchors_day_or_its_last(
    billing: BillingCalendar, moment: dt.datetime
) -> None:
    start = billing.period_containing(moment).start
    day = (start + dt.timedelta(hours=3)).astimezone(billing.zone).date()
    last = (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
    if billing.interval in (Interval.MONTH, Interval.YEAR):
        assert day.day == min(billing.anchor.day, last.day)
