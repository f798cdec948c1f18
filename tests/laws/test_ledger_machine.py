"""The real ledger and a plain model of it, put through the same random life side by side."""

import datetime as dt
import os
import uuid
from collections import defaultdict
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
    rule,
    run_state_machine_as_test,
)

from accounts import audit, checks, ledger, postings
from accounts.books import Book
from accounts.ledger import Part
from accounts.models import CreditAccount, CreditGrant, LedgerEntry
from tests.clock import HOUR, NOW
from tests.factories import CreditAccountFactory
from tests.laws.ledger_model import Parts, Pot, Promise, TooPoor, Wallet
from tests.laws.ledger_steps import SERIES, STEPS, TERMS

RUNS = os.environ.get("LEDGER_MACHINE_RUNS", "200x30")
"""How many lives of how many steps; 2000x50 before a release."""


class LedgerMachine(RuleBasedStateMachine):
    """Each step does one thing to both, and then they must agree; at last the books must, too.

    There is one rule, so that no step becomes rare because others are possible more often.
    """

    example: transaction.Atomic | None = None
    """The transaction of one life; none while hypothesis has not begun it."""

    @initialize(floor=st.sampled_from([0, -20]), first=TERMS, then=TERMS)
    def open(self, floor: int, first: dict[str, Any], then: dict[str, Any]) -> None:
        self.example = transaction.atomic()
        self.example.__enter__()
        self.account = CreditAccountFactory.create(floor=Decimal(floor))
        self.wallet = Wallet(floor=Decimal(floor), now=NOW)
        self.reversed: list[LedgerEntry] = []
        self.grant(terms=first, begins=None, lasts=3 * HOUR)
        self.grant(terms=then, begins=None, lasts=None)

    @rule(step=STEPS)
    def live(self, step: tuple[str, dict[str, Any]]) -> None:
        verb, arguments = step
        getattr(self, verb)(**arguments)

    def teardown(self) -> None:
        """Audit the books, and leave nothing to the next example."""
        if self.example is None:
            # Given up before it began: what surrounds it is not this life's to roll back.
            return
        try:
            assert checks.run(audit.CHECKS) == []
        finally:
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)

    # Credit comes and goes.

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

    def renew(self, terms: dict[str, Any], lasts: dt.timedelta, limit: Decimal | None) -> None:
        """Give credit that takes over what is left of what was given so before."""
        before = [pot.ends for pot in self.wallet.pots if pot.series == SERIES and pot.ends]
        effective_at = max([self.wallet.now + HOUR, *before])
        order = ledger.GrantOrder(
            account_id=self.account.id,
            effective_at=effective_at,
            expires_at=effective_at + lasts,
            series=SERIES,
            rollover_limit=limit,
            **terms,
        )
        [granted] = ledger.grant_credit_all(
            organization_id=self.account.organization_id, orders=[order], at=self.wallet.now
        )
        self.wallet.add(self._pot(granted))
        if self.wallet.debt:
            self._expire()

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
            series=granted.series,
            limit=granted.rollover_limit,
        )

    def void(self, pick: int) -> None:
        pot = self.wallet.pots[pick % len(self.wallet.pots)]
        granted = CreditGrant.objects.get(id=pot.id)
        if pot.is_over(self.wallet.now):
            with pytest.raises(ledger.NotVoidable):
                ledger.void_grant(grant=granted, at=self.wallet.now)
            return
        before = self.wallet.balance
        self.wallet.void(pot)
        taken_back = ledger.void_grant(grant=granted, at=self.wallet.now)
        assert taken_back == before - self.wallet.balance
        self._all_is_booked()

    # Usage.

    def debit(self, parts: Parts, *, overage: bool) -> None:
        event = uuid.uuid4()
        try:
            draws, missing = self.wallet.pay(parts, overage=overage)
        except TooPoor:
            with pytest.raises(ledger.InsufficientCredit):
                self._charge(event, parts, overage=overage)
            return
        result = self._charge(event, parts, overage=overage)
        assert self._paid(event) == draws
        assert list(result.overage) == (missing if overage else [0] * len(parts))
        assert result.balance == self.wallet.balance
        self._all_is_booked()

    def _charge(self, event: uuid.UUID, parts: Parts, *, overage: bool) -> ledger.Debit:
        return ledger.debit(
            account=self.account,
            reference=event,
            parts=_as_parts(parts),
            at=self.wallet.now,
            overage_allowed=overage,
        )

    @staticmethod
    def _paid(event: uuid.UUID) -> dict[uuid.UUID | None, Decimal]:
        entries = LedgerEntry.objects.filter(reference=event, kind="usage")
        return {entry.grant_id: -entry.amount for entry in entries}

    def _usage(self) -> list[LedgerEntry]:
        done = [entry.account_version for entry in self.reversed]
        entries = LedgerEntry.objects.filter(kind="usage").order_by("account_version")
        return list(entries.exclude(account_version__in=done))

    def reverse(self, pick: int) -> None:
        usage = self._usage()
        if not usage:
            return
        entry = usage[pick % len(usage)]
        known = {pot.id for pot in self.wallet.pots}
        ledger.reverse(entry=entry, at=self.wallet.now)
        refund = self.wallet.give_back(entry.grant_id, -entry.amount)
        news = CreditGrant.objects.filter(account=self.account).exclude(id__in=known)
        assert sum((granted.amount for granted in news), Decimal(0)) == refund
        for granted in news:
            self.wallet.add(self._pot(granted))
        self.reversed.append(entry)

    def try_again(self) -> None:
        for entry in self.reversed[-1:]:
            with pytest.raises(ledger.AlreadyReversed):
                ledger.reverse(entry=entry, at=self.wallet.now)
        for entry in self._usage()[-1:]:
            with pytest.raises(ledger.DuplicateReference):
                self._charge(entry.reference, [("tokens", Decimal(1))], overage=True)
        ended = [promise for promise in self.wallet.promises if promise.state != "open"]
        for promise in ended[-1:]:
            with pytest.raises(ledger.HoldEnded, match=promise.state):
                self._capture(promise, uuid.uuid4(), [("tokens", Decimal(1))])

    # Holds.

    def hold(self, parts: Parts, lasts: dt.timedelta, policy: str, *, overage: bool) -> None:
        ends = self.wallet.now + 3 * lasts
        promise = Promise(reference=uuid.uuid4(), ends=ends, policy=policy)
        order: dict[str, Any] = {
            "account": self.account,
            "reference": promise.reference,
            "parts": _as_parts(parts),
            "expires_at": promise.ends,
            "on_expiry": policy,
            "overage_allowed": overage,
            "at": self.wallet.now,
        }
        try:
            self.wallet.put_aside(promise, parts, overage=overage)
        except TooPoor:
            with pytest.raises(ledger.InsufficientCredit):
                ledger.hold(**order)
            return
        assert ledger.hold(**order).amount == promise.amount
        self.wallet.promises.append(promise)
        self._all_is_booked()

    def _open_promise(self, pick: int) -> Promise:
        """One of those there are, or a new one of next to nothing."""
        if not self.wallet.open_promises:
            self.hold(
                parts=[("tokens", Decimal("0.01"))], lasts=HOUR, policy="release", overage=True
            )
        return self.wallet.open_promises[pick % len(self.wallet.open_promises)]

    def extend(self, pick: int, parts: Parts, lasts: dt.timedelta | None, *, overage: bool) -> None:
        promise = self._open_promise(pick)
        ends = self.wallet.now + lasts if lasts else None
        order: dict[str, Any] = {
            "account": self.account,
            "reference": promise.reference,
            "parts": _as_parts(parts),
            "expires_at": ends,
            "overage_allowed": overage,
            "at": self.wallet.now,
        }
        try:
            self.wallet.put_aside(promise, parts, overage=overage)
        except TooPoor:
            with pytest.raises(ledger.InsufficientCredit):
                ledger.extend(**order)
            return
        promise.ends = max(promise.ends, ends or promise.ends)
        assert ledger.extend(**order).expires_at == promise.ends

    def capture(self, pick: int, parts: Parts, *, final: bool, shortfall: str) -> None:
        promise, event = self._open_promise(pick), uuid.uuid4()
        overage = shortfall == "overage"
        draws, unpaid = self.wallet.keep(promise, parts, overage=overage)
        if final:
            self.wallet.end(promise, "captured")
        captured = self._capture(promise, event, parts, final=final, shortfall=shortfall)
        assert self._paid(event) == draws
        assert captured.paid == sum(draws.values(), Decimal(0))
        assert list(captured.overage if overage else captured.uncollected) == unpaid
        assert not any(captured.uncollected if overage else captured.overage)
        assert captured.balance == self.wallet.balance
        self._all_is_booked()

    def _capture(
        self, promise: Promise, event: uuid.UUID, parts: Parts, **how: Any
    ) -> ledger.Captured:
        return ledger.capture(
            account=self.account,
            hold_reference=promise.reference,
            reference=event,
            parts=_as_parts(parts),
            at=self.wallet.now,
            **how,
        )

    def report(self, pick: int, amount: Decimal) -> None:
        promise = self._open_promise(pick)
        promise.reported = max(promise.reported, min(amount, promise.amount))
        held = ledger.report(
            account=self.account, reference=promise.reference, amount=amount, at=self.wallet.now
        )
        assert held.reported == promise.reported

    def release(self, pick: int) -> None:
        promise = self._open_promise(pick)
        self.wallet.end(promise, "captured" if promise.captured else "released")
        held = ledger.release(account=self.account, reference=promise.reference, at=self.wallet.now)
        assert held.state == promise.state
        self._all_is_booked()

    # Time passes.

    def wait(self, hours: dt.timedelta) -> None:
        until = self.wallet.now + hours
        for moment in self.wallet.moments(until):
            # What an unclaimed hold has on the credit line is paid by the grants there are when
            # its end is booked: only then does it matter how soon that is.
            becomes_debt = any(
                promise.ends == moment and promise.policy != "release"
                for promise in self.wallet.open_promises
                if any(share.pot is None and share.amount for share in promise.shares)
            )
            # The same goes for who pays a debt: credit that takes over what is left of other
            # credit is not entered by those who only give.
            repays = self.wallet.debt and any(
                pot.begins == moment and pot.series for pot in self.wallet.pots
            )
            self.wallet.wait(moment)
            if becomes_debt or repays:
                self._expire()
        self.wallet.wait(until)

    def sweep(self) -> None:
        self._expire()
        self._all_is_booked()
        left = dict(CreditGrant.objects.values_list("id", "remaining"))
        assert left == {pot.id: pot.left * (not pot.waiting) for pot in self.wallet.pots}
        assert checks.run(audit.CHECKS) == []

    def _expire(self) -> None:
        ledger.expire(
            organization_id=self.account.organization_id,
            account_ids=[self.account.id],
            at=self.wallet.now,
        )

    @invariant()
    def both_agree(self) -> None:
        book = self._read()
        assert (book.balance, book.owed) == (self.wallet.balance, self.wallet.debt)
        assert book.held == self.wallet.aside
        assert book.available == book.balance - self.wallet.aside - self.wallet.floor
        grants = {g.id: (g.remaining, g.held) for g in book.grants if g.remaining}
        assert grants == {
            pot.id: (pot.left, self.wallet.aside_in(pot))
            for pot in self.wallet.pots
            if pot.left and not pot.waiting
        }
        ends = {g.id: g.expires_at for g in book.grants if g.remaining}
        assert ends == {pot.id: pot.ends for pot in self.wallet.pots if pot.id in ends}
        self._holds_agree(book)

    def _all_is_booked(self) -> None:
        """Whoever takes something leaves nothing that is due to the next one."""
        booked = CreditAccount.objects.get(id=self.account.id)
        assert (booked.balance, booked.held) == (self.wallet.balance, self.wallet.aside)

    def _read(self) -> Book:
        [book] = postings.read_books(
            organization_id=self.account.organization_id,
            account_ids=[self.account.id],
            at=self.wallet.now,
            lock=False,
            hold_references=[promise.reference for promise in self.wallet.promises],
        ).values()
        book.settle(at=self.wallet.now)
        return book

    def _holds_agree(self, book: Book) -> None:
        for promise in self.wallet.promises:
            held = book.find_hold(promise.reference)
            assert (held.state, held.expires_at) == (promise.state, promise.ends)
            assert (held.amount, held.captured) == (promise.amount, promise.captured)
            aside: dict[Any, Decimal] = defaultdict(Decimal)
            for share in promise.shares:
                aside[share.pot and share.pot.id, share.meter] += share.amount
            drawn = {(draw.grant_id, draw.meter): draw.amount for draw in held.draws}
            assert {k: v for k, v in drawn.items() if v} == {k: v for k, v in aside.items() if v}


def _as_parts(parts: Parts) -> list[Part]:
    return [Part(meter, amount) for meter, amount in parts]


@pytest.mark.django_db
def test_the_ledger_does_what_a_plain_model_does() -> None:
    lives, steps = (int(number) for number in RUNS.split("x"))
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(max_examples=lives, stateful_step_count=steps, deadline=None),
    )
