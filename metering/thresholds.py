"""Thresholds: which entries of a ledger carried the balance across which line."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple


class Move(NamedTuple):
    """One change of a posted balance; `version` is the account's version after it."""

    version: int
    amount: Decimal
    balance_after: Decimal


def net_crossings(moves: Sequence[Move], *, threshold: Decimal) -> list[Move]:
    """Return the last of `downward_crossings`, if all moves together led below `threshold`.

    For moves that belong together: credit that is given back, only to be taken again for the same
    usage, is no reason to say once more how little there is.
    """
    crossings = downward_crossings(moves, threshold=threshold)
    if not crossings or moves[0].balance_after - moves[0].amount < threshold:
        return []
    return crossings[-1:] if moves[-1].balance_after < threshold else []


def downward_crossings(moves: Iterable[Move], *, threshold: Decimal) -> list[Move]:
    """Return the moves that took the balance from `threshold` or above to below it."""
    return [
        move for move in moves if move.balance_after < threshold <= move.balance_after - move.amount
    ]
