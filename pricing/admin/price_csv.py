"""Prices as CSV, a row for each tier of each cell, and back exactly.

The first columns name the price and repeat its terms on every row, so that a spreadsheet may sort
and filter. `where …` columns say which events a row is for; a row without any is for all others,
or for all. Columns after `charges` hold the fields of a charge model, those of a tier included.

A value that a spreadsheet would take for a formula gets an apostrophe, which reading takes off.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pricing import charge_model_form
from pricing.admin import cell_texts, charge_choices, matrix_table, price_fields, text_tables
from pricing.admin.text_tables import Mistake, TableInvalid

NAMES = ("meter", "asset", "settle")
TERMS = (
    "charge_model", *price_fields.DEFAULTS, "commitment_units", "commitment_amount",
    "overage_factor", "true_up", "dimensions",
)  # fmt: skip
CHARGES = "charges"
_TIER = ("up_to", "unit_amount", "flat_amount", "percentage")
CHARGE_FIELDS = (
    *_TIER,
    *(name for name in charge_choices.MODEL_FIELDS if name not in (*_TIER, "tiers")),
)
WHERE = "where "
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_KNOWN = {*NAMES, *TERMS, CHARGES, *CHARGE_FIELDS}


class PriceRow(NamedTuple):
    """A price of a file: whose it is, its definition, and the rows it came from."""

    meter: str
    asset: str
    settle: str
    definition: dict[str, Any]
    lines: list[int]
    own_lines: list[int]
    cell_lines: list[list[int]]

    def mistake(self, path: str, reason: str) -> Mistake:
        """Return a mistake of the price form in the definition, in the file."""
        parts = path.replace("[", ".").replace("]", "").split(".")
        lines, names = self.lines, parts
        reason = text_tables.plainly(reason, [first for first, *_ in self.cell_lines])
        match parts:
            case ["matrix", "cells", number, *names]:
                lines = self.cell_lines[int(number)]
            case [name, *_] if name in charge_choices.MODEL_FIELDS:
                lines = self.own_lines or lines
        match names:
            case ["tiers", tier, *names] if int(tier) < len(lines):
                lines = lines[int(tier) :]
            case ["match", name, *_]:
                names = [f"{WHERE}{name}"]
        column = {"charge_model": CHARGES if lines is not self.lines else "charge_model"}
        name = names[0] if names else ""
        return Mistake(f"{reason}.", lines[0], column.get(name, "_".join(names)))


class _Line(NamedTuple):
    number: int
    values: dict[str, str]

    def get(self, name: str) -> str:
        return self.values.get(name, "")


def write(prices: Sequence[tuple[str, str, str, Mapping[str, Any]]]) -> str:
    """Write prices, each given as meter, asset, settle and definition."""
    rows = [
        {"meter": meter, "asset": asset, "settle": settle} | row
        for meter, asset, settle, definition in prices
        for row in _rows_of(definition)
    ]
    where = dict.fromkeys(name for row in rows for name in row if name.startswith(WHERE))
    used = {name for row in rows for name, value in row.items() if value}
    names = [
        *NAMES,
        *(name for name in TERMS if name in used or name == "charge_model"),
        *where,
        *(name for name in (CHARGES, *CHARGE_FIELDS) if name in used),
    ]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([_safe(name) for name in names])
    writer.writerows([[_safe(row.get(name, "")) for name in names] for row in rows])
    return file.getvalue()


def _safe(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value


def _rows_of(definition: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    terms = dict(_terms_of(definition))
    matrix = definition.get("matrix")
    own = {name: definition[name] for name in charge_choices.MODEL_FIELDS if name in definition}
    if own or not matrix:
        yield from ({**terms, **row} for row in _charge_rows(own))
    if not matrix:
        return
    for cell in matrix["cells"]:
        where = _where(cell["match"], matrix["dimensions"])
        fields = {name: each for name, each in cell.items() if name != "match"}
        charges = {CHARGES: str(fields.pop("charge_model", ""))}
        yield from ({**terms, **where, **charges, **row} for row in _charge_rows(fields))


def _terms_of(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "charge_model", str(definition.get("charge_model", ""))
    for name in price_fields.DEFAULTS:
        if definition.get(name) is not None:
            yield name, str(definition[name])
    commitment = definition.get("commitment") or {}
    for name in ("units", "amount"):
        if commitment.get(name) is not None:
            yield f"commitment_{name}", str(commitment[name])
    if "overage_factor" in commitment:
        yield "overage_factor", str(commitment["overage_factor"])
    if "true_up" in commitment:
        yield "true_up", "yes" if commitment["true_up"] else "no"
    if matrix := definition.get("matrix"):
        names = [matrix_table.write_dimension(each) for each in matrix["dimensions"]]
        yield "dimensions", text_tables.write([names])


def _where(match: Mapping[str, Any], dimensions: Sequence[Any]) -> dict[str, str]:
    where = {
        f"{WHERE}{name}": cell_texts.write_match(match[name])
        for name in map(matrix_table.name_of, dimensions)
        if name in match
    }
    # A row that matches everything must not read as the row of all other events.
    return where or {f"{WHERE}{matrix_table.name_of(dimensions[0])}": "*"}


def _charge_rows(fields: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    alike = {name: str(each) for name, each in fields.items() if name != "tiers"}
    if fields.get("tiers") is None:
        yield alike
        return
    for tier in fields["tiers"]:
        bound = cell_texts.ABOVE if tier.get("up_to") is None else str(tier["up_to"])
        yield alike | {name: str(each) for name, each in tier.items()} | {"up_to": bound}


def read(text: str) -> list[PriceRow]:
    """Read prices. Raises TableInvalid; the definitions are for the price form to judge."""
    groups: dict[tuple[str, str], list[_Line]] = {}
    for line in _lines(text):
        groups.setdefault((line.get("meter"), line.get("asset")), []).append(line)
    mistakes = list[Mistake]()
    prices = [_price(group, mistakes) for group in groups.values()]
    if mistakes:
        raise TableInvalid(sorted(mistakes, key=lambda mistake: mistake.row or 0))
    return prices


def _lines(text: str) -> list[_Line]:
    rows = _rows(text.removeprefix("\N{BYTE ORDER MARK}"))
    if len(rows) < 2:  # noqa: PLR2004  A first row of names, and something below.
        raise TableInvalid([Mistake("The file needs a first row of names and a row below it.")])
    (_, names), *below = rows
    if len(names) > text_tables.COLUMNS_MAX:
        raise TableInvalid([Mistake(f"has more than {text_tables.COLUMNS_MAX} columns.", 1)])
    names = [_column(_bare(name)) for name in names]
    mistakes = [
        Mistake(f"The first row needs a column {name}.")
        for name in ("meter", "asset")
        if name not in names
    ]
    mistakes += [
        Mistake("is no column of a price file, or stands there twice.", 1, name)
        for name in dict.fromkeys(names)
        if names.count(name) > 1 or (name not in _KNOWN and not name.startswith(WHERE))
    ]
    mistakes += [
        Mistake(f"has {len(values)} columns, the first row has {len(names)}.", number)
        for number, values in below
        if len(values) > len(names)
    ]
    if mistakes:
        raise TableInvalid(mistakes)
    return [_line(names, number, values) for number, values in below]


def _column(name: str) -> str:
    return name.strip() if name.strip() in _KNOWN else name


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Return the rows that hold anything, numbered as a spreadsheet numbers them."""
    header = text.partition("\n")[0]
    separator = max("\t;,", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return [(number, row) for number, row in enumerate(reader, 1) if any(row)]
    except csv.Error as error:
        reason = f"The file cannot be read from line {reader.line_num} on: {error}."
        raise TableInvalid([Mistake(reason)]) from error


def _line(names: Sequence[str], number: int, values: Sequence[str]) -> _Line:
    named = zip(names, map(_bare, values), strict=False)
    return _Line(number, {name: value for name, value in named if value})


def _bare(value: str) -> str:
    return value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA) else value


def _price(lines: Sequence[_Line], mistakes: list[Mistake]) -> PriceRow:
    first = lines[0]
    _expect_alike(lines, ("settle", *TERMS), "which is of the same price", mistakes)
    mistakes += [
        Mistake("is empty.", line.number, name)
        for line in lines
        for name in ("meter", "asset")
        if not line.get(name)
    ]
    definition = _terms(first)
    places: list[list[_Line]] = []
    cells: dict[tuple[tuple[str, str], ...], list[_Line]] = {}
    for line in lines:
        where = tuple((n, v) for n, v in line.values.items() if n.startswith(WHERE))
        cells.setdefault(where, []).append(line)
    matrix: dict[str, Any] = {"dimensions": _dimensions(lines), "cells": []}
    for where, group in cells.items():
        charge = _charge(group, mistakes)
        if where:
            matrix["cells"].append({"match": _match(where, group[0], mistakes), **charge})
            places.append(group)
        else:
            definition |= charge
    definition["charge_model"] = definition["charge_model"] or _usual(definition)
    return PriceRow(
        meter=first.get("meter"),
        asset=first.get("asset"),
        settle=first.get("settle"),
        definition=definition | ({"matrix": matrix} if places else {}),
        lines=[line.number for line in lines],
        own_lines=[line.number for line in cells.get((), [])],
        cell_lines=[[line.number for line in group] for group in places],
    )


def _usual(definition: Mapping[str, Any]) -> str:
    """Return the charge model of a file that names none, from what it says."""
    own = {name: definition.get(name) for name in charge_choices.MODEL_FIELDS}
    return charge_model_form.inferred(own, "") or "per_unit"


def _expect_alike(
    lines: Sequence[_Line], names: Sequence[str], why: str, mistakes: list[Mistake]
) -> None:
    first = lines[0]
    mistakes += [
        Mistake(f"differs from row {first.number}, {why}.", line.number, name)
        for line in lines[1:]
        for name in names
        if line.get(name) != first.get(name)
    ]


def _terms(line: _Line) -> dict[str, Any]:
    fields = {name: line.get(name) for name in TERMS if line.get(name)}
    if fields.get("true_up", "yes").casefold() in ("yes", "true", "on"):
        fields["true_up"] = "on"
    else:
        del fields["true_up"]
    return {"charge_model": fields.get("charge_model", ""), **price_fields.terms_of(fields)}


def _dimensions(lines: Sequence[_Line]) -> list[str | dict[str, str]]:
    """Return what the file says, or the `where` columns in their order."""
    if written := lines[0].get("dimensions"):
        rows = text_tables.read(written, separators="|")
        return [matrix_table.read_dimension(name) for row in rows for name in row.values]
    where = [name for line in lines for name in line.values if name.startswith(WHERE)]
    return [name.removeprefix(WHERE) for name in dict.fromkeys(where)]


def _match(
    where: Sequence[tuple[str, str]], line: _Line, mistakes: list[Mistake]
) -> dict[str, Any]:
    match = {}
    for name, value in where:
        try:
            match[name.removeprefix(WHERE)] = cell_texts.read_match(value)
        except cell_texts.CellInvalid as error:
            mistakes.append(Mistake(f"“{value}” {error}.", line.number, name))
    return match


def _charge(lines: Sequence[_Line], mistakes: list[Mistake]) -> dict[str, Any]:
    """Return what the rows of one cell charge: one row, or one for each tier."""
    first = lines[0]
    alike = [name for name in (CHARGES, *CHARGE_FIELDS) if name not in _TIER]
    _expect_alike(lines, alike, "which is of the same tiers", mistakes)
    charge: dict[str, Any] = {}
    if first.get(CHARGES):
        charge["charge_model"] = first.get(CHARGES)
    if not first.get("up_to"):
        mistakes += [
            Mistake(f"matches the same events as row {first.number}.", line.number)
            for line in lines[1:]
        ]
        return charge | _filled(first, CHARGE_FIELDS)
    tiers = [
        {**_filled(line, _TIER[1:]), "up_to": cell_texts.up_to(line.get("up_to"))} for line in lines
    ]
    return charge | {"tiers": tiers} | _filled(first, alike[1:])


def _filled(line: _Line, names: Sequence[str]) -> dict[str, Any]:
    return {
        name: line.get(name) if name == "amount_property" else cell_texts.amount(line.get(name))
        for name in names
        if line.get(name)
    }
