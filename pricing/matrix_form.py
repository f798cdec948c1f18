"""The JSON form of a matrix: its dimensions, and cells that match and charge."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from accounts import money
from pricing import charge_model_form, expressions
from pricing.charge_model_form import FIELDS_OF_MODELS
from pricing.field_reader import Reader
from pricing.matrix import ANY, Cell, Dimension, Match, Matrix, Range, ReadValue, overlap
from pricing.properties import Properties

DIMENSIONS_MAX = 6
CELLS_MAX = 10_000
RANGES_MAX = 100
VALUE_LENGTH_MAX = 80
NAME_LENGTH_MAX = 100
_BOUNDS = {"gt": "above", "gte": "above", "lt": "below", "lte": "below"}
_CELL_FIELDS = FIELDS_OF_MODELS | {"match", "charge_model"}


def read(reader: Reader, *, outer: str) -> Matrix | None:
    """Read the matrix in the reader's object; `outer` is the charge model of its price."""
    reader.only({"dimensions", "cells"}, of="a matrix")
    dimensions = _read_dimensions(reader)
    errors = len(reader.errors)
    rows = reader.rows("cells", longest=CELLS_MAX, of="cells")
    if not dimensions or len(reader.errors) > errors:
        return None
    cells = [_read_cell(row, dimensions, outer=outer) for row in rows]
    if len(reader.errors) == errors:
        _refuse_twins(rows, [cell.match for cell in cells if cell])
    if len(reader.errors) > errors:
        return None
    return Matrix(tuple(dimensions), tuple(cell for cell in cells if cell))


def key_of(match: Sequence[Match]) -> str:
    """Return the name of a cell in running totals: what it matches, in order.

    A range is written as an object, so that no value is taken for it.
    """
    written = [write_match(each) for each in match]
    return json.dumps(written, ensure_ascii=False, separators=(",", ":"))


def _read_dimensions(reader: Reader) -> list[Dimension]:
    source = reader.source.get("dimensions")
    if not isinstance(source, list) or not 1 <= len(source) <= DIMENSIONS_MAX:
        reader.fail("dimensions", f"must be a list of 1 to {DIMENSIONS_MAX} properties")
        return []
    dimensions = []
    for number, each in enumerate(source):
        dimension = _read_dimension(reader, f"dimensions[{number}]", each)
        if dimension is not None:
            dimensions.append(dimension)
    if len({dimension.name for dimension in dimensions}) != len(dimensions):
        reader.fail("dimensions", "must name different properties")
        return []
    return dimensions if len(dimensions) == len(source) else []


def _read_dimension(reader: Reader, field: str, source: object) -> Dimension | None:
    if isinstance(source, str) and 0 < len(source) <= NAME_LENGTH_MAX:
        return Dimension.of_property(source)
    if not isinstance(source, Mapping):
        reader.fail(field, "must be the name of a property, or an object with name and expression")
        return None
    inner = reader.inside(field, source)
    inner.only({"name", "expression"}, of="a dimension")
    name = inner.text("name", longest=NAME_LENGTH_MAX)
    written = inner.text("expression", longest=expressions.LENGTH_MAX)
    if not name or not written:
        inner.fail("name" if not name else "expression", "is required")
        return None
    try:
        return Dimension(name, _reading(expressions.parse(written)), written)
    except expressions.ExpressionInvalid as error:
        inner.fail("expression", str(error))
        return None


def _reading(expression: expressions.Expression) -> ReadValue:
    def read_value(properties: Properties) -> object:
        try:
            return expression.evaluate(properties)
        except expressions.ExpressionFailed:
            # An event without the properties has no such attribute: only wildcards match it.
            return None

    return read_value


def _read_cell(reader: Reader, dimensions: Sequence[Dimension], *, outer: str) -> Cell | None:
    reader.only(_CELL_FIELDS, of="a cell")
    values = reader.source.get("match")
    if not isinstance(values, Mapping):
        reader.fail("match", "must be an object with a value for each dimension")
        return None
    names = [dimension.name for dimension in dimensions]
    inner = reader.inside("match", values)
    inner.only(names, of="this matrix's dimensions")
    match = tuple(_read_match(inner, name) for name in names)
    charge_model = charge_model_form.read(reader, outer=outer)
    if charge_model is None or None in match:
        return None
    whole = tuple(each for each in match if each is not None)
    return Cell(whole, charge_model, key_of(whole))


def _read_match(reader: Reader, name: str) -> Match | None:
    value = reader.source.get(name, ANY)
    if isinstance(value, Mapping):
        return _read_range(reader.inside(name, value))
    if not isinstance(value, str) or not 0 < len(value) <= VALUE_LENGTH_MAX:
        reader.fail(
            name, f"must be a text of 1 to {VALUE_LENGTH_MAX} characters, * or a range of numbers"
        )
        return None
    return value


def _read_range(reader: Reader) -> Range | None:
    reader.only(_BOUNDS, of="a range")
    terms: dict[str, Any] = {}
    for name, bound in _BOUNDS.items():
        if not reader.has(name):
            continue
        if bound in terms:
            reader.fail(name, "bounds the same end a second time")
        try:
            terms[bound] = money.parse(reader.source[name])
        except money.AmountInvalid as error:
            reader.fail(name, str(error))
            return None
        if name in ("gte", "lte"):
            terms["from_inclusive" if bound == "above" else "to_inclusive"] = True
    if not terms.keys() & {"above", "below"}:
        reader.fail("gt", "a range needs gt, gte, lt or lte")
        return None
    found = Range(**terms)
    if found.is_empty:
        reader.fail("lt", "no number lies in this range, so the cell can never match")
    return found


def _refuse_twins(rows: Sequence[Reader], matches: Sequence[tuple[Match, ...]]) -> None:
    """Refuse cells of which neither is more specific, though one event would match both.

    An event looks through all ranges beside the same values, so there may not be many.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, match in enumerate(matches):
        pattern = tuple(None if isinstance(each, Range) else each for each in match)
        others = groups.setdefault(pattern, [])
        if len(others) == RANGES_MAX:
            reason = f"is one of more than {RANGES_MAX} cells with ranges beside the same values"
            rows[number].fail("match", reason)
            continue
        twin = next((other for other in others if overlap(match, matches[other])), None)
        if twin is None:
            others.append(number)
        else:
            rows[number].fail("match", f"matches the same values as cells[{twin}]")


def write_match(match: Match) -> str | dict[str, str]:
    """Write what a cell matches in one dimension."""
    if not isinstance(match, Range):
        return match
    written = {}
    if match.above is not None:
        written["gte" if match.from_inclusive else "gt"] = money.to_wire(match.above)
    if match.below is not None:
        written["lte" if match.to_inclusive else "lt"] = money.to_wire(match.below)
    return written
