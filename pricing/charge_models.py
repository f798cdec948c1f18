"""Charge models: what a quantity costs. One small class each, frozen, checked when it is made.

A charge model answers `cost(units)` for the whole of a period, in full precision. What one event
costs is the difference two totals make (`pricing.rating`), so rating event by event adds up to
rating the whole.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Protocol


class ChargeModel(Protocol):
    """What rating needs of a charge model."""

    def cost(self, units: Decimal) -> Decimal:
        """Return the price of `units` used since the period began, not rounded."""
        ...

    def describe(self) -> dict[str, str]:
        """Return the terms for the working shown to people."""
        ...


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Every unit at the same amount. `unit_amount` is in the price's asset, zero or more."""

    unit_amount: Decimal
    unit_size: Decimal = Decimal(1)
    round_up: bool = False

    def __post_init__(self) -> None:
        if self.unit_amount < 0:
            raise ValueError("unit_amount must be zero or more")
        if self.unit_size <= 0:
            raise ValueError("unit_size must be above zero")

    def cost(self, units: Decimal) -> Decimal:
        """Return the price of `units` raw units; with `round_up` each started block counts."""
        if self.round_up:
            blocks = (units / self.unit_size).to_integral_value(rounding=ROUND_CEILING)
            return blocks * self.unit_amount
        # Multiplied first, so that a size such as 3 divides once and only at the very end.
        return units * self.unit_amount / self.unit_size

    def describe(self) -> dict[str, str]:
        """Return the model's name and terms."""
        return {
            "charge_model": "per_unit",
            "unit_amount": f"{self.unit_amount:f}",
            "unit_size": f"{self.unit_size:f}",
            "rounding": "up" if self.round_up else "none",
        }
