"""Laws of the price form: whatever JSON comes, it is a price or every mistake in it is named."""

import copy
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import exact_json
from pricing import period_charges, price_form, price_words, settling
from pricing.aggregation import AggregationName, MeterSpec, Unpriceable
from pricing.charge_models import ChargeModel
from pricing.price_form import PriceInvalid, parse_definition
from pricing.price_terms import PriceTerms
from pricing.price_words import Words
from pricing.rating import CompiledPrice, Totals
from tests.laws.price_strategies import ANY_MODEL, MONTH

AGGREGATIONS: tuple[AggregationName, ...] = (
    "count", "sum", "max", "min", "average", "latest", "unique_count", "weighted_sum",
)  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=5),
    st.sampled_from(("0", "1", "-1", "1.5", "9" * 26, "1e99", "NaN", "*", "up", "over_all_cells")),
)
NAMES = st.sampled_from(
    (
        *price_form.FIELDS,
        "units",
        "amount",
        "true_up",
        "match",
        "cells",
        "dimensions",
        "up_to",
        "gt",
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=5),
    ),
    max_leaves=15,
)
PRICES: tuple[dict[str, Any], ...] = (
    {"charge_model": "flat", "flat_amount": "9.90"},
    {"charge_model": "per_unit", "unit_amount": "0.5", "unit_size": "1000", "rounding": "up",
        "rounding_places": 2, "rounding_scope": "event", "included": "7", "minimum_amount": "1",
        "maximum_amount": "100", "commitment": {"units": "500", "overage_factor": "1.5",
        "true_up": False}},
    {"charge_model": "package", "unit_amount": "5", "package_size": "100"},
    {"charge_model": "graduated", "tiers": [{"up_to": "5", "unit_amount": "1", "flat_amount": "2"},
        {"up_to": None, "unit_amount": "0.5"}], "commitment": {"amount": "10"}},
    {"charge_model": "volume_tiers", "tiers": [{"up_to": "5", "unit_amount": "1"}, {}]},
    {"charge_model": "stairstep", "tiers": [{"up_to": "5", "flat_amount": "1"}, {"up_to": None}]},
    {"charge_model": "percentage", "percentage": "1.2", "fixed_amount": "0.1", "free_events": "3",
        "free_amount": "500", "minimum_per_event": "1", "maximum_per_event": "12"},
    {"charge_model": "percentage", "tiers": [{"up_to": "5", "percentage": "1"},
        {"up_to": None, "percentage": "2", "flat_amount": "3"}]},
    {"charge_model": "dynamic", "multiplier": "1.2", "amount_property": "cost"},
    {"charge_model": "graduated", "tiers_count": "over_all_cells", "matrix": {
        "dimensions": ["model", {"name": "prompt", "expression": "input + cached"}], "cells": [
            {"match": {"model": "opus", "prompt": {"gt": "200000"}}, "unit_amount": "6"},
            {"match": {"model": "opus"}, "tiers": [{"up_to": "5", "unit_amount": "1"},
                {"unit_amount": "2"}]},
            {"match": {}, "unit_amount": "1"}]}},
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to everything in a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in inner:
            found += places(each, (*path, key))
    return found


def spoiled(price: dict[str, Any], chance: random.Random, piece: Any) -> dict[str, Any]:
    """Return a price with one of its pieces replaced, renamed, doubled or left out."""
    price = copy.deepcopy(price)
    *path, last = chance.choice(places(price))
    there: Any = price
    for step in path:
        there = there[step]
    how = chance.choice(("replace", "replace", "remove", "double"))
    if how == "replace":
        there[last] = piece
    elif how == "remove":
        del there[last]
    elif isinstance(there, list):
        there.append(copy.deepcopy(there[last]))
    else:
        there[str(piece)[:5]] = there[last]
    return price


def use(terms: PriceTerms) -> None:
    """Do with a price what the product does with one; nothing of it may fail."""
    list(price_words.describe(terms, Words(asset="USD", scale=2)))
    for aggregation in AGGREGATIONS:
        value = "" if aggregation == "count" else "q"
        meter = MeterSpec(code="m", event_type="e", aggregation=aggregation, value=value)
        if price_form.check_against_meter(terms, meter):
            continue
        on_event = not settling.reason_against_on_event(aggregation, terms)
        price = CompiledPrice(meter=meter, terms=terms, settles_on_event=on_event)
        totals = Totals()
        try:
            rated = price.rate(
                {"q": 3, "model": "opus"}, totals, occurred_at=MONTH.starts_at, period=MONTH
            )
        except Unpriceable:
            continue
        totals.add(rated)
        price.explain(rated.cell, rated.before, rated.billable)
        period_charges.charges_at_close(price, totals, period=MONTH)


def reading(value: object) -> PriceTerms | None:
    """Read a price; None when it is refused with a reason for each field."""
    try:
        return parse_definition(value)
    except PriceInvalid as invalid:
        refusal = invalid
    assert refusal.errors
    assert all(error.reason for error in refusal.errors)
    assert str(refusal)
    return None


@given(JSON)
def test_any_json_is_a_price_or_refused(value: object) -> None:
    terms = reading(value)
    if terms is not None:
        use(terms)


@given(st.sampled_from(PRICES), st.randoms(use_true_random=False), JSON)
def test_so_is_a_price_that_was_spoiled(
    price: dict[str, Any], chance: random.Random, piece: Any
) -> None:
    terms = reading(spoiled(price, chance, piece))
    if terms is not None:
        use(terms)


@pytest.mark.parametrize("price", PRICES)
def test_every_price_here_is_one(price: dict[str, Any]) -> None:
    use(parse_definition(price))


@given(ANY_MODEL)
def test_what_a_model_says_of_itself_is_read_back_as_the_same_model(model: ChargeModel) -> None:
    written = exact_json.decode(exact_json.encode(model.describe()))
    assert parse_definition(written) == PriceTerms(charge_model=model)


CELLS = [
    {"match": {"a": {"gte": str(number), "lt": str(number + 1)}}, "unit_amount": "1"}
    for number in range(10_000)
]
TIERS = [*({"up_to": str(number), "unit_amount": "1"} for number in range(99)), {"up_to": None}]


@pytest.mark.parametrize(
    "value",
    [
        {"charge_model": "per_unit", "matrix": {"dimensions": ["a"], "cells": CELLS}},
        {"charge_model": "per_unit", "matrix": {"dimensions": ["a"], "cells": CELLS[:1] * 10_000}},
        {"charge_model": "graduated", "matrix": {"dimensions": ["a"], "cells": [
            {"match": {"a": str(number)}, "tiers": TIERS} for number in range(500)]}},
        {f"field {number}": None for number in range(50_000)},
        {"charge_model": "graduated", "tiers": [{}] * 100_000},
    ],
    ids=["ranges", "twins", "tiers", "unknown fields", "too many tiers"],
)  # fmt: skip
def test_it_does_not_take_long_to_read_what_is_large(value: object) -> None:
    started = time.process_time()
    reading(value)
    assert time.process_time() - started < 5
