"""What each verb does to one account's book, without a database."""

import uuid
from decimal import Decimal

import pytest

from accounts.books import Book, EntryState, InsufficientCredit, NotReversible, Part
from accounts.burndown import Category
from accounts.money import LARGEST, AmountInvalid
from tests.accounts.paper_books import book, coming_grant, debit, grant, left, whole
from tests.clock import DAY, HOUR, NOW

REFUND = uuid.UUID(int=99)


def amounts(account: Book) -> list[int]:
    """Return the new entries' amounts, for amounts that are whole."""
    return [int(entry.amount) for entry in account.entries]


def reverse(account: Book, entry: EntryState) -> None:
    account.reverse(entry, refund_id=REFUND, at=NOW)


class TestDebit:
    def test_it_draws_on_grants_in_burn_order(self) -> None:
        second, first = grant(priority=2), grant(priority=1)
        account = book(second, first)
        debit(account, "120")
        assert left(first, second) == [0, 80]
        assert amounts(account) == [-100, -20]
        assert account.balance == 80

    def test_each_entry_follows_the_one_before(self) -> None:
        account = book(grant(), grant())
        debit(account, "150")
        debit(account, "10")
        assert [entry.account_version for entry in account.entries] == [1, 2, 3]
        assert [entry.balance_after for entry in account.entries] == [100, 50, 40]

    def test_a_monthly_allowance_burns_before_a_lifetime_one(self) -> None:
        monthly, lifetime = grant("500", expires_at=NOW + DAY), grant("200")
        account = book(monthly, lifetime)
        debit(account, "400")
        assert left(monthly, lifetime) == [100, 200]
        debit(account, "200")
        assert left(monthly, lifetime) == [0, 100]
        renewed = coming_grant("500", effective_at=NOW)
        account.add_grant(renewed, at=NOW)
        assert left(renewed, lifetime) == [500, 100]

    def test_a_free_event_leaves_no_entry(self) -> None:
        account = book(grant())
        assert debit(account, "0").paid == 0
        assert account.entries == []

    def test_it_is_refused_whole_when_credit_runs_out(self) -> None:
        account = book(grant("99.99"))
        with pytest.raises(InsufficientCredit, match=r"needs 100, has 99\.99") as refusal:
            debit(account, "100")
        assert (refusal.value.needed, refusal.value.available) == (Decimal(100), Decimal("99.99"))
        assert account.balance == Decimal("99.99")
        assert account.entries == []

    def test_overage_takes_what_there_is_and_reports_the_rest(self) -> None:
        account = book(grant("40"))
        result = debit(account, "100", overage_allowed=True)
        assert result.paid == 40
        assert result.overage == whole(60)
        assert account.balance == 0

    def test_an_overdraft_goes_below_zero_down_to_the_floor(self) -> None:
        account = book(grant("40"), floor="-50")
        result = debit(account, "90")
        assert (result.paid, result.balance, result.available) == whole(90, -50, 0)
        assert account.entries[-1].grant_id is None
        with pytest.raises(InsufficientCredit):
            debit(account, "0.000000000001")

    def test_an_overdraft_refuses_beyond_the_floor(self) -> None:
        with pytest.raises(InsufficientCredit, match=r"needs 90\.000000000001, has 90"):
            debit(book(grant("40"), floor="-50"), "90.000000000001")

    def test_what_is_owed_already_narrows_an_overdraft(self) -> None:
        with pytest.raises(InsufficientCredit, match="needs 21, has 20"):
            debit(book(floor="-50", owed="30"), "21")

    def test_a_grant_for_other_meters_is_no_reserve(self) -> None:
        account = book(grant(meters=frozenset({"images"})))
        with pytest.raises(InsufficientCredit, match="needs 1, has 0"):
            debit(account, "1", meter="tokens")

    def test_parts_of_one_event_share_grants_and_make_one_entry_each(self) -> None:
        images, both = grant("10", meters=frozenset({"images"})), grant("20", priority=90)
        account = book(images, both)
        parts = [
            Part("tokens", Decimal(5)),
            Part("images", Decimal(15)),
            Part("tokens", Decimal(4)),
        ]
        result = account.debit(parts=parts, reference=REFUND, at=NOW)
        assert result.paid == 24
        assert left(images, both) == [0, 6]
        assert amounts(account) == [-14, -10]

    def test_overage_is_told_part_by_part(self) -> None:
        parts = [Part("tokens", Decimal(8)), Part("images", Decimal(5))]
        result = book(grant("10")).debit(
            parts=parts, reference=REFUND, at=NOW, overage_allowed=True
        )
        assert result.overage == whole(0, 3)

    def test_checking_changes_nothing(self) -> None:
        paying = grant("10")
        account = book(paying)
        account.refuse_beyond_floor(account.plan([Part("tokens", Decimal(10))], at=NOW))
        with pytest.raises(InsufficientCredit):
            account.refuse_beyond_floor(account.plan([Part("tokens", Decimal(11))], at=NOW))
        assert (paying.held, paying.remaining) == whole(0, 10)
        assert account.entries == []


class TestGrants:
    def test_a_grant_enters_the_balance_at_once(self) -> None:
        account = book()
        account.add_grant(coming_grant("30", effective_at=NOW), at=NOW)
        assert account.balance == 30
        assert [(entry.kind, entry.contra) for entry in account.entries] == [
            ("grant", "deferred_revenue")
        ]

    def test_one_that_is_effective_later_waits(self) -> None:
        account, later = book(), coming_grant(effective_at=NOW + HOUR)
        account.add_grant(later, at=NOW)
        assert (account.created, later.posted) == ([later], False)
        assert account.balance == 0
        account.settle(at=NOW + HOUR)
        assert later.posted
        assert (account.balance, later.remaining) == whole(100, 100)

    def test_grants_stay_within_what_a_balance_can_hold(self) -> None:
        account = book(grant(str(LARGEST)))
        with pytest.raises(AmountInvalid, match="larger than can be kept"):
            account.add_grant(coming_grant("0.01", effective_at=NOW + DAY), at=NOW)
        assert account.created == []

    @pytest.mark.parametrize(("owed", "remains"), [("30", 70), ("100", 0), ("130", 0)])
    def test_what_is_owed_is_paid_first(self, owed: str, remains: int) -> None:
        account = book(floor="-200", owed=owed)
        paying = coming_grant(effective_at=NOW)
        account.add_grant(paying, at=NOW)
        assert paying.remaining == remains
        assert account.balance == 100 - Decimal(owed)
        assert account.owed == max(Decimal(owed) - 100, Decimal(0))

    def test_grants_pay_debts_in_the_order_they_become_effective(self) -> None:
        account = book(floor="-200", owed="150")
        second = coming_grant(effective_at=NOW + 2 * HOUR, priority=1)
        first = coming_grant(effective_at=NOW + HOUR)
        account.add_grant(second, at=NOW)
        account.add_grant(first, at=NOW)
        account.settle(at=NOW + DAY)
        assert left(first, second) == [0, 50]


class TestExpiry:
    @pytest.mark.parametrize(
        ("category", "contra"),
        [
            (Category.PAID, "breakage"),
            (Category.INCLUDED, "breakage"),
            (Category.PROMOTIONAL, "promotional_expense"),
            (Category.REFUND, "breakage"),
        ],
    )
    def test_what_is_left_lapses(self, category: Category, contra: str) -> None:
        account = book(grant("70", category=category, expires_at=NOW))
        account.settle(at=NOW)
        assert account.balance == 0
        assert [(e.kind, e.contra, e.amount) for e in account.entries] == [
            ("expiry", contra, Decimal(-70))
        ]

    def test_a_grant_used_before_its_expiry_pays_nothing_after(self) -> None:
        account = book(grant("100", expires_at=NOW + HOUR))
        debit(account, "50")
        account.settle(at=NOW + HOUR)
        assert account.balance == 0
        result = debit(account, "50", at=NOW + HOUR, overage_allowed=True)
        assert result.overage == whole(50)

    def test_nothing_lapses_before_its_time(self) -> None:
        account = book(grant(expires_at=NOW + HOUR), grant())
        account.settle(at=NOW)
        assert account.entries == []

    def test_what_open_holds_need_stays(self) -> None:
        held = grant("70", held=Decimal(20), expires_at=NOW)
        account = book(held)
        account.settle(at=NOW)
        assert (held.remaining, account.balance) == whole(20, 20)
        account.settle(at=NOW)
        assert len(account.entries) == 1

    def test_an_expired_grant_that_is_empty_is_only_noted(self) -> None:
        empty = grant(remaining=Decimal(0), expires_at=NOW)
        account = book(empty)
        account.settle(at=NOW)
        assert account.entries == []
        assert empty.id in account.touched

    def test_a_grant_that_came_and_went_unnoticed_paid_the_debt_of_its_time(self) -> None:
        account = book(floor="-50", owed="30")
        account.grants.append(coming_grant(effective_at=NOW, expires_at=NOW + HOUR))
        account.settle(at=NOW + DAY)
        assert amounts(account) == [30, 70, -70]
        assert account.balance == account.owed == 0


class TestReverse:
    def test_credit_returns_to_the_grant_that_paid(self) -> None:
        first, second = grant(), grant()
        account = book(first, second)
        debit(account, "130")
        reverse(account, account.entries[1])
        assert left(first, second) == [0, 100]
        assert account.entries[-1].reverses_version == 2
        assert account.entries[-1].contra == "revenue"

    @pytest.mark.parametrize(("expired", "remains"), [(True, 0), (False, 30)])
    def test_it_expires_with_a_grant_whose_end_was_booked(
        self, expired: bool, remains: int
    ) -> None:
        paying = grant()
        account = book(paying)
        debit(account, "30")
        paying.remaining, paying.expires_at, paying.expired = Decimal(0), NOW, expired
        reverse(account, account.entries[0])
        assert paying.remaining == remains

    def test_usage_below_zero_lowers_what_is_owed(self) -> None:
        account = book(floor="-50")
        debit(account, "30")
        reverse(account, account.entries[0])
        assert (account.balance, account.owed) == whole(0, 0)
        assert account.created == []

    def test_a_debt_repaid_since_comes_back_as_a_refund(self) -> None:
        account = book(floor="-50")
        debit(account, "30")
        account.add_grant(coming_grant(effective_at=NOW), at=NOW)
        reverse(account, account.entries[0])
        refund = account.created[-1]
        assert (refund.id, refund.category) == (REFUND, Category.REFUND)
        assert refund.remaining == 30
        assert account.entries[-1].reverses_version == 1
        assert account.balance == 100
        assert account.owed == 0

    def test_a_debt_repaid_in_part_is_lowered_and_refunded(self) -> None:
        account = book(floor="-50")
        debit(account, "30")
        account.add_grant(coming_grant("10", effective_at=NOW), at=NOW)
        reverse(account, account.entries[0])
        assert [(e.kind, int(e.amount)) for e in account.entries[-2:]] == [
            ("reversal", 20),
            ("grant", 10),
        ]
        assert account.created[-1].remaining == 10
        assert account.balance == 10
        assert account.owed == 0

    def test_only_usage_is_reversed(self) -> None:
        account = book()
        account.add_grant(coming_grant(effective_at=NOW), at=NOW)
        with pytest.raises(NotReversible, match="only usage"):
            reverse(account, account.entries[0])
