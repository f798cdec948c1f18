"""A matrix as a table of text: what is read, what is refused, and that nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.admin import matrix_table
from pricing.admin.matrix_table import TableInvalid

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
model | speed | unit_amount
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
        "\n" + AS_TEXT.replace("\n", "\n\n"),
        AS_TEXT.replace("opus ", '"opus" '),
    ],
    ids=["bars", "from a browser", "from a spreadsheet", "commas", "blank lines", "quotes"],
)
def test_a_table_is_read_however_it_was_pasted(text: str) -> None:
    assert matrix_table.parse(text).matrix == OPUS


def test_the_amount_may_stand_in_any_column() -> None:
    table = matrix_table.parse("unit_amount,model\n3,opus")
    assert table.matrix == {
        "dimensions": ["model"],
        "cells": [{"match": {"model": "opus"}, "unit_amount": "3"}],
    }


def test_lines_are_counted_as_people_see_them() -> None:
    assert matrix_table.parse('a,unit_amount\n\n"x\ny",1\nz,2').lines == [3, 5]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (" \n\t\n", "The table is empty."),
        ("model|speed\nopus|fast", "The first row needs a column unit_amount."),
        ("unit_amount\n3", "The first row needs a column for each property"),
        ("model|model|unit_amount\na|b|1", "The first row names model twice."),
        ("model||unit_amount\na|b|1", "Column 2 has no name in the first row."),
        ("model|unit_amount", "The table needs at least one row below the first."),
        ("model|unit_amount\nopus", "Row 2 has 1 columns, the first row has 2."),
        ("model|unit_amount\n\nopus|1|2", "Row 3 has 3 columns, the first row has 2."),
        ("model|unit_amount\n|1", "Row 2, column model is empty; write * for any value."),
        ("model|unit_amount\nopus|", "Row 2, column unit_amount is empty"),
        ('model|unit_amount\n"opus|1', "Row 2 has a double quote that does not end"),
        ('model|unit_amount\n"opus" 4|1', "Row 2 has a double quote that does not end"),
    ],
)
def test_mistakes_are_named_by_row_and_column(text: str, error: str) -> None:
    with pytest.raises(TableInvalid, match=error.replace("*", r"\*")):
        matrix_table.parse(text)


texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1, max_size=12
)
names = texts.filter(lambda name: name != matrix_table.AMOUNT_COLUMN)


@st.composite
def matrices(draw: st.DrawFn) -> dict[str, object]:
    dimensions = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    match = st.fixed_dictionaries(dict.fromkeys(dimensions, texts))
    cell = st.fixed_dictionaries({"match": match, "unit_amount": st.just("1.50")})
    return {"dimensions": dimensions, "cells": draw(st.lists(cell, min_size=1, max_size=5))}


@given(matrices())
def test_nothing_is_lost_on_the_way_to_text_and_back(matrix: dict[str, object]) -> None:
    assert matrix_table.parse(matrix_table.render(matrix)).matrix == matrix
