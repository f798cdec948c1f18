"""Laws of matrices, against a way of choosing a cell that is slow and plainly right."""

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pricing.charge_models import PerUnit
from pricing.matrix import ANY, Cell, Dimension, Matrix

VALUES = ("a", "b", "c")
DIMENSIONS = ("model", "speed", "region")
READ = tuple(Dimension.of_property(name) for name in DIMENSIONS)
MATCHES = st.tuples(*[st.sampled_from((*VALUES, ANY))] * len(DIMENSIONS))
MATRICES = st.lists(MATCHES, unique=True, max_size=20).map(
    lambda matches: Matrix(
        READ,
        [
            Cell(match, PerUnit(Decimal(number)), str(number))
            for number, match in enumerate(matches)
        ],
    )
)
EVENTS = st.fixed_dictionaries({}, optional={name: st.sampled_from(VALUES) for name in DIMENSIONS})


def best(matrix: Matrix, event: dict[str, str]) -> Cell | None:
    """Try every cell: the most specific one wins, then the one specific in an earlier dimension."""
    fitting = [
        cell
        for cell in matrix.cells
        if all(
            value in (ANY, event.get(name))
            for name, value in zip(DIMENSIONS, cell.match, strict=True)
        )
    ]
    specific = [[value != ANY for value in cell.match] for cell in fitting]
    ranked = zip(map(sum, specific), specific, fitting, strict=True)
    return max(ranked, key=lambda rank: rank[:2], default=(0, [], None))[2]


@given(MATRICES, EVENTS)
def test_the_cell_is_the_one_a_patient_reader_would_choose(
    matrix: Matrix, event: dict[str, str]
) -> None:
    assert matrix.cell_for(event) == best(matrix, event)


@given(MATRICES, EVENTS, st.dictionaries(st.text(max_size=3), st.sampled_from(VALUES)))
def test_other_properties_do_not_matter(
    matrix: Matrix, event: dict[str, str], others: dict[str, str]
) -> None:
    assert matrix.cell_for({**others, **event}) == matrix.cell_for(event)


@given(MATRICES, EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_cells_does_not_matter(
    matrix: Matrix, event: dict[str, str], chance: random.Random
) -> None:
    cells = list(matrix.cells)
    chance.shuffle(cells)
    assert Matrix(READ, cells).cell_for(event) == matrix.cell_for(event)
