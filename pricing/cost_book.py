"""The cost book: what an organization pays its vendors for one event.

Costs are known event by event: a vendor's rate counts what a price of the same meter counts, and
needs no running totals. Rates of several meters add up. Rates of several vendors for one meter are
alternatives, told apart by what their cells match; where an event does not say which vendor served
it, the dearest is assumed, so that a margin never looks better than it is. An event of which some
part has no known cost has none at all, for the same reason.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal

from accounts.money import ZERO
from pricing.aggregation import MeterSpec, Unpriceable
from pricing.charge_models import ChargeModel, Package
from pricing.cost_lookup import CostLookup
from pricing.event_charge_models import Percentage
from pricing.period_terms import Rounding, RoundingScope
from pricing.price_form import FieldError
from pricing.price_terms import PriceTerms
from pricing.properties import Properties
from pricing.rating import CompiledPrice

ADDED_UP_BY_EVENT = ("count", "sum")
"""The aggregations under which an event adds the same whatever came before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRate:
    """A vendor's rate in force, compiled."""

    vendor: str
    compiled: CompiledPrice


@dataclass(frozen=True, slots=True)
class _MeterCosts:
    """All vendors' rates for what one meter counts."""

    meter: MeterSpec
    rates: tuple[CostLookup, ...]

    def cost_of(self, properties: Properties) -> Decimal | None:
        """Return the dearest vendor's cost to 12 places, None when no rate matches.

        Raises Unpriceable when there is something to pay for and no knowing how much.
        """
        measured = self.meter.measure(properties)
        dearest: Decimal | None = None
        for rate in self.rates:
            cost = rate.cost_of(properties, measured)
            if cost is not None and (dearest is None or cost > dearest):
                dearest = cost
        if dearest is None and measured:
            raise Unpriceable("no_price", f"no cost rate of meter {self.meter.code} matches")
        return dearest


class CostBook:
    """All cost rates of one organization that are in force at one moment."""

    def __init__(self, rates: Collection[VendorRate]) -> None:
        self.rates = tuple(rates)
        by_meter: dict[str, list[CompiledPrice]] = {}
        for rate in rates:
            by_meter.setdefault(rate.compiled.meter.code, []).append(rate.compiled)
        self._by_type: dict[str, list[_MeterCosts]] = {}
        for compiled in by_meter.values():
            meter = compiled[0].meter
            costs = _MeterCosts(meter, tuple(CostLookup(each.terms) for each in compiled))
            self._by_type.setdefault(meter.event_type, []).append(costs)

    def cost_of(self, event_type: str, properties: Properties) -> Decimal | None:
        """Return what an event costs, exactly, to 12 places; None when that is not known."""
        parts = self.parts_of(event_type, properties)
        return None if parts is None else sum(parts.values(), ZERO)

    def parts_of(self, event_type: str, properties: Properties) -> dict[str, Decimal] | None:
        """Return what an event costs by the code of the meter, each part rounded once."""
        parts = {}
        try:
            for costs in self._by_type.get(event_type, ()):
                if costs.meter.counts(properties):
                    cost = costs.cost_of(properties)
                    if cost is not None:
                        parts[costs.meter.code] = cost
        except Unpriceable:
            return None
        return parts or None


def reasons_against(terms: PriceTerms, meter: MeterSpec) -> list[FieldError]:
    """Return why these terms cannot be a cost rate for what `meter` counts; none when they can.

    What an event costs must not depend on the events before it.
    """
    return [*_reasons_of_meter(meter), *_reasons_around(terms), *_reasons_of_models(terms)]


def _reasons_of_meter(meter: MeterSpec) -> Iterator[FieldError]:
    if meter.aggregation not in ADDED_UP_BY_EVENT:
        name = meter.aggregation.replace("_", " ")
        yield FieldError(
            "meter", f"takes the {name} of a period; an event has a cost only where they add up"
        )


def _reasons_around(terms: PriceTerms) -> Iterator[FieldError]:
    around = {
        "included": terms.included or None,
        "minimum_amount": terms.bounds.minimum,
        "maximum_amount": terms.bounds.maximum,
        "commitment": terms.bounds.commitment,
    }
    for name, value in around.items():
        if value is not None:
            yield FieldError(name, "belongs to a period, and a cost is known event by event")
    if terms.tiers_count_all:
        yield FieldError("tiers_count", "belongs to tiers, which need the total of a period")
    conversion = terms.conversion
    if conversion.rounding is not Rounding.NONE and conversion.scope is RoundingScope.TOTAL:
        yield FieldError("rounding_scope", "must be event: a cost is rounded event by event")


def _reasons_of_models(terms: PriceTerms) -> Iterator[FieldError]:
    if terms.charge_model is not None:
        yield from _reasons_of_model(terms.charge_model, terms, at="")
    for number, cell in enumerate(terms.matrix.cells if terms.matrix is not None else ()):
        yield from _reasons_of_model(cell.charge_model, terms, at=f"matrix.cells[{number}].")


def _reasons_of_model(model: ChargeModel, terms: PriceTerms, *, at: str) -> Iterator[FieldError]:
    match model:
        case Percentage():
            if len(model.tiers) > 1 or model.tiers[0].flat_amount:
                yield FieldError(f"{at}tiers", "need the total of a period; give one percentage")
            for name in ("free_events", "free_amount"):
                if getattr(model, name) is not None:
                    yield FieldError(f"{at}{name}", "needs the total of a period")
        case Package():
            if terms.conversion.scope is not RoundingScope.EVENT:
                yield FieldError(
                    f"{at}charge_model",
                    "package counts blocks over a period; with rounding_scope event it counts "
                    "those of each event",
                )
        case _ if model.name not in ("per_unit", "dynamic"):
            name = model.name.replace("_", " ")
            yield FieldError(f"{at}charge_model", f"{name} needs the total of a period")
