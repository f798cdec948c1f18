"""How a hold comes to its one end: given back, claimed, or over; no database."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.books import Book, Part
from accounts.reservations import Expired, HoldEnded, HoldState
from tests.accounts.paper_books import (
    book,
    capture,
    coming_grant,
    entries,
    grant,
    hold,
    left,
    whole,
)
from tests.clock import DAY, HOUR, NOW

IMAGES = frozenset({"images"})


class TestRelease:
    def test_all_of_it_comes_back(self) -> None:
        paying = grant("100")
        account = book(paying)
        held = hold(account, "60")
        assert account.release(held, at=NOW) == 60
        assert (held.state, held.ended_at, held.reserved) == ("released", NOW, Decimal(0))
        assert (account.available, paying.free, account.entries) == (Decimal(100), Decimal(100), [])

    def test_what_was_held_and_given_back_at_once_moves_nothing(self) -> None:
        paying = grant("100")
        account = book(paying)
        account.release(hold(account, "60"), at=NOW)
        assert account.newly_held == {paying.id: 0}


def ended(account: Book, *, policy: str, reports: tuple[str, ...] = ()) -> HoldState:
    """A hold of 1.00 that nobody claims in time."""
    held = hold(account, "1", on_expiry=policy)
    for amount in reports:
        account.report(held, Decimal(amount))
    account.settle(at=NOW + HOUR)
    return held


class TestExpiry:
    @pytest.mark.parametrize(
        ("policy", "charged"),
        [("release", "0"), ("capture_reported", "0.40"), ("capture_full", "1")],
    )
    def test_a_hold_nobody_claims_does_what_it_was_told(self, policy: str, charged: str) -> None:
        account = book(grant("10"))
        held = ended(account, policy=policy, reports=("0.12", "0.25", "0.40"))
        assert (held.state, held.captured) == ("expired", Decimal(charged))
        assert account.balance == account.available == 10 - Decimal(charged)
        assert [entry.reference for entry in account.entries] == [held.reference] * bool(
            Decimal(charged)
        )

    def test_progress_goes_neither_back_nor_beyond_the_hold(self) -> None:
        account = book(grant("10"))
        reports = ("0.9", "0.4", "7", "-1")
        held = ended(account, policy="capture_reported", reports=reports)
        assert (held.reported, held.captured) == whole(1, 1)

    def test_what_was_captured_of_the_progress_is_not_taken_again(self) -> None:
        account = book(grant("100"))
        held = hold(account, "50", on_expiry="capture_reported")
        account.report(held, Decimal(30))
        capture(account, held, "20", final=False)
        assert account.end_expired(held, at=NOW + HOUR) == Expired(whole(10)[0], whole(20)[0])
        assert (held.captured, account.balance, account.held) == whole(30, 70, 0)

    def test_more_captured_than_reported_asks_for_nothing(self) -> None:
        account = book(grant("100"))
        held = hold(account, "50", on_expiry="capture_reported")
        capture(account, held, "20", final=False)
        assert account.end_expired(held, at=NOW + HOUR).taken == 0

    def test_it_ends_at_its_time_and_not_before(self) -> None:
        account = book(grant("10"))
        held = hold(account, "1")
        account.settle(at=NOW + HOUR - dt.timedelta(microseconds=1))
        assert held.state == "open"
        account.settle(at=NOW + HOUR)
        assert held.state == "expired"

    def test_holds_end_before_grants_so_that_nothing_of_them_outlives_both(self) -> None:
        paying = grant("100", expires_at=NOW + HOUR)
        account = book(paying)
        hold(account, "30", expires_at=NOW + 2 * HOUR, on_expiry="capture_full")
        hold(account, "20", expires_at=NOW + 3 * HOUR)
        account.settle(at=NOW + DAY)
        assert entries(account) == [("usage", -30), ("expiry", -70)]
        assert (account.balance, account.held, left(paying)) == (Decimal(0), Decimal(0), [0])

    def test_limited_grants_pay_what_they_reserved_and_nothing_else(self) -> None:
        images = grant("10", meters=IMAGES)
        account = book(images, floor="-50")
        held = hold(account, "8", meter="images", on_expiry="capture_full")
        account.extend(held, parts=[Part("tokens", Decimal(5))], at=NOW)
        account.add_grant(coming_grant("3", effective_at=NOW), at=NOW)
        account.settle(at=NOW + HOUR)
        assert entries(account)[1:] == [("usage", -8), ("usage", -3), ("usage", -2)]
        assert (images.remaining, account.owed) == whole(2, 2)


@pytest.mark.parametrize(
    "verb",
    [
        lambda account, held: capture(account, held, "1"),
        lambda account, held: account.extend(held, at=NOW),
        lambda account, held: account.report(held, Decimal(1)),
        lambda account, held: account.release(held, at=NOW),
        lambda account, held: account.end_expired(held, at=NOW),
    ],
)
@pytest.mark.parametrize("end", ["captured", "released", "expired"])
def test_a_hold_ends_once(verb: Callable[[Book, HoldState], Any], end: str) -> None:
    account = book(grant("100"))
    held = hold(account, "10")
    if end == "captured":
        capture(account, held, "10")
    elif end == "released":
        account.release(held, at=NOW)
    else:
        account.settle(at=NOW + HOUR)
    balance = account.balance
    with pytest.raises(HoldEnded, match=end) as refusal:
        verb(account, held)
    assert refusal.value.state == end
    assert (account.balance, account.held) == (balance, Decimal(0))
