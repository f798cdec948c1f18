"""The real ledger and a plain model of it, put through the same random life side by side."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts import audit, ledger, postings
from accounts.burndown import Category
from accounts.ledger import Part
from accounts.models import CreditGrant, LedgerEntry
from tests.clock import HOUR, NOW
from tests.factories import CreditAccountFactory
from tests.laws.ledger_model import Pot, TooPoor, Wallet

METERS = ("tokens", "images")
AMOUNTS = st.integers(1, 2_000).map(lambda cents: Decimal(cents) / 100)
HOURS = st.integers(1, 5).map(lambda hours: hours * HOUR)
TERMS = st.fixed_dictionaries(
    {
        "amount": AMOUNTS,
        "category": st.sampled_from(list(Category)),
        "priority": st.integers(49, 51),
        "meters": st.sets(st.sampled_from(METERS), max_size=1),
    }
)
PARTS = st.lists(st.tuples(st.sampled_from(METERS), AMOUNTS), min_size=1, max_size=3)


class LedgerMachine(RuleBasedStateMachine):
    """Each rule does one thing to both; after each step they must agree and the books be right."""

    @initialize(floor=st.sampled_from([0, -20]))
    def open(self, floor: int) -> None:
        self.example = transaction.atomic()
        self.example.__enter__()
        self.account = CreditAccountFactory.create(floor=Decimal(floor))
        self.wallet = Wallet(floor=Decimal(floor), now=NOW)
        self.usage: list[LedgerEntry] = []
        self.reversed: list[LedgerEntry] = []

    def teardown(self) -> None:
        """Leave nothing to the next example."""
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    @rule(terms=TERMS, begins=st.none() | HOURS, lasts=st.none() | HOURS)
    def grant(
        self, terms: dict[str, Any], begins: dt.timedelta | None, lasts: dt.timedelta | None
    ) -> None:
        effective_at = self.wallet.now + (begins or dt.timedelta())
        granted = ledger.grant_credit(
            account=self.account,
            effective_at=effective_at,
            expires_at=effective_at + lasts if lasts else None,
            at=self.wallet.now,
            **terms,
        )
        self.wallet.add(self._pot(granted))

    @staticmethod
    def _pot(granted: CreditGrant) -> Pot:
        return Pot(
            id=granted.id,
            left=granted.amount,
            category=granted.category,
            priority=granted.priority,
            begins=granted.effective_at,
            ends=granted.expires_at,
            meters=frozenset(granted.meters),
        )

    @rule(parts=PARTS, overage=st.booleans())
    def debit(self, parts: list[tuple[str, Decimal]], overage: bool) -> None:
        event = uuid.uuid4()
        try:
            draws, missing = self.wallet.pay(parts, overage=overage)
        except TooPoor:
            with pytest.raises(ledger.InsufficientCredit):
                self._charge(event, parts, overage=overage)
            return
        result = self._charge(event, parts, overage=overage)
        entries = list(LedgerEntry.objects.filter(reference=event).order_by("account_version"))
        assert [(entry.grant_id, -entry.amount) for entry in entries] == draws
        assert list(result.overage) == (missing if overage else [0] * len(parts))
        assert result.balance == self.wallet.balance
        self.usage += entries

    def _charge(
        self, event: uuid.UUID, parts: list[tuple[str, Decimal]], *, overage: bool
    ) -> ledger.Debit:
        return ledger.debit(
            account=self.account,
            reference=event,
            parts=[Part(meter, amount) for meter, amount in parts],
            at=self.wallet.now,
            overage_allowed=overage,
        )

    @precondition(lambda self: self.usage)
    @rule(pick=st.integers(0, 99))
    def reverse(self, pick: int) -> None:
        entry = self.usage.pop(pick % len(self.usage))
        known = {pot.id for pot in self.wallet.pots}
        ledger.reverse(entry=entry, at=self.wallet.now)
        refund = self.wallet.give_back(entry.grant_id, -entry.amount)
        news = CreditGrant.objects.filter(account=self.account).exclude(id__in=known)
        assert sum((granted.amount for granted in news), Decimal(0)) == refund
        for granted in news:
            self.wallet.add(self._pot(granted))
        self.reversed.append(entry)

    @precondition(lambda self: self.reversed)
    @rule()
    def reverse_again(self) -> None:
        with pytest.raises(ledger.AlreadyReversed):
            ledger.reverse(entry=self.reversed[-1], at=self.wallet.now)

    @precondition(lambda self: self.usage)
    @rule()
    def debit_again(self) -> None:
        with pytest.raises(ledger.DuplicateReference):
            self._charge(self.usage[-1].reference, [("tokens", Decimal(1))], overage=True)

    @rule(hours=HOURS)
    def wait(self, hours: dt.timedelta) -> None:
        self.wallet.wait(self.wallet.now + hours)

    @rule()
    def sweep(self) -> None:
        ledger.expire(
            organization_id=self.account.organization_id,
            account_ids=[self.account.id],
            at=self.wallet.now,
        )
        left = dict(CreditGrant.objects.values_list("id", "remaining"))
        assert left == {pot.id: pot.left * (not pot.waiting) for pot in self.wallet.pots}

    @invariant()
    def both_agree(self) -> None:
        balance = ledger.read_balance(self.account, at=self.wallet.now)
        assert balance.posted == self.wallet.balance
        assert balance.available == self.wallet.balance - self.wallet.floor

    @invariant()
    def each_grant_has_left_what_its_pot_has(self) -> None:
        now = self.wallet.now
        [book] = postings.read_books(
            organization_id=self.account.organization_id,
            account_ids=[self.account.id],
            at=now,
            lock=False,
        ).values()
        book.settle(at=now)
        left = {grant.id: grant.remaining for grant in book.grants if grant.remaining}
        assert left == {
            pot.id: pot.left for pot in self.wallet.pots if pot.left and not pot.waiting
        }
        assert book.owed == self.wallet.debt

    @invariant()
    def the_books_are_right(self) -> None:
        assert audit.run(audit.CHECKS) == []


@pytest.mark.django_db
def test_the_ledger_does_what_a_plain_model_does() -> None:
    run_state_machine_as_test(
        LedgerMachine, settings=settings(max_examples=50, stateful_step_count=25, deadline=None)
    )
