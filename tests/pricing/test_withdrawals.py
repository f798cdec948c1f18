"""What follows from totals alone is what rating the other events anew comes to."""

from decimal import Decimal
from typing import cast

import pytest

from pricing import withdrawals
from pricing.aggregation import AggregationName, MeterSpec
from pricing.rating import CompiledPrice, Span, Totals, compile_price
from tests.clock import NOW, SINCE
from tests.price_menu import CLOSE, MENU, PROPERTIES

FOLLOWS = {
    "per_unit", "rounded", "package", "graduated", "flat", "matrix", "expression", "committed",
    "capped", "later", "volume", "stairs", "credits",
}  # fmt: skip
PERIOD = Span(SINCE, NOW)
SIZES = ["12.5", "0", "0.000000000001", "7", "1000", "3.3"]


def compiled(name: str) -> CompiledPrice:
    dish = MENU[name]
    meter = MeterSpec(
        code=name,
        event_type="call",
        aggregation=cast("AggregationName", dish.aggregation.value),
        value=dish.measures or "tokens",
    )
    return compile_price(
        meter=meter, definition=dish.definition, settles_on_event=dish.settle != CLOSE
    )


def test_which_prices_need_no_look_at_the_events() -> None:
    assert {name for name in MENU if withdrawals.follows(compiled(name))} == FOLLOWS


@pytest.mark.parametrize("gone", range(len(SIZES)))
@pytest.mark.parametrize("name", sorted(FOLLOWS))
def test_what_remains_is_what_the_others_come_to(name: str, gone: int) -> None:
    price = compiled(name)
    whole, others = Totals(), Totals()
    for place, size in enumerate(SIZES):
        model = "large" if place % 2 else "small"
        properties = {**PROPERTIES, "tokens": size, "model": model}
        rated = price.rate(properties, whole, occurred_at=NOW, period=PERIOD)
        whole.add(rated)
        if place == gone:
            cell, quantity = rated.cell, rated.quantity
        else:
            others.add(price.rate(properties, others, occurred_at=NOW, period=PERIOD))
    left = withdrawals.remaining(price, whole, cell=cell, quantity=quantity)
    expected = others.cell(cell)
    assert (left.quantity, left.billable, left.events) == (
        expected.quantity,
        expected.billable,
        expected.events,
    )
    assert (left.metered, left.amount) == (expected.metered, expected.amount)


def test_the_last_event_leaves_nothing() -> None:
    price, totals = compiled("graduated"), Totals()
    totals.add(price.rate(PROPERTIES, totals, occurred_at=NOW, period=PERIOD))
    left = withdrawals.remaining(price, totals, cell="", quantity=Decimal("12.5"))
    assert not left.quantity
    assert not left.amount
    assert not left.events
