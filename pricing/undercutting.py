"""Undercutting: where a price sells what it counts for less than a cost rate pays for it.

A price and a cost of the same meter are laid over each other, cell by cell. Two cells meet when
some event is priced by the one and paid for by the other; then their amounts per unit are compared,
for a price with tiers the lowest. Models that have no amount per unit (a flat amount, a percentage,
a price the event carries) are compared with nothing. What a price gives away before it charges, and
a maximum it stops at, are left out of account.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from accounts import money
from accounts.money import ZERO
from pricing.charge_models import (
    ONE,
    ChargeModel,
    Graduated,
    Package,
    PerUnit,
    Stairstep,
    VolumeTiers,
)
from pricing.matrix import ANY, Cell, Dimension, Match, Matrix, Range, number_of
from pricing.price_terms import PriceTerms

PAIRS_MAX = 1_000_000
"""So many pairs of cells are looked at; what lies beyond goes unseen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undercut:
    """A price below a cost, for events that match `match`, each per `unit_size` raw units."""

    match: dict[str, Match]
    price: Decimal
    cost: Decimal
    unit_size: Decimal

    @property
    def description(self) -> str:
        """Say in which events: `model opus, prompt > 200000`."""
        named = [f"{name} {match}" for name, match in self.match.items() if match != ANY]
        return ", ".join(named) or "every event"


class _PerUnit(NamedTuple):
    """An amount for `size` raw units; not divided, so that comparing is exact."""

    amount: Decimal
    size: Decimal

    def is_below(self, other: "_PerUnit") -> bool:
        return self.amount * other.size < other.amount * self.size

    def for_units(self, size: Decimal) -> Decimal:
        return money.quantize(self.amount * size / self.size)


class _Side(NamedTuple):
    """One of the two laid over each other: the names of its dimensions, and its cells."""

    names: tuple[str, ...]
    cells: Sequence[Cell]
    matrix: Matrix | None
    fallback: Cell | None

    def cell_for(self, values: dict[str, object]) -> Cell | None:
        found = self.matrix.cell_for(values) if self.matrix is not None else None
        return found or self.fallback


def undercuts(price: PriceTerms, cost: PriceTerms) -> list[Undercut]:
    """Return where `price` is below `cost`, for terms of the same meter in the same asset."""
    selling, buying = _side_of(price), _side_of(cost)
    found: dict[tuple[str, str], Undercut] = {}
    for ours, theirs in islice(_pairs(selling, buying), PAIRS_MAX):
        asked = _lowest(ours.charge_model, price)
        paid = _lowest(theirs.charge_model, cost)
        if asked is None or paid is None or not asked.is_below(paid):
            continue
        match = _meeting(ours, selling, theirs, buying)
        if match is None or (ours.key, theirs.key) in found:
            continue
        size = price.conversion.unit_size
        found[ours.key, theirs.key] = Undercut(
            match=match, price=asked.for_units(size), cost=paid.for_units(size), unit_size=size
        )
    return list(found.values())


def _side_of(terms: PriceTerms) -> _Side:
    matrix = None
    names = terms.matrix.names if terms.matrix is not None else ()
    if terms.matrix is not None:
        # Values are looked up by dimension here, wherever an event would have them from.
        matrix = Matrix(tuple(map(Dimension.of_property, names)), terms.matrix.cells)
    fallback = None
    if terms.charge_model is not None:
        fallback = Cell(tuple(ANY for _ in names), terms.charge_model, "")
    cells = [*(matrix.cells if matrix else ()), *([fallback] if fallback else ())]
    return _Side(names, cells, matrix, fallback)


def _pairs(ours: _Side, theirs: _Side) -> Iterator[tuple[Cell, Cell]]:
    """Yield the pairs that might meet, by the value of the first dimension both have."""
    shared = next((name for name in theirs.names if name in ours.names), None)
    if shared is None:
        yield from ((mine, other) for other in theirs.cells for mine in ours.cells)
        return
    place, other_place = ours.names.index(shared), theirs.names.index(shared)
    by_value: dict[str, list[Cell]] = {}
    others: list[Cell] = []
    for cell in ours.cells:
        value = cell.match[place]
        exact = isinstance(value, str) and value != ANY
        (by_value.setdefault(str(value), []) if exact else others).append(cell)
    for other in theirs.cells:
        value = other.match[other_place]
        candidates: Iterable[Cell] = ours.cells
        if isinstance(value, str) and value != ANY:
            candidates = [*by_value.get(value, ()), *others]
        yield from ((mine, other) for mine in candidates)


def _meeting(ours: Cell, selling: _Side, theirs: Cell, buying: _Side) -> dict[str, Match] | None:
    """Return what events match that both cells are for, None when there are none.

    A cell is only for events that no more specific cell takes, so one event is tried.
    """
    met: dict[str, Match] = dict(zip(selling.names, ours.match, strict=True))
    for name, match in zip(buying.names, theirs.match, strict=True):
        both = _meet(met.get(name, ANY), match)
        if both is None:
            return None
        met[name] = both
    event = {name: _example(match) for name, match in met.items()}
    if selling.cell_for(event) is not ours or buying.cell_for(event) is not theirs:
        return None
    return met


def _meet(one: Match, other: Match) -> Match | None:
    if ANY in (one, other):
        return other if one == ANY else one
    if isinstance(one, Range) and isinstance(other, Range):
        return _meet_ranges(one, other) if one.overlaps(other) else None
    if isinstance(one, Range):
        one, other = other, one
    if isinstance(other, Range):
        number = number_of(one)
        return one if number is not None and other.contains(number) else None
    return one if one == other else None


def _meet_ranges(one: Range, other: Range) -> Range:
    """Return the numbers in both of two ranges that overlap: the later start, the earlier end."""
    both = (one, other)
    starts = [(each.above, not each.from_inclusive) for each in both if each.above is not None]
    ends = [(each.below, each.to_inclusive) for each in both if each.below is not None]
    above, is_exclusive = max(starts) if starts else (None, True)
    below, is_inclusive = min(ends) if ends else (None, False)
    return Range(
        above=above, below=below, from_inclusive=not is_exclusive, to_inclusive=is_inclusive
    )


def _example(match: Match) -> object:
    """Return a value that matches; none at all where any would do, so that no other cell does."""
    if not isinstance(match, Range):
        return None if match == ANY else match
    if match.above is not None and match.below is not None:
        return (match.above + match.below) / 2
    if match.above is not None:
        return match.above if match.from_inclusive else match.above + 1
    assert match.below is not None, "a range has a bound"  # noqa: S101
    return match.below if match.to_inclusive else match.below - 1


def _lowest(model: ChargeModel, terms: PriceTerms) -> _PerUnit | None:
    """Return the lowest amount per unit that the model comes down to, None if it has none."""
    factor = ONE
    if terms.bounds.commitment is not None:
        factor = min(ONE, terms.bounds.commitment.overage_factor)
    lowest: _PerUnit | None = None
    for rate in _rates(model):
        each = _PerUnit(rate.amount * factor, rate.size * terms.conversion.unit_size)
        if lowest is None or each.is_below(lowest):
            lowest = each
    return lowest


def _rates(model: ChargeModel) -> Iterator[_PerUnit]:
    match model:
        case PerUnit():
            yield _PerUnit(model.unit_amount, ONE)
        case Package():
            yield _PerUnit(model.unit_amount, model.package_size)
        case Graduated() | VolumeTiers() | Stairstep():
            start = ZERO
            for tier in model.tiers:
                # A flat amount is spread over all the units it can pay for.
                width = ZERO if tier.up_to is None else tier.up_to - start
                if width:
                    yield _PerUnit(tier.flat_amount + tier.unit_amount * width, width)
                elif not isinstance(model, Stairstep):
                    yield _PerUnit(tier.unit_amount, ONE)
                if isinstance(model, Graduated) and tier.up_to is not None:
                    start = tier.up_to
