"""Credit that rolls over from one grant of a series to the next."""

import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts import audit, checks, ledger
from accounts.burndown import Category, CostBasis, GrantState
from accounts.models import CreditAccount, CreditGrant
from tests.accounts.paper_books import book, coming_grant, debit, entries, grant, hold, left
from tests.clock import DAY, HOUR, NOW, SINCE
from tests.factories import AssetFactory, CreditAccountFactory, CreditGrantFactory

SERIES = uuid.UUID(int=7)
MONTH = 30 * DAY
TURN = NOW + DAY


def old(amount: str = "100", **terms: Any) -> GrantState:
    """What is left of a grant that ends at the turn."""
    return grant(amount, **{"expires_at": TURN, "series": SERIES, **terms})


def new(amount: str = "100", *, limit: str | None = None, **terms: Any) -> GrantState:
    """The grant that follows at the turn."""
    return coming_grant(
        amount,
        effective_at=TURN,
        expires_at=TURN + MONTH,
        series=SERIES,
        rollover_limit=None if limit is None else Decimal(limit),
        **terms,
    )


class TestOnPaper:
    def test_what_is_left_lasts_as_long_as_the_next(self) -> None:
        account = book(first := old(), second := new())
        account.settle(at=TURN)
        assert (left(first, second), account.balance) == ([100, 100], Decimal(200))
        assert first.expires_at == second.expires_at
        account.settle(at=TURN + MONTH)
        assert account.balance == 0

    def test_beyond_the_limit_it_lapses_after_the_new_has_come(self) -> None:
        account = book(first := old(), second := new(limit="30"))
        account.settle(at=TURN)
        assert left(first, second) == [30, 100]
        assert entries(account) == [("grant", 100), ("expiry", -70)]

    def test_the_limit_is_for_all_that_is_carried_and_the_oldest_goes(self) -> None:
        account = book(
            oldest := old("50", effective_at=SINCE - DAY), newer := old(), new(limit="120")
        )
        account.settle(at=TURN)
        assert left(oldest, newer) == [20, 100]

    def test_what_is_carried_pays_before_what_is_new(self) -> None:
        account = book(first := old("10"), second := new())
        account.settle(at=TURN)
        debit(account, "15", at=TURN)
        assert left(first, second) == [0, 95]

    def test_what_a_hold_gives_back_is_carried_up_to_the_limit(self) -> None:
        account = book(first := old(), new(limit="30"))
        held = hold(account, "60", at=NOW, expires_at=TURN + DAY)
        account.settle(at=TURN)
        assert left(first) == [60]
        account.release(held, at=TURN + HOUR)
        assert left(first) == [30]

    def test_what_a_hold_took_before_the_turn_is_not_carried(self) -> None:
        account = book(first := old(), new(limit="50"))
        hold(account, "60", at=NOW, expires_at=TURN - HOUR, on_expiry="capture_full")
        account.settle(at=TURN + HOUR)
        assert left(first) == [40]

    def test_usage_undone_comes_back_up_to_what_was_carried(self) -> None:
        account = book(first := old(), new(limit="30"))
        debit(account, "50", at=NOW)
        account.settle(at=TURN)
        account.reverse(account.entries[0], refund_id=uuid.UUID(int=1), at=TURN)
        assert left(first) == [30]

    def test_months_that_nobody_looked_at_come_out_the_same(self) -> None:
        third = coming_grant(
            effective_at=TURN + MONTH,
            expires_at=TURN + 2 * MONTH,
            series=SERIES,
            rollover_limit=Decimal(150),
        )
        account = book(first := old(), second := new(limit="80"), third)
        account.settle(at=TURN + MONTH + HOUR)
        assert left(first, second, third) == [50, 100, 100]

    def test_other_series_end_as_ever(self) -> None:
        account = book(old(), foreign := new(), grant(expires_at=TURN))
        foreign.series = uuid.UUID(int=8)
        account.settle(at=TURN)
        assert account.balance == 100

    def test_no_month_is_passed_over_by_those_who_only_give(self) -> None:
        third = coming_grant(effective_at=TURN + MONTH, expires_at=TURN + 2 * MONTH, series=SERIES)
        account = book(old(), new(), third)
        account.post_due(at=TURN + MONTH)
        account.add_grant(
            coming_grant(
                "1", effective_at=TURN + MONTH, expires_at=TURN + 2 * MONTH, series=SERIES
            ),
            at=TURN + MONTH,
        )
        assert account.entries == []
        account.settle(at=TURN + MONTH)
        assert account.balance == 301

    def test_who_only_gives_leaves_it_to_those_who_watch(self) -> None:
        account = book(first := old(), second := new(limit="30"))
        account.post_due(at=TURN)
        assert (second.posted, left(first)) == (False, [100])


@pytest.mark.django_db
class TestInTheDatabase:
    @pytest.fixture
    def account(self) -> CreditAccount:
        """A prepaid account without credit."""
        return CreditAccountFactory.create()

    @staticmethod
    def give(account: CreditAccount, **terms: Any) -> CreditGrant:
        order = ledger.GrantOrder(
            account_id=account.id, amount=Decimal(100), category=Category.INCLUDED, **terms
        )
        [made] = ledger.grant_credit_all(
            organization_id=account.organization_id, orders=[order], at=NOW
        )
        return made

    @pytest.fixture
    def carried(self, account: CreditAccount) -> CreditGrant:
        """A grant of which 30 were carried over at the turn."""
        first = self.give(account, expires_at=TURN, series=SERIES)
        self.give(
            account,
            effective_at=TURN,
            expires_at=TURN + MONTH,
            series=SERIES,
            rollover_limit=Decimal(30),
        )
        ledger.expire(
            organization_id=account.organization_id, account_ids=[account.id], at=TURN + HOUR
        )
        first.refresh_from_db()
        return first

    def test_it_is_kept(self, account: CreditAccount, carried: CreditGrant) -> None:
        assert (carried.remaining, carried.carried) == (Decimal(30), Decimal(30))
        assert carried.expires_at == TURN + MONTH
        assert ledger.read_balance(account, at=TURN + HOUR).posted == 130
        assert checks.run(audit.CHECKS) == []

    def test_a_reader_sees_what_nobody_booked_yet(self, account: CreditAccount) -> None:
        self.give(account, expires_at=TURN, series=SERIES)
        self.give(account, effective_at=TURN, expires_at=TURN + MONTH, series=SERIES)
        assert ledger.read_balance(account, at=TURN + HOUR).posted == 200
        assert not CreditGrant.objects.exclude(carried=None).exists()

    def test_credit_for_ever_has_nothing_to_roll_over(self, account: CreditAccount) -> None:
        with pytest.raises(ValueError, match="never expires"):
            self.give(account, series=SERIES)

    @pytest.mark.parametrize(
        "changes",
        [
            {"carried": Decimal(31)},
            {"carried": None},
            {"carried": Decimal(-1)},
            {"carried": Decimal("NaN")},
            {"expires_at": TURN},
            {"expires_at": None},
            {"series": None},
            {"rollover_limit": Decimal(5)},
            {"void_reason": "none"},
            {"cost_basis_amount": Decimal(5)},
        ],
    )
    def test_the_database_refuses_what_would_not_be_true(
        self, carried: CreditGrant, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(Exception, match=r"."), transaction.atomic():
            CreditGrant.objects.filter(id=carried.id).update(**changes)
        assert CreditGrant.objects.get(id=carried.id).carried == 30

    def test_credit_that_does_not_roll_over_keeps_its_end(self, account: CreditAccount) -> None:
        plain = self.give(account, expires_at=TURN)
        with pytest.raises(Exception, match="Cannot update"), transaction.atomic():
            CreditGrant.objects.filter(id=plain.id).update(expires_at=TURN + MONTH)

    def test_only_paid_credit_was_paid_for(self, account: CreditAccount) -> None:
        basis = CostBasis(Decimal(10), account.asset_id)
        with pytest.raises(ledger.CostBasisRefused):
            self.give(account, cost_basis=basis)
        paid = CreditGrantFactory.create(account=account, cost_basis=basis)
        assert (paid.cost_basis_amount, paid.cost_basis_asset) == (Decimal(10), account.asset)

    def test_what_was_paid_is_in_an_asset_of_the_tenants(self, account: CreditAccount) -> None:
        foreign = CostBasis(Decimal(10), AssetFactory.create().id)
        with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012
            CreditGrantFactory.create(account=account, cost_basis=foreign)
            connection.check_constraints()
