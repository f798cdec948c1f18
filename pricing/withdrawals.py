"""Withdrawals: what a price holds in a period when one of its events is taken back.

Where a period's total says all there is to say, it is what is left of the total, rated anew. Where
the way mattered by which the total came about (which value was the largest, who used up what was
included, which events were free), only its events know, and they have to be rated once more.
"""

from decimal import Decimal

from accounts.money import ZERO
from pricing.event_charge_models import Dynamic, Percentage
from pricing.rating import CompiledPrice
from pricing.totals import Total, Totals

_ADDED_UP = frozenset({"count", "sum"})


def follows(price: CompiledPrice) -> bool:
    """Whether what remains follows from the totals, without looking at the other events."""
    terms = price.terms
    if price.meter.aggregation not in _ADDED_UP:
        return False
    if any(isinstance(model, Percentage | Dynamic) for model in terms.charge_models()):
        return False
    # Cells that share something got their part of it in the order of the events.
    shares = bool(terms.included) or terms.tiers_count_all or not terms.bounds.are_open
    return terms.matrix is None or not shares


def remaining(price: CompiledPrice, totals: Totals, *, cell: str, quantity: Decimal) -> Total:
    """Return what `cell` holds without one of its events, which had added `quantity` to it.

    Only for prices of which `follows` is true. What of it nobody has paid, and when the newest of
    its events occurred, is for the caller to find out.
    """
    held = totals.cell(cell)
    events = held.events - 1
    if not events:
        return Total()
    left = held.quantity - quantity
    billable = max(left - price.terms.included, ZERO)
    metered, amount = price.of_whole(cell, billable=billable)
    return Total(quantity=left, billable=billable, metered=metered, amount=amount, events=events)
