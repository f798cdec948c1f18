"""Matrices: a price by attributes of the event, such as model and speed.

Each cell names a value for every dimension, or `*` for any. The most specific cell wins; between
cells equally specific the one that is specific in an earlier dimension does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pricing.charge_models import ChargeModel
from pricing.properties import as_text

ANY = "*"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: the value of each dimension, in the matrix's order, and what it charges."""

    match: tuple[str, ...]
    charge_model: ChargeModel


@dataclass(frozen=True, slots=True)
class Matrix:
    """All cells of a price. Raises ValueError for cells that could never match."""

    dimensions: tuple[str, ...]
    cells: Sequence[Cell]
    _by_match: dict[tuple[str, ...], Cell] = field(init=False, repr=False, compare=False)
    _masks: tuple[tuple[bool, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.dimensions or len(set(self.dimensions)) != len(self.dimensions):
            raise ValueError("dimensions must be named, each once")
        by_match: dict[tuple[str, ...], Cell] = {}
        for cell in self.cells:
            if len(cell.match) != len(self.dimensions):
                raise ValueError("a cell matches on every dimension")
            if cell.match in by_match:
                raise ValueError("two cells match the same values")
            by_match[cell.match] = cell
        masks = {tuple(value != ANY for value in match) for match in by_match}
        ordered = sorted(masks, key=lambda mask: (sum(mask), mask), reverse=True)
        object.__setattr__(self, "_by_match", by_match)
        object.__setattr__(self, "_masks", tuple(ordered))

    def cell_for(self, properties: Mapping[str, object]) -> Cell | None:
        """Return the cell that prices an event with these properties, or None."""
        # No cell names an empty value, so a missing property is met by a wildcard only.
        values = [as_text(properties.get(dimension)) or "" for dimension in self.dimensions]
        for mask in self._masks:
            cell = self._by_match.get(
                tuple(
                    value if specific else ANY for value, specific in zip(values, mask, strict=True)
                )
            )
            if cell is not None:
                return cell
        return None
