"""What holds reserve, what captures take, and how a hold comes to its one end; no database."""

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.books import Book, InsufficientCredit, Part
from accounts.money import AmountInvalid
from accounts.reservations import Captured, Expired, HoldEnded, HoldState, UnknownHold
from tests.accounts.paper_books import book, capture, coming_grant, debit, grant, hold, left
from tests.clock import DAY, HOUR, NOW

IMAGES = frozenset({"images"})


def parts(**amounts: str) -> list[Part]:
    """Charge so much for each meter."""
    return [Part(meter, Decimal(amount)) for meter, amount in amounts.items()]


def draws(held: HoldState) -> list[tuple[uuid.UUID | None, str, int]]:
    """What a hold reserves where, for amounts that are whole."""
    return [(draw.grant_id, draw.meter, int(draw.amount)) for draw in held.draws if draw.amount]


def whole(*units: int) -> tuple[Decimal, ...]:
    """Return exact amounts of so many units."""
    return tuple(Decimal(each) for each in units)


def entries(account: Book) -> list[tuple[str, int]]:
    """The new entries, for amounts that are whole."""
    return [(entry.kind, int(entry.amount)) for entry in account.entries]


class TestHold:
    def test_grants_reserve_in_burn_order(self) -> None:
        second, first = grant(priority=2), grant(priority=1)
        account = book(second, first)
        held = hold(account, "120")
        assert draws(held) == [(first.id, "tokens", 100), (second.id, "tokens", 20)]
        assert (first.free, second.free) == whole(0, 80)
        assert (account.balance, account.held, account.available) == whole(200, 120, 80)
        assert account.entries == []

    def test_what_is_held_cannot_be_held_again(self) -> None:
        account = book(grant("500"))
        for _ in range(6):
            hold(account, "75")
        with pytest.raises(InsufficientCredit, match="needs 75, has 50"):
            hold(account, "75")
        assert account.held == 450
        assert len(account.holds) == 6

    def test_what_is_held_cannot_be_used(self) -> None:
        account = book(grant("100"))
        hold(account, "60")
        with pytest.raises(InsufficientCredit, match="needs 50, has 40"):
            debit(account, "50")
        assert debit(account, "50", overage_allowed=True).overage == whole(10)

    def test_a_grant_for_other_meters_reserves_nothing(self) -> None:
        images, both = grant("10", meters=IMAGES), grant("20")
        account = book(images, both)
        held = account.hold(
            parts=parts(tokens="8", images="15"),
            hold_id=uuid.UUID(int=1),
            reference=uuid.UUID(int=2),
            expires_at=NOW + HOUR,
            at=NOW,
        )
        assert draws(held) == [
            (both.id, "tokens", 8),
            (images.id, "images", 10),
            (both.id, "images", 5),
        ]

    def test_the_credit_line_reserves_the_rest_down_to_the_floor(self) -> None:
        account = book(grant("40"), floor="-50", owed="0")
        held = hold(account, "70")
        assert draws(held)[1] == (None, "tokens", 30)
        assert account.available == 20
        with pytest.raises(InsufficientCredit, match="needs 21, has 20"):
            hold(account, "21")
        with pytest.raises(InsufficientCredit, match="needs 21, has 20"):
            debit(account, "21")
        assert debit(account, "20").available == 0

    def test_a_refused_hold_leaves_no_trace(self) -> None:
        paying = grant("10")
        account = book(paying)
        with pytest.raises(InsufficientCredit):
            hold(account, "11")
        assert (account.held, paying.held, account.holds) == (Decimal(0), Decimal(0), {})
        assert [account.touched, account.newly_held, account.new_holds] == [{}, {}, {}]

    def test_where_overage_is_allowed_it_reserves_what_there_is(self) -> None:
        account = book(grant("40"), floor="-50")
        assert hold(account, "100", overage_allowed=True).reserved == 40
        assert account.available == 50

    def test_nothing_is_a_hold_too(self) -> None:
        account = book()
        hold(account, "0")
        held = hold(account, "0")
        assert (held.amount, held.draws, held.state) == (Decimal(0), [], "open")
        assert account.find_hold(held.reference) is held

    def test_a_hold_that_was_not_read_is_unknown(self) -> None:
        with pytest.raises(UnknownHold):
            book().find_hold(uuid.UUID(int=1))

    def test_its_time_is_still_to_come(self) -> None:
        with pytest.raises(ValueError, match="later than now"):
            hold(book(grant()), "1", expires_at=NOW)

    def test_nobody_reserves_less_than_nothing(self) -> None:
        with pytest.raises(AmountInvalid, match="below zero"):
            hold(book(grant()), "-1")


class TestExtend:
    def test_more_is_reserved_all_or_nothing(self) -> None:
        account = book(grant("100"))
        held = hold(account, "60")
        account.extend(held, parts=parts(tokens="30", images="5"), at=NOW)
        assert (held.amount, held.reserved, account.held) == whole(95, 95, 95)
        assert [(draw.meter, int(draw.amount)) for draw in held.draws] == [
            ("tokens", 90),
            ("images", 5),
        ]
        with pytest.raises(InsufficientCredit, match="needs 6, has 5"):
            account.extend(held, parts=parts(tokens="6"), expires_at=NOW + DAY, at=NOW)
        assert (held.amount, account.held) == whole(95, 95)
        assert held.expires_at == NOW + HOUR

    def test_time_is_never_cut_short(self) -> None:
        account = book()
        held = hold(account, "0")
        account.extend(held, expires_at=NOW + DAY, at=NOW)
        account.extend(held, expires_at=NOW + HOUR, at=NOW)
        assert held.expires_at == NOW + DAY


class TestCapture:
    def test_the_rest_of_a_final_capture_is_returned(self) -> None:
        account = book(grant("1000"))
        held = hold(account, "1000")
        captured = capture(account, held, "743")
        assert captured == Captured(
            paid=Decimal(743),
            overage=whole(0),
            uncollected=whole(0),
            released=Decimal(257),
            balance=Decimal(257),
            available=Decimal(257),
        )
        assert (held.state, held.captured, held.ended_at) == ("captured", Decimal(743), NOW)
        assert entries(account) == [("usage", -743)]

    def test_parts_add_up(self) -> None:
        account = book(grant("150"))
        held = hold(account, "100")
        account.extend(held, parts=parts(tokens="50"), at=NOW)
        capture(account, held, "40", final=False)
        capture(account, held, "60", final=False)
        assert (held.captured, held.reserved, account.held) == whole(100, 50, 50)
        assert account.release(held, at=NOW) == 50
        assert (held.state, account.balance, account.available) == (
            "captured",
            Decimal(50),
            Decimal(50),
        )

    @pytest.mark.parametrize(
        ("policy", "floor", "outcome"),
        [
            ("block", "0", {"paid": 120, "uncollected": 10, "balance": 0}),
            ("overage", "0", {"paid": 120, "overage": 10, "balance": 0}),
            ("overdraft", "-50", {"paid": 130, "balance": -10}),
            ("overdraft", "-5", {"paid": 125, "uncollected": 5, "balance": -5}),
            ("overage", "-50", {"paid": 120, "overage": 10, "balance": 0}),
        ],
    )
    def test_what_goes_beyond_the_hold_follows_the_policy(
        self, policy: str, floor: str, outcome: dict[str, int]
    ) -> None:
        account = book(grant("120"), floor=floor)
        held = hold(account, "100")
        captured = capture(account, held, "130", shortfall=policy)
        assert (captured.paid, captured.balance) == whole(outcome["paid"], outcome["balance"])
        assert captured.overage == whole(outcome.get("overage", 0))
        assert captured.uncollected == whole(outcome.get("uncollected", 0))
        assert (held.captured, account.held) == whole(100, 0)
        assert sum(entry.amount for entry in account.entries) == -captured.paid

    def test_an_unknown_policy_is_no_policy(self) -> None:
        account = book(grant())
        with pytest.raises(ValueError, match="forgive"):
            capture(account, hold(account, "1"), "1", shortfall="forgive")

    def test_other_holds_pay_for_nobody_else(self) -> None:
        account = book(grant("100"))
        held = hold(account, "40")
        hold(account, "50")
        captured = capture(account, held, "60")
        assert (captured.paid, captured.uncollected) == (Decimal(50), whole(10))
        assert (account.held, account.available) == whole(50, 0)

    def test_a_grant_pays_once_for_an_event_out_of_the_hold_and_beside_it(self) -> None:
        account = book(grant("100"))
        capture(account, hold(account, "40"), "60")
        assert entries(account) == [("usage", -60)]

    def test_nothing_captured_at_last_still_claims_the_hold(self) -> None:
        account = book(grant("100"))
        held = hold(account, "40")
        assert capture(account, held, "0").released == 40
        assert (held.state, account.entries, account.available) == ("captured", [], Decimal(100))

    def test_a_hold_pays_any_meter_its_grants_may_pay(self) -> None:
        images, both = grant("10", meters=IMAGES), grant("10", priority=90)
        account = book(images, both)
        held = account.hold(
            parts=parts(images="20"),
            hold_id=uuid.UUID(int=1),
            reference=uuid.UUID(int=2),
            expires_at=NOW + HOUR,
            at=NOW,
        )
        captured = capture(account, held, "15", final=False)
        assert (captured.paid, captured.uncollected) == (Decimal(10), whole(5))
        assert draws(held) == [(images.id, "images", 10)]

    def test_no_part_lives_on_what_was_planned_for_another(self) -> None:
        account = book(grant("10", priority=1), grant("10", meters=IMAGES))
        asked = parts(tokens="10", images="10")
        held = account.hold(
            parts=asked,
            hold_id=uuid.UUID(int=1),
            reference=uuid.UUID(int=2),
            expires_at=NOW + HOUR,
            at=NOW,
        )
        for part in reversed(asked):
            captured = account.capture(
                held, parts=[part], reference=uuid.uuid4(), at=NOW, final=False
            )
            assert captured.paid == 10
        assert held.reserved == 0

    def test_one_capture_serves_each_part_from_its_own_share_first(self) -> None:
        account = book(grant("20"), grant("10", meters=IMAGES, priority=90))
        held = account.hold(
            parts=parts(tokens="10", images="10"),
            hold_id=uuid.UUID(int=1),
            reference=uuid.UUID(int=2),
            expires_at=NOW + HOUR,
            at=NOW,
        )
        captured = account.capture(
            held,
            parts=parts(tokens="15", images="10"),
            reference=uuid.uuid4(),
            at=NOW,
            shortfall="overage",
        )
        assert captured.overage == whole(5, 0)

    def test_an_expired_grant_still_pays_what_it_reserved_and_no_more(self) -> None:
        account = book(grant("100", expires_at=NOW + HOUR))
        held = hold(account, "60", expires_at=NOW + DAY)
        account.settle(at=NOW + HOUR)
        assert entries(account) == [("expiry", -40)]
        captured = capture(account, held, "70", at=NOW + HOUR, final=False)
        assert (captured.paid, captured.uncollected) == (Decimal(60), whole(10))

    def test_what_is_left_of_an_expired_grant_lapses_with_the_hold(self) -> None:
        paying = grant("100", expires_at=NOW + HOUR)
        account = book(paying)
        held = hold(account, "60", expires_at=NOW + DAY)
        account.settle(at=NOW + HOUR)
        capture(account, held, "50", at=NOW + HOUR)
        assert entries(account) == [("expiry", -40), ("usage", -50), ("expiry", -10)]
        assert (account.balance, account.held, paying.remaining) == whole(0, 0, 0)

    def test_the_credit_line_of_a_hold_is_used_below_zero(self) -> None:
        account = book(floor="-50")
        held = hold(account, "50")
        captured = capture(account, held, "30", shortfall="overage")
        assert (captured.paid, captured.balance, captured.available) == whole(30, -30, 20)
        assert account.owed == 30

    def test_credit_that_came_since_pays_before_the_credit_line(self) -> None:
        account = book(floor="-50")
        held = hold(account, "50")
        account.add_grant(coming_grant("20", effective_at=NOW), at=NOW)
        captured = capture(account, held, "30", final=False)
        assert (captured.paid, captured.balance, account.owed) == whole(30, -10, 10)
        assert (held.captured, held.reserved, account.available) == whole(30, 20, 20)

    def test_nobody_captures_less_than_nothing(self) -> None:
        account = book(grant())
        with pytest.raises(AmountInvalid, match="below zero"):
            capture(account, hold(account, "1"), "-1")


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
        account.extend(held, parts=parts(tokens="5"), at=NOW)
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
