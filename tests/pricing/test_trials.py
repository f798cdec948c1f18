"""The days for which a base fee is charged."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from accounts import money
from accounts.periods import BillingCalendar, Interval
from pricing import trials
from pricing.trials import Share

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def share(first_day: str, trial_end: str | None, zone: ZoneInfo = UTC) -> Share:
    """The share of the month that begins on a day, in a zone."""
    anchor = dt.date.fromisoformat(first_day)
    noon = dt.datetime.combine(anchor, dt.time(12), tzinfo=zone)
    calendar = BillingCalendar(anchor=anchor, interval=Interval.MONTH, zone=zone)
    end = dt.datetime.fromisoformat(trial_end).replace(tzinfo=zone) if trial_end else None
    return trials.charged_share(
        period=calendar.period_containing(noon), zone=zone, trial_ends_at=end
    )


def test_five_of_thirty_days_are_free() -> None:
    """K2 of the worked examples."""
    charged = share("2025-04-01", "2025-04-06T00:00").part(Decimal(50))
    assert money.round_to_minor_unit(charged, scale=2) == Decimal("41.67")


@pytest.mark.parametrize(
    ("trial_end", "days"),
    [
        (None, 30),
        ("2025-03-20T00:00", 30),
        ("2025-04-01T00:00", 30),
        ("2025-04-01T15:00", 30),
        ("2025-04-06T15:00", 25),
        ("2025-04-30T23:59", 1),
        ("2025-05-01T00:00", 0),
        ("2025-07-01T00:00", 0),
    ],
)
def test_the_day_on_which_a_trial_ends_is_charged(trial_end: str | None, days: int) -> None:
    assert share("2025-04-01", trial_end) == Share(days, 30)


def test_days_are_those_of_the_customer() -> None:
    # The clocks go forward on 30 March: the month is an hour short, and still has 31 days.
    assert share("2025-03-15", "2025-04-14T00:00", BERLIN) == Share(1, 31)
