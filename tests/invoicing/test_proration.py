"""Proration by the day, with vectors K2, K3, K4, K9 and K10 as data."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import money
from invoicing import proration
from invoicing.proration import Change, Days
from pricing.trials import Share
from tests.invoicing.fee_worlds import amounts


def on(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


APRIL = Days(on("2025-04-01"), on("2025-05-01"))


def rounded(amount: Decimal) -> Decimal:
    return money.round_to_minor_unit(amount, scale=2)


VECTORS = {
    "K2: a trial of 5 of 30 days": ("50", APRIL, {"trial_ends": on("2025-04-06")}, "41.67"),
    "K3: sign-up on 15 April": ("10", APRIL, {"begins": on("2025-04-15")}, "5.33"),
    "K9: 9 of 31 days": (
        "24.95",
        Days(on("2025-08-25"), on("2025-09-25")),
        {"begins": on("2025-09-16")},
        "7.24",
    ),
    "K10: 22 of 30 days": ("24.95", APRIL, {"begins": on("2025-04-09")}, "18.30"),
    "the whole period": ("50", APRIL, {"begins": on("2025-01-01")}, "50.00"),
    "ended before it began": ("50", APRIL, {"ends": on("2025-03-01")}, "0.00"),
    "the day it ends does not count": ("30", APRIL, {"ends": on("2025-04-11")}, "10.00"),
    "trial beyond the end": ("30", APRIL, {"trial_ends": on("2025-06-11")}, "0.00"),
}


@pytest.mark.parametrize(("fee", "period", "terms", "charged"), VECTORS.values(), ids=VECTORS)
def test_a_fee_is_charged_for_its_days(
    fee: str, period: Days, terms: dict[str, dt.date], charged: str
) -> None:
    share = proration.share_of(period, **terms)
    assert rounded(share.part(Decimal(fee))) == Decimal(charged)


def test_a_change_gives_back_the_old_rest_and_charges_the_new() -> None:
    """Vector K4: 20 to 50 with 15 of 30 days left is -10 + 25."""
    back, charged = proration.change_of_fee(
        before=Decimal(20), after=Decimal(50), rest=Share(15, 30)
    )
    assert (back, charged, back + charged) == amounts(-10, 25, 15)


def runs(first: int, *changes: tuple[str, int], included: int = 0) -> list[str]:
    found = proration.seat_runs(
        APRIL,
        charged=APRIL,
        first=first,
        changes=[Change(on(day), seats) for day, seats in changes],
        included=included,
    )
    return [f"{run.seats} for {run.share.days}/{run.share.of}" for run in found]


def changes_of(first: int, *changes: tuple[str, int], included: int = 0) -> list[str]:
    found = proration.seat_changes(
        APRIL,
        charged=APRIL,
        first=first,
        changes=[Change(on(day), seats) for day, seats in changes],
        included=included,
    )
    return [f"{run.seats:+d} for {run.share.days}/{run.share.of}" for run in found]


def test_seats_in_arrears_are_charged_as_long_as_they_were_there() -> None:
    assert runs(3) == ["3 for 30/30"]
    assert runs(3, ("2025-04-11", 5), ("2025-04-21", 1)) == [
        "3 for 10/30", "5 for 10/30", "1 for 10/30",
    ]  # fmt: skip
    assert runs(3, ("2025-04-11", 5), included=3) == ["2 for 20/30"]


def test_seats_in_advance_are_made_up_for_from_the_day_of_the_change_on() -> None:
    assert changes_of(3) == []
    assert changes_of(3, ("2025-04-11", 5)) == ["-3 for 20/30", "+5 for 20/30"]
    assert changes_of(3, ("2025-04-11", 1), included=3) == []
    assert changes_of(3, ("2025-04-11", 4), included=3) == ["+1 for 20/30"]


def test_of_several_changes_on_a_day_the_last_one_counts() -> None:
    assert changes_of(3, ("2025-04-11", 9), ("2025-04-11", 4)) == ["-3 for 20/30", "+4 for 20/30"]


SEATS = st.integers(0, 40)
CHANGES = st.lists(st.builds(Change, st.dates(on("2025-04-01"), on("2025-04-30")), SEATS))


@given(first=SEATS, changes=CHANGES, included=st.integers(0, 5))
def test_advance_and_changes_come_to_the_same_as_arrears(
    first: int, changes: list[Change], included: int
) -> None:
    terms: dict[str, Any] = {
        "charged": APRIL,
        "first": first,
        "changes": changes,
        "included": included,
    }
    arrears = sum(run.seats * run.share.days for run in proration.seat_runs(APRIL, **terms))
    made_up = sum(run.seats * run.share.days for run in proration.seat_changes(APRIL, **terms))
    assert arrears == max(first - included, 0) * 30 + made_up


def test_a_share_is_written_with_its_rule() -> None:
    assert proration.words(Share(16, 30)) == "16 of 30 days, the first of them counted"
    assert proration.words(Share(30, 30)) == ""
