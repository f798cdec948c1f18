"""A price list: many meters priced side by side, the way vendors print their prices.

    model | input_tokens | cached_tokens | output_tokens
    per   | 1M           | 1M            | 1M
    gpt-5 | 1.25         | 0.125         | 10.00

The first columns are the properties that tell the rows apart, the others are meters. The row `per`
says for how many units the prices of a column are. Every number, or tiers, becomes one cell in the
matrix of its meter's price; an empty place becomes none.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pricing.admin import cell_texts, matrix_table, text_tables
from pricing.admin.matrix_table import PRICE
from pricing.admin.text_tables import Mistake, Row, TableInvalid

PER = "per"
NOTHING = {"", "-", "–", "—", "n/a"}


class Place(NamedTuple):
    """Where a price stands: the line of its row, and what it says."""

    line: int
    match: dict[str, Any]
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One meter's prices under its title; `unit_size` is "" where the list does not say."""

    title: str
    meter: str
    unit_size: str
    places: list[Place] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """A price list as it was typed."""

    dimensions: list[str | dict[str, str]]
    columns: list[Column]

    def mistake(self, column: Column, path: str, reason: str) -> Mistake:
        """Return a mistake of the price form in a column's definition, in the list."""
        parts = path.replace("[", ".").replace("]", "").split(".")
        reason = text_tables.plainly(reason, [place.line for place in column.places])
        match parts:
            case ["matrix", "cells", number, "tiers", tier, *rest]:
                sentence = f"tier {int(tier) + 1}, {' '.join(rest)} {reason}."
                return Mistake(sentence, column.places[int(number)].line, column.title)
            case ["matrix", "cells", number, "match", *_]:
                return Mistake(f"{reason}.", column.places[int(number)].line)
            case ["matrix", "cells", number, *_]:
                return Mistake(f"{reason}.", column.places[int(number)].line, column.title)
            case ["unit_size"]:
                return Mistake(f"{PER} {reason}.", column=column.title)
            case _:
                return Mistake(f"{' '.join(parts)} {reason}.", column=column.title)


def parse(text: str, *, meters: Mapping[str, str]) -> PriceList:
    """Read a price list; `meters` gives the code of each meter by every name it is known by.

    A column is a meter's when its name is known, or when it stands right of one that is, or has
    something in the row `per`. With neither, all columns but the first are. Raises TableInvalid.
    """
    names, rows = text_tables.read_with_header(text)
    per = next((row for row in rows if row.values[0].casefold().rstrip(":") == PER), None)
    rows = [row for row in rows if row is not per]
    known = {name.casefold(): code for name, code in meters.items()}
    width = _properties(names, per.values if per else [], known)
    columns = [
        Column(
            title=name,
            meter=known.get(name.casefold(), name),
            unit_size=cell_texts.quantity(per.values[number]) if per else "",
        )
        for number, name in enumerate(names)
        if number >= width
    ]
    mistakes = list(_mistakes_of_columns(columns))
    for row in rows:
        match = _match(names[:width], row, mistakes)
        for column, value in zip(columns, row.values[width:], strict=True):
            if value.casefold() not in NOTHING:
                column.places.append(Place(row.line, match, value))
    if mistakes:
        raise TableInvalid(mistakes)
    dimensions = [matrix_table.read_dimension(name) for name in names[:width]]
    return PriceList(dimensions=dimensions, columns=columns)


def _properties(names: Sequence[str], per: Sequence[str], known: Collection[str]) -> int:
    """Return how many of the first columns are properties."""
    for number, name in enumerate(names):
        if number and (name.casefold() in known or (per and per[number])):
            return number
    return 1


def _mistakes_of_columns(columns: Sequence[Column]) -> Iterator[Mistake]:
    if not columns:
        yield Mistake("The list needs a column for each meter, beside the property.", 1)
    codes = [column.meter for column in columns]
    for column in columns:
        if codes.index(column.meter) < columns.index(column):
            yield Mistake("two columns are for this meter.", 1, column.title)


def _match(names: Sequence[str], row: Row, mistakes: list[Mistake]) -> dict[str, Any]:
    match = {}
    for name, value in zip(names, row.values, strict=False):
        if not value:
            mistakes.append(Mistake("is empty; write * for any value.", row.line, name))
            continue
        try:
            dimension = matrix_table.read_dimension(name)
            match[matrix_table.name_of(dimension)] = cell_texts.read_match(value)
        except cell_texts.CellInvalid as error:
            mistakes.append(Mistake(f"“{value}” {error}.", row.line, name))
    return match


def definition_of(
    listed: PriceList, column: Column, before: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the definition of one column's price, for the price form to judge.

    What the list cannot say, such as included units, stays as it was `before`. Raises
    TableInvalid when a price cannot be read or nobody said for how many units it is.
    """
    mistakes = list[Mistake]()
    definition: dict[str, Any] = {"charge_model": "per_unit", **(before or {})}
    if column.unit_size:
        definition["unit_size"] = column.unit_size
    elif before is None:
        reason = f"say for how many units its prices are, in the row {PER}: for example 1M."
        mistakes.append(Mistake(reason, column=column.title))
    if definition.get("unit_size") == "1":
        del definition["unit_size"]
    outer = str(definition["charge_model"])
    cells = []
    for place in column.places:
        try:
            charge = matrix_table.charge_of(place.price, outer=outer)
        except cell_texts.CellInvalid as error:
            mistakes.append(Mistake(f"{error}.", place.line, column.title))
            continue
        cells.append({"match": place.match, **charge})
    if mistakes:
        raise TableInvalid(mistakes)
    return {**definition, "matrix": {"dimensions": listed.dimensions, "cells": cells}}


def render(prices: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the prices that fit one list; the rows are in the order of the first that has them.

    `prices` gives the definition of each by the code of its meter, and must be listable together.
    """
    first = next(iter(prices.values()))
    dimensions = first["matrix"]["dimensions"]
    columns = {meter: _cells(definition) for meter, definition in prices.items()}
    rows = dict.fromkeys(match for cells in columns.values() for match in cells)
    width = len(dimensions)
    return text_tables.write(
        [
            [*map(matrix_table.write_dimension, dimensions), *prices],
            [
                PER,
                *[""] * (width - 1),
                *(cell_texts.short(str(each.get("unit_size", 1))) for each in prices.values()),
            ],
            *(
                [*_told_apart(match), *(cells.get(match, "") for cells in columns.values())]
                for match in rows
            ),
        ]
    )


def _told_apart(match: Sequence[str]) -> list[str]:
    """Return a row's values, so that none of them reads as the row that says for how many units."""
    first, *others = match
    return [f"\\{first}" if first.casefold().rstrip(":") == PER else first, *others]


def _cells(definition: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    matrix, outer = definition["matrix"], str(definition.get("charge_model", "per_unit"))
    return {
        tuple(matrix_table.written_match(cell, matrix["dimensions"])): matrix_table.written_cell(
            cell, outer=outer
        )[PRICE]
        for cell in matrix["cells"]
    }


def lists(prices: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Sort prices into lists: those with the same dimensions and nothing but a price in each cell.

    Returns, by the names of the dimensions, the definitions of each list; the longest list first.
    Prices that no list can show are left out.
    """
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for meter, definition in prices.items():
        if _is_plain(definition):
            found.setdefault(_shape(definition), {})[meter] = definition
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))


def _shape(definition: Mapping[str, Any]) -> str:
    return ", ".join(map(matrix_table.write_dimension, definition["matrix"]["dimensions"]))


def _is_plain(definition: Mapping[str, Any]) -> bool:
    matrix = definition.get("matrix")
    if not matrix:
        return False
    outer = str(definition.get("charge_model", "per_unit"))
    written = [matrix_table.written_cell(cell, outer=outer) for cell in matrix["cells"]]
    return all({name for name, value in each.items() if value} == {PRICE} for each in written)
