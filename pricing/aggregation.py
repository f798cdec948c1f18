"""Aggregation: which events a meter counts, and how much of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from accounts import money
from pricing.matrix import as_text


class Unpriceable(Exception):
    """The event cannot be priced as it is; `reason` is a stable code, the message is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSpec:
    """What rating needs to know of a meter."""

    code: str
    event_type: str
    aggregation: Literal["count", "sum"]
    quantity_property: str = ""
    filters: Mapping[str, object] | None = None

    def counts(self, properties: Mapping[str, object]) -> bool:
        """Whether an event of the meter's type passes its filter.

        A filter that wants anything but a plain value lets no event pass: a property that is
        missing equals nothing.
        """
        return all(
            as_text(wanted) is not None and as_text(properties.get(name)) == as_text(wanted)
            for name, wanted in (self.filters or {}).items()
        )

    def quantity(self, properties: Mapping[str, object]) -> Decimal:
        """Return how many raw units the event adds. Raises Unpriceable."""
        if self.aggregation == "count":
            return Decimal(1)
        value = properties.get(self.quantity_property)
        if value is None:
            raise Unpriceable(
                "missing_property",
                f"meter {self.code} adds up properties.{self.quantity_property}, "
                "which the event does not have",
            )
        try:
            quantity = money.parse(value)  # type: ignore[arg-type]
        except money.AmountInvalid as error:
            raise Unpriceable(
                "bad_quantity", f"properties.{self.quantity_property} {error}"
            ) from error
        if quantity < 0:
            raise Unpriceable(
                "bad_quantity", f"properties.{self.quantity_property} must be zero or more"
            )
        return quantity
