"""One account's book in memory: what each verb of the ledger does to it, as plain values.

`accounts.ledger` loads books under lock, lets the verbs below run, and writes what they entered.
Nothing here knows a database, so the rules can be tested on their own. What an account holds is
kept in `accounts.passbooks`, what is reserved of it in `accounts.reservations`.
"""

import datetime as dt
import uuid
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from accounts.burndown import Category, GrantState
from accounts.money import ZERO
from accounts.passbooks import EntryState, InsufficientCredit, Part, Plan
from accounts.reservations import Captured, HoldState, Reservations

__all__ = ["Book", "Debit", "EntryState", "InsufficientCredit", "NotReversible", "Part", "Plan"]


class NotReversible(Exception):
    """The entry is not usage, or was reversed before."""


class Debit(NamedTuple):
    """What became of a debit: `paid` left the balance, `overage[i]` of part i is to be invoiced."""

    paid: Decimal
    overage: tuple[Decimal, ...]
    balance: Decimal
    available: Decimal

    @property
    def uncollected(self) -> tuple[Decimal, ...]:
        """What nobody will pay of each part: nothing, since what cannot be paid is not debited."""
        return (ZERO,) * len(self.overage)


@dataclass(slots=True, kw_only=True)
class Book(Reservations):
    """One account with everything that can be done to it."""

    def settle(self, *, at: dt.datetime) -> None:
        """Enter what time alone has brought: grants now effective, holds and grants now expired.

        Holds end before grants do: what an unclaimed hold gives back to an expired grant expires.
        Credit rolls over as it was at that moment, so what ended before has to be entered before.
        """
        for opening in self._due(at):
            if opening.series is not None:
                self.post_due(at=at, until=opening.effective_at)
                if not opening.posted:
                    self.end_due(at=at, until=opening.effective_at)
                    self._open_series(opening, at=at)
        self.post_due(at=at)
        self.end_due(at=at)
        for grant in self.grants:
            self.lapse(grant, at=at)

    def debit(
        self,
        *,
        parts: Sequence[Part],
        reference: uuid.UUID,
        at: dt.datetime,
        overage_allowed: bool = False,
    ) -> Debit:
        """Take the sum of `parts` from the account, all or nothing.

        Grants pay in burn order. What they do not cover goes below zero as far as the floor
        allows; beyond that the debit is refused with InsufficientCredit, or, with
        `overage_allowed`, what grants do not cover is reported as overage and not taken at all.
        """
        return self.pay(
            self.plan(parts, at=at), reference=reference, at=at, overage_allowed=overage_allowed
        )

    def pay(
        self,
        plan: Plan,
        *,
        reference: uuid.UUID,
        at: dt.datetime,
        overage_allowed: bool = False,
    ) -> Debit:
        """Take what was planned, as `debit` does; the book is as it was when it was planned."""
        shortfall = plan.shortfall
        overage = (ZERO,) * len(plan.parts)
        if overage_allowed:
            overage = tuple(plan.shortfalls)
        elif shortfall:
            self.refuse_beyond_floor(plan)
        paid = self._take([*chain.from_iterable(plan.draws)], reference=reference, at=at)
        if shortfall and not overage_allowed:
            self._enter_usage(shortfall, grant=None, reference=reference, at=at)
            paid += shortfall
        return Debit(paid, overage, self.balance, self.available)

    def take(
        self,
        *,
        parts: Sequence[Part],
        reference: uuid.UUID,
        at: dt.datetime,
        shortfall: str = "block",
    ) -> Captured:
        """Take what work came to for which nothing was reserved, as `capture` does: never refused.

        What nobody can pay is overage or uncollected, as `shortfall` says.
        """
        nothing = HoldState(id=reference, reference=reference, expires_at=at, on_expiry="release")
        return self._charge(
            nothing, parts, reference=reference, at=at, final=False, shortfall=shortfall
        )

    def reverse(
        self, entry: EntryState, *, refund_id: uuid.UUID, at: dt.datetime
    ) -> GrantState | None:
        """Undo a usage entry: its credit returns to the grant that paid, or lapses with it.

        Usage that went below zero first lowers what is owed; what a later grant has paid of it
        since comes back as a new grant of category refund under `refund_id`, which is returned.
        Raises NotReversible for an entry that is not usage.
        """
        if entry.kind != "usage":
            raise NotReversible("only usage entries are reversed")
        amount = -entry.amount
        if entry.grant_id is not None:
            grant = self.grant_of(entry.grant_id)
            self._enter_reversal(amount, entry, grant=grant, at=at)
            if grant.expired or grant.voided or grant.carried is not None:
                self.lapse(grant, at=at)
            return None
        lowers = min(self.owed, amount)
        refund = self._refund(amount - lowers, refund_id=refund_id, at=at)
        if lowers:
            self._enter_reversal(lowers, entry, grant=None, at=at)
        if refund is None:
            return None
        self.created.append(refund)
        insort(self.grants, refund, key=lambda each: each.burn_key)
        if lowers:
            self._enter(
                refund.amount,
                kind="grant",
                contra="adjustment",
                grant=refund,
                reference=refund.id,
                at=at,
            )
        else:
            self._enter_reversal(refund.amount, entry, grant=refund, at=at)
        return refund

    @staticmethod
    def _refund(amount: Decimal, *, refund_id: uuid.UUID, at: dt.datetime) -> GrantState | None:
        if not amount:
            return None
        return GrantState(
            id=refund_id,
            amount=amount,
            remaining=ZERO,
            category=Category.REFUND,
            priority=50,
            effective_at=at,
            expires_at=None,
        )

    def _enter_reversal(
        self, amount: Decimal, entry: EntryState, *, grant: GrantState | None, at: dt.datetime
    ) -> None:
        self._enter(
            amount,
            kind="reversal",
            contra=entry.contra,
            grant=grant,
            reference=entry.reference,
            at=at,
            reverses_version=entry.account_version,
        )
