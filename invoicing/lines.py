"""Invoice lines: what is due of what was used, and of fees, rounded once for each line."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from accounts import money
from accounts.money import ZERO

ONE = Decimal(1)


class LineKind(StrEnum):
    """What a line is for."""

    USAGE = "usage"
    STANDING = "standing"
    COMMITMENT = "commitment"
    MINIMUM = "minimum"
    BASE_FEE = "base_fee"
    SEATS = "seats"
    ITEM = "item"
    DISCOUNT = "discount"
    CARRIED = "carried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: `amount` is what is due, rounded, of `usage_amount`; the rest in full precision.

    What credit paid is `credits_applied`; what nobody is asked for is `uncollected`. `note` says
    by which rule the amount came about, where it is not simply quantity times price.
    """

    kind: LineKind = LineKind.USAGE
    description: str
    quantity: Decimal
    usage_amount: Decimal
    credits_applied: Decimal = ZERO
    uncollected: Decimal = ZERO
    amount: Decimal
    note: str = ""

    @property
    def overage(self) -> Decimal:
        """What is due of it, before it is rounded."""
        return self.usage_amount - self.credits_applied - self.uncollected


def usage_line(
    *,
    description: str,
    quantity: Decimal,
    amount: Decimal,
    overage: Decimal,
    scale: int,
    uncollected: Decimal = ZERO,
    kind: LineKind = LineKind.USAGE,
) -> Line:
    """Return the line of one price: `overage` is the part of `amount` that no credit has paid.

    `uncollected` is the part of `amount` that no credit has paid and that is not due either.
    The amount due is rounded half away from zero to `scale` places; nothing else is rounded.
    """
    return Line(
        kind=kind,
        description=description,
        quantity=quantity,
        usage_amount=amount,
        credits_applied=amount - overage - uncollected,
        uncollected=uncollected,
        amount=money.round_to_minor_unit(overage, scale=scale),
    )


def plain_line(
    *,
    kind: LineKind,
    description: str,
    amount: Decimal,
    scale: int,
    quantity: Decimal = ONE,
    note: str = "",
) -> Line:
    """Return a line that no credit pays: a fee, seats, an item. Rounded once, to `scale` places."""
    exact = money.quantize(amount)
    return Line(
        kind=kind,
        description=description,
        quantity=money.quantize(quantity),
        usage_amount=exact,
        amount=money.round_to_minor_unit(amount, scale=scale),
        note=note,
    )


def total(lines: Iterable[Line]) -> Decimal:
    """Return the sum of the rounded lines."""
    return sum((line.amount for line in lines), ZERO)
