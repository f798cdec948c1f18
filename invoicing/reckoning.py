"""Reckoning: from lines to what an invoice asks for, as values.

    lines -> coupons, one after the other -> taxes -> credit, where it counts after taxes -> total

A draft, a final invoice, a preview, a credit note and an invoice rebuilt from its events are all
reckoned here, so that none of them can come to another cent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from accounts import money
from accounts.money import ZERO
from invoicing import lines as invoice_lines
from invoicing import taxes as tax_rates
from invoicing.lines import Line, LineKind
from invoicing.taxes import Tax, Taxed
from pricing import discounts as coupon_discounts
from pricing.discounts import Discount


class CreditsTiming(StrEnum):
    """Whether what prepaid credit has paid is left out before taxes, or taxed like the rest."""

    BEFORE_TAX = "before_tax"
    AFTER_TAX = "after_tax"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoned:
    """An invoice as it stands: total = subtotal + taxes added - credits.

    `lines` are the given ones in their order, `taken` those of coupons, by `codes`. What came to
    less than nothing is `carried` to the next invoice, and has a line in `taken` as well.
    """

    lines: Sequence[Line]
    taken: Sequence[Line]
    codes: Sequence[str]
    taxes: Sequence[Taxed]
    credits: Decimal
    carried: Decimal

    @property
    def subtotal(self) -> Decimal:
        """The sum of all lines."""
        return invoice_lines.total([*self.lines, *self.taken])

    @property
    def tax(self) -> Decimal:
        """What taxes add."""
        return tax_rates.added(self.taxes)

    @property
    def total(self) -> Decimal:
        """What is asked for."""
        return self.subtotal + self.tax - self.credits


def reckon(
    lines: Iterable[Line],
    *,
    asset: str,
    scale: int,
    discounts: Iterable[Discount] = (),
    taxes: Iterable[Tax] = (),
    credits: CreditsTiming = CreditsTiming.BEFORE_TAX,  # noqa: A002
) -> Reckoned:
    """Reckon an invoice in `asset`; `lines` say what is due of each once credit has paid.

    Coupons count on what is due, never on what credit has paid already.
    """
    due = list(lines)
    shown = due
    if credits is CreditsTiming.AFTER_TAX:
        shown = [_with_credit(line, scale=scale) for line in due]
    owed = invoice_lines.total(due)
    found = coupon_discounts.take(discounts, amount=max(owed, ZERO), asset=asset, scale=scale)
    taken = [_discount_line(each.code, each.amount) for each in found]
    carried = max(-owed, ZERO)
    if carried:
        taken.append(_carried_line(carried))
    applied = invoice_lines.total(shown) - owed
    subtotal = invoice_lines.total([*shown, *taken])
    return Reckoned(
        lines=shown,
        taken=taken,
        codes=[each.code for each in found],
        taxes=tax_rates.reckon(taxes, amount=subtotal, scale=scale),
        credits=applied,
        carried=carried,
    )


def _with_credit(line: Line, *, scale: int) -> Line:
    if line.kind not in _PAID_BY_CREDIT:
        return line
    charged = line.usage_amount - line.uncollected
    return replace(line, amount=money.round_to_minor_unit(charged, scale=scale))


_PAID_BY_CREDIT = {LineKind.USAGE, LineKind.STANDING, LineKind.COMMITMENT, LineKind.MINIMUM}


def _discount_line(code: str, amount: Decimal) -> Line:
    return Line(
        kind=LineKind.DISCOUNT,
        description=f"Coupon {code}",
        quantity=Decimal(1),
        usage_amount=-amount,
        amount=-amount,
    )


def _carried_line(amount: Decimal) -> Line:
    return Line(
        kind=LineKind.CARRIED,
        description="Carried over to the next invoice",
        quantity=Decimal(1),
        usage_amount=amount,
        amount=amount,
    )
