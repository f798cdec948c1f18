"""Laws of matrices, against a way of choosing a cell that is slow and plainly right."""

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pricing import matrix_form
from pricing.charge_models import PerUnit
from pricing.matrix import ANY, Cell, Dimension, Match, Matrix, Range, overlap

VALUES = ("a", "5", "10")
DIMENSIONS = ("model", "speed", "size")
READ = tuple(Dimension.of_property(name) for name in DIMENSIONS)
NUMBERS = st.sampled_from([Decimal(text) for text in ("0", "4.5", "5", "5.5", "10", "11")])
RANGES = st.builds(
    lambda above, below, start, end: (
        None
        if above is None and below is None
        else Range(above=above, below=below, from_inclusive=start, to_inclusive=end)
    ),
    st.none() | NUMBERS,
    st.none() | NUMBERS,
    st.booleans(),
    st.booleans(),
).filter(lambda drawn: drawn is not None and not drawn.is_empty)
MATCHES = st.tuples(
    *[st.one_of(st.sampled_from((*VALUES, ANY)), RANGES) for _ in DIMENSIONS]
)  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from((*VALUES, "b", 5, Decimal("5.5"), "10.0", True, None))
        for name in DIMENSIONS
    },
)


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    """Draw cells of which no two match the same."""
    cells: list[Cell] = []
    for match in draw(st.lists(MATCHES, max_size=15)):
        alike = [cell for cell in cells if kinds(cell.match) == kinds(match)]
        if not any(overlap(match, cell.match) for cell in alike):
            key = matrix_form.key_of(match)
            cells.append(Cell(match, PerUnit(Decimal(len(cells))), key))
    return Matrix(READ, cells)


def kinds(match: tuple[Match, ...]) -> list[int]:
    """Say how specific a match is in each dimension: a value 2, a range 1, anything 0."""
    return [1 if isinstance(each, Range) else 0 if each == ANY else 2 for each in match]


def matches(wanted: Match, value: Any) -> bool:
    """Whether a cell that wants this is met by a value."""
    if not isinstance(wanted, Range):
        text = "true" if value is True else str(value)
        return wanted == ANY or (value is not None and wanted == text)
    if value is None or value is True or value in {"a", "b"}:
        return False
    number = Decimal(value)
    above = wanted.above is None or number > wanted.above
    below = wanted.below is None or number < wanted.below
    return (above or (wanted.from_inclusive and number == wanted.above)) and (
        below or (wanted.to_inclusive and number == wanted.below)
    )


def best(matrix: Matrix, event: Mapping[str, Any]) -> Cell | None:
    """Try every cell: the most specific one wins, then the one specific in an earlier dimension."""
    fitting = [
        cell
        for cell in matrix.cells
        if all(
            matches(wanted, event.get(name))
            for name, wanted in zip(DIMENSIONS, cell.match, strict=True)
        )
    ]
    ranked = [
        (sum(kind != 0 for kind in kinds(cell.match)), kinds(cell.match), cell) for cell in fitting
    ]
    return max(ranked, key=lambda rank: rank[:2], default=(0, [], None))[2]


@given(matrices(), EVENTS)
def test_the_cell_is_the_one_a_patient_reader_would_choose(
    matrix: Matrix, event: dict[str, Any]
) -> None:
    assert matrix.cell_for(event) == best(matrix, event)


@given(matrices(), EVENTS, st.dictionaries(st.text(max_size=3), st.sampled_from(VALUES)))
def test_other_properties_do_not_matter(
    matrix: Matrix, event: dict[str, Any], others: dict[str, str]
) -> None:
    assert matrix.cell_for({**others, **event}) == matrix.cell_for(event)


@given(matrices(), EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_cells_does_not_matter(
    matrix: Matrix, event: dict[str, Any], chance: random.Random
) -> None:
    cells = list(matrix.cells)
    chance.shuffle(cells)
    assert Matrix(READ, cells).cell_for(event) == matrix.cell_for(event)


@given(matrices())
def test_every_cell_has_a_name_of_its_own(matrix: Matrix) -> None:
    assert len({cell.key for cell in matrix.cells}) == len(matrix.cells)


@given(RANGES, RANGES)
def test_ranges_overlap_when_a_number_lies_in_both(one: Range, other: Range) -> None:
    """Between any two bounds there is a number, and the bounds themselves are numbers."""
    bounds = [Decimal(text) for text in ("0", "4.5", "5", "5.5", "10", "11")]
    tried = [*bounds, *(bound + Decimal("0.01") for bound in bounds), Decimal(-1)]
    both = any(one.contains(number) and other.contains(number) for number in tried)
    assert one.overlaps(other) == other.overlaps(one) == both
