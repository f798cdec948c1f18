"""How figures become marks on a page: amounts, bars, and how long a balance lasts."""

import datetime as dt
from decimal import Decimal

import pytest

from accounts import money
from billing_site.dashboard import balances, charts
from billing_site.templatetags import amounts
from metering.usage_reports import DaySpend

TODAY = dt.date(2025, 3, 10)


def spend(*per_day: str) -> list[DaySpend]:
    """The last days, today last."""
    return [
        DaySpend(date=TODAY - dt.timedelta(days=back), amount=Decimal(amount))
        for back, amount in zip(range(len(per_day) - 1, -1, -1), per_day, strict=True)
    ]


@pytest.mark.parametrize(
    ("amount", "scale", "coarse", "fine"),
    [
        ("12.5", 2, "12.50", ""),
        ("1234567.891", 2, "1,234,567.89", "1"),
        ("0.000000000001", 2, "0.00", "0000000001"),
        ("-3", 2, "−3.00", ""),
        ("325", 0, "325", ""),
        ("325.25", 0, "325", ".25"),
    ],
)
def test_an_amount_keeps_every_digit(amount: str, scale: int, coarse: str, fine: str) -> None:
    markup = f'<span class="amount">{coarse}<small>{fine}</small></span>'
    assert amounts.exact(Decimal(amount), scale) == markup


@pytest.mark.parametrize(
    ("amount", "scale", "shown"),
    [
        ("12.5", 2, "12.50"),
        ("1234.565", 2, "1,234.57"),
        ("-0.005", 2, "−0.01"),
        ("0.004", 2, "&lt; 0.01"),
        ("-0.000000000001", 2, "&gt; −0.01"),
        ("0", 2, "0.00"),
        ("0.4", 0, "&lt; 1"),
    ],
)
def test_a_rounded_amount_is_never_zero_unless_it_is(amount: str, scale: int, shown: str) -> None:
    markup = amounts.rounded(Decimal(amount), scale)
    assert markup.endswith(f'">{shown}</span>')
    assert money.to_display(Decimal(amount), scale=scale) in markup


def test_the_highest_day_is_as_high_as_the_chart() -> None:
    chart = charts.bar_chart(spend("1", "4", "2"))
    assert [bar.height for bar in chart.bars] == [50, 200, 100]
    assert all(bar.top + bar.height == chart.height for bar in chart.bars)
    assert chart.bars[-1].left + chart.bar_width == chart.width


def test_the_least_spend_can_be_seen_and_none_cannot() -> None:
    chart = charts.bar_chart(spend("1000", "0.000000000001", "0"))
    assert [bar.height for bar in chart.bars] == [200, 2, 0]


def test_days_without_any_spend_make_a_flat_chart() -> None:
    assert [bar.height for bar in charts.bar_chart(spend("0", "0")).bars] == [0, 0]


@pytest.mark.parametrize(
    ("available", "per_day", "days"),
    [
        ("100", ["9999", *["10"] * 7, "0"], 10),  # Today is not over and an older day is past.
        ("99.99", ["10"] * 8, 9),
        ("100", ["0", "0", "0", "20", "30", "500"], 4),  # Days before the first do not count.
        ("100", ["0", "0", "50"], 2),  # Began today.
        ("-5", ["10", "10"], 0),
        ("100000", ["1", "1"], None),
    ],
)
def test_runway_is_what_is_left_at_the_pace_of_the_last_week(
    available: str, per_day: list[str], days: int | None
) -> None:
    runway = balances.runway(Decimal(available), days=spend(*per_day))
    assert runway is not None
    assert runway.days == days


def test_without_spend_there_is_no_runway() -> None:
    assert balances.runway(Decimal(100), days=spend("0", "0")) is None
