"""A price matrix as a table in plain text, so that people edit it without writing JSON.

    model | speed | unit_amount
    opus  | fast  | 2.00
    *     | *     | 0.50

The first row names the dimensions and `unit_amount`; every other row is a cell, `*` stands for any
value. Columns are separated by tabs (as spreadsheets paste them), bars or commas, whichever the
first row has. A value with a separator, a quote or outer spaces in it goes into double quotes, with
quotes inside doubled.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pricing.matrix import ANY

AMOUNT_COLUMN = "unit_amount"
_SEPARATORS = "\t|,"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


class TableInvalid(ValueError):
    """The text is not a table of cells; `errors` are sentences that name row and column."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__(" ".join(errors))
        self.errors = errors


class Row(NamedTuple):
    """One row: the number of the line it starts on, from 1, and its values."""

    line: int
    values: list[str]


class Table(NamedTuple):
    """A matrix as price definitions write it, and the line each of its cells came from."""

    matrix: dict[str, Any]
    lines: list[int]


def parse(text: str) -> Table:
    """Read a table. Raises TableInvalid; amounts and duplicates are for the price form to judge."""
    rows = [row for row in _rows(text) if row.values != [""]]
    if not rows:
        raise TableInvalid(["The table is empty."])
    header, *cells = rows
    errors = _errors_of_header(header.values, cells) or _errors_of_rows(header.values, cells)
    if errors:
        raise TableInvalid(errors)
    dimensions = [name for name in header.values if name != AMOUNT_COLUMN]
    return Table(
        matrix={
            "dimensions": dimensions,
            "cells": [_cell(header.values, row.values) for row in cells],
        },
        lines=[row.line for row in cells],
    )


def _cell(names: Sequence[str], values: Sequence[str]) -> dict[str, Any]:
    match = dict(zip(names, values, strict=True))
    return {"unit_amount": match.pop(AMOUNT_COLUMN), "match": match}


def _errors_of_header(names: Sequence[str], cells: Sequence[Row]) -> list[str]:
    errors = []
    if AMOUNT_COLUMN not in names:
        errors.append(f"The first row needs a column {AMOUNT_COLUMN}.")
    if len(names) < 2:  # noqa: PLR2004  One property and the amount.
        errors.append("The first row needs a column for each property the price depends on.")
    errors += [
        f"The first row names {name} twice."
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    errors += [
        f"Column {number} has no name in the first row."
        for number, name in enumerate(names, 1)
        if not name
    ]
    if not cells:
        errors.append("The table needs at least one row below the first.")
    return errors


def _errors_of_rows(names: Sequence[str], cells: Sequence[Row]) -> list[str]:
    errors = []
    for row in cells:
        if len(row.values) != len(names):
            errors.append(
                f"Row {row.line} has {len(row.values)} columns, the first row has {len(names)}."
            )
            continue
        errors += [
            f"Row {row.line}, column {name} is empty; write * for any value."
            for name, value in zip(names, row.values, strict=True)
            if not value
        ]
    return errors


def _rows(text: str) -> Iterator[Row]:
    text = text.replace("\r\n", "\n")
    separator = _separator(text)
    field = re.compile(
        rf'[ \xa0]*"(?P<quoted>(?:[^"]|"")*)"[ \xa0]*(?P<after>{separator}|\n|\Z)'
        rf"|(?P<bare>[^{separator}\n]*)(?P<end>{separator}|\n|\Z)"
    )
    line, values, position, ending = 1, list[str](), 0, "\n"
    while ending:
        found = field.match(text, position)
        if found is None or (found["bare"] or "").lstrip().startswith('"'):
            raise TableInvalid([f"Row {line} has a double quote that does not end its value."])
        quoted = found["quoted"]
        values.append(found["bare"].strip() if quoted is None else quoted.replace('""', '"'))
        position = found.end()
        ending = found["end"] if quoted is None else found["after"]
        if ending in ("\n", ""):
            yield Row(line, values)
            line += 1 + sum(value.count("\n") for value in values)
            values = []


def _separator(text: str) -> str:
    """Return the separator of the first row as a regular expression."""
    first_row = _QUOTED.sub("", text).lstrip("\n").partition("\n")[0]
    return re.escape(next((each for each in _SEPARATORS if each in first_row), ","))


def render(matrix: Mapping[str, Any]) -> str:
    """Write the matrix of a price definition as a table that `parse` reads back the same."""
    dimensions = matrix["dimensions"]
    rows = [[*dimensions, AMOUNT_COLUMN]]
    rows += [
        [*(cell["match"].get(name, ANY) for name in dimensions), str(cell["unit_amount"])]
        for cell in matrix["cells"]
    ]
    quoted = [[_quoted(value) for value in row] for row in rows]
    widths = [max(len(value) for value in column) for column in zip(*quoted, strict=True)]
    return "\n".join(
        " | ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in quoted
    )


def _quoted(value: str) -> str:
    if value and value == value.strip() and not re.search(r'[|"\t\n]', value):
        return value
    return '"' + value.replace('"', '""') + '"'
