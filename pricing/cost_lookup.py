"""Looking up what one event costs at one rate, fast: many vendors' rates are asked for each event.

It answers what `CompiledPrice.rate` answers for the first event of a period. A matrix by model is
taken apart by its first dimension beforehand, so that the many cells of other models, and
dimensions in which this model's cells differ in nothing, cost no time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from accounts import money
from accounts.money import ZERO
from pricing.aggregation import Unpriceable
from pricing.charge_models import ChargeModel, Usage
from pricing.event_charge_models import Dynamic
from pricing.matrix import ANY, Cell, Dimension, Matrix
from pricing.price_terms import PriceTerms
from pricing.properties import Properties, as_number, as_text, reader

# Cells for any value of the first dimension are in every part; beyond so many, nothing is gained.
_SHARED_MAX = 16

type _Part = Matrix | ChargeModel | None


@dataclass(frozen=True, slots=True)
class CostLookup:
    """The terms of a rate, taken apart."""

    terms: PriceTerms
    _parts: dict[str, _Part] = field(init=False, repr=False, compare=False)
    _others: _Part = field(init=False, repr=False, compare=False)
    _first: Dimension | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        matrix = self.terms.matrix
        parts: dict[str, _Part] = {}
        first = None
        others: _Part = self.terms.charge_model
        if matrix is not None:
            others = matrix
            shared = [cell for cell in matrix.cells if not _names_value(cell)]
            if len(shared) <= _SHARED_MAX:
                first = matrix.dimensions[0]
                by_value: dict[str, list[Cell]] = {}
                for cell in matrix.cells:
                    if _names_value(cell):
                        by_value.setdefault(str(cell.match[0]), []).append(cell)
                parts = {
                    value: _part(matrix.dimensions, [*cells, *shared])
                    for value, cells in by_value.items()
                }
                others = _part(matrix.dimensions, shared)
        for name, value in (("_parts", parts), ("_others", others), ("_first", first)):
            object.__setattr__(self, name, value)

    def cost_of(self, properties: Properties, measured: Decimal) -> Decimal | None:
        """Return the cost to 12 places of an event of which the meter has measured `measured`.

        None when the rate is not about such events. Raises Unpriceable when it is, and the event
        does not say what is needed.
        """
        model = self._model_for(properties)
        if model is None:
            return None
        conversion = self.terms.conversion
        quantity, size = conversion.of_total(conversion.of_event(measured))
        cost = model.charge(Usage(ZERO, quantity, carried=_carried(model, properties)), size)
        if cost > money.LARGEST:
            raise Unpriceable("amount_too_large", "the cost would have over 26 digits")
        return cost

    def _model_for(self, properties: Properties) -> ChargeModel | None:
        part = self._others
        if self._first is not None:
            part = self._parts.get(as_text(self._first.read(properties)) or "", part)
        if isinstance(part, Matrix):
            cell = part.cell_for(properties)
            part = None if cell is None else cell.charge_model
        return self.terms.charge_model if part is None else part


def _names_value(cell: Cell) -> bool:
    first = cell.match[0]
    return isinstance(first, str) and first != ANY


def _part(dimensions: Sequence[Dimension], cells: Sequence[Cell]) -> _Part:
    """Return the matrix these cells make, without dimensions that tell none of them apart."""
    if not cells:
        return None
    places = [
        place
        for place, _ in enumerate(dimensions)
        if any(cell.match[place] != ANY for cell in cells)
        and not (place == 0 and all(_names_value(cell) for cell in cells))
    ]
    if not places:
        return cells[0].charge_model
    return Matrix(
        tuple(dimensions[place] for place in places),
        [
            Cell(tuple(cell.match[place] for place in places), cell.charge_model, cell.key)
            for cell in cells
        ],
    )


def _carried(model: ChargeModel, properties: Properties) -> Decimal | None:
    """Return the price an event brings itself, which the dynamic model may ask for."""
    if not isinstance(model, Dynamic) or not model.amount_property:
        return None
    try:
        carried = as_number(reader(model.amount_property)(properties))
    except money.AmountInvalid as error:
        raise Unpriceable("bad_amount", f"properties.{model.amount_property} {error}") from error
    if carried < 0:
        raise Unpriceable("bad_amount", f"properties.{model.amount_property} is below zero")
    return carried
