"""Prices by attributes of the event."""

from decimal import Decimal
from typing import Any

import pytest

from pricing import matrix_form
from pricing.charge_models import PerUnit
from pricing.matrix import Cell, Dimension, Match, Matrix, Range
from pricing.properties import as_text


def cell(*match: Match, price: str = "1") -> Cell:
    return Cell(match, PerUnit(Decimal(price)), matrix_form.key_of(match))


def over(*names: str) -> tuple[Dimension, ...]:
    return tuple(Dimension.of_property(name) for name in names)


MODELS = Matrix(
    over("model", "tier"),
    [
        cell("opus", "fast", price="2.00"),
        cell("opus", "*", price="1.50"),
        cell("*", "fast", price="1.20"),
        cell("*", "*", price="0.50"),
    ],
)


def price(matrix: Matrix, **properties: Any) -> Decimal | None:
    found = matrix.cell_for(properties)
    return found.charge_model.cost(Decimal(1)) if found else None


@pytest.mark.parametrize(
    ("model", "tier", "amount"),
    [
        ("opus", "fast", "2.00"),
        ("opus", "slow", "1.50"),
        ("haiku", "fast", "1.20"),
        ("haiku", "slow", "0.50"),
    ],
)
def test_the_most_specific_cell_wins(model: str, tier: str, amount: str) -> None:
    assert price(MODELS, model=model, tier=tier, other="ignored") == Decimal(amount)


def test_between_equals_the_earlier_dimension_wins() -> None:
    cells = [cell("*", "fast", price="1"), cell("opus", "*", price="2")]
    assert price(Matrix(over("model", "tier"), cells), model="opus", tier="fast") == 2
    swapped = [cell("fast", "*", price="1"), cell("*", "opus", price="2")]
    assert price(Matrix(over("tier", "model"), swapped), model="opus", tier="fast") == 1


def test_without_a_cell_there_is_no_price() -> None:
    matrix = Matrix(over("speed"), [cell("fast")])
    assert price(matrix, speed="draft") is None


@pytest.mark.parametrize("value", [None, "", [], {}, 1.5, ["opus"]])
def test_a_missing_value_is_met_by_a_wildcard_only(value: Any) -> None:
    assert price(MODELS, model=value, tier="fast") == Decimal("1.20")
    assert price(Matrix(over("model"), [cell("opus")]), model=value) is None


def test_a_value_that_is_an_asterisk_is_just_unknown() -> None:
    assert price(MODELS, model="*", tier="*") == Decimal("0.50")
    assert price(Matrix(over("model"), [cell("opus")]), model="*") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Opus", "Opus"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (Decimal("1.50"), "1.5"),
        (Decimal("1E+2"), "100"),
        (None, None),
        ([], None),
    ],
)
def test_values_are_compared_as_text(value: Any, text: str | None) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("dimensions", "cells"),
    [
        ((), []),
        (("a", "a"), []),
        (("a", "b"), [cell("1")]),
        (("a",), [cell("1"), cell("1")]),
        (("a",), [cell(Range(above=Decimal(1))), cell(Range(below=Decimal(2)))]),
        (("a",), [cell(Range(above=Decimal(1), below=Decimal(1)))]),
    ],
)
def test_cells_that_could_never_match_are_refused(
    dimensions: tuple[str, ...], cells: list[Cell]
) -> None:
    with pytest.raises(
        ValueError, match=r"named, each once|every dimension|same values|no number lies"
    ):
        Matrix(over(*dimensions), cells)


@pytest.mark.parametrize(
    ("range_", "inside", "outside"),
    [
        (Range(above=Decimal(5)), ["5.1", "9e20"], ["5", "-1"]),
        (Range(above=Decimal(5), from_inclusive=True), ["5"], ["4.9"]),
        (Range(below=Decimal(5)), ["4.9", "-1"], ["5", "6"]),
        (Range(below=Decimal(5), to_inclusive=True), ["5"], ["5.1"]),
        (Range(above=Decimal(1), below=Decimal(2)), ["1.5"], ["1", "2"]),
    ],
)
def test_a_range_contains_numbers(range_: Range, inside: list[str], outside: list[str]) -> None:
    assert all(range_.contains(Decimal(number)) for number in inside)
    assert not any(range_.contains(Decimal(number)) for number in outside)


def test_a_range_without_a_bound_is_none() -> None:
    with pytest.raises(ValueError, match="needs a bound"):
        Range()


@pytest.mark.parametrize(
    ("value", "amount"), [(7, "2"), ("7", "2"), (Decimal("7.5"), "2"), ("many", None), (True, None)]
)
def test_numbers_are_found_in_ranges_however_they_are_written(
    value: Any, amount: str | None
) -> None:
    matrix = Matrix(over("size"), [cell(Range(above=Decimal(5)), price="2")])
    assert price(matrix, size=value) == (Decimal(amount) if amount else None)
