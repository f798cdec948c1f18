"""Costs: the rates of an organization, compiled and kept until one of them changes.

Every rate that is written, changed or withdrawn gives the organization's cost policy another
revision, in the same transaction. So a transaction reads one small row, and finds what was compiled
under that revision still right, in whichever process it runs: a rate is noticed by the first
transaction that begins after it was committed.
"""

import datetime as dt
import uuid
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from accounts import set_statements
from accounts.money import ZERO
from pricing import catalog
from pricing.cost_book import CostBook, VendorRate
from pricing.models import CostRate
from pricing.properties import Properties
from pricing.rating import compile_price


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedRate:
    """A rate, when it comes into force, and when it was written."""

    effective_from: dt.datetime
    created_at: dt.datetime
    rate: VendorRate

    @property
    def series(self) -> tuple[str, str]:
        """What a later rate of the same series replaces."""
        return self.rate.compiled.meter.code, self.rate.vendor


class EventCost(NamedTuple):
    """What vendors take for one event, by the code of the meter, and in which asset."""

    asset_id: uuid.UUID
    parts: Mapping[str, Decimal]

    @property
    def amount(self) -> Decimal:
        """The whole cost."""
        amounts = self.parts.values()
        if len(amounts) == 1:
            return next(iter(amounts))
        return sum(amounts, ZERO)


@dataclass(frozen=True, slots=True)
class CostHistory:
    """All rates an organization ever had or has planned; costs are in the asset `asset_id`."""

    asset_id: uuid.UUID | None
    rates: tuple[DatedRate, ...] = ()
    _changes: tuple[dt.datetime, ...] = field(init=False, repr=False, compare=False)
    _types: frozenset[str] = field(init=False, repr=False, compare=False)
    _books: dict[int, CostBook] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        changes = sorted({rate.effective_from for rate in self.rates})
        object.__setattr__(self, "_changes", tuple(changes))
        types = frozenset(rate.rate.compiled.meter.event_type for rate in self.rates)
        object.__setattr__(self, "_types", types)

    def at(self, moment: dt.datetime) -> CostBook:
        """Return the rates in force at `moment`."""
        number = bisect_right(self._changes, moment)
        book = self._books.get(number)
        if book is None:
            book = self._books[number] = self._book(moment)
        return book

    def cost_of(
        self, event_type: str, properties: Properties, *, occurred_at: dt.datetime
    ) -> EventCost | None:
        """Return what an event costs at the rates of its time, None when that is not known."""
        if self.asset_id is None or event_type not in self._types:
            return None
        parts = self.at(occurred_at).parts_of(event_type, properties)
        return None if parts is None else EventCost(self.asset_id, parts)

    def known_at(self, moment: dt.datetime) -> "CostHistory":
        """Return the history as it was written by `moment`."""
        known = tuple(rate for rate in self.rates if rate.created_at <= moment)
        return CostHistory(self.asset_id, known)

    def _book(self, moment: dt.datetime) -> CostBook:
        in_force: dict[tuple[str, str], DatedRate] = {}
        for rate in sorted(self.rates, key=lambda rate: rate.effective_from):
            if rate.effective_from <= moment:
                in_force[rate.series] = rate
        return CostBook([dated.rate for _, dated in sorted(in_force.items())])


def history(organization_id: uuid.UUID) -> CostHistory:
    """Return all cost rates of an organization, compiled. One query as long as none changes."""
    policies = set_statements.read(_POLICY, organization_id)
    if not policies:
        return _UNKNOWN
    [(asset_id, revision)] = policies
    return _compiled(organization_id, asset_id, revision)


_POLICY = "SELECT asset_id, revision FROM pricing_costpolicy WHERE organization_id = %s"
_UNKNOWN = CostHistory(None)


def compiled_costs(organization_id: uuid.UUID, at: dt.datetime) -> CostBook:
    """Return the cost rates of an organization that are in force at `at`."""
    return history(organization_id).at(at)


@lru_cache(maxsize=1_000)
def _compiled(
    organization_id: uuid.UUID,
    asset_id: uuid.UUID,
    revision: uuid.UUID,
) -> CostHistory:
    rates = CostRate.objects.for_organization(organization_id).select_related("meter")
    return CostHistory(asset_id, tuple(_dated(rates)))


def _dated(rates: Iterable[CostRate]) -> list[DatedRate]:
    return [
        DatedRate(
            effective_from=rate.effective_from,
            created_at=rate.created_at,
            rate=VendorRate(
                vendor=rate.vendor,
                compiled=compile_price(meter=catalog.meter_spec(rate), definition=rate.definition),
            ),
        )
        for rate in rates
    ]
