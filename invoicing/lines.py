"""Invoice lines: what is due of what was used, rounded once for each line."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from accounts import money


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: `amount` is what is due, rounded, of `usage_amount`; the rest in full precision.

    What credit paid is `credits_applied`; what nobody is asked for is `uncollected`.
    """

    description: str
    quantity: Decimal
    usage_amount: Decimal
    credits_applied: Decimal
    uncollected: Decimal
    amount: Decimal


def usage_line(
    *,
    description: str,
    quantity: Decimal,
    amount: Decimal,
    overage: Decimal,
    scale: int,
    uncollected: Decimal = money.ZERO,
) -> Line:
    """Return the line of one price: `overage` is the part of `amount` that no credit has paid.

    `uncollected` is the part of `amount` that no credit has paid and that is not due either.
    The amount due is rounded half away from zero to `scale` places; nothing else is rounded.
    """
    return Line(
        description=description,
        quantity=quantity,
        usage_amount=amount,
        credits_applied=amount - overage - uncollected,
        uncollected=uncollected,
        amount=money.round_to_minor_unit(overage, scale=scale),
    )


def total(lines: Iterable[Line]) -> Decimal:
    """Return the sum of the rounded lines, which is what the invoice asks for."""
    return sum((line.amount for line in lines), money.ZERO)
