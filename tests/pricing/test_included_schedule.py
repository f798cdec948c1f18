"""When included credit comes, how much of it, and how long it lasts."""

import datetime as dt
from decimal import Decimal
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts.periods import BillingCalendar, Interval
from pricing.included_schedule import Occurrence, Terms, occurrences

BERLIN = ZoneInfo("Europe/Berlin")
UTC = ZoneInfo("UTC")


def come(
    number: int,
    *,
    anchor: str,
    zone: ZoneInfo = UTC,
    interval: Interval = Interval.MONTH,
    since: dt.datetime | None = None,
    **terms: Any,
) -> list[Occurrence]:
    """The first so many, of a subscription that began at noon of the anchor day there."""
    day = dt.date.fromisoformat(anchor)
    begins_at = dt.datetime.combine(day, dt.time(12), tzinfo=zone).astimezone(dt.UTC)
    found = occurrences(
        Terms(**{"amount": Decimal(100), **terms}),
        billing=BillingCalendar(day, interval, zone),
        since=since or begins_at,
        begins_at=begins_at,
    )
    return list(islice(found, number))


def local(moment: dt.datetime | None, zone: ZoneInfo = UTC) -> str:
    """The wall clock, short."""
    return f"{moment.astimezone(zone):%m-%d %H:%M}" if moment else "never"


def test_the_first_comes_at_once_and_each_ends_when_the_next_comes() -> None:
    first, second, third = come(3, anchor="2025-03-10")
    assert (local(first.effective_at), local(first.expires_at)) == ("03-10 12:00", "04-10 00:00")
    assert first.expires_at == second.effective_at
    assert second.expires_at == third.effective_at


def test_months_from_the_31st_visit_february_and_come_back() -> None:
    days = [str(each.day) for each in come(4, anchor="2024-01-31")]
    assert days == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]


def test_a_day_is_a_day_of_the_customers_also_when_clocks_change() -> None:
    comes = come(3, anchor="2025-03-29", zone=BERLIN, every=Interval.DAY, after_days=1)
    assert [local(each.effective_at, BERLIN) for each in comes] == [
        "03-29 12:00",
        "03-30 00:00",
        "03-31 00:00",
    ]
    short = comes[1]
    assert short.expires_at == comes[2].effective_at
    assert short.expires_at - short.effective_at == dt.timedelta(hours=23)


def test_daily_credit_ends_with_its_day_on_the_day_of_sign_up_too() -> None:
    [first] = come(1, anchor="2025-03-10", every=Interval.DAY, after_days=1)
    assert local(first.expires_at) == "03-11 00:00"


@pytest.mark.parametrize(
    ("terms", "expires"),
    [
        ({"every": Interval.WEEK}, "04-10 00:00"),
        ({"every": Interval.WEEK, "after_days": 7}, "03-24 00:00"),
        ({"every": Interval.WEEK, "never": True}, "never"),
    ],
)
def test_how_long_the_second_week_lasts(terms: dict[str, Any], expires: str) -> None:
    _, second = come(2, anchor="2025-03-10", **terms)
    assert (local(second.effective_at), local(second.expires_at)) == ("03-17 00:00", expires)


def test_monthly_credit_of_a_yearly_plan_lasts_for_the_year() -> None:
    comes = come(13, anchor="2025-03-10", interval=Interval.YEAR, every=Interval.MONTH)
    assert {local(each.expires_at) for each in comes[:12]} == {"03-10 00:00"}
    assert comes[12].effective_at == comes[0].expires_at


def test_a_month_brings_no_more_than_its_limit_and_the_next_begins_anew() -> None:
    comes = come(14, anchor="2025-03-10", every=Interval.DAY, limit_per_month=Decimal(630))
    assert [each.amount for each in comes[:7]] == [100] * 6 + [30]
    assert [str(each.day) for each in comes[6:8]] == ["2025-03-16", "2025-04-01"]
    assert comes[13].amount == 30


def test_the_limit_knows_what_came_before_the_question() -> None:
    since = dt.datetime(2025, 4, 6, 12, tzinfo=dt.UTC)
    [last, next_month] = come(
        2, anchor="2025-03-10", every=Interval.DAY, limit_per_month=Decimal(630), since=since
    )
    assert (str(last.day), last.amount) == ("2025-04-07", Decimal(30))
    assert str(next_month.day) == "2025-05-01"


def test_the_month_is_the_customers() -> None:
    comes = come(
        3,
        anchor="2025-03-30",
        zone=ZoneInfo("Pacific/Auckland"),
        every=Interval.DAY,
        limit_per_month=Decimal(100),
    )
    assert [str(each.day) for each in comes] == ["2025-03-30", "2025-04-01", "2025-05-01"]


def test_what_began_before_is_not_told_again() -> None:
    since = dt.datetime(2025, 4, 10, tzinfo=dt.UTC)
    [now] = come(1, anchor="2025-03-10", since=since)
    assert now.effective_at == since
    [later] = come(1, anchor="2025-03-10", since=since + dt.timedelta(seconds=1))
    assert local(later.effective_at) == "05-10 00:00"
