"""What vendors take for one event, and which terms can be a cost."""

from decimal import Decimal
from typing import Any

import pytest

from pricing import cost_book, filters
from pricing.aggregation import AggregationName, MeterSpec
from pricing.cost_book import CostBook, VendorRate
from pricing.price_form import parse_definition
from pricing.rating import compile_price

IN = MeterSpec(code="input", event_type="llm.call", aggregation="sum", value="input_tokens")
OUT = MeterSpec(code="output", event_type="llm.call", aggregation="sum", value="output_tokens")
CACHED = MeterSpec(
    code="cached",
    event_type="llm.call",
    aggregation="sum",
    value="cached",
    filter=filters.parse({"cached": {"exists": True}}),
)
CALLS = MeterSpec(code="calls", event_type="llm.call", aggregation="count")


def per_model(**amounts: str) -> dict[str, Any]:
    """A rate for each million, by model."""
    cells = [
        {"match": {"model": model}, "unit_amount": amount} for model, amount in amounts.items()
    ]
    return {
        "charge_model": "per_unit",
        "unit_size": "1000000",
        "matrix": {"dimensions": ["model"], "cells": cells},
    }


def rate(meter: MeterSpec, definition: dict[str, Any], vendor: str = "anthropic") -> VendorRate:
    return VendorRate(vendor=vendor, compiled=compile_price(meter=meter, definition=definition))


def book(*rates: VendorRate) -> CostBook:
    return CostBook(rates)


def call(**properties: Any) -> dict[str, Any]:
    return {"model": "opus", "input_tokens": 1_000, "output_tokens": 200, **properties}


OPUS = book(rate(IN, per_model(opus="15")), rate(OUT, per_model(opus="75")))


def test_rates_of_all_meters_add_up() -> None:
    assert OPUS.cost_of("llm.call", call()) == Decimal("0.03")
    assert OPUS.parts_of("llm.call", call()) == {
        "input": Decimal("0.015"), "output": Decimal("0.015"),
    }  # fmt: skip


def test_no_rate_no_cost() -> None:
    assert OPUS.cost_of("image", call()) is None
    assert OPUS.cost_of("llm.call", call(model="llama")) is None
    assert book().cost_of("llm.call", call()) is None


def test_what_was_used_of_nothing_costs_nothing() -> None:
    assert OPUS.cost_of("llm.call", call(input_tokens=0, output_tokens=0)) == 0


def test_a_cost_known_in_part_is_not_known() -> None:
    with_cache = book(*OPUS.rates, rate(CACHED, per_model(sonnet="0.30")))
    assert with_cache.cost_of("llm.call", call(cached=5)) is None
    assert with_cache.cost_of("llm.call", call(cached=0)) == Decimal("0.03")
    assert with_cache.cost_of("llm.call", call()) == Decimal("0.03")


@pytest.mark.parametrize("quantity", ["many", -1, None, True, "1e99"])
def test_an_event_that_does_not_say_how_much_has_no_known_cost(quantity: object) -> None:
    assert OPUS.cost_of("llm.call", call(input_tokens=quantity)) is None


def test_of_several_vendors_the_dearest_is_assumed() -> None:
    both = book(
        rate(IN, per_model(opus="15")),
        rate(IN, per_model(opus="16"), vendor="aws"),
        rate(IN, per_model(haiku="99"), vendor="google"),
    )
    assert both.cost_of("llm.call", call()) == Decimal("0.016")


def test_an_event_may_say_which_vendor_served_it() -> None:
    def from_vendor(vendor: str, amount: str) -> VendorRate:
        cell = {"match": {"vendor": vendor}, "unit_amount": amount}
        matrix = {"dimensions": ["vendor"], "cells": [cell]}
        return rate(IN, {"charge_model": "per_unit", "matrix": matrix}, vendor)

    two = book(from_vendor("aws", "2"), from_vendor("azure", "3"))
    assert two.cost_of("llm.call", call(vendor="aws")) == 2_000
    assert two.cost_of("llm.call", call(vendor="azure")) == 3_000
    assert two.cost_of("llm.call", call()) is None


def test_the_whole_request_costs_more_above_a_size() -> None:
    size = {"name": "prompt", "expression": "input_tokens + default(cached, 0)"}
    cells = [
        {"match": {"model": "sonnet"}, "unit_amount": "3"},
        {"match": {"model": "sonnet", "prompt": {"gt": "200000"}}, "unit_amount": "6"},
    ]
    matrix = {"dimensions": ["model", size], "cells": cells}
    stepped = book(rate(IN, {**per_model(x="1"), "matrix": matrix}))
    at, above = (
        call(model="sonnet", input_tokens=200_000),
        call(model="sonnet", input_tokens=200_001),
    )
    assert stepped.cost_of("llm.call", at) == Decimal("0.6")
    assert stepped.cost_of("llm.call", above) == Decimal("1.200006")
    split = call(model="sonnet", input_tokens=100_000, cached=100_001)
    assert stepped.cost_of("llm.call", split) == Decimal("0.6")


def test_each_part_is_rounded_once_to_12_places() -> None:
    thirds = book(
        rate(IN, {"charge_model": "per_unit", "unit_amount": "1", "unit_size": "3"}),
        rate(OUT, {"charge_model": "per_unit", "unit_amount": "1", "unit_size": "3"}),
    )
    assert thirds.cost_of("llm.call", call(input_tokens=1, output_tokens=1)) == Decimal(
        "0.666666666666"
    )


def test_an_event_may_bring_its_cost() -> None:
    carried = {"charge_model": "dynamic", "amount_property": "bill.usd", "multiplier": "1.1"}
    invoice = book(rate(CALLS, carried))
    assert invoice.cost_of("llm.call", call(bill={"usd": "0.50"})) == Decimal("0.55")
    assert invoice.cost_of("llm.call", call(bill={"usd": "-1"})) is None
    assert invoice.cost_of("llm.call", call()) is None


def test_a_cost_too_large_to_be_stored_is_not_known() -> None:
    most = "9" * 26
    dear = book(rate(IN, {"charge_model": "per_unit", "unit_amount": most}))
    assert dear.cost_of("llm.call", call(input_tokens=1)) == Decimal(most)
    assert dear.cost_of("llm.call", call(input_tokens=2)) is None


PER_UNIT = {"charge_model": "per_unit", "unit_amount": "1"}
TIERS = [{"up_to": "5", "unit_amount": "1"}, {"up_to": None, "unit_amount": "2"}]


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        ({**PER_UNIT, "included": "5"}, "included"),
        ({**PER_UNIT, "minimum_amount": "5"}, "minimum_amount"),
        ({**PER_UNIT, "maximum_amount": "5"}, "maximum_amount"),
        ({**PER_UNIT, "maximum_amount": "0"}, "maximum_amount"),
        ({**PER_UNIT, "commitment": {"amount": "5"}}, "commitment"),
        ({**PER_UNIT, "rounding": "up"}, "rounding_scope"),
        ({"charge_model": "flat", "flat_amount": "5"}, "charge_model"),
        ({"charge_model": "graduated", "tiers": TIERS}, "charge_model"),
        ({"charge_model": "volume_tiers", "tiers": TIERS}, "charge_model"),
        ({"charge_model": "package", "unit_amount": "1", "package_size": "5"}, "charge_model"),
        ({"charge_model": "percentage", "percentage": "1", "free_events": "1"}, "free_events"),
        ({"charge_model": "percentage", "percentage": "1", "free_amount": "1"}, "free_amount"),
        (
            {
                "charge_model": "percentage",
                "tiers": [{"up_to": "5", "percentage": "2"}, {"up_to": None, "percentage": "1"}],
            },
            "tiers",
        ),
        (
            {
                "charge_model": "per_unit",
                "matrix": {
                    "dimensions": ["model"],
                    "cells": [
                        {"match": {"model": "opus"}, "unit_amount": "1"},
                        {"match": {}, "charge_model": "graduated", "tiers": TIERS},
                    ],
                },
            },
            "matrix.cells[1].charge_model",
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_terms_of_a_period_are_no_cost(definition: dict[str, Any], field: str) -> None:
    [error] = cost_book.reasons_against(parse_definition(definition), IN)
    assert error.field == field
    assert error.reason


@pytest.mark.parametrize(
    "definition",
    [
        PER_UNIT,
        per_model(opus="1"),
        {**PER_UNIT, "rounding": "up", "rounding_scope": "event", "unit_size": "60"},
        {"charge_model": "package", "unit_amount": "1", "rounding_scope": "event"},
        {"charge_model": "percentage", "percentage": "2.9", "fixed_amount": "0.30"},
        {"charge_model": "dynamic"},
    ],
)
def test_what_one_event_decides_is_a_cost(definition: dict[str, Any]) -> None:
    assert cost_book.reasons_against(parse_definition(definition), IN) == []


@pytest.mark.parametrize("aggregation", ["max", "latest", "unique_count", "average"])
def test_only_meters_that_add_up_have_costs(aggregation: AggregationName) -> None:
    meter = MeterSpec(code="seats", event_type="x", aggregation=aggregation, value="seats")
    [error] = cost_book.reasons_against(parse_definition(PER_UNIT), meter)
    assert error.field == "meter"
    assert aggregation.replace("_", " ") in error.reason
