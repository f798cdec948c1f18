"""The ledger's verbs in the database: what they write, what they answer, what they refuse."""

import datetime as dt
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from accounts import audit, checks, ledger
from accounts.burndown import Category
from accounts.ledger import DebitOrder, GrantOrder, Part
from accounts.models import CreditAccount, CreditGrant, LedgerEntry
from tests.clock import DAY, HOUR, NOW, SINCE
from tests.factories import (
    AssetFactory,
    CreditAccountFactory,
    CustomerFactory,
    OrganizationFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> CreditAccount:
    """A prepaid account without credit."""
    return CreditAccountFactory.create()


@pytest.fixture(autouse=True)
def _books_are_right_afterwards() -> Iterator[None]:
    yield
    assert checks.run(audit.CHECKS) == []


def give(account: CreditAccount, amount: str = "100", **terms: Any) -> CreditGrant:
    terms = {"category": Category.PAID, "at": SINCE, **terms}
    return ledger.grant_credit(account=account, amount=Decimal(amount), **terms)


def charge(account: CreditAccount, amount: str, **terms: Any) -> ledger.Debit:
    """Charge a new event for tokens."""
    parts = [Part(terms.pop("meter", "tokens"), Decimal(amount))]
    return ledger.debit(
        account=account, parts=parts, **{"reference": uuid.uuid4(), "at": NOW, **terms}
    )


def posted(account: CreditAccount, *, at: dt.datetime = NOW) -> Decimal:
    return ledger.read_balance(account, at=at).posted


def remaining(*grants: CreditGrant) -> list[Decimal]:
    return [CreditGrant.objects.get(id=grant.id).remaining for grant in grants]


def usage(account: CreditAccount) -> LedgerEntry:
    """The newest usage entry."""
    return account.entries.filter(kind="usage").latest("account_version")


class TestGrantCredit:
    def test_a_grant_is_in_the_balance(self, account: CreditAccount) -> None:
        grant = give(account, "12.50", name="Starter pack", meters=["tokens", "images"])
        assert grant.remaining == Decimal("12.50")
        assert (grant.name, grant.meters) == ("Starter pack", ["images", "tokens"])
        account.refresh_from_db()
        assert (account.balance, account.version) == (Decimal("12.50"), 1)

    @pytest.mark.parametrize(
        ("category", "contra"),
        [
            (Category.PAID, "deferred_revenue"),
            (Category.INCLUDED, "deferred_revenue"),
            (Category.PROMOTIONAL, "promotional_expense"),
            (Category.REFUND, "adjustment"),
        ],
    )
    def test_the_entry_says_where_credit_came_from(
        self, account: CreditAccount, category: Category, contra: str
    ) -> None:
        give(account, category=category)
        assert account.entries.get().contra == contra

    def test_one_that_is_effective_later_counts_from_then_on(self, account: CreditAccount) -> None:
        grant = give(account, effective_at=NOW + HOUR)
        assert grant.posted_at is None
        assert posted(account, at=NOW) == 0
        assert posted(account, at=NOW + HOUR) == 100
        account.refresh_from_db()
        assert account.balance == 0

    def test_it_pays_an_overdraft_first(self) -> None:
        account = CreditAccountFactory.create(overdraft=True)
        charge(account, "30")
        assert remaining(give(account, at=NOW)) == [70]
        assert posted(account) == 70

    def test_a_payment_is_granted_once(self, account: CreditAccount) -> None:
        give(account, reference="payment-1")
        with pytest.raises(ledger.DuplicateReference):
            give(account, reference="payment-1")
        assert posted(account) == 100

    def test_a_set_is_granted_whole_or_not_at_all(self, account: CreditAccount) -> None:
        give(account, reference="payment-1")
        other = CreditAccountFactory.create(customer__organization=account.organization)
        orders = [
            GrantOrder(account_id=other.id, amount=Decimal(5), category=Category.PAID),
            GrantOrder(
                account_id=account.id,
                amount=Decimal(5),
                category=Category.PAID,
                reference="payment-1",
            ),
        ]
        with pytest.raises(ledger.DuplicateReference):
            ledger.grant_credit_all(organization_id=account.organization_id, orders=orders, at=NOW)
        assert posted(other) == 0

    @pytest.mark.parametrize(
        "terms",
        [
            {"amount": "0"},
            {"amount": "-1"},
            {"amount": "0.0000000000001"},
            {"priority": -1},
            {"priority": 101},
            {"expires_at": SINCE},
            {"effective_at": NOW, "expires_at": NOW},
            {"effective_at": SINCE - DAY, "expires_at": SINCE},
            {"category": "gift"},
        ],
    )
    def test_terms_that_cannot_hold_are_refused(
        self, account: CreditAccount, terms: dict[str, Any]
    ) -> None:
        with pytest.raises(ValueError, match=r".+"):
            give(account, **terms)
        assert posted(account) == 0

    def test_an_account_of_somebody_else_is_unknown(self, account: CreditAccount) -> None:
        order = GrantOrder(account_id=account.id, amount=Decimal(1), category=Category.PAID)
        with pytest.raises(ledger.UnknownAccount):
            ledger.grant_credit_all(
                organization_id=OrganizationFactory.create().id, orders=[order], at=NOW
            )


class TestDebit:
    def test_priorities_decide(self, account: CreditAccount) -> None:
        second, first = give(account, priority=2), give(account, priority=1)
        charge(account, "120")
        assert remaining(first, second) == [0, 80]

    def test_the_soonest_expiry_pays_first(self, account: CreditAccount) -> None:
        later = give(account, expires_at=NOW + 36_500 * DAY)
        sooner = give(account, expires_at=NOW + 30 * DAY)
        charge(account, "120")
        assert remaining(sooner, later) == [0, 80]

    def test_a_prepaid_account_pays_whole_or_not_at_all(self, account: CreditAccount) -> None:
        give(account, "99.99")
        with pytest.raises(ledger.InsufficientCredit, match=r"needs 100, has 99\.99"):
            charge(account, "100")
        assert posted(account) == Decimal("99.99")

    def test_overage_consumes_what_there_is(self, account: CreditAccount) -> None:
        give(account, "40")
        result = charge(account, "100", overage_allowed=True)
        assert result.overage == (Decimal(60),)
        assert (result.paid, result.balance) == (Decimal(40), Decimal(0))

    def test_an_overdraft_ends_at_the_floor(self) -> None:
        account = CreditAccountFactory.create(overdraft=True)
        assert charge(account, "50").balance == -50
        with pytest.raises(ledger.InsufficientCredit):
            charge(account, "0.01")

    def test_a_grant_for_some_meters_pays_for_no_other(self, account: CreditAccount) -> None:
        give(account, meters=["images"])
        with pytest.raises(ledger.InsufficientCredit):
            charge(account, "1")
        assert charge(account, "1", meter="images").balance == 99

    def test_an_expired_grant_pays_nothing_though_nobody_swept(
        self, account: CreditAccount
    ) -> None:
        give(account, expires_at=NOW)
        with pytest.raises(ledger.InsufficientCredit, match="has 0"):
            charge(account, "1")

    def test_a_set_goes_on_after_one_that_cannot_be_paid(self, account: CreditAccount) -> None:
        give(account, "10")
        orders = [
            DebitOrder(
                account_id=account.id,
                reference=uuid.uuid4(),
                parts=[Part("tokens", Decimal(amount))],
            )
            for amount in (6, 5, 4)
        ]
        first, refused, last = ledger.debit_all(
            organization_id=account.organization_id, orders=orders, at=NOW
        )
        assert isinstance(first, ledger.Debit)
        assert isinstance(refused, ledger.InsufficientCredit)
        assert isinstance(last, ledger.Debit)
        assert last.balance == 0

    def test_an_event_is_charged_once(self, account: CreditAccount) -> None:
        give(account)
        event = uuid.uuid4()
        charge(account, "1", reference=event)
        with pytest.raises(ledger.DuplicateReference):
            charge(account, "1", reference=event)
        assert posted(account) == 99

    def test_an_event_is_charged_once_though_another_grant_would_pay(
        self, account: CreditAccount
    ) -> None:
        give(account, "10", priority=1)
        give(account, "10")
        event = uuid.uuid4()
        charge(account, "10", reference=event)
        with pytest.raises(ledger.DuplicateReference):
            charge(account, "10", reference=event)
        assert posted(account) == 10

    def test_a_set_charges_an_event_once(self, account: CreditAccount) -> None:
        give(account, "10", priority=1)
        give(account, "10")
        order = DebitOrder(
            account_id=account.id, reference=uuid.uuid4(), parts=[Part("tokens", Decimal(10))]
        )
        with pytest.raises(ledger.DuplicateReference):
            ledger.debit_all(organization_id=account.organization_id, orders=[order, order], at=NOW)
        assert posted(account) == 20


class TestReverse:
    def test_credit_returns_to_the_grant_that_paid(self, account: CreditAccount) -> None:
        first, second = give(account, priority=1), give(account, priority=2)
        charge(account, "130")
        ledger.reverse(entry=usage(account), at=NOW)
        assert remaining(first, second) == [0, 100]

    def test_credit_returns_to_a_grant_that_was_used_up(self, account: CreditAccount) -> None:
        grant = give(account)
        charge(account, "100")
        ledger.reverse(entry=usage(account), at=NOW)
        assert remaining(grant) == [100]

    def test_what_returns_to_an_expired_grant_expires_at_once(self, account: CreditAccount) -> None:
        grant = give(account, expires_at=NOW + HOUR)
        charge(account, "60")
        self.expire(account, at=NOW + HOUR)
        ledger.reverse(entry=usage(account), at=NOW + DAY)
        assert remaining(grant) == [0]
        assert posted(account, at=NOW + DAY) == 0
        kinds = account.entries.order_by("account_version").values_list("kind", flat=True)
        assert list(kinds) == ["grant", "usage", "expiry", "reversal", "expiry"]

    def test_a_grant_whose_end_was_booked_stays_over_for_a_clock_that_is_behind(
        self, account: CreditAccount
    ) -> None:
        grant = give(account, expires_at=NOW + HOUR)
        charge(account, "60")
        self.expire(account, at=NOW + HOUR)
        ledger.reverse(entry=usage(account), at=NOW)
        assert remaining(grant) == [0]
        assert checks.run(audit.CHECKS) == []

    def test_what_returns_before_the_expiry_is_booked_expires_with_the_rest(
        self, account: CreditAccount
    ) -> None:
        grant = give(account, expires_at=NOW + HOUR)
        charge(account, "60")
        ledger.reverse(entry=usage(account), at=NOW + DAY)
        assert remaining(grant) == [100]
        assert posted(account, at=NOW + DAY) == 0
        self.expire(account, at=NOW + DAY)
        assert remaining(grant) == [0]

    def test_an_overdraft_repaid_since_is_refunded(self) -> None:
        account = CreditAccountFactory.create(overdraft=True)
        charge(account, "30")
        entry = usage(account)
        give(account, "20", at=NOW)
        ledger.reverse(entry=entry, at=NOW)
        assert posted(account) == 20
        refund = account.grants.get(category=Category.REFUND)
        assert refund.remaining == 20

    def test_each_entry_is_reversed_once(self, account: CreditAccount) -> None:
        give(account)
        charge(account, "30")
        entry = usage(account)
        ledger.reverse(entry=entry, at=NOW)
        with pytest.raises(ledger.AlreadyReversed):
            ledger.reverse(entry=entry, at=NOW)
        assert posted(account) == 100

    def test_a_set_is_reversed_whole_or_not_at_all(self, account: CreditAccount) -> None:
        give(account)
        charge(account, "30")
        with pytest.raises(ledger.NotReversible, match="only usage"):
            self.reverse_all(account, [2, 1])
        assert posted(account) == 70
        charge(account, "5")
        self.reverse_all(account, [2, 3])
        assert posted(account) == 100

    @pytest.mark.parametrize("versions", [[2, 2], [7], [2, 7]])
    def test_entries_are_named_once_and_exist(
        self, account: CreditAccount, versions: list[int]
    ) -> None:
        give(account)
        charge(account, "30")
        with pytest.raises(ledger.NotReversible):
            self.reverse_all(account, versions)

    def test_entries_of_somebody_else_are_not_there(self, account: CreditAccount) -> None:
        give(account)
        charge(account, "30")
        with pytest.raises(ledger.NotReversible):
            ledger.reverse_all(
                organization_id=OrganizationFactory.create().id,
                account_id=account.id,
                versions=[2],
                at=NOW,
            )

    @staticmethod
    def expire(account: CreditAccount, *, at: dt.datetime) -> None:
        ledger.expire(organization_id=account.organization_id, account_ids=[account.id], at=at)

    @staticmethod
    def reverse_all(account: CreditAccount, versions: list[int]) -> None:
        ledger.reverse_all(
            organization_id=account.organization_id,
            account_id=account.id,
            versions=versions,
            at=NOW,
        )


class TestExpire:
    def test_what_is_left_is_booked_once(self, account: CreditAccount) -> None:
        grant = give(account, expires_at=NOW)
        charge(account, "30", at=NOW - HOUR)
        assert self.expire(account) == 1
        assert self.expire(account) == 0
        assert remaining(grant) == [0]
        assert account.entries.latest("account_version").contra == "breakage"
        assert CreditGrant.objects.get().expired_at == NOW

    def test_a_grant_that_has_become_effective_is_booked(self, account: CreditAccount) -> None:
        grant = give(account, effective_at=NOW)
        assert self.expire(account) == 1
        grant.refresh_from_db()
        assert grant.remaining == 100
        assert grant.posted_at == NOW

    def test_accounts_of_somebody_else_are_unknown(self, account: CreditAccount) -> None:
        with pytest.raises(ledger.UnknownAccount):
            ledger.expire(
                organization_id=OrganizationFactory.create().id, account_ids=[account.id], at=NOW
            )

    @staticmethod
    def expire(account: CreditAccount) -> int:
        return ledger.expire(
            organization_id=account.organization_id, account_ids=[account.id], at=NOW
        )


class TestReadBalance:
    def test_time_is_counted_before_the_sweep_has_booked_it(self, account: CreditAccount) -> None:
        give(account, "10", expires_at=NOW)
        give(account, "3", effective_at=NOW)
        balances = [posted(account, at=NOW - HOUR), posted(account, at=NOW)]
        self_booked = ledger.expire(
            organization_id=account.organization_id, account_ids=[account.id], at=NOW
        )
        assert balances == [10, 3]
        assert self_booked == 2
        assert posted(account) == 3

    def test_what_is_held_and_the_floor_are_told_apart(self) -> None:
        account = CreditAccountFactory.create(overdraft=True)
        give(account, "10")
        balance = ledger.read_balance(account, at=NOW)
        assert balance == ledger.Balance(posted=Decimal(10), held=Decimal(0), available=Decimal(60))

    def test_no_accounts_have_no_balances(self) -> None:
        assert ledger.read_balances([], at=NOW) == {}


class TestLockBooks:
    def test_the_same_account_twice_is_one(self, account: CreditAccount) -> None:
        books = ledger.lock_books(
            organization_id=account.organization_id, account_ids=[account.id, account.id], at=NOW
        )
        assert list(books) == [account.id]


class TestOpenAccount:
    def test_a_customer_has_one_for_each_asset(self) -> None:
        customer = CustomerFactory.create()
        asset = AssetFactory.create(organization=customer.organization)
        opened = ledger.open_account(customer=customer, asset=asset, floor=Decimal(-5))
        again = ledger.open_account(customer=customer, asset=asset)
        assert opened == again
        assert again.floor == -5


def test_another_fault_keeps_its_name(account: CreditAccount) -> None:
    give(account)
    books = ledger.lock_books(
        organization_id=account.organization_id, account_ids=[account.id], at=NOW
    )
    books[account.id].version += 1
    books[account.id].debit(parts=[Part("tokens", Decimal(1))], reference=uuid.uuid4(), at=NOW)
    with pytest.raises(Exception, match="do not follow"), transaction.atomic():
        ledger.post(books.values(), at=NOW)
