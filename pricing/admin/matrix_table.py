"""A price matrix as a table in plain text, so that people edit it without writing JSON.

    model | prompt = input_tokens + cached | price
    opus  | >200000                        | 4.00
    opus  | *                              | 1000:2.50; 2.00
    *     | *                              | 0.50

The first row names the dimensions, and `price`; every other row is a cell. What a value and a
price may say is described in `cell_texts`. A number means what the price's charge model asks for;
a row that charges in another way says so in a column `charge model`, and other terms of a cell
have columns of their own, named as in a definition (`package size`, `free events` ...).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pricing import charge_model_form
from pricing.admin import cell_texts, charge_choices, text_tables
from pricing.admin.text_tables import Mistake, Row, TableInvalid
from pricing.matrix import ANY

PRICE, CHARGE_MODEL = "price", "charge model"
_IN_PRICE = ("unit_amount", "flat_amount", "percentage", "multiplier", "tiers")
_TERMS = {
    field.replace("_", " "): field
    for field in charge_choices.MODEL_FIELDS
    if field not in _IN_PRICE
}
_RESERVED = {PRICE, "unit amount", CHARGE_MODEL, *_TERMS}


class Table(NamedTuple):
    """A matrix as price definitions write it, and where in the text each part came from."""

    matrix: dict[str, Any]
    lines: list[int]
    columns: list[str]

    def place(self, path: str, reason: str) -> Mistake:
        """Return a mistake of the price form, such as `cells[3].tiers[1].up_to`, in the table."""
        parts = path.replace("[", ".").replace("]", "").split(".")
        if parts[0] != "cells" or len(parts) < 2:  # noqa: PLR2004
            return Mistake(f"{' '.join(parts)} {reason}.")
        number = int(parts[1])
        reason = text_tables.plainly(reason, self.lines)
        return Mistake(*self._sentence(number, parts[2:], reason))

    def _sentence(self, number: int, parts: list[str], reason: str) -> tuple[str, int, str]:
        line = self.lines[number]
        match parts:
            case ["match"]:
                return f"{reason}.", line, ""
            case ["match", name, *_]:
                column = self._column_of(name)
            case ["tiers", tier, *_]:
                return f"tier {int(tier) + 1}, {parts[-1]} {reason}.", line, PRICE
            case [field, *_] if field in _IN_PRICE or field == "tiers":
                column = PRICE
            case [field, *_] if field.replace("_", " ") in self.columns:
                column = field.replace("_", " ")
            case _:
                return f"{' '.join(parts)} {reason}.".strip(), line, ""
        return f"{reason}.", line, column

    def _column_of(self, name: str) -> str:
        return next((each for each in self.columns if _dimension_name(each) == name), name)


def parse(text: str, *, charge_model: str = "per_unit") -> Table:
    """Read a table whose numbers mean what `charge_model` asks for.

    Raises TableInvalid; amounts and duplicates are for the price form to judge.
    """
    names, rows = text_tables.read_with_header(text)
    columns = [_known(name) for name in names]
    dimensions = [name for name in columns if name not in _RESERVED]
    mistakes = list[Mistake]()
    if PRICE not in columns:
        mistakes.append(Mistake(f"The first row needs a column {PRICE}."))
    if not dimensions:
        mistakes.append(
            Mistake("The first row needs a column for each property the price depends on.")
        )
    cells = [_cell(columns, row, charge_model, mistakes) for row in rows]
    if mistakes:
        raise TableInvalid(mistakes)
    return Table(
        matrix={"dimensions": [read_dimension(name) for name in dimensions], "cells": cells},
        lines=[row.line for row in rows],
        columns=columns,
    )


def _known(name: str) -> str:
    plain = " ".join(name.replace("_", " ").split()).casefold()
    if plain == "unit amount":
        return PRICE
    return plain if plain in _RESERVED else name


def read_dimension(header: str) -> str | dict[str, str]:
    """Return a dimension as definitions write it: a property, or a name for an expression."""
    if header.startswith("\\"):
        return header[1:]
    name, equals, expression = header.partition("=")
    if not equals:
        return header
    return {"name": name.strip(), "expression": expression.strip()}


def write_dimension(dimension: str | Mapping[str, Any]) -> str:
    """Write a dimension so that `read_dimension` reads the same."""
    if isinstance(dimension, Mapping):
        return f"{dimension['name']} = {dimension['expression']}"
    escaped = "=" in dimension or dimension.startswith("\\") or _known(dimension) in _RESERVED
    return f"\\{dimension}" if escaped else dimension


def name_of(dimension: str | Mapping[str, Any]) -> str:
    """Return the name under which cells match a dimension."""
    return str(dimension["name"]) if isinstance(dimension, Mapping) else dimension


def _dimension_name(header: str) -> str:
    return name_of(read_dimension(header))


def _cell(columns: Sequence[str], row: Row, outer: str, mistakes: list[Mistake]) -> dict[str, Any]:
    values = dict(zip(columns, row.values, strict=True))
    match, terms = dict[str, Any](), dict[str, str]()
    for column, value in values.items():
        if column in _TERMS and value:
            terms[_TERMS[column]] = _term(_TERMS[column], value)
        elif column not in _RESERVED and not value:
            mistakes.append(Mistake("is empty; write * for any value.", row.line, column))
        elif column not in _RESERVED:
            try:
                match[_dimension_name(column)] = cell_texts.read_match(value)
            except cell_texts.CellInvalid as error:
                mistakes.append(Mistake(f"“{value}” {error}.", row.line, column))
    named = values.get(CHARGE_MODEL, "")
    charge_model = _charge_model(named)
    if named and not charge_model:
        known = ", ".join(charge_choices.BY_CODE)
        mistakes.append(Mistake(f"“{named}” is none of {known}.", row.line, CHARGE_MODEL))
    try:
        charge = charge_of(values.get(PRICE, ""), terms, outer=outer, named=charge_model)
    except cell_texts.CellInvalid as error:
        mistakes.append(Mistake(f"{error}.", row.line, PRICE))
        charge = {}
    return {"match": match, **charge}


def _term(field: str, value: str) -> str:
    return value if field == "amount_property" else cell_texts.amount(value)


def _charge_model(named: str) -> str:
    for choice in charge_choices.CHOICES:
        if named.casefold() in (
            choice.code,
            choice.code.replace("_", " "),
            choice.title.casefold(),
        ):
            return choice.code
    return ""


def charge_of(
    price: str, terms: Mapping[str, str] | None = None, *, outer: str, named: str = ""
) -> dict[str, Any]:
    """Return what a cell charges, read from its price and its other terms.

    Raises CellInvalid when there is no price, or tiers that cannot be read.
    """
    charge_model = named or outer
    fields: dict[str, Any] = {}
    if cell_texts.is_tiers(price):
        main = charge_choices.tier_main(charge_model)
        fields["tiers"] = cell_texts.tiers_of(cell_texts.read_tiers(price), main)
    elif price:
        fields[charge_choices.BY_CODE[charge_model].main] = cell_texts.amount(price)
    fields |= terms or {}
    effective = named or charge_model_form.inferred(fields, outer)
    if not price and effective != "dynamic":
        raise cell_texts.CellInvalid("is empty; write 0 for what is free")
    return ({"charge_model": effective} if effective != outer else {}) | fields


def render(matrix: Mapping[str, Any], *, charge_model: str = "per_unit") -> str:
    """Write the matrix of a price definition as a table that `parse` reads back the same."""
    dimensions = matrix["dimensions"]
    cells = [written_cell(cell, outer=charge_model) for cell in matrix["cells"]]
    used = {column for cell in cells for column, value in cell.items() if value}
    more = [column for column in (CHARGE_MODEL, *_TERMS) if column in used]
    rows = [[*map(write_dimension, dimensions), PRICE, *more]]
    rows += [
        [
            *written_match(cell, dimensions),
            written[PRICE],
            *(written.get(column, "") for column in more),
        ]
        for cell, written in zip(matrix["cells"], cells, strict=True)
    ]
    return text_tables.write(rows)


def written_match(cell: Mapping[str, Any], dimensions: Sequence[Any]) -> list[str]:
    """Return what a cell matches in each dimension, as tables write it."""
    return [
        cell_texts.write_match(cell["match"].get(name_of(dimension), ANY))
        for dimension in dimensions
    ]


def written_cell(cell: Mapping[str, Any], *, outer: str) -> dict[str, str]:
    """Return what a cell charges by column: its price, and whatever the price does not say."""
    fields = {key: each for key, each in cell.items() if key not in ("match", "charge_model")}
    effective = cell.get("charge_model") or charge_model_form.inferred(fields, outer)
    price = _price(fields, effective)
    terms = {
        column: str(fields[field])
        for column, field in _TERMS.items()
        if fields.get(field) is not None
    }
    named = {} if _reads_as(price, fields, outer, effective) else {CHARGE_MODEL: effective}
    return {PRICE: price, **terms, **named}


def _price(fields: Mapping[str, Any], charge_model: str) -> str:
    if fields.get("tiers") is not None:
        main = charge_choices.tier_main(charge_model)
        return cell_texts.write_tiers(cell_texts.steps_of(fields["tiers"], main))
    return str(fields.get(charge_choices.BY_CODE[charge_model].main, ""))


def _reads_as(price: str, fields: Mapping[str, Any], outer: str, effective: str) -> bool:
    """Whether a price, read without the name of its charge model, comes out as it is."""
    terms = {field: str(fields[field]) for field in _TERMS.values() if field in fields}
    try:
        read = charge_of(price, terms, outer=outer)
    except cell_texts.CellInvalid:
        return False
    if read.pop("charge_model", outer) != effective or read.keys() != fields.keys():
        return False
    return "tiers" not in read or read["tiers"][0].keys() <= {
        "up_to",
        charge_choices.tier_main(effective),
        "flat_amount",
    }
