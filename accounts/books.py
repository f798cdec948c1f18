"""One account's book in memory: what each verb of the ledger does to it, as plain values.

`accounts.ledger` loads books under lock, lets the verbs below run, and writes what they entered.
Nothing here knows a database, so the rules can be tested on their own.

    posted    = sum of the entries = what grants have left, minus what is owed
    available = posted - held - floor
    owed      = what was used below zero under a credit line; entries without a grant add up to it
"""

import datetime as dt
import uuid
from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from accounts.burndown import Category, Draw, GrantState, burn_down
from accounts.money import LARGEST, ZERO, AmountInvalid

CONTRA_OF_CATEGORY = {
    Category.PAID: "deferred_revenue",
    Category.INCLUDED: "deferred_revenue",
    Category.PROMOTIONAL: "promotional_expense",
    Category.REFUND: "adjustment",
}
CONTRA_OF_EXPIRY = {
    Category.PAID: "breakage",
    Category.INCLUDED: "breakage",
    Category.PROMOTIONAL: "promotional_expense",
    Category.REFUND: "breakage",
}


class InsufficientCredit(Exception):
    """The account cannot pay; `needed` and `available` are in its asset. Nothing was changed."""

    def __init__(self, *, needed: Decimal, available: Decimal) -> None:
        super().__init__(f"needs {needed:f}, has {available:f}")
        self.needed = needed
        self.available = available


class NotReversible(Exception):
    """The entry is not usage, or was reversed before."""


class EntryState(NamedTuple):
    """One ledger entry; see `accounts.models.LedgerEntry`."""

    account_version: int
    amount: Decimal
    balance_after: Decimal
    kind: str
    contra: str
    grant_id: uuid.UUID | None
    reference: uuid.UUID
    reverses_version: int | None
    at: dt.datetime


class Part(NamedTuple):
    """What a debit charges for one meter."""

    meter: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Debit:
    """What became of a debit: `paid` left the balance, `overage[i]` of part i is to be invoiced."""

    paid: Decimal
    overage: tuple[Decimal, ...]
    balance: Decimal
    available: Decimal


@dataclass(slots=True, kw_only=True)
class Book:
    """One account with its unfinished grants; `entries` collects what is new."""

    account_id: uuid.UUID
    organization_id: uuid.UUID
    balance: Decimal
    held: Decimal
    floor: Decimal
    version: int
    grants: list[GrantState]
    entries: list[EntryState] = field(default_factory=list)
    touched: dict[uuid.UUID, GrantState] = field(default_factory=dict)
    created: list[GrantState] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.grants.sort(key=lambda grant: grant.burn_key)

    @property
    def available(self) -> Decimal:
        """What may still be used: posted - held - floor."""
        return self.balance - self.held - self.floor

    @property
    def owed(self) -> Decimal:
        """What was used below zero and no grant has paid yet."""
        return sum((g.remaining for g in self.grants if g.posted), ZERO) - self.balance

    def settle(self, *, at: dt.datetime) -> None:
        """Enter what time alone has brought: grants now effective, grants now expired."""
        self.post_due(at=at)
        for grant in self.grants:
            self.expire(grant, at=at)

    def post_due(self, *, at: dt.datetime) -> None:
        """Enter the grants that have become effective, in the order in which they did."""
        for grant in sorted(self.grants, key=lambda grant: grant.effective_at):
            if not grant.posted and grant.effective_at <= at:
                self._post_grant(grant, at=at)

    def expire(self, grant: GrantState, *, at: dt.datetime) -> None:
        """Enter the expiry of what is left of `grant`, but for what open holds still need."""
        if grant.expires_at is None or grant.expires_at > at or not grant.posted:
            return
        self.touched[grant.id] = grant
        if grant.free > 0:
            lapsed = grant.free
            contra = CONTRA_OF_EXPIRY[grant.category]
            self._enter(
                -lapsed, kind="expiry", contra=contra, grant=grant, reference=grant.id, at=at
            )

    def add_grant(self, grant: GrantState, *, at: dt.datetime) -> None:
        """Take up a new grant (`posted` False); one that is effective first pays what is owed.

        Raises AmountInvalid when all grants together would be more than a balance can hold.
        """
        to_come = sum((g.remaining if g.posted else g.amount for g in self.grants), ZERO)
        if to_come + grant.amount > LARGEST:
            raise AmountInvalid("would make the balance larger than can be kept")
        insort(self.grants, grant, key=lambda each: each.burn_key)
        self.created.append(grant)
        if grant.effective_at <= at:
            self._post_grant(grant, at=at)

    def _post_grant(self, grant: GrantState, *, at: dt.datetime) -> None:
        settles = min(self.owed, grant.amount)
        grant.posted = True
        grant.remaining = ZERO
        self.touched[grant.id] = grant
        contra = CONTRA_OF_CATEGORY[grant.category]
        for amount, owner in ((settles, None), (grant.amount - settles, grant)):
            if amount:
                self._enter(
                    amount, kind="grant", contra=contra, grant=owner, reference=grant.id, at=at
                )

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
        draws, shortfalls = self._plan(parts, at=at)
        shortfall = sum(shortfalls, ZERO)
        overage = (ZERO,) * len(parts)
        if overage_allowed:
            overage = tuple(shortfalls)
        else:
            self._refuse_beyond_floor(parts, shortfall)
        paid = self._take(draws, reference=reference, at=at)
        if shortfall and not overage_allowed:
            self._enter(
                -shortfall, kind="usage", contra="revenue", grant=None, reference=reference, at=at
            )
            paid += shortfall
        return Debit(paid=paid, overage=overage, balance=self.balance, available=self.available)

    def check(self, parts: Sequence[Part], *, at: dt.datetime) -> None:
        """Raise InsufficientCredit if a debit of `parts` would be refused. Changes nothing."""
        _, shortfalls = self._plan(parts, at=at)
        self._refuse_beyond_floor(parts, sum(shortfalls, ZERO))

    def _refuse_beyond_floor(self, parts: Sequence[Part], shortfall: Decimal) -> None:
        room = max(-self.floor - self.owed, ZERO)
        if shortfall > room:
            needed = sum((part.amount for part in parts), ZERO)
            raise InsufficientCredit(needed=needed, available=needed - shortfall + room)

    def _plan(self, parts: Sequence[Part], *, at: dt.datetime) -> tuple[list[Draw], list[Decimal]]:
        """Say which grants would pay which part. Leaves the book as it was."""
        draws: list[Draw] = []
        shortfalls = []
        for part in parts:
            part_draws, shortfall = burn_down(
                self.grants, amount=part.amount, meter=part.meter, at=at
            )
            # Later parts must see what earlier parts would take, so it is reserved meanwhile.
            for grant, amount in part_draws:
                grant.held += amount
            draws += part_draws
            shortfalls.append(shortfall)
        for grant, amount in draws:
            grant.held -= amount
        return draws, shortfalls

    def _take(self, draws: Iterable[Draw], *, reference: uuid.UUID, at: dt.datetime) -> Decimal:
        by_grant: dict[uuid.UUID, tuple[GrantState, Decimal]] = {}
        for grant, amount in draws:
            by_grant[grant.id] = (grant, by_grant.get(grant.id, (grant, ZERO))[1] + amount)
        for grant, amount in by_grant.values():
            self._enter(
                -amount, kind="usage", contra="revenue", grant=grant, reference=reference, at=at
            )
        return sum((amount for _, amount in by_grant.values()), ZERO)

    def reverse(
        self, entry: EntryState, *, refund_id: uuid.UUID, at: dt.datetime
    ) -> GrantState | None:
        """Undo a usage entry: its credit returns to the grant that paid, or expires with it.

        Usage that went below zero first lowers what is owed; what a later grant has paid of it
        since comes back as a new grant of category refund under `refund_id`, which is returned.
        Raises NotReversible for an entry that is not usage.
        """
        if entry.kind != "usage":
            raise NotReversible("only usage entries are reversed")
        amount = -entry.amount
        if entry.grant_id is not None:
            grant = next(grant for grant in self.grants if grant.id == entry.grant_id)
            self._enter_reversal(amount, entry, grant=grant, at=at)
            if grant.expired:
                self.expire(grant, at=at)
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

    def _enter(
        self,
        amount: Decimal,
        *,
        kind: str,
        contra: str,
        grant: GrantState | None,
        reference: uuid.UUID,
        at: dt.datetime,
        reverses_version: int | None = None,
    ) -> None:
        self.version += 1
        self.balance += amount
        if grant is not None:
            grant.remaining += amount
            self.touched[grant.id] = grant
        self.entries.append(
            EntryState(
                account_version=self.version,
                amount=amount,
                balance_after=self.balance,
                kind=kind,
                contra=contra,
                grant_id=grant.id if grant is not None else None,
                reference=reference,
                reverses_version=reverses_version,
                at=at,
            )
        )
