"""A matrix as a table of text: what is read, what is refused, and that nothing is lost."""

import re
from typing import Any

import pytest
from hypothesis import given

from pricing.admin import matrix_table
from pricing.admin.text_tables import TableInvalid
from tests.pricing import definitions

OPUS = {
    "dimensions": ["model", "speed"],
    "cells": [
        {"match": {"model": "opus", "speed": "fast"}, "unit_amount": "2.00"},
        {"match": {"model": "opus", "speed": "*"}, "unit_amount": "1.50"},
        {"match": {"model": "*", "speed": "fast"}, "unit_amount": "1.20"},
        {"match": {"model": "*", "speed": "*"}, "unit_amount": "0.50"},
    ],
}

AS_TEXT = """\
model | speed | price
opus  | fast  | 2.00
opus  | *     | 1.50
*     | fast  | 1.20
*     | *     | 0.50"""


def test_a_matrix_is_written_as_a_table_that_lines_up() -> None:
    assert matrix_table.render(OPUS) == AS_TEXT


@pytest.mark.parametrize(
    "text",
    [
        AS_TEXT,
        AS_TEXT.replace("\n", "\r\n") + "\r\n\r\n",
        AS_TEXT.replace(" ", "").replace("|", "\t"),
        AS_TEXT.replace(" ", "").replace("|", ","),
        AS_TEXT.replace(" ", "").replace("|", ";"),
        "\n" + AS_TEXT.replace("\n", "\n\n"),
        AS_TEXT.replace("opus ", '"opus" '),
        AS_TEXT.replace("price", "unit_amount"),
        AS_TEXT.replace("price", "Price"),
    ],
    ids=[
        "bars", "from a browser", "from a spreadsheet", "commas", "semicolons", "blank lines",
        "quotes", "the field's own name", "a capital",
    ],
)  # fmt: skip
def test_a_table_is_read_however_it_was_pasted(text: str) -> None:
    assert matrix_table.parse(text).matrix == OPUS


def test_the_price_may_stand_in_any_column() -> None:
    table = matrix_table.parse("price,model\n3,opus")
    assert table.matrix == {
        "dimensions": ["model"],
        "cells": [{"match": {"model": "opus"}, "unit_amount": "3"}],
    }


def test_lines_are_counted_as_people_see_them() -> None:
    assert matrix_table.parse('a,price\n\n"x\ny",1\nz,2').lines == [3, 5]


@pytest.mark.parametrize(
    ("outer", "price", "charge"),
    [
        ("per_unit", "$2.50", {"unit_amount": "2.50"}),
        ("package", "2", {"unit_amount": "2"}),
        ("flat", "20", {"flat_amount": "20"}),
        ("percentage", "1.2 %", {"percentage": "1.2"}),
        ("dynamic", "1.3", {"multiplier": "1.3"}),
        ("graduated", "3", {"charge_model": "per_unit", "unit_amount": "3"}),
        ("stairstep", "3", {"charge_model": "flat", "flat_amount": "3"}),
        (
            "per_unit",
            "1K:0.01+5; 0.008",
            {
                "charge_model": "graduated",
                "tiers": [
                    {"up_to": "1000", "unit_amount": "0.01", "flat_amount": "5"},
                    {"up_to": None, "unit_amount": "0.008"},
                ],
            },
        ),
        (
            "stairstep",
            "100:5; above:20",
            {"tiers": [{"up_to": "100", "flat_amount": "5"}, {"up_to": None, "flat_amount": "20"}]},
        ),
        (
            "percentage",
            "1000:1.2; 0.8",
            {
                "tiers": [
                    {"up_to": "1000", "percentage": "1.2"},
                    {"up_to": None, "percentage": "0.8"},
                ]
            },
        ),
    ],
)
def test_a_price_means_what_its_charge_model_asks_for(
    outer: str, price: str, charge: dict[str, Any]
) -> None:
    (cell,) = matrix_table.parse(f"model|price\nopus|{price}", charge_model=outer).matrix["cells"]
    assert cell == {"match": {"model": "opus"}, **charge}


def test_a_row_may_charge_in_a_way_of_its_own() -> None:
    text = "model|price|charge model|package size\nopus|10|Packages|100\nhaiku|0.5||"
    first, second = matrix_table.parse(text).matrix["cells"]
    assert first == {
        "match": {"model": "opus"},
        "charge_model": "package",
        "unit_amount": "10",
        "package_size": "100",
    }
    assert second == {"match": {"model": "haiku"}, "unit_amount": "0.5"}


def test_ranges_and_expressions_are_written_as_people_write_them() -> None:
    table = matrix_table.parse(
        "model|prompt = input + cached|price\nopus|>200K|4\nopus|>=1 <=200000|2\nopus|\\>1|1"
    )
    assert table.matrix["dimensions"] == [
        "model",
        {"name": "prompt", "expression": "input + cached"},
    ]
    assert [cell["match"]["prompt"] for cell in table.matrix["cells"]] == [
        {"gt": "200000"},
        {"gte": "1", "lte": "200000"},
        ">1",
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (" \n\t\n", "The table is empty."),
        ("model|speed\nopus|fast", "The first row needs a column price."),
        ("price\n3", "The first row needs a column for each property"),
        ("model|model|price\na|b|1", "Row 1, column model: the first row names model twice."),
        ("model||price\na|b|1", "Row 1: column 2 has no name."),
        ("model|price", "The table needs at least one row below the first."),
        ("model|price\nopus", "Row 2, column price: is empty; write 0 for what is free."),
        ("model|price\n\nopus|1|2", "Row 3: has 3 columns, the first row has 2."),
        ("model|price\n|1", "Row 2, column model: is empty; write * for any value."),
        ("model|price\nopus|1:2;;3", "Row 2, column price: has a tier without a price"),
        ("model|price\n>abc<|1", "Row 2, column model: “>abc<” is no range"),
        ("|".join(map(str, range(201))) + "\n1", "Row 1: has more than 200 columns."),
        ('model|price\n"opus|1', "Row 2: has a double quote that does not end"),
        ('model|price\n"opus" 4|1', "Row 2: has a double quote that does not end"),
        ("model|price|charge model\nopus|1|cheap", "“cheap” is none of per_unit, graduated"),
    ],
)
def test_mistakes_are_named_by_row_and_column(text: str, error: str) -> None:
    with pytest.raises(TableInvalid, match=re.escape(error)):
        matrix_table.parse(text)


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("cells[1].unit_amount", "Row 3, column price: is bad."),
        ("cells[1].tiers[1].up_to", "Row 3, column price: tier 2, up_to is bad."),
        ("cells[1].match.prompt", "Row 3, column prompt = a + b: is bad."),
        ("cells[1].package_size", "Row 3, column package size: is bad."),
        ("cells[1].match", "Row 3: is bad."),
        ("dimensions", "dimensions is bad."),
        ("cells", "cells is bad."),
    ],
)
def test_mistakes_of_the_price_form_find_their_row(path: str, where: str) -> None:
    table = matrix_table.parse("prompt = a + b|price|package size\n1|2|3\n4|5|6")
    assert str(table.place(path, "is bad")) == where


def test_a_twin_is_named_by_its_row() -> None:
    table = matrix_table.parse("model|price\n\na|1\na|2")
    placed = table.place("cells[1].match", "matches the same values as cells[0]")
    assert str(placed) == "Row 4: matches the same values as row 3."


@given(definitions.matrices("per_unit"))
def test_nothing_is_lost_on_the_way_to_text_and_back(matrix: dict[str, Any]) -> None:
    assert matrix_table.parse(matrix_table.render(matrix)).matrix == matrix
