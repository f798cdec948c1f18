"""What holds reserve and what captures take, on one account's book, without a database."""

import uuid
from decimal import Decimal

import pytest

from accounts.books import InsufficientCredit, Part
from accounts.money import AmountInvalid
from accounts.reservations import Captured, HoldState, UnknownHold
from tests.accounts.paper_books import (
    book,
    capture,
    coming_grant,
    debit,
    entries,
    grant,
    hold,
    whole,
)
from tests.clock import DAY, HOUR, NOW

IMAGES = frozenset({"images"})


def parts(**amounts: str) -> list[Part]:
    """Charge so much for each meter."""
    return [Part(meter, Decimal(amount)) for meter, amount in amounts.items()]


def draws(held: HoldState) -> list[tuple[uuid.UUID | None, str, int]]:
    """What a hold reserves where, for amounts that are whole."""
    return [(draw.grant_id, draw.meter, int(draw.amount)) for draw in held.draws if draw.amount]


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

    @pytest.mark.parametrize(
        ("policy", "floor", "outcome"),
        [
            ("block", "0", {"paid": 20, "uncollected": 10, "balance": 100}),
            ("overage", "0", {"paid": 20, "overage": 10, "balance": 100}),
            ("overdraft", "-50", {"paid": 30, "balance": 90}),
        ],
    )
    def test_work_for_which_nothing_was_held_is_taken_beside_the_holds(
        self, policy: str, floor: str, outcome: dict[str, int]
    ) -> None:
        account = book(grant("120"), floor=floor)
        hold(account, "100")
        taken = account.take(
            parts=[Part("tokens", Decimal(30))], reference=uuid.uuid4(), at=NOW, shortfall=policy
        )
        assert (taken.paid, taken.balance) == whole(outcome["paid"], outcome["balance"])
        assert taken.overage == whole(outcome.get("overage", 0))
        assert taken.uncollected == whole(outcome.get("uncollected", 0))
        assert (account.held, len(account.holds)) == (Decimal(100), 1)

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
