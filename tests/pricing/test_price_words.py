"""Prices in words, as people read them."""

from typing import Any

import pytest

from pricing import price_words
from pricing.price_form import parse_definition
from pricing.price_words import Words

TIERS = [
    {"up_to": "1000", "unit_amount": "0.01", "flat_amount": "5"},
    {"up_to": None, "unit_amount": "0.008"},
]
USD = Words(asset="USD", scale=2, unit="token")


def said(definition: dict[str, Any]) -> list[tuple[str, str]]:
    return list(price_words.describe(parse_definition(definition), USD))


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"charge_model": "flat", "flat_amount": "9.9"}, "9.90 USD a period"),
        ({"charge_model": "per_unit", "unit_amount": "0.5"}, "0.50 USD per token"),
        ({"charge_model": "per_unit", "unit_amount": "3", "unit_size": "1000000",
            "rounding": "up"}, "3.00 USD per 1,000,000 × token, rounded up"),
        ({"charge_model": "per_unit", "unit_amount": "3", "rounding": "half_up",
            "rounding_places": 2, "rounding_scope": "event"},
            "3.00 USD per token, rounded half up to 2 places each event"),
        ({"charge_model": "package", "unit_amount": "5", "package_size": "10",
            "unit_size": "10"}, "5.00 USD for each started 100 × token"),
        ({"charge_model": "graduated", "tiers": TIERS},
            ("each unit at the rate of its tier: "
            "up to 1,000: 0.01 USD per token + 5.00 USD; above: 0.008 USD per token")),
        ({"charge_model": "volume_tiers", "tiers": TIERS[1:]},
            "all units at the rate of the tier reached: above: 0.008 USD per token"),
        ({"charge_model": "stairstep", "tiers": [{"up_to": "5", "flat_amount": "7"}, {}]},
            "one price for the tier reached: up to 5: 7.00 USD; above: 0.00 USD per token"),
        ({"charge_model": "percentage", "percentage": "1.2", "fixed_amount": "0.1",
            "free_events": "3", "free_amount": "500"},
            "1.2 %, 0.10 USD each event, first 3 events free, first 500.00 USD free"),
        ({"charge_model": "percentage", "minimum_per_event": "1", "maximum_per_event": "25",
            "tiers": [{"up_to": "1000", "percentage": "1", "flat_amount": "200"},
                {"percentage": "2"}]},
            ("up to 1,000: 1 % + 200.00 USD; above: 2 %, at least 1.00 USD an event, "
            "at most 25.00 USD an event")),
        ({"charge_model": "dynamic"}, "the metered amount × 1 in USD"),
        ({"charge_model": "dynamic", "amount_property": "cost", "multiplier": "1.2"},
            "cost × 1.2 in USD"),
    ],
)  # fmt: skip
def test_what_a_model_charges(definition: dict[str, Any], words: str) -> None:
    assert said(definition) == [("", words)]


def test_what_surrounds_it() -> None:
    around = {
        "included": "1000",
        "commitment": {"amount": "500", "overage_factor": "1.5"},
        "minimum_amount": "600",
        "maximum_amount": "9000",
    }
    assert said({"charge_model": "per_unit", "unit_amount": "1", **around})[1:] == [
        ("included", "first 1,000 × token free"),
        ("commitment", "500.00 USD a period, charged in full, beyond it × 1.5"),
        ("minimum", "at least 600.00 USD a period"),
        ("maximum", "at most 9,000.00 USD a period"),
    ]
    unmade = {"commitment": {"amount": "5", "true_up": False}}
    assert said({"charge_model": "per_unit", "unit_amount": "1", **unmade})[1:] == [
        ("commitment", "5.00 USD a period, not made up for")
    ]


def test_each_cell_by_what_it_matches() -> None:
    cells = [
        {"match": {"model": "opus", "prompt": {"gt": "200000"}}, "unit_amount": "6"},
        {"match": {"prompt": {"gte": "5", "lt": "9"}}, "unit_amount": "3"},
    ]
    matrix = {"dimensions": ["model", "prompt"], "cells": cells}
    definition = {"charge_model": "per_unit", "unit_amount": "1", "matrix": matrix}
    assert said({**definition, "tiers_count": "over_all_cells"}) == [
        ("model = opus, prompt > 200000", "6.00 USD per token"),
        ("model = *, prompt >= 5 and < 9", "3.00 USD per token"),
        ("anything else", "1.00 USD per token"),
        ("tiers", "count over all cells together"),
    ]
