"""How long it takes to rate an event, beside one multiplication rounded to 12 places.

    uv run python -m tests.benchmarks.rating

Each price is measured in many short rounds that alternate with the yardstick. The fastest round of
each is printed: whatever else runs on the machine only ever makes a round slower. Only the ratio
means anything on another machine.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import cycle
from typing import Any

from accounts import money
from pricing.aggregation import MeterSpec
from pricing.rating import CompiledPrice, Span, Totals, compile_price
from tests.clock import NOW

ROUNDS = 300
EVENTS = 200
MONTH = Span(NOW.replace(day=1, hour=0), NOW.replace(month=4, day=1, hour=0))
METER = MeterSpec(code="tokens", event_type="llm.call", aggregation="sum", value="tokens")

_TIERS = [
    {"up_to": "1000", "unit_amount": "0.01", "flat_amount": "1"},
    {"up_to": "100000", "unit_amount": "0.008"},
    {"up_to": "10000000", "unit_amount": "0.006"},
    {"up_to": None, "unit_amount": "0.005"},
]
_MATRIX = {
    "dimensions": ["model", "speed"],
    "cells": [
        {"match": {"model": f"model-{model}", "speed": speed}, "tiers": _TIERS}
        for model in range(20)
        for speed in ("batch", "slow", "standard", "fast", "*")
    ],
}
PRICES: Mapping[str, Mapping[str, Any]] = {
    "per_unit": {"charge_model": "per_unit", "unit_amount": "0.000003"},
    "per_unit by the million": {
        "charge_model": "per_unit", "unit_amount": "3", "unit_size": "1000000",
    },
    "package of 3, included, maximum": {
        "charge_model": "package", "unit_amount": "0.01", "package_size": "3",
        "included": "1000", "maximum_amount": "1000000000",
    },
    "percentage": {"charge_model": "percentage", "percentage": "1.2", "fixed_amount": "0.10"},
    "graduated": {"charge_model": "graduated", "tiers": _TIERS},
    "graduated, 100 cells": {"charge_model": "graduated", "matrix": _MATRIX},
    "graduated by the thousand, 100 cells": {
        "charge_model": "graduated", "matrix": _MATRIX, "unit_size": "1000",
    },
}  # fmt: skip
"""What is measured; the gate of 10 µs is for the matrix of 100 cells."""


def _events() -> Iterator[dict[str, Any]]:
    speeds = cycle(("batch", "slow", "standard", "fast", "other"))
    for number, speed in zip(range(EVENTS), speeds, strict=False):
        yield {"tokens": 100 + number % 7, "model": f"model-{number % 20}", "speed": speed}


def _rates(price: CompiledPrice, events: list[dict[str, Any]]) -> Callable[[], None]:
    def rate_all() -> None:
        totals = Totals()
        for properties in events:
            rated = price.rate(properties, totals, occurred_at=NOW, period=MONTH)
            totals.add(rated)

    return rate_all


def _adds(price: CompiledPrice, events: list[dict[str, Any]]) -> Callable[[], None]:
    rated = [
        price.rate(properties, Totals(), occurred_at=NOW, period=MONTH) for properties in events
    ]

    def add_all() -> None:
        totals = Totals()
        for each in rated:
            totals.add(each)

    return add_all


def _yardstick() -> None:
    quantity, unit_amount = Decimal("1234.567"), Decimal("0.000003")
    for _ in range(EVENTS):
        money.quantize(quantity * unit_amount)


def _microseconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) / EVENTS * 1e6


def measure(price: CompiledPrice) -> tuple[float, float]:
    """Return the microseconds of rating one event, and of the yardstick in the same minutes."""
    events = list(_events())
    rate_all, add_all = _rates(price, events), _adds(price, events)
    rating, adding, yardstick = [], [], []
    for _ in range(ROUNDS):
        yardstick.append(_microseconds(_yardstick))
        rating.append(_microseconds(rate_all))
        adding.append(_microseconds(add_all))
    return min(rating) - min(adding), min(yardstick)


def main() -> None:
    """Measure each price and print what it takes."""
    print(f"{'price':38} {'rate(), µs':>10} {'yardstick, µs':>14} {'ratio':>6}")  # noqa: T201
    for name, definition in PRICES.items():
        price = compile_price(meter=METER, definition=definition)
        rating, yardstick = measure(price)
        line = f"{name:38} {rating:10.2f} {yardstick:14.3f} {rating / yardstick:6.1f}"
        print(line)  # noqa: T201


if __name__ == "__main__":
    main()
