"""Matrices: a price by attributes of the event, such as model and speed.

Each cell says for every dimension what it matches: one value, a range of numbers, or anything. The
most specific cell wins: the one that names more dimensions; between equals, the one that is more
specific in an earlier dimension, where a value is more specific than a range. A dimension is a
property of the event, or an expression over its properties, such as the size of a prompt.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple, cast

from accounts import money
from pricing.charge_models import ChargeModel
from pricing.properties import Properties, as_number, as_text, reader

ANY = "*"

type ReadValue = Callable[[Properties], object]

type Find[Found] = Callable[[Properties], Found | None]
"""What finds something for an event by its properties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers above `above` (or equal, with `from_inclusive`) up to `below` (`to_inclusive`)."""

    above: Decimal | None = None
    below: Decimal | None = None
    from_inclusive: bool = False
    to_inclusive: bool = False

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise ValueError("a range needs a bound")

    @property
    def is_empty(self) -> bool:
        """Whether no number lies in it."""
        if self.above is None or self.below is None:
            return False
        one_point = self.from_inclusive and self.to_inclusive
        return self.above > self.below or (self.above == self.below and not one_point)

    def contains(self, value: Decimal) -> bool:
        """Whether `value` lies in the range."""
        if self.above is not None and not (
            value > self.above or (self.from_inclusive and value == self.above)
        ):
            return False
        return self.below is None or (
            value < self.below or (self.to_inclusive and value == self.below)
        )

    def overlaps(self, other: "Range") -> bool:
        """Whether some number lies in both; neither is empty."""
        return self._starts_within(other) and other._starts_within(self)

    def _starts_within(self, other: "Range") -> bool:
        """Whether this range's start leaves something of `other` above it."""
        if self.above is None or other.below is None:
            return True
        touches = self.from_inclusive and other.to_inclusive
        return self.above < other.below or (touches and self.above == other.below)

    def __str__(self) -> str:
        lower = upper = ""
        if self.above is not None:
            lower = f"{'>=' if self.from_inclusive else '>'} {money.to_wire(self.above)}"
        if self.below is not None:
            upper = f"{'<=' if self.to_inclusive else '<'} {money.to_wire(self.below)}"
        return " and ".join(filter(None, (lower, upper)))


type Match = str | Range
"""What a cell matches in one dimension: a value, `*` or a range."""


class _Kind(IntEnum):
    """How specific a match is."""

    ANY = 0
    RANGE = 1
    VALUE = 2


def _kind(match: Match) -> _Kind:
    if isinstance(match, Range):
        return _Kind.RANGE
    return _Kind.ANY if match == ANY else _Kind.VALUE


@dataclass(frozen=True, slots=True)
class Dimension:
    """An attribute a price depends on; `read` takes it from an event, None if it has none.

    `expression` is how it was written; "" for the property called `name`.
    """

    name: str
    read: ReadValue
    expression: str = ""

    @classmethod
    def of_property(cls, name: str) -> "Dimension":
        """Return the dimension that is the property called `name`."""
        return cls(name, reader(name))


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what it matches in each dimension, in the matrix's order, and what it charges.

    `key` names the cell in running totals, for ever.
    """

    match: tuple[Match, ...]
    charge_model: ChargeModel
    key: str


class _Group(NamedTuple):
    """Cells that match in the same way: by value in `places`, by range in others."""

    values_in: tuple[int, ...]
    ranges_in: tuple[int, ...]
    cells: dict[tuple[str, ...], list[Cell]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All cells of a price. Raises ValueError for cells that could never, or doubly, match."""

    dimensions: tuple[Dimension, ...]
    cells: Sequence[Cell]
    cell_for: Find[Cell] = field(init=False, repr=False, compare=False)
    """Returns the cell that prices an event with these properties, or None."""
    _groups: tuple[_Group, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = [dimension.name for dimension in self.dimensions]
        if not names or len(set(names)) != len(names):
            raise ValueError("dimensions must be named, each once")
        kinds: dict[tuple[_Kind, ...], _Group] = {}
        for cell in self.cells:
            if len(cell.match) != len(self.dimensions):
                raise ValueError("a cell matches on every dimension")
            pattern = tuple(_kind(each) for each in cell.match)
            group = kinds.setdefault(pattern, _Group(*_places(pattern), {}))
            _add(cell, group)
        ordered = sorted(kinds, key=_specificity, reverse=True)
        object.__setattr__(self, "_groups", tuple(kinds[pattern] for pattern in ordered))
        object.__setattr__(self, "cell_for", self.finder(lambda cell: cell))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the dimensions, in order."""
        return tuple(dimension.name for dimension in self.dimensions)

    def finder[Found](self, of_cell: Callable[[Cell], Found]) -> Find[Found]:
        """Return what finds, for an event, what `of_cell` has made of the cell that prices it."""
        reads = tuple(dimension.read for dimension in self.dimensions)
        if not any(group.ranges_in for group in self._groups):
            return _find_by_values(reads, self._groups, of_cell)
        groups = [
            (
                group.values_in,
                group.ranges_in,
                {
                    values: [(cell, of_cell(cell)) for cell in cells]
                    for values, cells in group.cells.items()
                },
            )
            for group in self._groups
        ]

        def find(properties: Properties) -> Found | None:
            raw = [read(properties) for read in reads]
            texts = [value if type(value) is str else as_text(value) or "" for value in raw]
            for values_in, ranges_in, cells in groups:
                for cell, found in cells.get(tuple([texts[place] for place in values_in]), ()):
                    if _in_ranges(cell, raw, ranges_in):
                        return found
            return None

        return find


def _find_by_values[Found](
    reads: Sequence[ReadValue], groups: Sequence[_Group], of_cell: Callable[[Cell], Found]
) -> Find[Found]:
    """Return a finder for cells without ranges: one look into one table for each way to match."""
    tables: list[tuple[Callable[[Sequence[str]], object], dict[object, Found]]] = []
    for_any: Found | None = None
    for values_in, _, cells in groups:
        if not values_in:
            [[cell]] = cells.values()
            for_any = of_cell(cell)
            continue
        # It takes one text as it is, several as a tuple, and so they are looked up.
        table = {
            values if len(values) > 1 else values[0]: of_cell(cell)
            for values, [cell] in cells.items()
        }
        tables.append((operator.itemgetter(*values_in), cast("dict[object, Found]", table)))

    def find(properties: Properties) -> Found | None:
        # No cell names an empty value, so a missing property is met by a wildcard only.
        texts = [
            value if type(value := read(properties)) is str else as_text(value) or ""
            for read in reads
        ]
        for take, table in tables:
            found = table.get(take(texts))
            if found is not None:
                return found
        return for_any

    return find


def _places(pattern: tuple[_Kind, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    values = tuple(place for place, kind in enumerate(pattern) if kind is _Kind.VALUE)
    ranges = tuple(place for place, kind in enumerate(pattern) if kind is _Kind.RANGE)
    return values, ranges


def _specificity(pattern: tuple[_Kind, ...]) -> tuple[int, tuple[_Kind, ...]]:
    return sum(kind is not _Kind.ANY for kind in pattern), pattern


def _add(cell: Cell, group: _Group) -> None:
    values = tuple(str(cell.match[place]) for place in group.values_in)
    others = group.cells.setdefault(values, [])
    if any(overlap(cell.match, other.match) for other in others):
        raise ValueError("two cells match the same values")
    if any(isinstance(each, Range) and each.is_empty for each in cell.match):
        raise ValueError("no number lies in the range of a cell")
    others.append(cell)


def overlap(one: Sequence[Match], other: Sequence[Match]) -> bool:
    """Whether two equally specific matches meet in some event, so that neither would win."""
    return all(
        mine.overlaps(theirs)
        if isinstance(mine, Range) and isinstance(theirs, Range)
        else mine == theirs
        for mine, theirs in zip(one, other, strict=True)
    )


def _in_ranges(cell: Cell, raw: Sequence[object], places: Sequence[int]) -> bool:
    for place in places:
        number = number_of(raw[place])
        wanted = cell.match[place]
        if number is None or not isinstance(wanted, Range) or not wanted.contains(number):
            return False
    return True


def number_of(value: object) -> Decimal | None:
    """Read a property as a number, also one written as a text; None for what is none."""
    try:
        return None if value is None else as_number(value)
    except money.AmountInvalid:
        return None
