"""A passbook: one account's balance, its grants, and the entries that change them.

    posted    = sum of the entries = what grants have left, minus what is owed
    available = posted - held - floor
    owed      = what was used below zero under a credit line; entries without a grant add up to it
    room      = how much further below zero it may go: available, less what grants have free

What a grant has held is reserved for one of the account's open holds; what is held beyond that is
reserved on the credit line.
"""

import datetime as dt
import uuid
from bisect import insort
from collections.abc import Collection, Sequence
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
CONTRA_OF_LAPSE = {
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


class NotVoidable(Exception):
    """The grant was voided before, or has expired."""


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
    """What is charged, or reserved, for one meter."""

    meter: str
    amount: Decimal


class Plan(NamedTuple):
    """Who would pay for `parts`: for each which grants, and what none of them would."""

    parts: Sequence[Part]
    draws: list[list[Draw]]
    shortfalls: list[Decimal]

    @property
    def shortfall(self) -> Decimal:
        """What no grant would pay of them all."""
        return sum(self.shortfalls, ZERO)


@dataclass(slots=True, kw_only=True)
class Passbook:
    """One account with its unfinished grants; `entries` collects what is new.

    `newly_held` is what was reserved since the book was read, by grant, and under None on the
    credit line; below zero for what was given back.
    """

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
    newly_held: dict[uuid.UUID | None, Decimal] = field(default_factory=dict)

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

    @property
    def room(self) -> Decimal:
        """How much further below zero usage may go: what is owed and reserved there is gone."""
        return max(self.available - sum((grant.free for grant in self.grants), ZERO), ZERO)

    @property
    def newly_held_in_all(self) -> Decimal:
        """What was reserved since the book was read, less what was given back."""
        return sum(self.newly_held.values(), ZERO)

    # Grants come and go.

    def post_due(self, *, at: dt.datetime, until: dt.datetime | None = None) -> None:
        """Enter the grants that have become effective by `until`, in the order in which they did.

        Those that take over what is left of others are left out, and so are those that follow
        them: that is for `settle`.
        """
        for grant in self._due(until or at):
            if not self._takes_over(grant):
                self._post_grant(grant, at=at)

    def _due(self, moment: dt.datetime) -> list[GrantState]:
        due = [grant for grant in self.grants if grant.is_due(at=moment)]
        return sorted(due, key=lambda grant: grant.effective_at)

    def lapse(self, grant: GrantState, *, at: dt.datetime) -> None:
        """Enter the end of what is left of a grant that is over, but for what open holds need.

        What was carried over is as good as new, but more than that ends all the same.
        """
        if grant.posted and not self._is_taken_over(grant, at=at):
            self._lapse(grant, then=at, at=at)

    def _lapse(self, grant: GrantState, *, then: dt.datetime, at: dt.datetime) -> None:
        """Enter at `at` the end of what was over `then`."""
        beyond = grant.beyond(at=then)
        if beyond > 0:
            self._enter(
                -beyond,
                kind="void" if grant.voided else "expiry",
                contra=CONTRA_OF_LAPSE[grant.category],
                grant=grant,
                reference=grant.id,
                at=at,
            )
        elif not grant.remaining and grant.is_over(at=then):
            self.touched[grant.id] = grant

    def void(self, grant: GrantState, *, at: dt.datetime, reason: str = "") -> Decimal:
        """Take back what is left of `grant`, but for what open holds need, which lapses with them.

        Returns how much left the balance. Raises NotVoidable for a grant that is over.
        """
        if grant.voided:
            raise NotVoidable("the grant was voided before")
        if grant.is_over(at=at):
            raise NotVoidable("the grant has expired")
        taken_back = grant.free
        grant.voided = True
        grant.void_reason = reason
        self.touched[grant.id] = grant
        self.lapse(grant, at=at)
        return taken_back

    def add_grant(self, grant: GrantState, *, at: dt.datetime) -> None:
        """Take up a new grant (`posted` False); one that is effective first pays what is owed.

        Raises AmountInvalid when all grants together would be more than a balance can hold.
        """
        to_come = sum(
            (g.remaining if g.posted or g.voided else g.amount for g in self.grants), ZERO
        )
        if to_come + grant.amount > LARGEST:
            raise AmountInvalid("would make the balance larger than can be kept")
        insort(self.grants, grant, key=lambda each: each.burn_key)
        self.created.append(grant)
        if grant.effective_at <= at and not self._takes_over(grant):
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

    # Credit that rolls over.

    def _expiring_into(self, opening: GrantState) -> list[GrantState]:
        """Return the grants whose rest `opening` takes over when it becomes effective."""
        if opening.series is None:
            return []
        return [grant for grant in self.grants if grant.rolls_over_into(opening)]

    def _takes_over(self, opening: GrantState) -> bool:
        """Whether a grant that has become effective takes over something, or may before long."""
        if opening.series is None:
            return False
        return bool(self._expiring_into(opening)) or any(
            grant.series == opening.series and grant is not opening
            for grant in self._due(opening.effective_at)
        )

    def _is_taken_over(self, grant: GrantState, *, at: dt.datetime) -> bool:
        """Whether a grant waits to be carried over by one that is effective, but not entered."""
        if grant.series is None:
            return False
        return any(grant.rolls_over_into(opening) for opening in self._due(at))

    def _open_series(self, opening: GrantState, *, at: dt.datetime) -> None:
        """Enter a grant, and carry over what is left of those it follows, the newest of them first.

        What is carried lasts as long as the new grant. The rest lapses, after the new grant has
        come, so that the balance is at no moment lower than it has to be.
        """
        followed = self._expiring_into(opening)
        self._post_grant(opening, at=at)
        room = opening.rollover_limit
        for grant in sorted(followed, key=lambda each: each.effective_at, reverse=True):
            kept = grant.may_stay if room is None else min(grant.may_stay, room)
            room = None if room is None else room - kept
            grant.carried = kept
            if kept > 0:
                grant.expires_at = opening.expires_at
            self.touched[grant.id] = grant
            self._lapse(grant, then=opening.effective_at, at=at)
        self.grants.sort(key=lambda each: each.burn_key)

    def grant_of(self, grant_id: uuid.UUID) -> GrantState:
        """Return one of the grants that were read."""
        return next(grant for grant in self.grants if grant.id == grant_id)

    # Who would pay, and what that comes to.

    def plan(self, parts: Sequence[Part], *, at: dt.datetime) -> Plan:
        """Say who would pay for `parts` as the book stands now. Changes nothing."""
        draws, shortfalls = self._plan(parts, at=at)
        return Plan(parts, draws, shortfalls)

    def refuse_beyond_floor(self, plan: Plan) -> None:
        """Raise InsufficientCredit if `plan` is more than the account can pay."""
        self._refuse_beyond_floor(plan.parts, plan.shortfall)

    def _plan(
        self, parts: Sequence[Part], *, at: dt.datetime
    ) -> tuple[list[list[Draw]], list[Decimal]]:
        """Say for each part which grants would pay it, and what none would. Changes nothing."""
        if len(parts) == 1:
            draws, shortfall = burn_down(
                self.grants, amount=parts[0].amount, meter=parts[0].meter, at=at
            )
            return [draws], [shortfall]
        plans = []
        shortfalls = []
        for part in parts:
            draws, shortfall = burn_down(self.grants, amount=part.amount, meter=part.meter, at=at)
            # Later parts must see what earlier parts would take, so it is reserved meanwhile.
            for grant, amount in draws:
                grant.held += amount
            plans.append(draws)
            shortfalls.append(shortfall)
        for draws in plans:
            for grant, amount in draws:
                grant.held -= amount
        return plans, shortfalls

    def _refuse_beyond_floor(self, parts: Sequence[Part], shortfall: Decimal) -> None:
        if shortfall and shortfall > self.room:
            needed = sum((part.amount for part in parts), ZERO)
            raise InsufficientCredit(needed=needed, available=needed - shortfall + self.room)

    def _take(self, draws: Collection[Draw], *, reference: uuid.UUID, at: dt.datetime) -> Decimal:
        if len(draws) == 1:
            [(grant, amount)] = draws
            self._enter_usage(amount, grant=grant, reference=reference, at=at)
            return amount
        by_grant: dict[uuid.UUID, tuple[GrantState, Decimal]] = {}
        for grant, amount in draws:
            by_grant[grant.id] = (grant, by_grant.get(grant.id, (grant, ZERO))[1] + amount)
        for grant, amount in by_grant.values():
            self._enter_usage(amount, grant=grant, reference=reference, at=at)
        return sum((amount for _, amount in by_grant.values()), ZERO)

    def _enter_usage(
        self, amount: Decimal, *, grant: GrantState | None, reference: uuid.UUID, at: dt.datetime
    ) -> None:
        self._enter(
            -amount, kind="usage", contra="revenue", grant=grant, reference=reference, at=at
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
                self.version,
                amount,
                self.balance,
                kind,
                contra,
                grant.id if grant is not None else None,
                reference,
                reverses_version,
                at,
            )
        )
