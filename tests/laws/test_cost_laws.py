"""Laws of costs: looking one up fast is rating the first event of a period."""

import datetime as dt
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.aggregation import MeterSpec, Unpriceable
from pricing.cost_lookup import CostLookup
from pricing.rating import CompiledPrice, Span, Totals, compile_price
from tests.clock import NOW

TOKENS = MeterSpec(code="tokens", event_type="llm.call", aggregation="sum", value="tokens")
MONTH = Span(NOW, NOW + dt.timedelta(days=30))

MODELS = ["opus", "haiku", "x"]
AMOUNTS = st.decimals(0, 1000, places=6).map(str)
CHARGES = st.one_of(
    st.builds(lambda amount: {"charge_model": "per_unit", "unit_amount": amount}, AMOUNTS),
    st.builds(
        lambda share, fixed: {
            "charge_model": "percentage",
            "percentage": share,
            "fixed_amount": fixed,
            "minimum_per_event": "1",
        },
        AMOUNTS,
        AMOUNTS,
    ),
    st.just({"charge_model": "package", "unit_amount": "3", "package_size": "7"}),
    st.just({"charge_model": "dynamic", "amount_property": "price"}),
)
RANGES = st.sampled_from([{"lte": "10"}, {"gt": "10", "lt": "20"}, {"gte": "20"}])
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(MODELS),
        "speed": st.sampled_from(["fast", "slow"]),
        "size": RANGES,
    },
)
CELLS = st.lists(
    st.builds(lambda match, charge: {"match": match, **charge}, MATCHES, CHARGES),
    min_size=1,
    max_size=12,
    unique_by=lambda cell: str(sorted(cell["match"].items())),
)
SIZE = {"name": "size", "expression": "tokens + default(cached, 0)"}
ORDERS = st.permutations(["model", "speed", SIZE])
EVENTS = st.fixed_dictionaries(
    {"tokens": st.sampled_from([0, 3, 10, 11, Decimal("20.5"), 21, "7", "many"])},
    optional={
        "cached": st.sampled_from([0, 4, 11]),
        "model": st.sampled_from([*MODELS, "*", "", 5]),
        "speed": st.sampled_from(["fast", "slow", "other"]),
        "price": st.sampled_from([1, "2.5", "-1", "none"]),
    },
)


def rated(price: CompiledPrice, event: dict[str, Any]) -> Decimal | str:
    """What the engine says of the first event of a period; or why it says nothing."""
    try:
        return price.rate(event, Totals(), occurred_at=NOW, period=MONTH).amount
    except Unpriceable as error:
        return "none" if error.reason == "no_price" else "unclear"


def looked_up(price: CompiledPrice, event: dict[str, Any]) -> Decimal | str:
    """What the lookup says."""
    try:
        cost = CostLookup(price.terms).cost_of(event, price.meter.measure(event))
    except Unpriceable:
        return "unclear"
    return "none" if cost is None else cost


@settings(max_examples=400)
@given(CELLS, ORDERS, st.none() | CHARGES, EVENTS, st.sampled_from(["1", "3", "1000000"]))
def test_a_lookup_is_the_rating_of_a_first_event(
    cells: list[dict[str, Any]],
    order: list[Any],
    outer: dict[str, Any] | None,
    event: dict[str, Any],
    unit_size: str,
) -> None:
    definition = {
        **(outer or {"charge_model": "per_unit"}),
        "unit_size": unit_size,
        "rounding": "up",
        "rounding_scope": "event",
        "matrix": {"dimensions": order, "cells": cells},
    }
    price = compile_price(meter=TOKENS, definition=definition)
    expected = rated(price, event)
    found = looked_up(price, event)
    # Asked in another order, the engine may say first that no cell matches.
    assert found == expected or {found, expected} == {"none", "unclear"}
