"""The JSON form of a price: what is read, and how mistakes are named."""

from decimal import Decimal
from typing import Any

import pytest

from pricing.charge_models import PerUnit
from pricing.matrix import Matrix
from pricing.price_form import CELLS_MAX, PriceInvalid, parse_definition

PER_UNIT = {"charge_model": "per_unit", "unit_amount": "0.50"}
CELL = {"match": {"model": "opus"}, "unit_amount": "2"}


def matrix(**changed: Any) -> dict[str, Any]:
    return {
        "charge_model": "per_unit",
        "matrix": {"dimensions": ["model"], "cells": [CELL], **changed},
    }


def mistakes(definition: object) -> dict[str, str]:
    with pytest.raises(PriceInvalid) as error:
        parse_definition(definition)
    return dict(error.value.errors)


def test_a_price_for_each_unit() -> None:
    assert parse_definition(PER_UNIT) == PerUnit(Decimal("0.50"))


def test_a_price_for_each_started_million() -> None:
    definition = {**PER_UNIT, "unit_size": "1000000", "rounding": "up"}
    assert parse_definition(definition) == PerUnit(Decimal("0.50"), Decimal(1_000_000), True)


def test_a_price_by_attributes() -> None:
    cells = [CELL, {"match": {}, "unit_amount": "1"}]
    parsed = parse_definition({**matrix(cells=cells), "unit_size": "10"})
    assert isinstance(parsed, Matrix)
    assert [(cell.match, cell.charge_model) for cell in parsed.cells] == [
        (("opus",), PerUnit(Decimal(2), Decimal(10))),
        (("*",), PerUnit(Decimal(1), Decimal(10))),
    ]


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        (None, "definition"),
        ([], "definition"),
        ({**PER_UNIT, "tiers": []}, "tiers"),
        ({"unit_amount": "1"}, "charge_model"),
        ({**PER_UNIT, "charge_model": "guess"}, "charge_model"),
        ({"charge_model": "per_unit"}, "unit_amount"),
        ({**PER_UNIT, "unit_amount": "-1"}, "unit_amount"),
        ({**PER_UNIT, "unit_amount": 0.5}, "unit_amount"),
        ({**PER_UNIT, "unit_amount": "NaN"}, "unit_amount"),
        ({**PER_UNIT, "unit_size": "0"}, "unit_size"),
        ({**PER_UNIT, "unit_size": "x"}, "unit_size"),
        ({**PER_UNIT, "rounding": "down"}, "rounding"),
        ({**matrix(), "unit_amount": "1"}, "unit_amount"),
        ({**matrix(), "unit_size": "0"}, "unit_size"),
        ({**PER_UNIT, "matrix": "x"}, "unit_amount"),
        ({"charge_model": "per_unit", "matrix": "x"}, "matrix"),
        (matrix(dimensions=[]), "matrix.dimensions"),
        (matrix(dimensions="model"), "matrix.dimensions"),
        (matrix(dimensions=["a", "a"]), "matrix.dimensions"),
        (matrix(dimensions=[""]), "matrix.dimensions"),
        (matrix(dimensions=[1]), "matrix.dimensions"),
        (matrix(dimensions=["x" * 81]), "matrix.dimensions"),
        (matrix(dimensions=list("abcdefg")), "matrix.dimensions"),
        (matrix(cells=[]), "matrix.cells"),
        (matrix(cells={}), "matrix.cells"),
        (matrix(cells=[CELL] * (CELLS_MAX + 1)), "matrix.cells"),
        (matrix(cells=["x"]), "matrix.cells[0].match"),
        (matrix(cells=[{"unit_amount": "1"}]), "matrix.cells[0].match"),
        (matrix(cells=[CELL, CELL]), "matrix.cells[1].match"),
        (matrix(cells=[{**CELL, "tiers": []}]), "matrix.cells[0].tiers"),
        (matrix(cells=[{"match": {"model": "opus"}}]), "matrix.cells[0].unit_amount"),
        (matrix(cells=[{**CELL, "unit_amount": "x"}]), "matrix.cells[0].unit_amount"),
        (matrix(cells=[{**CELL, "match": {"speed": "1"}}]), "matrix.cells[0].match.speed"),
        (matrix(cells=[{**CELL, "match": {"model": 1}}]), "matrix.cells[0].match.model"),
        (matrix(cells=[{**CELL, "match": {"model": ""}}]), "matrix.cells[0].match.model"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_field(definition: object, field: str) -> None:
    assert field in mistakes(definition)


def test_all_mistakes_are_named_at_once() -> None:
    cells = [{"match": {"model": ""}, "unit_amount": "1"}, {"match": {}, "unit_amount": "-1"}]
    found = mistakes({**matrix(cells=cells), "charge_model": "?", "unit_size": "?"})
    assert found == {
        "charge_model": "must be per_unit",
        "unit_size": found["unit_size"],
        "matrix.cells[0].match.model": "must be a text of 1 to 80 characters",
        "matrix.cells[1].unit_amount": "must be zero or more",
    }


def test_the_message_is_for_people() -> None:
    with pytest.raises(PriceInvalid, match=r"^unit_amount: must be zero or more$"):
        parse_definition({**PER_UNIT, "unit_amount": "-1"})
