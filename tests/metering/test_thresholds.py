"""Which entries crossed which line."""

from decimal import Decimal

import pytest

from metering.thresholds import Move, downward_crossings, net_crossings

FIFTY = Decimal(50)


def moves(*balances: int, start: int = 100) -> list[Move]:
    """The moves through these balances."""
    path = [start, *balances]
    return [
        Move(version, Decimal(after - before), Decimal(after))
        for version, (before, after) in enumerate(zip(path, balances, strict=False), start=1)
    ]


@pytest.mark.parametrize(
    ("balances", "crossed_at"),
    [
        ((60, 51), []),
        ((50,), []),
        ((49,), [1]),
        ((50, 49), [2]),
        ((49, 48, 10), [1]),
        ((49, 60, 49), [1, 3]),
        ((0, 50, 0), [1, 3]),
        ((49, 49), [1]),
        ((), []),
    ],
)
def test_each_fall_from_the_line_to_below_it_is_a_crossing(
    balances: tuple[int, ...], crossed_at: list[int]
) -> None:
    found = downward_crossings(moves(*balances), threshold=FIFTY)
    assert [move.version for move in found] == crossed_at


def test_who_starts_below_does_not_cross_by_falling_or_rising() -> None:
    assert downward_crossings(moves(30, 90, start=40), threshold=FIFTY) == []


def test_a_line_below_zero_is_crossed_like_any_other() -> None:
    [move] = downward_crossings(moves(-10, -30), threshold=Decimal(-20))
    assert move.balance_after == -30


@pytest.mark.parametrize(
    ("start", "balances", "crossed_at"),
    [
        (100, (60, 49), [2]),
        (100, (49, 60, 40), [3]),
        (100, (49, 50), []),
        (40, (60, 45), []),
        (40, (60,), []),
        (100, (), []),
    ],
)
def test_moves_that_belong_together_cross_once_or_not_at_all(
    start: int, balances: tuple[int, ...], crossed_at: list[int]
) -> None:
    found = net_crossings(moves(*balances, start=start), threshold=FIFTY)
    assert [move.version for move in found] == crossed_at
