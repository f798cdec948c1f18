"""Grants that are taken back: at once, but for what open holds still need."""

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from accounts import audit, checks, ledger
from accounts.books import Part
from accounts.burndown import Category
from accounts.ledger import NotVoidable
from accounts.models import CreditAccount, CreditGrant, LedgerEntry
from tests.accounts.paper_books import (
    book,
    capture,
    coming_grant,
    debit,
    entries,
    grant,
    hold,
    left,
    whole,
)
from tests.clock import DAY, HOUR, NOW, SINCE
from tests.factories import CreditAccountFactory


class TestOnPaper:
    def test_what_was_used_before_stays_used_and_nothing_is_left_after(self) -> None:
        account = book(voided := grant("100"))
        debit(account, "50")
        assert account.void(voided, at=NOW + HOUR) == 50
        assert account.balance == 0
        assert debit(account, "50", at=NOW + HOUR, overage_allowed=True).overage == whole(50)
        assert entries(account) == [("usage", -50), ("void", -50)]

    @pytest.mark.parametrize(
        ("category", "contra"),
        [(Category.PAID, "breakage"), (Category.PROMOTIONAL, "promotional_expense")],
    )
    def test_it_goes_where_an_expiry_would_go(self, category: Category, contra: str) -> None:
        account = book(voided := grant("1", category=category))
        account.void(voided, at=NOW)
        assert account.entries[0].contra == contra

    @pytest.mark.parametrize("captured", [20, 5])
    def test_what_open_holds_need_stays_until_they_end(self, captured: int) -> None:
        account = book(voided := grant("100"))
        held = hold(account, "20")
        assert account.void(voided, at=NOW) == 80
        assert (account.balance, account.held) == whole(20, 20)
        capture(account, held, str(captured))
        assert (account.balance, account.held) == whole(0, 0)
        assert sum(entry.amount for entry in account.entries if entry.kind == "void") == (
            captured - 100
        )

    def test_a_hold_that_is_extended_finds_nothing_on_it(self) -> None:
        account = book(voided := grant("100"), other := grant("10", priority=90))
        held = hold(account, "20")
        account.void(voided, at=NOW)
        account.extend(held, parts=[Part("tokens", Decimal(5))], at=NOW)
        assert [draw.grant_id for draw in held.draws] == [voided.id, other.id]

    def test_one_that_is_still_to_come_never_comes(self) -> None:
        account = book(voided := coming_grant(effective_at=NOW + HOUR))
        assert account.void(voided, at=NOW) == 0
        account.settle(at=NOW + DAY)
        assert (account.entries, voided.posted) == ([], False)
        account.add_grant(coming_grant(str(Decimal(10) ** 26 - 1), effective_at=NOW), at=NOW)

    def test_what_returns_to_it_lapses_at_once(self) -> None:
        account = book(voided := grant("100"))
        debit(account, "30")
        account.void(voided, at=NOW)
        account.reverse(account.entries[0], refund_id=uuid.UUID(int=1), at=NOW)
        assert (account.balance, left(voided)) == (Decimal(0), [0])
        assert entries(account)[-1] == ("void", -30)

    def test_a_grant_that_is_over_is_not_voided(self) -> None:
        account = book(expired := grant(expires_at=NOW), voided := grant())
        account.void(voided, at=NOW)
        with pytest.raises(NotVoidable, match="voided before"):
            account.void(voided, at=NOW)
        with pytest.raises(NotVoidable, match="expired"):
            account.void(expired, at=NOW)


@pytest.mark.django_db
class TestInTheDatabase:
    @pytest.fixture
    def account(self) -> CreditAccount:
        """A prepaid account without credit."""
        return CreditAccountFactory.create()

    @pytest.fixture(autouse=True)
    def _books_are_right_afterwards(self) -> Iterator[None]:
        yield
        assert checks.run(audit.CHECKS) == []

    @staticmethod
    def give(account: CreditAccount, **terms: Any) -> CreditGrant:
        return ledger.grant_credit(
            account=account,
            amount=Decimal(100),
            category=Category.PAID,
            at=SINCE,
            **terms,
        )

    def test_it_is_taken_back_once(self, account: CreditAccount) -> None:
        voided = self.give(account)
        charge: dict[str, Any] = {
            "account": account,
            "parts": [Part("tokens", Decimal(50))],
            "at": NOW,
        }
        ledger.debit(reference=uuid.uuid4(), **charge)
        assert ledger.void_grant(grant=voided, at=NOW) == 50
        assert ledger.read_balance(account, at=NOW).posted == 0
        with pytest.raises(NotVoidable):
            ledger.void_grant(grant=voided, at=NOW + HOUR)
        with pytest.raises(ledger.InsufficientCredit):
            ledger.debit(reference=uuid.uuid4(), **charge)
        voided.refresh_from_db()
        assert (voided.voided_at, voided.remaining) == (NOW, Decimal(0))

    def test_one_that_is_used_up_takes_back_what_returns(self, account: CreditAccount) -> None:
        voided = self.give(account)
        parts = [Part("tokens", Decimal(100))]
        ledger.debit(account=account, reference=uuid.uuid4(), parts=parts, at=NOW)
        assert ledger.void_grant(grant=voided, at=NOW) == 0
        ledger.reverse(entry=LedgerEntry.objects.get(kind="usage"), at=NOW)
        assert ledger.read_balance(account, at=NOW).posted == 0

    def test_what_a_hold_needs_is_there_for_it(self, account: CreditAccount) -> None:
        voided = self.give(account, expires_at=NOW + HOUR)
        parts = [Part("tokens", Decimal(20))]
        held = ledger.hold(
            account=account, reference=uuid.uuid4(), parts=parts, expires_at=NOW + DAY, at=NOW
        )
        assert ledger.void_grant(grant=voided, at=NOW) == 80
        captured = ledger.capture(
            account=account,
            hold_reference=held.reference,
            reference=uuid.uuid4(),
            parts=[Part("tokens", Decimal(15))],
            at=NOW + 2 * HOUR,
        )
        assert (captured.paid, captured.balance) == (Decimal(15), Decimal(0))
        assert list(account.entries.order_by("account_version").values_list("kind", flat=True)) == [
            "grant",
            "void",
            "usage",
            "void",
        ]

    def test_one_that_is_still_to_come_is_forgotten(self, account: CreditAccount) -> None:
        voided = self.give(account, effective_at=NOW + HOUR, expires_at=NOW + DAY)
        assert ledger.void_grant(grant=voided, at=NOW) == 0
        assert not ledger.expire(
            organization_id=account.organization_id, account_ids=[account.id], at=NOW + DAY
        )
        voided.refresh_from_db()
        assert (voided.posted_at, voided.voided_at, voided.expired_at) == (None, NOW, None)

    def test_a_grant_may_come_and_go_in_one_transaction(self, account: CreditAccount) -> None:
        [kept, voided] = [coming_grant(effective_at=NOW) for _ in range(2)]
        books = ledger.lock_books(
            organization_id=account.organization_id, account_ids=[account.id], at=NOW
        )
        books[account.id].add_grant(kept, at=NOW)
        books[account.id].add_grant(voided, at=NOW)
        hold(books[account.id], "30")
        books[account.id].void(voided, at=NOW)
        ledger.post(books.values(), at=NOW)
        assert CreditGrant.objects.get(id=voided.id).voided_at == NOW
        assert CreditGrant.objects.get(id=kept.id).held == 30
