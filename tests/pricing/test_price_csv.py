"""Prices as CSV: what a file looks like, that it comes back exactly, and where mistakes are."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.admin import price_csv
from pricing.admin.text_tables import TableInvalid
from tests.pricing.definitions import TEXTS, definitions

FIRST_ROW = (
    "meter,asset,settle,charge_model,unit_size,dimensions,where model,charges,"
    "up_to,unit_amount,flat_amount"
)
TIERED = {
    "charge_model": "graduated",
    "unit_size": "1000",
    "tiers": [
        {"up_to": "1000", "unit_amount": "0.01", "flat_amount": "5"},
        {"up_to": None, "unit_amount": "0.008"},
    ],
}
BY_MODEL = {
    "charge_model": "per_unit",
    "unit_amount": "9",
    "matrix": {
        "dimensions": ["model"],
        "cells": [
            {"match": {"model": "opus"}, "unit_amount": "2.00"},
            {"match": {"model": "=1+1"}, "charge_model": "flat", "flat_amount": "3"},
        ],
    },
}


def file_of(*definitions: dict[str, Any]) -> str:
    return price_csv.write(
        [(f"meter_{n}", "USD", "on_event", each) for n, each in enumerate(definitions)]
    )


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_each_tier_and_each_cell_has_a_row() -> None:
    assert file_of(TIERED, BY_MODEL).splitlines() == [
        FIRST_ROW,
        "meter_0,USD,on_event,graduated,1000,,,,1000,0.01,5",
        "meter_0,USD,on_event,graduated,1000,,,,above,0.008,",
        "meter_1,USD,on_event,per_unit,,model,,,,9,",
        "meter_1,USD,on_event,per_unit,,model,opus,,,2.00,",
        "meter_1,USD,on_event,per_unit,,model,'=1+1,flat,,,3",
    ]


@given(st.lists(definitions(), min_size=1, max_size=3))
def test_a_file_comes_back_exactly(drawn: list[dict[str, Any]]) -> None:
    read = price_csv.read(file_of(*drawn))
    assert [price.definition for price in read] == drawn
    assert [price.meter for price in read] == [f"meter_{n}" for n in range(len(drawn))]


@given(st.lists(TEXTS, min_size=2, max_size=4, unique=True))
def test_no_cell_is_a_formula(values: list[str]) -> None:
    cells = [{"match": {"model": value}, "unit_amount": "1"} for value in values]
    matrix = {"dimensions": ["model"], "cells": cells}
    text = file_of({"charge_model": "per_unit", "matrix": matrix})
    formulas = [
        value
        for row in csv.reader(io.StringIO(text))
        for value in row
        if value[:1] in tuple("=+-@")
    ]
    assert [value for value in formulas if value] == []


@pytest.mark.parametrize("separator", [";", "\t"])
def test_spreadsheets_of_all_countries_are_read(separator: str) -> None:
    text = "\N{BYTE ORDER MARK}" + file_of(TIERED, BY_MODEL).replace(",", separator)
    assert [price.definition for price in price_csv.read(text)] == [TIERED, BY_MODEL]


def test_a_file_by_hand_needs_few_columns() -> None:
    (price,) = price_csv.read("meter,asset,where model,unit_amount\nm,USD,opus,$2\nm,USD,*,1\n")
    assert price.settle == ""
    assert price.definition == {
        "charge_model": "per_unit",
        "matrix": {
            "dimensions": ["model"],
            "cells": [
                {"match": {"model": "opus"}, "unit_amount": "2"},
                {"match": {"model": "*"}, "unit_amount": "1"},
            ],
        },
    }


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "The file needs a first row of names and a row below it."),
        ("meter,unit_amount\nm,1", "The first row needs a column asset."),
        ("meter,asset,colour\nm,USD,red", "Row 1, column colour: is no column of a price file"),
        ("meter,asset,asset\nm,USD,USD", "Row 1, column asset: is no column of a price file, or"),
        ("meter,asset\nm,USD,1", "Row 2: has 3 columns, the first row has 2."),
        ("meter,asset,unit_amount\nm,,1", "Row 2, column asset: is empty."),
        (
            "meter,asset,unit_size,where model,unit_amount\nm,USD,1,a,1\nm,USD,2,b,1",
            "Row 3, column unit_size: differs from row 2, which is of the same price.",
        ),
        (
            "meter,asset,where model,unit_amount\nm,USD,a,1\nm,USD,a,2",
            "Row 3: matches the same events as row 2.",
        ),
        ("meter,asset,where model\nm,USD,>a<", "Row 2, column where model: “>a<” is no range"),
        ('meter,asset\n"m,USD', "The file cannot be read from line"),
    ],
)
def test_mistakes_name_row_and_column(text: str, mistake: str) -> None:
    with pytest.raises(TableInvalid) as refusal:
        price_csv.read(text)
    assert mistake in str(refusal.value)


@pytest.mark.parametrize(
    ("number", "path", "where"),
    [
        (0, "unit_size", "Row 2, column unit_size: is bad."),
        (0, "tiers[1].unit_amount", "Row 3, column unit_amount: is bad."),
        (0, "charge_model", "Row 2, column charge_model: is bad."),
        (1, "unit_amount", "Row 4, column unit_amount: is bad."),
        (1, "matrix.cells[1].flat_amount", "Row 6, column flat_amount: is bad."),
        (1, "matrix.cells[1].charge_model", "Row 6, column charges: is bad."),
        (1, "matrix.cells[0].match.model", "Row 5, column where model: is bad."),
    ],
)
def test_mistakes_of_the_price_form_find_their_row(number: int, path: str, where: str) -> None:
    price = price_csv.read(file_of(TIERED, BY_MODEL))[number]
    assert str(price.mistake(path, "is bad")) == where
