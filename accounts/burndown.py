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


_CATEGORY_ORDER = {category: place for place, category in enumerate(Category)}


@dataclass(slots=True, kw_only=True)
class GrantState:
    """What burn-down needs to know of one grant; amounts in the account's asset.

    `posted` and `expired` say whether its beginning and its end are in the books already;
    `voided` that it was taken back, and pays for nothing but what was reserved on it before.
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

    @property
    def free(self) -> Decimal:
        """What no open hold has reserved."""
        return self.remaining - self.held

    @property
    def burn_key(self) -> tuple[int, dt.datetime, int, dt.datetime, uuid.UUID]:
        """The grant's place in the burn order; equal for no two grants."""
        place = _CATEGORY_ORDER[self.category]
        return (self.priority, self.expires_at or _NEVER, place, self.effective_at, self.id)

    def is_usable(self, *, meter: str, at: dt.datetime) -> bool:
        """Whether the grant may pay for `meter` at `at`: effective, not over, not foreign."""
        if not self.posted or at < self.effective_at or self.is_over(at=at):
            return False
        return self.pays_for(meter)

    def is_over(self, *, at: dt.datetime) -> bool:
        """Whether the grant was voided, or has expired by `at`.

        Once its end is in the books it stays over, also for a caller whose clock is behind.
        """
        return (
            self.voided or self.expired or (self.expires_at is not None and at >= self.expires_at)
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
        if grant.free > 0 and grant.is_usable(meter=meter, at=at):
            taken = min(grant.free, amount)
            draws.append(Draw(grant, taken))
            amount -= taken
    return draws, amount
