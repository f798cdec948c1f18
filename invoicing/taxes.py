"""Taxes: what is added to an amount, or is in it, by rates of which none counts on another.

Each tax is rounded once to the minor unit, half away from zero. Of a price that includes taxes,
what is left without them is the base of those that are added.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts import money
from accounts.money import ZERO

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """A rate: so many percent, in the prices or on top of them."""

    name: str
    percent: Decimal
    is_inclusive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxed:
    """What one tax comes to on an invoice, and of which amount."""

    tax: Tax
    taxable: Decimal
    amount: Decimal


def reckon(taxes: Iterable[Tax], *, amount: Decimal, scale: int) -> list[Taxed]:
    """Return what each tax comes to on `amount`, in order; `scale` is that of its asset."""
    taxes = list(taxes)
    included = sum((tax.percent for tax in taxes if tax.is_inclusive), ZERO)
    net = amount * _HUNDRED / (_HUNDRED + included)
    inside = sum((_part(net, tax, scale=scale) for tax in taxes if tax.is_inclusive), ZERO)
    base = amount - inside
    return [
        Taxed(
            tax=tax,
            taxable=base,
            amount=_part(net if tax.is_inclusive else base, tax, scale=scale),
        )
        for tax in taxes
    ]


def added(taxed: Sequence[Taxed]) -> Decimal:
    """Return the sum of the taxes that come on top."""
    return sum((each.amount for each in taxed if not each.tax.is_inclusive), ZERO)


def _part(base: Decimal, tax: Tax, *, scale: int) -> Decimal:
    return money.round_to_minor_unit(base * tax.percent / _HUNDRED, scale=scale)
