"""Burn-down: which grants pay for a debit, and in which order.

The order is total, so the same debit always draws on the same grants: priority (lower first),
then expiry (soonest first, never last), then category, then the older effective time, then id.
A grant may be limited to some meters and pays for nothing else.
"""

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from accounts.money import ZERO

_NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)


class Category(StrEnum):
    """Where a grant's credit came from; declared in the order in which they burn."""

    PROMOTIONAL = "promotional"
    INCLUDED = "included"
    REFUND = "refund"
    PAID = "paid"


class CostBasis(NamedTuple):
    """What was paid for a grant: an amount of a currency."""

    amount: Decimal
    asset_id: uuid.UUID


_CATEGORY_ORDER = {category: place for place, category in enumerate(Category)}


@dataclass(slots=True, kw_only=True)
class GrantState:
    """What burn-down needs to know of one grant; amounts in the account's asset.

    `posted` and `expired` say whether its beginning and its end are in the books already;
    `voided` that it was taken back, and pays for nothing but what was reserved on it before.

    Grants of one `series` follow each other: when one of them becomes effective, what is left of
    those that expire in that moment is carried over, up to its `rollover_limit` (None: all of it).
    `carried` is how much of this one was, last time; what comes back beyond it lapses.
    """

    id: uuid.UUID
    amount: Decimal
    remaining: Decimal
    category: Category
    priority: int
    effective_at: dt.datetime
    expires_at: dt.datetime | None
    held: Decimal = ZERO
    meters: frozenset[str] = field(default_factory=frozenset)
    posted: bool = True
    expired: bool = False
    voided: bool = False
    reference: str = ""
    name: str = ""
    series: uuid.UUID | None = None
    rollover_limit: Decimal | None = None
    carried: Decimal | None = None
    cost_basis: CostBasis | None = None
    void_reason: str = ""

    @property
    def free(self) -> Decimal:
        """What no open hold has reserved."""
        return self.remaining - self.held

    @property
    def may_stay(self) -> Decimal:
        """How much of what is left may be carried over once more."""
        return self.remaining if self.carried is None else min(self.remaining, self.carried)

    def beyond(self, *, at: dt.datetime) -> Decimal:
        """What is free and yet nobody's any more: all once it is over, else more than was carried.

        A hold that gives back, or usage that is undone, brings such credit.
        """
        return self.free if self.is_over(at=at) else min(self.free, self.remaining - self.may_stay)

    @property
    def burn_key(self) -> tuple[int, dt.datetime, int, dt.datetime, uuid.UUID]:
        """The grant's place in the burn order; equal for no two grants."""
        place = _CATEGORY_ORDER[self.category]
        return (self.priority, self.expires_at or _NEVER, place, self.effective_at, self.id)

    def is_usable(self, *, meter: str, at: dt.datetime) -> bool:
        """Whether the grant may pay for `meter` at `at`: effective, not over, not foreign."""
        return (
            self.posted
            and at >= self.effective_at
            and not self.is_over(at=at)
            and (not self.meters or meter in self.meters)
        )

    def is_over(self, *, at: dt.datetime) -> bool:
        """Whether the grant was voided, or has expired by `at`.

        Once its end is in the books it stays over, also for a caller whose clock is behind.
        """
        return (
            self.voided or self.expired or (self.expires_at is not None and at >= self.expires_at)
        )

    def is_due(self, *, at: dt.datetime) -> bool:
        """Whether it is effective, and has not entered the balance yet."""
        return not self.posted and not self.voided and self.effective_at <= at

    def rolls_over_into(self, opening: "GrantState") -> bool:
        """Whether `opening` takes over what is left of it, once that becomes effective."""
        return (
            self.series is not None
            and self.series == opening.series
            and self.posted
            and not self.voided
            and self.remaining > 0
            and self.expires_at == opening.effective_at
        )

    def pays_for(self, meter: str) -> bool:
        """Whether the grant is meant for `meter`, whenever."""
        return not self.meters or meter in self.meters


class Draw(NamedTuple):
    """An amount taken from one grant."""

    grant: GrantState
    amount: Decimal


def burn_down(
    grants: Iterable[GrantState], *, amount: Decimal, meter: str, at: dt.datetime
) -> tuple[list[Draw], Decimal]:
    """Split `amount` over `grants`, which the caller has sorted by `burn_key`.

    Returns the draws, each above zero, and the shortfall that no grant covers. Changes nothing.
    """
    draws = []
    for grant in grants:
        if not amount:
            break
        free = grant.remaining - grant.held
        if free > 0 and grant.is_usable(meter=meter, at=at):
            taken = min(free, amount)
            draws.append(Draw(grant, taken))
            amount -= taken
    return draws, amount
