"""What a price holds in a period: cells, and all of them together."""

from dataclasses import replace
from decimal import Decimal

from pricing.totals import NOTHING, Before, Rated, Total, Totals
from tests.clock import NOW

ONE = Decimal(1)
BEFORE = Before(Decimal(0), Decimal(0), 0, Decimal(0), Decimal(0), 0)


def event(cell: str) -> Rated:
    return Rated(cell, ONE, ONE, Decimal(2), Decimal(2), NOW, BEFORE)


def counted(*cells: str) -> Totals:
    totals = Totals()
    for cell in cells:
        totals.add(event(cell), overage=ONE)
    return totals


def test_the_only_cell_is_the_pool_and_is_counted_once() -> None:
    totals = counted("a", "a")
    assert totals.pool is totals.cells["a"]
    assert totals.pool == Total(
        Decimal(2), Decimal(2), Decimal(4), Decimal(4), Decimal(2), Decimal(0), 2, NOW
    )


def test_a_second_cell_parts_them() -> None:
    totals = counted("a", "b", "a")
    assert [totals.cell(cell).events for cell in ("a", "b", "c")] == [2, 1, 0]
    assert totals.pool.events == totals.pool.overage == 3


def test_also_when_they_were_read_from_where_they_are_kept() -> None:
    totals = Totals.of({"a": replace(counted("a").pool)})
    totals.add(event("b"))
    assert totals.cell("a").amount == totals.cell("b").amount == 2
    assert totals.pool.amount == 4


def test_a_pool_and_a_cell_that_were_put_back_apart_are_both_counted() -> None:
    totals = counted("a")
    totals.cells["a"], totals.pool = replace(totals.pool), replace(totals.pool)
    totals.add(event("a"))
    totals.add(event("b"))
    assert (totals.cell("a").events, totals.cell("b").events, totals.pool.events) == (2, 1, 3)


def test_what_was_never_used_stays_nothing() -> None:
    counted("a", "b")
    assert Total() == NOTHING
