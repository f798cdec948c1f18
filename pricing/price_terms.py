"""A price's terms as values: a charge model or a matrix of them, and what surrounds it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from accounts.money import ZERO, quantize
from pricing.charge_models import ChargeModel
from pricing.matrix import Matrix
from pricing.period_terms import Conversion, PeriodBounds

FALLBACK = ""
"""The cell of events that no cell of a matrix matches, and the only one without a matrix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTerms:
    """What one price charges.

    `charge_model` prices every event without a matrix; with one, those that no cell matches, and
    None leaves those without a price. `included` raw units cost nothing, whichever cells use them.
    With `tiers_count_all`, tiers count what all cells have used together.
    """

    charge_model: ChargeModel | None
    matrix: Matrix | None = None
    conversion: Conversion = field(default_factory=Conversion)
    included: Decimal = ZERO
    bounds: PeriodBounds = field(default_factory=PeriodBounds)
    tiers_count_all: bool = False
    standing_cost: Decimal = field(init=False, repr=False, compare=False)
    """What the price costs in a period without any use, before its bounds.

    A matrix costs nothing until one of its cells is used.
    """

    def __post_init__(self) -> None:
        cost = ZERO
        if self.matrix is None and self.charge_model is not None:
            cost = quantize(self.charge_model.standing_cost)
        object.__setattr__(self, "standing_cost", cost)

    def charge_models(self) -> Iterator[ChargeModel]:
        """Yield every charge model in it."""
        if self.charge_model is not None:
            yield self.charge_model
        if self.matrix is not None:
            for cell in self.matrix.cells:
                yield cell.charge_model
