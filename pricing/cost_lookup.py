"""Looking up what one event costs at one rate, fast: many vendors' rates are asked for each event.

It answers what `CompiledPrice.rate` answers for the first event of a period. A matrix by model is
taken apart by its first dimension beforehand, so that the many cells of other models, and
dimensions in which this model's cells differ in nothing, cost no time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from accounts import money
from accounts.money import ZERO
from pricing.aggregation import Unpriceable
from pricing.charge_functions import Charge, charge_function
from pricing.charge_models import ONE, ChargeModel
from pricing.matrix import ANY, Cell, Dimension, Find, Matrix
from pricing.price_terms import PriceTerms
from pricing.properties import Properties, as_text
from pricing.rate_functions import Carry, carried_price

# Cells for any value of the first dimension are in every part; beyond so many, nothing is gained.
_SHARED_MAX = 16


class _Priced(NamedTuple):
    """What an event is charged, and what reads the price it brings itself, if it does."""

    charge: Charge
    carry: Carry | None


type _Part = Find[_Priced]


@dataclass(frozen=True, slots=True)
class CostLookup:
    """The terms of a rate, taken apart."""

    terms: PriceTerms
    _parts: dict[str, _Part] = field(init=False, repr=False, compare=False)
    _others: _Part = field(init=False, repr=False, compare=False)
    _first: Dimension | None = field(init=False, repr=False, compare=False)
    _rounds: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        terms, matrix = self.terms, self.terms.matrix
        parts: dict[str, _Part] = {}
        first = None
        others = self._part((), ())
        if matrix is not None:
            shared = [cell for cell in matrix.cells if not _names_value(cell)]
            if len(shared) <= _SHARED_MAX:
                first = matrix.dimensions[0]
                by_value: dict[str, list[Cell]] = {}
                for cell in matrix.cells:
                    if _names_value(cell):
                        by_value.setdefault(str(cell.match[0]), []).append(cell)
                parts = {
                    value: self._part(matrix.dimensions, [*cells, *shared])
                    for value, cells in by_value.items()
                }
                others = self._part(matrix.dimensions, shared)
            else:
                others = self._finder(matrix)
        rounds = terms.conversion.rounds_events or terms.conversion.rounds_totals
        for name, value in (
            ("_parts", parts), ("_others", others), ("_first", first), ("_rounds", rounds),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    def cost_of(self, properties: Properties, measured: Decimal) -> Decimal | None:
        """Return the cost to 12 places of an event of which the meter has measured `measured`.

        None when the rate is not about such events. Raises Unpriceable when it is, and the event
        does not say what is needed.
        """
        find, first = self._others, self._first
        if first is not None:
            value = first.read(properties)
            text = value if type(value) is str else as_text(value) or ""
            find = self._parts.get(text, find)
        priced = find(properties)
        if priced is None:
            return None
        charge, carry = priced
        if self._rounds:
            conversion = self.terms.conversion
            measured = conversion.of_total(conversion.of_event(measured)).quantity
        carried = carry(properties) if carry is not None else None
        cost = charge(ZERO, measured, 0, False, carried)  # noqa: FBT003
        if cost > money.LARGEST:
            raise Unpriceable("amount_too_large", "the cost would have over 26 digits")
        return cost

    def _priced(self, model: ChargeModel) -> _Priced:
        conversion = self.terms.conversion
        size = ONE if conversion.rounds_totals else conversion.unit_size
        return _Priced(charge_function(model, size), carried_price(model))

    def _finder(self, matrix: Matrix) -> _Part:
        """Return what looks into a matrix, and for what none of its cells matches beside it."""
        find = matrix.finder(lambda cell: self._priced(cell.charge_model))
        model = self.terms.charge_model
        if model is None:
            return find
        beside = self._priced(model)
        return lambda properties: find(properties) or beside

    def _part(self, dimensions: Sequence[Dimension], cells: Sequence[Cell]) -> _Part:
        """Return what looks into these cells, by the dimensions that tell some of them apart."""
        if not cells:
            model = self.terms.charge_model
            return _found_always(self._priced(model) if model is not None else None)
        places = [
            place
            for place, _ in enumerate(dimensions)
            if any(cell.match[place] != ANY for cell in cells)
            and not (place == 0 and all(_names_value(cell) for cell in cells))
        ]
        if not places:
            return _found_always(self._priced(cells[0].charge_model))
        narrowed = Matrix(
            tuple(dimensions[place] for place in places),
            [
                Cell(tuple(cell.match[place] for place in places), cell.charge_model, cell.key)
                for cell in cells
            ],
        )
        return self._finder(narrowed)


def _found_always(priced: _Priced | None) -> _Part:
    return lambda _: priced


def _names_value(cell: Cell) -> bool:
    first = cell.match[0]
    return isinstance(first, str) and first != ANY
