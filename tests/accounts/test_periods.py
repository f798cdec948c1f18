"""Billing calendars."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from accounts.periods import BillingCalendar, Interval, Period

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def period(
    anchor: str, interval: Interval, at: str, zone: ZoneInfo = UTC
) -> tuple[dt.datetime, dt.datetime]:
    billing = BillingCalendar(dt.date.fromisoformat(anchor), interval, zone)
    found = billing.period_containing(moment(at))
    return found.start, found.end


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        ("2025-01-31", "2025-01-31", "2025-02-28"),
        ("2025-02-27T23:59:59", "2025-01-31", "2025-02-28"),
        ("2025-02-28", "2025-02-28", "2025-03-31"),
        ("2025-03-31", "2025-03-31", "2025-04-30"),
        ("2025-04-30", "2025-04-30", "2025-05-31"),
        ("2028-02-28T12:00:00", "2028-01-31", "2028-02-29"),
        ("2028-02-29", "2028-02-29", "2028-03-31"),
    ],
)
def test_a_month_from_the_31st_survives_february(at: str, start: str, end: str) -> None:
    assert period("2025-01-31", Interval.MONTH, at) == (moment(start), moment(end))


@pytest.mark.parametrize(
    ("interval", "at", "start", "end"),
    [
        (Interval.DAY, "2025-03-10T12:00:00", "2025-03-10", "2025-03-11"),
        (Interval.WEEK, "2025-03-10T12:00:00", "2025-03-05", "2025-03-12"),
        (Interval.YEAR, "2025-03-10T12:00:00", "2025-01-01", "2026-01-01"),
        (Interval.MONTH, "2024-12-31T12:00:00", "2024-12-01", "2025-01-01"),
        (Interval.WEEK, "2024-12-31T12:00:00", "2024-12-25", "2025-01-01"),
    ],
)
def test_every_interval_and_times_before_the_anchor(
    interval: Interval, at: str, start: str, end: str
) -> None:
    assert period("2025-01-01", interval, at) == (moment(start), moment(end))


def test_a_year_from_29_february_waits_for_the_next_leap_year() -> None:
    years = [period("2024-02-29", Interval.YEAR, f"{year}-06-01")[0] for year in range(2024, 2029)]
    days = [start.date().isoformat() for start in years]
    assert days == ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]


@pytest.mark.parametrize(
    ("at", "start", "hours"),
    [
        ("2025-03-30T00:30:00", "2025-03-29T23:00:00", 23),
        ("2025-10-26T00:30:00", "2025-10-25T22:00:00", 25),
        ("2025-06-15T22:30:00", "2025-06-15T22:00:00", 24),
    ],
)
def test_a_day_is_the_customers_own_whatever_the_clocks_do(at: str, start: str, hours: int) -> None:
    begun, ended = period("2025-01-01", Interval.DAY, at, BERLIN)
    assert begun == moment(start)
    assert ended - begun == dt.timedelta(hours=hours)


def test_a_midnight_that_the_clocks_skip_is_no_gap() -> None:
    santiago = ZoneInfo("America/Santiago")  # 7 September 2025 begins at 01:00 there.
    _, ended = period("2025-09-01", Interval.DAY, "2025-09-07T03:59:59", santiago)
    begun, _ = period("2025-09-01", Interval.DAY, "2025-09-07T04:00:00", santiago)
    assert ended == begun == moment("2025-09-07T04:00:00")


def test_a_midnight_that_comes_twice_begins_one_day() -> None:
    # At 00:01 on 7 November 2010 the clocks of Newfoundland went back to 23:01 of the day before.
    newfoundland = ZoneInfo("America/St_Johns")
    begun, ended = period("2010-11-01", Interval.DAY, "2010-11-07T02:45:00", newfoundland)
    assert begun == moment("2010-11-07T02:30:00")
    assert ended == moment("2010-11-08T03:30:00")


def test_a_period_holds_its_start_and_not_its_end() -> None:
    march = Period(moment("2025-03-01"), moment("2025-04-01"))
    assert march.start in march
    assert march.end not in march


def test_a_period_has_a_length() -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        Period(moment("2025-03-01"), moment("2025-03-01"))
