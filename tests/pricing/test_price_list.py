"""A price list: many meters in one table."""

import re
from typing import Any

import pytest

from pricing.admin import price_list
from pricing.admin.text_tables import TableInvalid

METERS = {"input": "input", "Input tokens": "input", "output": "output", "cached": "cached"}
LIST = """\
model | input | output
per   | 1000000 | 1000000
opus  | 5.00  | 25.00
haiku | 1.00  |"""


def definitions_of(text: str, **before: dict[str, Any]) -> dict[str, Any]:
    listed = price_list.parse(text, meters=METERS)
    return {
        column.meter: price_list.definition_of(listed, column, before.get(column.meter))
        for column in listed.columns
    }


def matrix_of(*cells: tuple[str, str]) -> dict[str, Any]:
    return {
        "dimensions": ["model"],
        "cells": [{"match": {"model": model}, "unit_amount": price} for model, price in cells],
    }


def test_each_number_becomes_a_cell_of_its_meter() -> None:
    assert definitions_of(LIST) == {
        "input": {
            "charge_model": "per_unit",
            "unit_size": "1000000",
            "matrix": matrix_of(("opus", "5.00"), ("haiku", "1.00")),
        },
        "output": {
            "charge_model": "per_unit",
            "unit_size": "1000000",
            "matrix": matrix_of(("opus", "25.00")),
        },
    }


def test_what_is_read_is_written_the_same() -> None:
    definitions = definitions_of(LIST)
    assert definitions_of(price_list.render(definitions)) == definitions


def test_a_page_of_a_vendor_is_read_as_it_was_copied() -> None:
    text = "Model\tInput tokens\tcached\nPer\t1M\t1M\nopus\t$5.00\t-\nhaiku\tfree\t$0.10"
    definitions = definitions_of(text)
    assert definitions["input"]["matrix"]["cells"][1]["unit_amount"] == "0"
    assert definitions["cached"]["matrix"]["cells"] == [
        {"match": {"Model": "haiku"}, "unit_amount": "0.10"}
    ]


def test_terms_that_a_list_does_not_show_stay() -> None:
    before = {"charge_model": "per_unit", "included": "100", "unit_size": "5"}
    kept = definitions_of("model|input\nopus|2", input=before)["input"]
    assert (kept["included"], kept["unit_size"]) == ("100", "5")


def test_rows_may_be_told_apart_by_several_properties() -> None:
    text = "model|prompt|input\nper||1M\nopus|>200K|10; \nopus|*|5"
    cells = definitions_of(text)["input"]["matrix"]["cells"]
    assert cells[0]["match"] == {"model": "opus", "prompt": {"gt": "200000"}}
    assert cells[1] == {"match": {"model": "opus", "prompt": "*"}, "unit_amount": "5"}


def test_without_any_known_meter_all_columns_but_the_first_are_meters() -> None:
    listed = price_list.parse("model|new_one|new_two\nopus|1|2", meters={})
    assert [column.meter for column in listed.columns] == ["new_one", "new_two"]


def test_a_model_may_be_called_per() -> None:
    definition = {"charge_model": "per_unit", "matrix": matrix_of(("per", "1"), ("x", "2"))}
    text = price_list.render({"input": definition})
    assert definitions_of(text)["input"] == definition


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("model|input\nopus|1", "Column input: say for how many units its prices are"),
        ("model\nopus", "Row 1: The list needs a column for each meter"),
        ("model|input|Input tokens\nopus|1|2", "Row 1, column Input tokens: two columns are for"),
        ("model|input\nper|1M\n|1", "Row 3, column model: is empty"),
        ("model|input\nper|1M\n>x<|1", "Row 3, column model: “>x<” is no range"),
        ("model|input\nper|1M\nx|1:;2", "Row 3, column input: has a tier without a price"),
    ],
)
def test_mistakes_name_row_and_column(text: str, error: str) -> None:
    with pytest.raises(TableInvalid, match=re.escape(error)):
        definitions_of(text)


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("matrix.cells[0].unit_amount", "Row 3, column output: is bad."),
        ("matrix.cells[0].tiers[1].up_to", "Row 3, column output: tier 2, up_to is bad."),
        ("matrix.cells[0].match", "Row 3: is bad."),
        ("unit_size", "Column output: per is bad."),
        ("matrix.dimensions", "Column output: matrix dimensions is bad."),
    ],
)
def test_mistakes_of_the_price_form_find_their_row(path: str, where: str) -> None:
    listed = price_list.parse(LIST, meters=METERS)
    assert str(listed.mistake(listed.columns[1], path, "is bad")) == where


def test_only_prices_of_one_shape_share_a_list() -> None:
    by_model = definitions_of(LIST)
    by_speed = {
        "charge_model": "per_unit",
        "matrix": {
            "dimensions": ["speed"],
            "cells": [{"match": {"speed": "fast"}, "unit_amount": "1"}],
        },
    }
    packs = {
        "matrix": {
            "dimensions": ["model"],
            "cells": [{"match": {"model": "a"}, "unit_amount": "1", "package_size": "9"}],
        }
    }
    plain = {"charge_model": "per_unit", "unit_amount": "1"}
    prices = {"plain": plain, "packs": packs, "video": by_speed, **by_model}
    found = price_list.lists(prices)
    assert list(found.items()) == [("model", by_model), ("speed", {"video": by_speed})]
