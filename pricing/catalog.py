"""The catalog: the prices in force, compiled. A published version never changes, so what was
compiled once is right for as long as the process lives."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import cast

from pricing import expressions, filters
from pricing.aggregation import AggregationName, MeterSpec, WeightedBy
from pricing.entitlements import Kind, Rule
from pricing.models import CostRate, PlanVersion, Price, Settle, VersionState
from pricing.rating import CompiledPrice, compile_price


class NotPublished(LookupError):
    """The plan version is a draft, and drafts may still change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogPrice:
    """A compiled price and what is charged in it."""

    price_id: uuid.UUID
    asset_id: uuid.UUID
    asset_code: str
    compiled: CompiledPrice


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPlan:
    """All prices of one published version, and what its entitlements allow.

    `floor` is how low a balance may go on it.
    """

    version_id: uuid.UUID
    shortfall_policy: str
    floor: Decimal
    prices: tuple[CatalogPrice, ...]
    entitlements: tuple[Rule, ...] = ()
    _by_type: Mapping[str, tuple[CatalogPrice, ...]] = field(init=False, repr=False, compare=False)
    _unique_counts: Mapping[str, tuple[CatalogPrice, ...]] = field(
        init=False, repr=False, compare=False
    )
    _by_id: Mapping[uuid.UUID, CatalogPrice] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unique = [p for p in self.prices if p.compiled.meter.aggregation == "unique_count"]
        object.__setattr__(self, "_by_type", _by_event_type(self.prices))
        object.__setattr__(self, "_unique_counts", _by_event_type(unique))
        object.__setattr__(self, "_by_id", {price.price_id: price for price in self.prices})

    def prices_for(self, event_type: str) -> Sequence[CatalogPrice]:
        """Return the prices whose meter counts events of this type."""
        return self._by_type.get(event_type, ())

    def price(self, price_id: uuid.UUID) -> CatalogPrice:
        """Return one price of the version. Raises KeyError."""
        return self._by_id[price_id]

    def unique_counts_for(self, event_type: str) -> Sequence[CatalogPrice]:
        """Return those of them that have to know which values they have met."""
        return self._unique_counts.get(event_type, ())


def _by_event_type(prices: Iterable[CatalogPrice]) -> dict[str, tuple[CatalogPrice, ...]]:
    found: dict[str, tuple[CatalogPrice, ...]] = {}
    for price in prices:
        event_type = price.compiled.meter.event_type
        found[event_type] = (*found.get(event_type, ()), price)
    return found


def meter_spec(price: Price | CostRate) -> MeterSpec:
    """Return the meter of a price or a cost rate as rating needs it."""
    meter = price.meter
    return MeterSpec(
        code=meter.code,
        event_type=meter.event_type,
        aggregation=cast("AggregationName", meter.aggregation),
        value=expressions.parse(meter.expression) if meter.expression else meter.quantity_property,
        filter=filters.parse(meter.filters),
        weighted_by=cast("WeightedBy", meter.weighted_by),
    )


def compiled_price(price: Price) -> CompiledPrice:
    """Return a price ready for rating, saved or not. Raises price_form.PriceInvalid."""
    return compile_price(
        meter=meter_spec(price),
        definition=price.definition,
        settles_on_event=price.settle == Settle.ON_EVENT,
    )


def rules_of(version: PlanVersion) -> Iterator[Rule]:
    """Yield the entitlements of a version as they are checked."""
    for row in version.entitlements.select_related("meter"):
        yield Rule(
            feature=row.feature,
            kind=cast("Kind", row.kind),
            property_name=row.property_name,
            allowed_values=frozenset(row.allowed_values),
            meter=row.meter.code if row.meter is not None else "",
            limit=row.limit_per_period,
        )


@lru_cache(maxsize=10_000)
def compiled_plan(version_id: uuid.UUID) -> CompiledPlan:
    """Return a published plan version, compiled. Raises NotPublished."""
    version = PlanVersion.objects.filter(id=version_id, state=VersionState.PUBLISHED).first()
    if version is None:
        raise NotPublished(str(version_id))
    return read_plan(version)


def read_plan(version: PlanVersion) -> CompiledPlan:
    """Return a version as it is stored now, also a draft. Raises price_form.PriceInvalid."""
    prices = Price.objects.filter(plan_version=version).select_related("meter", "asset")
    return CompiledPlan(
        version_id=version.id,
        shortfall_policy=version.shortfall_policy,
        entitlements=tuple(rules_of(version)),
        floor=version.floor,
        prices=tuple(
            catalog_price(price) for price in prices.order_by("meter__code", "asset__code")
        ),
    )


def catalog_price(price: Price) -> CatalogPrice:
    """Return a price, saved or not, with what is charged in it. Raises price_form.PriceInvalid."""
    return CatalogPrice(
        price_id=price.id,
        asset_id=price.asset_id,
        asset_code=price.asset.code,
        compiled=compiled_price(price),
    )
