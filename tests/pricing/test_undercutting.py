"""Where a price sells something for less than it costs."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.money import to_wire
from pricing.price_form import parse_definition
from pricing.undercutting import Undercut, undercuts

MILLION = {"charge_model": "per_unit", "unit_size": "1000000"}


def matrix(*cells: tuple[dict[str, Any], str], dimensions: list[Any] | None = None) -> Any:
    """A price of a million by these cells."""
    rows = [{"match": match, "unit_amount": amount} for match, amount in cells]
    names = dimensions or list(dict.fromkeys(name for match, _ in cells for name in match))
    return {**MILLION, "matrix": {"dimensions": names, "cells": rows}}


def each(amount: str, **terms: Any) -> dict[str, Any]:
    return {**MILLION, "unit_amount": amount, **terms}


def found(price: dict[str, Any], cost: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return price and cost by the description of the events."""
    return {
        under.description: (to_wire(under.price), to_wire(under.cost))
        for under in _undercuts(price, cost)
    }


def _undercuts(price: dict[str, Any], cost: dict[str, Any]) -> list[Undercut]:
    return undercuts(parse_definition(price), parse_definition(cost))


VENDOR = matrix(({"model": "opus"}, "15"), ({"model": "haiku"}, "1"))


def test_one_price_for_every_model_is_held_against_each() -> None:
    assert found(each("5"), VENDOR) == {"model opus": ("5", "15")}
    assert found(each("15"), VENDOR) == {}
    assert found(each("0.5"), VENDOR) == {"model opus": ("0.5", "15"), "model haiku": ("0.5", "1")}


def test_a_cell_is_held_against_the_models_it_sells() -> None:
    price = matrix(
        ({"model": "opus"}, "20"), ({"model": "haiku"}, "0.9"), ({"model": "llama"}, "0")
    )
    assert found(price, VENDOR) == {"model haiku": ("0.9", "1")}


def test_a_wildcard_is_held_against_models_without_a_cell_of_their_own() -> None:
    price = matrix(({"model": "opus"}, "20"), ({"model": "*"}, "0.5"))
    assert found(price, VENDOR) == {"model haiku": ("0.5", "1")}


def test_a_cell_behind_a_more_specific_one_sells_nothing() -> None:
    price = matrix(
        ({"model": "opus", "speed": "*"}, "1"),
        ({"model": "opus", "speed": "fast"}, "20"),
        dimensions=["model", "speed"],
    )
    cost = matrix(({"model": "opus", "speed": "fast"}, "15"), dimensions=["model", "speed"])
    assert found(price, cost) == {}


def test_a_step_of_the_vendor_by_size_is_met() -> None:
    cost = matrix(
        ({"model": "sonnet"}, "3"),
        ({"model": "sonnet", "prompt": {"gt": "200000"}}, "6"),
        dimensions=["model", {"name": "prompt", "expression": "input_tokens"}],
    )
    assert found(matrix(({"model": "sonnet"}, "4")), cost) == {
        "model sonnet, prompt > 200000": ("4", "6")
    }
    stepped = matrix(
        ({"model": "sonnet"}, "4"),
        ({"model": "sonnet", "prompt": {"gt": "100000"}}, "8"),
        dimensions=["model", {"name": "prompt", "expression": "input_tokens"}],
    )
    assert found(stepped, cost) == {}


def test_ranges_meet_only_where_they_overlap() -> None:
    price = matrix(({"size": {"lte": "10"}}, "1"), ({"size": {"gt": "10"}}, "9"))
    cost = matrix(({"size": {"lt": "5"}}, "0.5"), ({"size": {"gte": "5"}}, "5"))
    assert found(price, cost) == {"size >= 5 and <= 10": ("1", "5")}


@pytest.mark.parametrize(
    ("ours", "theirs", "both"),
    [
        ({"gt": "5"}, {"gte": "5"}, "size > 5"),
        ({"lt": "5"}, {"lte": "5"}, "size < 5"),
        ({"gte": "5"}, {"lte": "5"}, "size >= 5 and <= 5"),
        ({"gt": "1", "lt": "9"}, {"gte": "2", "lte": "8"}, "size >= 2 and <= 8"),
        ({"gt": "5"}, {"lte": "5"}, None),
        ({"gte": "6"}, {"lt": "6"}, None),
    ],
)
def test_what_two_ranges_have_in_common(
    ours: dict[str, str], theirs: dict[str, str], both: str | None
) -> None:
    price, cost = matrix(({"size": ours}, "1")), matrix(({"size": theirs}, "2"))
    assert list(found(price, cost)) == ([both] if both else [])


def test_a_value_may_lie_in_a_range() -> None:
    price = matrix(({"height": "1080"}, "1"), ({"height": "wide"}, "1"))
    cost = matrix(({"height": {"gte": "720"}}, "2"))
    assert found(price, cost) == {"height 1080": ("1", "2")}


def test_different_sizes_of_unit_are_compared_as_they_are() -> None:
    thousand = {"charge_model": "per_unit", "unit_size": "1000", "unit_amount": "0.003"}
    assert found(thousand, each("3")) == {}
    [under] = _undercuts(thousand, each("3.000000000001"))
    assert (under.price, under.unit_size) == (Decimal("0.003"), Decimal(1000))


@pytest.mark.parametrize(
    ("price", "lowest"),
    [
        ({"charge_model": "package", "unit_amount": "10", "package_size": "4"}, "2.5"),
        (
            {
                "charge_model": "graduated",
                "tiers": [
                    {"up_to": "10", "unit_amount": "9"},
                    {"up_to": None, "unit_amount": "2"},
                ],
            },
            "2",
        ),
        (
            {
                "charge_model": "graduated",
                "tiers": [
                    {"up_to": "10", "flat_amount": "20"},
                    {"up_to": None, "unit_amount": "9"},
                ],
            },
            "2",
        ),
        (
            {
                "charge_model": "volume_tiers",
                "tiers": [
                    {"up_to": "10", "unit_amount": "9"},
                    {"up_to": "20", "unit_amount": "1", "flat_amount": "30"},
                    {"up_to": None, "unit_amount": "4"},
                ],
            },
            "2.5",
        ),
        (
            {
                "charge_model": "stairstep",
                "tiers": [
                    {"up_to": "10", "flat_amount": "30"},
                    {"up_to": None, "flat_amount": "40"},
                ],
            },
            "3",
        ),
        (
            {
                "charge_model": "per_unit",
                "unit_amount": "8",
                "commitment": {"amount": "5", "overage_factor": "0.5"},
            },
            "4",
        ),
    ],
    ids=["package", "graduated", "graduated flat", "volume", "stairstep", "commitment"],
)
def test_of_a_price_with_steps_the_lowest_counts(price: dict[str, Any], lowest: str) -> None:
    cost = {"charge_model": "per_unit", "unit_amount": lowest}
    assert _undercuts(price, cost) == []
    [under] = _undercuts(price, {**cost, "unit_amount": str(Decimal(lowest) + Decimal("0.001"))})
    assert under.price == Decimal(lowest)
    assert under.description == "every event"


@pytest.mark.parametrize(
    "price",
    [
        {"charge_model": "flat", "flat_amount": "1"},
        {"charge_model": "percentage", "percentage": "1"},
        {"charge_model": "dynamic"},
    ],
)
def test_what_has_no_amount_for_a_unit_is_not_compared(price: dict[str, Any]) -> None:
    cost = {"charge_model": "per_unit", "unit_amount": "100"}
    assert _undercuts(price, cost) == []
    assert _undercuts(cost, {"charge_model": "dynamic", "multiplier": "9"}) == []


def test_a_thousand_models_against_a_thousand_cells_are_quick() -> None:
    names = [f"model-{n}" for n in range(1000)]
    price = matrix(*(({"model": name}, "1") for name in names))
    cost = matrix(*(({"model": name}, "2") for name in names))
    assert len(_undercuts(price, cost)) == 1000
