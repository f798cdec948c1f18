"""Prices in words: what a price charges, written for people, cell by cell and tier by tier."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from accounts import money
from pricing.charge_models import ChargeModel, Flat, Package, PerUnit, Tier
from pricing.event_charge_models import Dynamic, Percentage
from pricing.matrix import Match
from pricing.period_terms import Rounding, RoundingScope
from pricing.price_terms import PriceTerms


class Words(NamedTuple):
    """What a price is counted and paid in; `scale` is the places of the asset's minor unit."""

    asset: str
    scale: int
    unit: str = ""

    def amount(self, amount: Decimal) -> str:
        """Write an amount with its asset."""
        return f"{money.to_display(amount, scale=self.scale)} {self.asset}"

    def units(self, count: Decimal) -> str:
        """Write so many units."""
        unit = self.unit or "unit"
        return unit if count == 1 else f"{money.to_display(count, scale=0)} × {unit}"


def describe(terms: PriceTerms, words: Words) -> Iterator[tuple[str, str]]:
    """Yield what a price says: each cell of its matrix ("" without one), then what surrounds it."""
    if terms.matrix is not None:
        for cell in terms.matrix.cells:
            label = label_of(terms.matrix.names, cell.match)
            yield label, describe_model(cell.charge_model, terms, words)
    if terms.charge_model is not None:
        label = "anything else" if terms.matrix is not None else ""
        yield label, describe_model(terms.charge_model, terms, words)
    yield from _around(terms, words)


def label_of(dimensions: Sequence[str], match: Sequence[Match]) -> str:
    """Write what a matrix cell matches, for example `model = opus, speed = *`."""
    return ", ".join(
        f"{name} {value}" if not isinstance(value, str) else f"{name} = {value}"
        for name, value in zip(dimensions, match, strict=True)
    )


def describe_model(model: ChargeModel, terms: PriceTerms, words: Words) -> str:
    """Return what one charge model charges, in one line."""
    size = terms.conversion.unit_size
    match model:
        case Flat():
            return f"{words.amount(model.flat_amount)} a period"
        case PerUnit():
            return f"{words.amount(model.unit_amount)} per {words.units(size)}{_rounded(terms)}"
        case Package():
            block = words.units(size * model.package_size)
            return f"{words.amount(model.unit_amount)} for each started {block}"
        case Percentage():
            return _percentage(model, words)
        case Dynamic():
            carried = model.amount_property or "the metered amount"
            return f"{carried} × {money.to_wire(model.multiplier)} in {words.asset}"
        case _:
            return _tiers(model, terms, words)


def _tiers(model: ChargeModel, terms: PriceTerms, words: Words) -> str:
    how = {
        "graduated": "each unit at the rate of its tier",
        "volume_tiers": "all units at the rate of the tier reached",
        "stairstep": "one price for the tier reached",
    }[model.name]
    per = words.units(terms.conversion.unit_size)
    tiers: Sequence[Tier] = getattr(model, "tiers", ())
    parts = [f"{_reach(tier)}: {_rate(tier, per, words)}" for tier in tiers]
    return f"{how}: {'; '.join(parts)}{_rounded(terms)}"


def _reach(tier: Tier) -> str:
    if tier.up_to is None:
        return "above"
    return f"up to {money.to_display(tier.up_to, scale=0)}"


def _rate(tier: Tier, per: str, words: Words) -> str:
    parts = []
    if tier.unit_amount or not tier.flat_amount:
        parts.append(f"{words.amount(tier.unit_amount)} per {per}")
    if tier.flat_amount:
        parts.append(words.amount(tier.flat_amount))
    return " + ".join(parts)


def _percentage(model: Percentage, words: Words) -> str:
    shares = []
    for tier in model.tiers:
        flat = f" + {words.amount(tier.flat_amount)}" if tier.flat_amount else ""
        reach = f"{_reach(tier)}: " if len(model.tiers) > 1 else ""
        shares.append(f"{reach}{money.to_wire(tier.unit_amount)} %{flat}")
    parts = ["; ".join(shares)]
    if model.fixed_amount:
        parts.append(f"{words.amount(model.fixed_amount)} each event")
    if model.minimum_per_event is not None:
        parts.append(f"at least {words.amount(model.minimum_per_event)} an event")
    if model.maximum_per_event is not None:
        parts.append(f"at most {words.amount(model.maximum_per_event)} an event")
    if model.free_events is not None:
        parts.append(f"first {model.free_events} events free")
    if model.free_amount is not None:
        parts.append(f"first {words.amount(model.free_amount)} free")
    return ", ".join(parts)


def _rounded(terms: PriceTerms) -> str:
    conversion = terms.conversion
    if conversion.rounding is Rounding.NONE:
        return ""
    how = {"up": "up", "down": "down", "half_up": "half up"}[conversion.rounding]
    each = " each event" if conversion.scope is RoundingScope.EVENT else ""
    places = f" to {conversion.places} places" if conversion.places else ""
    return f", rounded {how}{places}{each}"


def _around(terms: PriceTerms, words: Words) -> Iterator[tuple[str, str]]:
    bounds = terms.bounds
    if terms.included:
        yield "included", f"first {words.units(terms.included)} free"
    if terms.tiers_count_all:
        yield "tiers", "count over all cells together"
    if bounds.commitment is not None:
        committed = words.amount(bounds.commitment.amount)
        factor = bounds.commitment.overage_factor
        beyond = f", beyond it × {money.to_wire(factor)}" if factor != 1 else ""
        made_up = "charged in full" if bounds.commitment.true_up else "not made up for"
        yield "commitment", f"{committed} a period, {made_up}{beyond}"
    if bounds.minimum is not None:
        yield "minimum", f"at least {words.amount(bounds.minimum)} a period"
    if bounds.maximum is not None:
        yield "maximum", f"at most {words.amount(bounds.maximum)} a period"
