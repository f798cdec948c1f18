"""Thresholds: which entries of a ledger carried the balance across which line."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple


class Move(NamedTuple):
    """One change of a posted balance; `version` is the account's version after it."""

    version: int
    amount: Decimal
    balance_after: Decimal


def downward_crossings(moves: Iterable[Move], *, threshold: Decimal) -> list[Move]:
    """Return the moves that took the balance from `threshold` or above to below it."""
    return [
        move for move in moves if move.balance_after < threshold <= move.balance_after - move.amount
    ]
