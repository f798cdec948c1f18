"""Period charges: what a price asks for when its period is over, beside what its events paid.

The standing cost of a period (a first tier's flat amount, a flat price), the usage of prices that
settle at close, and what is missing to a commitment or a minimum.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from accounts import money
from accounts.money import ZERO
from pricing.charge_models import ONE, ChargeModel, Step, Usage, VolumeTiers
from pricing.period_terms import Units
from pricing.price_terms import FALLBACK
from pricing.price_words import label_of
from pricing.rating import BOUNDS, ROUNDING, CompiledPrice, Span, Totals, completed

NONE = Fraction(0)
MADE_UP = "what is missing"


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
    steps: list[Step]


class _Use(NamedTuple):
    """What one cell has used: its billable units, and its total in raw units."""

    model: ChargeModel
    label: str
    units: Units
    raw: Decimal


def charges_at_close(price: CompiledPrice, totals: Totals, *, period: Span) -> list[PeriodCharge]:
    """Return what the close adds for one price, zero amounts left out.

    Together with what the events were charged it is the price of the period, to 12 places. The
    steps of each charge add up to its amount.
    """
    settled = _accrued(price, totals) if price.accrues else _reckoned(price, totals, period)
    bounds = price.terms.bounds
    whole = money.quantize(bounds.charged(settled.metered))
    committed, least = bounds.true_ups(whole)
    if price.settles_on_event:
        standing = money.quantize(bounds.charged(price.terms.standing_cost))
        main = _charge(Kind.STANDING, ZERO, standing, settled.steps)
    else:
        main = _charge(Kind.USAGE, settled.quantity, whole, settled.steps)
    found = [
        main,
        _charge(Kind.COMMITMENT, ZERO, money.quantize(committed)),
        _charge(Kind.MINIMUM, ZERO, money.quantize(least)),
    ]
    return [charge for charge in found if charge.amount]


def _charge(
    kind: Kind, quantity: Decimal, amount: Decimal, steps: Iterable[Step] = ()
) -> PeriodCharge:
    working = completed(steps, BOUNDS if steps else MADE_UP, amount=amount)
    return PeriodCharge(kind=kind, quantity=quantity, amount=amount, steps=tuple(working))


def _accrued(price: CompiledPrice, totals: Totals) -> _Settled:
    """Add up what the events were metered at, and what is due without any."""
    standing = price.terms.standing_cost
    steps: list[Step] = []
    if standing and price.terms.charge_model is not None:
        steps += price.terms.charge_model.steps(Usage(ZERO, ZERO, opens=True))
    if not price.settles_on_event:
        for key, cell in sorted(totals.cells.items()):
            label = f"{_named(price, key)}{cell.events} events"
            steps.append(Step(label, cell.billable, ZERO, ZERO, cell.metered))
    return _Settled(standing + totals.pool.metered, totals.pool.quantity, steps)


def _reckoned(price: CompiledPrice, totals: Totals, period: Span) -> _Settled:
    """Price what each cell has used in the whole period."""
    uses = list(_uses(price, totals, period))
    together = sum((Fraction(use.units.quantity) / Fraction(use.units.size) for use in uses), NONE)
    metered = quantity = ZERO
    steps: list[Step] = []
    for use in uses:
        explained = _explained(use, together if price.terms.tiers_count_all else None)
        cost = money.quantize(sum((step.amount for step in explained), ZERO))
        steps += completed(explained, ROUNDING, amount=cost)
        metered += cost
        quantity += use.raw
    return _Settled(metered, quantity, steps)


def _explained(use: _Use, together: Fraction | None) -> list[Step]:
    """Return the steps of what one cell costs; `together` is what all cells have used."""
    model, label, (quantity, size), _ = use
    if together is not None and isinstance(model, VolumeTiers):
        steps = [model.step_at(together, quantity, size)]
    else:
        steps = model.steps(Usage(ZERO, quantity, opens=True), size)
    return [step._replace(label=f"{label}{step.label}") for step in steps]


def _uses(price: CompiledPrice, totals: Totals, period: Span) -> Iterator[_Use]:
    """Yield what each used cell has used, the only one of a price without a matrix in any case.

    A total below zero counts as none. What is included and was not used up for good is taken off
    the cells in the order of their names; a fraction, because an average may not end.
    """
    keys = sorted(totals.cells) if price.terms.matrix is not None else [FALLBACK]
    included = NONE if price.rises else Fraction(price.terms.included)
    for key in keys:
        cell = totals.cell(key)
        numerator, divisor = price.result(cell, period=period) if cell.events else (ZERO, ONE)
        numerator = max(numerator, ZERO)
        raw = cell.quantity if price.rises else numerator / divisor
        if included:
            level = Fraction(numerator) / Fraction(divisor)
            billable = max(level - included, NONE)
            included -= level - billable
            numerator, divisor = Decimal(billable.numerator), Decimal(billable.denominator)
        units = price.terms.conversion.of_total(numerator, divisor=divisor)
        yield _Use(price.charge_model_of(key), _named(price, key), units, raw)


def _named(price: CompiledPrice, key: str) -> str:
    """Write which cell a step is for; nothing when there is only one."""
    matrix = price.terms.matrix
    if matrix is None:
        return ""
    match = next((cell.match for cell in matrix.cells if cell.key == key), None)
    return "anything else: " if match is None else f"{label_of(matrix.names, match)}: "
