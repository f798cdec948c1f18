"""Replaying: a billing period lived through again at other prices, event by event.

Rates what was recorded in the order in which it was recorded, from totals that are empty when the
period begins, as ingestion did; and says what the close adds, as settlement does. Where a replay
has come to can be written down and taken up again.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from accounts import money
from accounts.money import ZERO
from pricing import bills, period_charges
from pricing.aggregation import Unpriceable
from pricing.bills import BilledPrice, SampleEvent
from pricing.rating import Span, Total, Totals

REFUSALS_TOLD_APART = 50
_OTHERS = ("other", "other reasons")


class Amount(NamedTuple):
    """An amount of an asset, by its code."""

    asset: str
    amount: Decimal


class Replay:
    """One period at the prices of `prices`, whose names tell them apart."""

    def __init__(self, prices: Sequence[BilledPrice], period: Span) -> None:
        self._prices = prices
        self._period = period
        self._totals = [Totals() for _ in prices]
        self._by_type: dict[str, tuple[list[BilledPrice], list[Totals]]] = {}
        self._index()

    def _index(self) -> None:
        self._by_type.clear()
        for price, totals in zip(self._prices, self._totals, strict=True):
            prices, held = self._by_type.setdefault(price.compiled.meter.event_type, ([], []))
            prices.append(price)
            held.append(totals)

    def rate(self, event: SampleEvent) -> list[Amount]:
        """Rate the next event and count it. Raises Unpriceable, and then it counts for nothing."""
        found = self._by_type.get(event.type)
        if found is None:
            raise Unpriceable("no_price", "the version prices no events of this type")
        prices, totals = found
        rated = bills.rate_all(prices, totals, event, period=self._period)
        return [Amount(price.asset, each.amount) for price, each in rated]

    def due_at_close(self) -> list[Amount]:
        """Return what the close adds to what the events were charged so far."""
        return [
            Amount(price.asset, charge.amount)
            for price, totals in zip(self._prices, self._totals, strict=True)
            for charge in period_charges.charges_at_close(
                price.compiled, totals, period=self._period
            )
        ]

    @property
    def size(self) -> int:
        """How much has to be remembered to go on later: cells, and values counted uniquely."""
        return sum(len(totals.cells) + len(totals.seen) for totals in self._totals)

    def written_down(self) -> dict[str, Any]:
        """Return, as JSON, what it takes to go on from here."""
        return {
            price.name: {
                "cells": {key: _write(total) for key, total in totals.cells.items()},
                "seen": sorted(totals.seen),
            }
            for price, totals in zip(self._prices, self._totals, strict=True)
        }

    def take_up(self, written: Mapping[str, Any]) -> None:
        """Go on from where another replay of the same prices was written down."""
        for number, price in enumerate(self._prices):
            held = written[price.name]
            totals = Totals.of({key: _read(total) for key, total in held["cells"].items()})
            totals.seen.update((cell, value) for cell, value in held["seen"])
            self._totals[number] = totals
        self._index()


def _write(total: Total) -> list[Any]:
    amounts = (
        total.quantity, total.billable, total.metered, total.amount, total.overage,
        total.uncollected,
    )  # fmt: skip
    latest_at = total.latest_at.isoformat() if total.latest_at is not None else None
    return [*(money.to_wire(amount) for amount in amounts), total.events, latest_at]


def _read(written: Sequence[Any]) -> Total:
    *amounts, events, latest_at = written
    # What was written down before anything could be uncollected is one amount shorter.
    quantity, billable, metered, amount, overage, *rest = (Decimal(text) for text in amounts)
    return Total(
        quantity=quantity,
        billable=billable,
        metered=metered,
        amount=amount,
        overage=overage,
        uncollected=rest[0] if rest else ZERO,
        events=events,
        latest_at=dt.datetime.fromisoformat(latest_at) if latest_at is not None else None,
    )


@dataclass(slots=True)
class Difference:
    """What was charged in one asset and what would have been; see `metering.models.BacktestResult`.

    `cost` is None as long as nothing is known of it.
    """

    charged: Decimal = ZERO
    would_be: Decimal = ZERO
    events: int = 0
    unpriced: int = 0
    cost: Decimal | None = None
    uncosted: int = 0
    charged_uncosted: Decimal = ZERO
    would_be_uncosted: Decimal = ZERO


@dataclass(slots=True)
class Refusals:
    """Why events could not be priced: how many for each reason, and the id of one of them."""

    by_reason: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, written: Iterable[Mapping[str, Any]]) -> "Refusals":
        """Take up what was written down."""
        return cls(
            {
                (each["reason"], each["detail"]): (each["events"], each["example"])
                for each in written
            }
        )

    def add(self, error: Unpriceable, *, example: str) -> None:
        """Count an event. Beyond so many reasons, further ones are not told apart."""
        key = (error.reason, error.detail)
        if key not in self.by_reason and len(self.by_reason) >= REFUSALS_TOLD_APART:
            key = _OTHERS
        count, first = self.by_reason.get(key, (0, example))
        self.by_reason[key] = (count + 1, first)

    def written_down(self) -> list[dict[str, Any]]:
        """Return them as JSON, the most frequent first."""
        return [
            {"reason": reason, "detail": detail, "events": events, "example": example}
            for (reason, detail), (events, example) in self._sorted()
        ]

    def _sorted(self) -> Iterator[tuple[tuple[str, str], tuple[int, str]]]:
        yield from sorted(self.by_reason.items(), key=lambda item: (-item[1][0], item[0]))


def _by_asset(amounts: Iterable[Amount]) -> dict[str, Decimal]:
    summed: dict[str, Decimal] = {}
    for asset, amount in amounts:
        summed[asset] = summed.get(asset, ZERO) + amount
    return summed


@dataclass(slots=True)
class Comparison:
    """The differences that one customer's periods make, by asset code."""

    differences: dict[str, Difference] = field(default_factory=dict)

    def of(self, asset: str) -> Difference:
        """Return the difference in an asset."""
        return self.differences.setdefault(asset, Difference())

    def count(
        self,
        *,
        charged: Iterable[Amount],
        would_be: Iterable[Amount] | None,
        cost: Amount | None = None,
    ) -> None:
        """Add an event; `would_be` is None for one that could not be priced."""
        before, after = _by_asset(charged), _by_asset(would_be or ())
        for asset in before.keys() | after.keys():
            difference = self.of(asset)
            was, would = before.get(asset, ZERO), after.get(asset, ZERO)
            difference.charged += was
            difference.would_be += would
            difference.events += 1
            difference.unpriced += would_be is None
            if cost is None or cost.asset != asset:
                difference.uncosted += 1
                difference.charged_uncosted += was
                difference.would_be_uncosted += would
        if cost is not None:
            difference = self.of(cost.asset)
            difference.cost = (difference.cost or ZERO) + cost.amount

    def close(self, *, charged: Iterable[Amount], would_be: Iterable[Amount]) -> None:
        """Add what the end of a period was charged, and would have been."""
        for asset, amount in charged:
            self.of(asset).charged += amount
        for asset, amount in would_be:
            self.of(asset).would_be += amount
