"""Rating: what one event costs at one price, given what the period already holds.

    amount = cost(before + quantity) - cost(before)

Each cost is quantized to 12 places before the difference is taken, so the amounts of a period add
up to the quantized cost of its whole, exactly, however the usage was split into events.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from accounts import money
from pricing.aggregation import MeterSpec, Unpriceable
from pricing.charge_models import ChargeModel
from pricing.matrix import Matrix
from pricing.price_form import parse_definition


class Rated(NamedTuple):
    """What one event costs at one price, and why; `quantity` in the meter's raw units."""

    quantity: Decimal
    amount: Decimal
    cell: str
    working: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CompiledPrice:
    """A price read once and ready to rate events."""

    meter: MeterSpec
    charge: ChargeModel | Matrix

    def applies_to(self, event_type: str, properties: Mapping[str, object]) -> bool:
        """Whether the price's meter counts this event."""
        return self.meter.event_type == event_type and self.meter.counts(properties)

    def rate(
        self, properties: Mapping[str, object], total_before: Callable[[str], Decimal]
    ) -> Rated:
        """Rate an event to which this price applies.

        `total_before(cell)` returns the raw quantity the period already holds in a matrix cell
        ("" for a price without a matrix). Raises Unpriceable when the quantity is missing or
        wrong, when no cell matches, or when the amount is too large to be stored.
        """
        quantity = self.meter.measure(properties)
        cell, charge_model = self._charge_model_for(properties)
        before = total_before(cell)
        cost_after = money.quantize(charge_model.cost(before + quantity))
        amount = cost_after - money.quantize(charge_model.cost(before))
        if max(cost_after, before + quantity) > money.LARGEST:
            raise Unpriceable("amount_too_large", "the period's usage would have over 26 digits")
        working = {
            "meter": self.meter.code,
            "cell": cell,
            "quantity": money.to_wire(quantity),
            "before": money.to_wire(before),
            "amount": money.to_wire(amount),
            **charge_model.describe(),
        }
        return Rated(quantity, amount, cell, working)

    def _charge_model_for(self, properties: Mapping[str, object]) -> tuple[str, ChargeModel]:
        if not isinstance(self.charge, Matrix):
            return "", self.charge
        cell = self.charge.cell_for(properties)
        if cell is None:
            names = ", ".join(self.charge.dimensions)
            raise Unpriceable(
                "no_price", f"meter {self.meter.code} has no price for these values of {names}"
            )
        return json.dumps(cell.match, ensure_ascii=False, separators=(",", ":")), cell.charge_model


def compile_price(*, meter: MeterSpec, definition: object) -> CompiledPrice:
    """Read a price definition for rating. Raises price_form.PriceInvalid."""
    return CompiledPrice(meter=meter, charge=parse_definition(definition))
