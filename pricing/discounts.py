"""Discounts: what coupons take off an amount, one after the other.

Each coupon counts on what the ones before it have left. A percentage is rounded half up to the
asset's minor unit when it is taken; an amount takes no more than is left, and what it could not
take is not carried anywhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from accounts import money
from accounts.money import ZERO

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """A percentage, or an amount of one asset (by its code), off a bill."""

    code: str
    percent: Decimal = ZERO
    amount: Decimal = ZERO
    asset: str = ""


class Taken(NamedTuple):
    """What one discount took; zero or more, in the bill's asset."""

    code: str
    amount: Decimal


def take(discounts: Iterable[Discount], *, amount: Decimal, asset: str, scale: int) -> list[Taken]:
    """Return what each discount takes off `amount` of `asset`, in order.

    `scale` is the places of the asset's minor unit. Discounts in another asset, and those for
    which nothing is left, are left out.
    """
    taken = []
    left = amount
    for discount in discounts:
        off = min(_off(discount, left, asset=asset, scale=scale), left)
        if off > 0:
            taken.append(Taken(discount.code, off))
            left -= off
    return taken


def _off(discount: Discount, left: Decimal, *, asset: str, scale: int) -> Decimal:
    if discount.percent:
        share = left * discount.percent / _HUNDRED
        return money.round_to_minor_unit(share, scale=scale)
    return discount.amount if discount.asset == asset else ZERO
