"""Permits: what an event that may go ahead will take, what it took, and why another one may not."""

import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from accounts import ledger
from metering import outcomes
from metering.refusals import Refusal
from metering.spend_caps import Counted
from pricing.catalog import CatalogPrice
from pricing.rating import Rated


class RatedPrice(NamedTuple):
    """What one price makes of an event."""

    price: CatalogPrice
    rated: Rated


class Refused(Exception):
    """The work may not go ahead; `refusals` say why, the binding one first. Nothing was changed."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("; ".join(refusal.detail for refusal in refusals))
        self.refusals = refusals


class Paid(msgspec.Struct):
    """What paying for one event came to; `overages` and `uncollected` by price id.

    `counted` is what it has added to spend caps.
    """

    counted: Sequence[Counted] = ()
    charges: list[dict[str, str]] = msgspec.field(default_factory=list)
    overages: dict[uuid.UUID, Decimal] = msgspec.field(default_factory=dict)
    uncollected: dict[uuid.UUID, Decimal] = msgspec.field(default_factory=dict)

    def add(self, charged: Sequence[RatedPrice], taken: ledger.Debit | ledger.Captured) -> None:
        """Note what became of the event in one asset."""
        for (price, _), overage, uncollected in zip(
            charged, taken.overage, taken.uncollected, strict=True
        ):
            self.overages[price.price_id] = overage
            self.uncollected[price.price_id] = uncollected
        self.charges.append(outcomes.charge(charged, taken))


class Permit(NamedTuple):
    """What an event that may go ahead takes: of each asset, and of the counts of spend caps.

    `plans` say who pays it, as long as the books stay as they are.
    """

    charged: dict[uuid.UUID, list[RatedPrice]]
    plans: dict[uuid.UUID, ledger.Plan]
    counted: list[Counted]


def by_asset(rated: Sequence[RatedPrice]) -> dict[uuid.UUID, list[RatedPrice]]:
    """Return what an event is charged, by asset id."""
    charged: dict[uuid.UUID, list[RatedPrice]] = {}
    for each in rated:
        charged.setdefault(each.price.asset_id, []).append(each)
    return charged


def parts_of(charged: Sequence[RatedPrice]) -> list[ledger.Part]:
    """Return what is to be paid for these, meter by meter."""
    return [ledger.Part(price.compiled.meter.code, each.amount) for price, each in charged]
