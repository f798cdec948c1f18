"""Stored invoices, read back as the values they were reckoned from.

A line's amount is what it was before coupons, taxes and credit; reckoning it again comes to the
same cents.
"""

from collections.abc import Sequence

from invoicing import lines
from invoicing.drawing import Drawn
from invoicing.lines import Line, LineKind
from invoicing.models import Invoice, InvoiceLine
from invoicing.reckoning import CreditsTiming
from invoicing.taxes import Tax
from pricing.models import CouponRedemption

_RECKONED = {LineKind.DISCOUNT, LineKind.CARRIED}


def drawn(invoice: Invoice) -> list[Drawn]:
    """Return the lines that the invoice was reckoned from, in their order."""
    rows = (
        invoice.lines.exclude(kind__in=_RECKONED)
        .select_related("price", "item__asset")
        .order_by("position")
    )
    return [
        Drawn(_line(row, scale=invoice.asset.scale), price=row.price, item=row.item) for row in rows
    ]


def _line(row: InvoiceLine, *, scale: int) -> Line:
    if row.price_id is None:
        return lines.Line(
            kind=LineKind(row.kind),
            description=row.description,
            quantity=row.quantity,
            usage_amount=row.usage_amount,
            amount=row.amount,
            note=row.note,
        )
    return lines.usage_line(
        kind=LineKind(row.kind),
        description=row.description,
        quantity=row.quantity,
        amount=row.usage_amount,
        overage=row.usage_amount - row.credits_applied - row.uncollected,
        uncollected=row.uncollected,
        scale=scale,
    )


def taxes(invoice: Invoice) -> list[Tax]:
    """Return the taxes of the invoice, as they were."""
    return [
        Tax(name=row.name, percent=row.percent, is_inclusive=row.is_inclusive)
        for row in invoice.taxes.order_by("position")
    ]


def redemptions(invoice: Invoice) -> Sequence[CouponRedemption]:
    """Return the coupons that have taken something off the invoice, in their order."""
    rows = invoice.lines.filter(redemption__isnull=False).select_related(
        "redemption__coupon__asset"
    )
    return [row.redemption for row in rows.order_by("position") if row.redemption is not None]


def timing(invoice: Invoice) -> CreditsTiming:
    """Return whether credit counted before tax or after it."""
    return CreditsTiming(invoice.credits_timing)
