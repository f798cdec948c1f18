"""The JSON form of a price: the one form that the API, the plan editor and templates share.

    {"charge_model": "per_unit", "unit_amount": "0.50", "unit_size": "1000000", "rounding": "none"}
    {"charge_model": "per_unit", "matrix": {"dimensions": ["model"], "cells": [
        {"match": {"model": "opus"}, "unit_amount": "2"}, {"match": {"model": "*"}, ...}]}}

Reading it checks everything and reports every mistake by the field it is in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from accounts import money
from pricing.charge_models import ChargeModel, PerUnit
from pricing.field_errors import FieldError
from pricing.matrix import ANY, Cell, Matrix

DIMENSIONS_MAX = 6
CELLS_MAX = 10_000
VALUE_LENGTH_MAX = 80
_KNOWN_FIELDS = {"charge_model", "unit_amount", "unit_size", "rounding", "matrix"}


class PriceInvalid(ValueError):
    """The definition is not a price; `errors` names every field that is wrong."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.reason}" for error in errors))
        self.errors = errors


@dataclass(slots=True)
class _Reader:
    """Reads fields and collects the mistakes, so that one answer names them all."""

    errors: list[FieldError] = field(default_factory=list)

    def fail(self, name: str, reason: str) -> None:
        self.errors.append(FieldError(name, reason))

    def amount(self, source: Mapping[str, Any], key: str, *, at: str = "") -> Decimal | None:
        name = f"{at}{key}"
        if key not in source:
            self.fail(name, "is required")
            return None
        try:
            value = money.parse(source[key])
        except money.AmountInvalid as error:
            self.fail(name, str(error))
            return None
        if value < 0:
            self.fail(name, "must be zero or more")
            return None
        return value


def parse_definition(definition: object) -> ChargeModel | Matrix:
    """Read a price definition. Raises PriceInvalid naming every wrong field."""
    reader = _Reader()
    parsed = _read(reader, definition)
    if reader.errors or parsed is None:
        raise PriceInvalid(reader.errors)
    return parsed


def _read(reader: _Reader, definition: object) -> ChargeModel | Matrix | None:
    if not isinstance(definition, Mapping):
        reader.fail("definition", "must be an object")
        return None
    for unknown in sorted(set(definition) - _KNOWN_FIELDS):
        reader.fail(str(unknown), "is not a field of a price")
    if definition.get("charge_model") != "per_unit":
        reader.fail("charge_model", "must be per_unit")
    round_up = _read_rounding(reader, definition)
    unit_size = reader.amount({"unit_size": "1", **definition}, "unit_size")
    if unit_size is not None and unit_size == 0:
        reader.fail("unit_size", "must be above zero")
    if definition.get("matrix") is not None:
        if "unit_amount" in definition:
            reader.fail("unit_amount", "belongs into the cells when there is a matrix")
        return _read_matrix(reader, definition["matrix"], unit_size or Decimal(1), round_up)
    unit_amount = reader.amount(definition, "unit_amount")
    if reader.errors or unit_amount is None or unit_size is None:
        return None
    return PerUnit(unit_amount, unit_size, round_up)


def _read_rounding(reader: _Reader, definition: Mapping[str, Any]) -> bool:
    rounding = definition.get("rounding", "none")
    if rounding not in ("none", "up"):
        reader.fail("rounding", "must be none or up")
    return bool(rounding == "up")


def _read_matrix(
    reader: _Reader,
    source: object,
    unit_size: Decimal,
    round_up: bool,  # noqa: FBT001
) -> Matrix | None:
    if not isinstance(source, Mapping):
        reader.fail("matrix", "must be an object with dimensions and cells")
        return None
    dimensions = _read_dimensions(reader, source.get("dimensions"))
    rows = source.get("cells")
    if not isinstance(rows, list) or not rows or len(rows) > CELLS_MAX:
        reader.fail("matrix.cells", f"must be a list of 1 to {CELLS_MAX} cells")
        return None
    cells: dict[tuple[str, ...], Cell] = {}
    for number, row in enumerate(rows):
        at = f"matrix.cells[{number}]."
        match = _read_match(reader, row, dimensions, at=at)
        unit_amount = reader.amount(row, "unit_amount", at=at) if match is not None else None
        if match is not None and match in cells:
            reader.fail(f"{at}match", "another cell matches the same values")
        elif match is not None and unit_amount is not None and unit_size > 0:
            cells[match] = Cell(match, PerUnit(unit_amount, unit_size, round_up))
    return None if reader.errors else Matrix(dimensions, tuple(cells.values()))


def _read_dimensions(reader: _Reader, source: object) -> tuple[str, ...]:
    if (
        not isinstance(source, list)
        or not 1 <= len(source) <= DIMENSIONS_MAX
        or not all(isinstance(name, str) and 0 < len(name) <= VALUE_LENGTH_MAX for name in source)
        or len(set(source)) != len(source)
    ):
        reader.fail(
            "matrix.dimensions",
            f"must be a list of 1 to {DIMENSIONS_MAX} different property names",
        )
        return ()
    return tuple(source)


def _read_match(
    reader: _Reader, row: object, dimensions: tuple[str, ...], *, at: str
) -> tuple[str, ...] | None:
    if not isinstance(row, Mapping) or not isinstance(row.get("match"), Mapping):
        reader.fail(f"{at}match", "must be an object with a value for each dimension")
        return None
    for unknown in sorted(set(row) - {"match", "unit_amount"}):
        reader.fail(f"{at}{unknown}", "is not a field of a cell")
    values = row["match"]
    for unknown in sorted(set(values) - set(dimensions)):
        reader.fail(f"{at}match.{unknown}", "is not a dimension of this matrix")
    match = tuple(values.get(dimension, ANY) for dimension in dimensions)
    for dimension, value in zip(dimensions, match, strict=True):
        if not isinstance(value, str) or not 0 < len(value) <= VALUE_LENGTH_MAX:
            reader.fail(
                f"{at}match.{dimension}", f"must be a text of 1 to {VALUE_LENGTH_MAX} characters"
            )
            return None
    return match
