"""Totals: what one price holds in one period, and what one rated event adds to it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from accounts.money import ZERO


class Span(NamedTuple):
    """The half-open time of a billing period."""

    starts_at: dt.datetime
    ends_at: dt.datetime

    @property
    def seconds(self) -> Decimal:
        """How long it lasts."""
        lasts = self.ends_at - self.starts_at
        return Decimal(lasts // dt.timedelta(microseconds=1)).scaleb(-6)


class Rated(NamedTuple):
    """What one event adds at one price, and where.

    `quantity` is what it adds to the meter's total, in raw units; `billable` the part that is not
    included; `metered` what that costs by itself; `amount` what is charged now. `distinct` is the
    value a unique count has seen for the first time. `before` is where the period stood.
    """

    cell: str
    quantity: Decimal
    billable: Decimal
    metered: Decimal
    amount: Decimal
    occurred_at: dt.datetime
    before: "Before"
    distinct: str | None = None


class Before(NamedTuple):
    """What a later look needs to retrace an event's rating: the cell's and the price's totals."""

    quantity: Decimal
    billable: Decimal
    events: int
    pool_billable: Decimal
    pool_metered: Decimal
    pool_events: int
    carried: Decimal | None = None


@dataclass(slots=True)
class Total:
    """What one cell of a price holds in one period.

    `quantity` is the meter's running total in raw units; see `aggregation.MeterSpec.result` for
    what it means. `overage` is the part of `amount` that no credit has paid and an
    invoice asks for; `uncollected` the part of it that nobody will pay.
    """

    quantity: Decimal = ZERO
    billable: Decimal = ZERO
    metered: Decimal = ZERO
    amount: Decimal = ZERO
    overage: Decimal = ZERO
    uncollected: Decimal = ZERO
    events: int = 0
    latest_at: dt.datetime | None = None

    def add(self, rated: Rated, overage: Decimal, uncollected: Decimal) -> None:
        """Count one event."""
        _, quantity, billable, metered, amount, occurred_at, _, _ = rated
        self.quantity += quantity
        self.billable += billable
        # Mostly the rest is nothing, and a sum takes longer than to see that.
        if metered:
            self.metered += metered
        if amount:
            self.amount += amount
        if overage:
            self.overage += overage
        if uncollected:
            self.uncollected += uncollected
        self.events += 1
        if self.latest_at is None or occurred_at >= self.latest_at:
            self.latest_at = occurred_at

    def merge(self, other: "Total") -> None:
        """Count what another cell holds as well; the quantities of cells may mean nothing added."""
        self.quantity += other.quantity
        self.billable += other.billable
        self.metered += other.metered
        self.amount += other.amount
        self.overage += other.overage
        self.uncollected += other.uncollected
        self.events += other.events


NOTHING = Total()
"""What a cell holds that was never used; not to be changed."""


@dataclass(slots=True)
class Totals:
    """What one price holds in one period: each cell, and all of them together in `pool`.

    A cell that is the only one is the pool itself, so that it is counted once. `seen` holds the
    values a unique count has met, by cell.
    """

    cells: dict[str, Total] = field(default_factory=dict)
    pool: Total = field(default_factory=Total)
    seen: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, cells: Mapping[str, Total]) -> "Totals":
        """Return the totals that these cells make; they are kept, and counted on."""
        totals = cls(cells=dict(cells))
        if len(totals.cells) == 1:
            [totals.pool] = totals.cells.values()
            return totals
        for cell in totals.cells.values():
            totals.pool.merge(cell)
        return totals

    def cell(self, key: str) -> Total:
        """Return one cell's total; not to be changed."""
        return self.cells.get(key, NOTHING)

    def add(self, rated: Rated, *, overage: Decimal = ZERO, uncollected: Decimal = ZERO) -> None:
        """Count one event that was rated against these totals."""
        cell = self.cells.get(rated.cell)
        if cell is None:
            cell = self._open(rated.cell)
        cell.add(rated, overage, uncollected)
        if cell is not self.pool:
            self.pool.add(rated, overage, uncollected)
        if rated.distinct is not None:
            self.seen.add((rated.cell, rated.distinct))

    def _open(self, key: str) -> Total:
        """Return a new cell: the pool itself as long as there is no other."""
        if not self.cells:
            self.cells[key] = self.pool
        else:
            if len(self.cells) == 1:
                self.pool = replace(self.pool)
            self.cells[key] = Total()
        return self.cells[key]
