"""Period charges: what a price asks for when its period is over, beside what its events paid.

The standing cost of a period (a first tier's flat amount, a flat price), the usage of prices that
settle at close, and what is missing to a commitment or a minimum.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from accounts import money
from accounts.money import ZERO
from pricing.aggregation import State
from pricing.charge_models import ONE, ChargeModel, Step, Usage, VolumeTiers
from pricing.period_terms import Units
from pricing.price_terms import FALLBACK
from pricing.rating import CompiledPrice, Span, Totals


class Kind(StrEnum):
    """Why a period is charged."""

    STANDING = "standing"
    USAGE = "usage"
    COMMITMENT = "commitment"
    MINIMUM = "minimum"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodCharge:
    """An amount due for a whole period, to 12 places; `quantity` in the meter's raw units."""

    kind: Kind
    quantity: Decimal
    amount: Decimal
    steps: tuple[Step, ...] = field(default=())


class _Settled(NamedTuple):
    """What usage costs by itself at the close, and how it came about."""

    metered: Decimal
    quantity: Decimal
    steps: tuple[Step, ...]


def charges_at_close(price: CompiledPrice, totals: Totals, *, period: Span) -> list[PeriodCharge]:
    """Return what the close adds for one price, zero amounts left out.

    Together with what the events were charged it is the price of the period, to 12 places.
    """
    settled = _settled(price, totals, period)
    bounds = price.terms.bounds
    whole = money.quantize(bounds.charged(settled.metered))
    standing = money.quantize(bounds.charged(price.terms.standing_cost))
    due = standing if price.settles_on_event else whole
    kind = Kind.STANDING if price.settles_on_event else Kind.USAGE
    committed, least = bounds.true_ups(whole)
    quantity = ZERO if price.settles_on_event else settled.quantity
    found = [
        PeriodCharge(kind=kind, quantity=quantity, amount=due, steps=settled.steps),
        PeriodCharge(kind=Kind.COMMITMENT, quantity=ZERO, amount=money.quantize(committed)),
        PeriodCharge(kind=Kind.MINIMUM, quantity=ZERO, amount=money.quantize(least)),
    ]
    return [charge for charge in found if charge.amount]


def _settled(price: CompiledPrice, totals: Totals, period: Span) -> _Settled:
    if price.accrues:
        standing = price.terms.standing_cost
        steps: tuple[Step, ...] = ()
        if standing and price.terms.charge_model is not None:
            steps = tuple(price.terms.charge_model.steps(Usage(ZERO, ZERO, opens=True)))
        return _Settled(standing + totals.pool.metered, totals.pool.quantity, steps)
    metered = quantity = ZERO
    explained: list[Step] = []
    cells = list(_results(price, totals, period))
    reached = sum((units.quantity / units.size for _, units, _ in cells), ZERO)
    for model, units, raw in cells:
        metered += money.quantize(_cost(price, model, units, reached))
        quantity += raw
        explained += model.steps(Usage(ZERO, units.quantity), units.size)
    return _Settled(metered, quantity, tuple(explained))


def _cost(price: CompiledPrice, model: ChargeModel, units: Units, reached: Decimal) -> Decimal:
    if price.terms.tiers_count_all and isinstance(model, VolumeTiers):
        return model.cost_at(units.quantity, units.size, reached=reached * units.size)
    return model.cost(units.quantity, units.size)


def _results(
    price: CompiledPrice, totals: Totals, period: Span
) -> Iterator[tuple[ChargeModel, Units, Decimal]]:
    """Yield each used cell's model, its billable units and its raw total.

    Included units are taken off the cells in the order of their names. A price without a matrix
    has a result also when nothing was used. A total below zero counts as none.
    """
    keys = sorted(totals.cells) if price.terms.matrix is not None else [FALLBACK]
    included = price.terms.included
    for key in keys:
        cell = totals.cell(key)
        numerator, divisor = ZERO, ONE
        if cell.events:
            state = State(cell.quantity, cell.events, cell.latest_at)
            numerator, divisor = price.meter.result(state, period_seconds=period.seconds)
        numerator = max(numerator, ZERO)
        free = min(included * divisor, numerator)
        included -= free / divisor
        units = price.terms.conversion.of_total(numerator - free, divisor=divisor)
        yield price.charge_model_of(key), units, numerator / divisor
