"""How invoices are written: a draft as often as need be, and then once and for all."""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Sequence

from accounts import parked_customers
from invoicing import numbering
from invoicing.drawing import Drawing
from invoicing.models import (
    Invoice,
    InvoiceItem,
    InvoiceKind,
    InvoiceLine,
    InvoiceState,
    InvoiceTax,
    ItemOrigin,
)
from metering.models import BillingPeriod
from pricing import coupons

SERIES = "INV"


class UnknownInvoice(LookupError):
    """The organization has no invoice with this id."""


def lock(*, organization_id: uuid.UUID, invoice_id: uuid.UUID) -> Invoice:
    """Lock the customer's accounts and then the invoice, as everywhere. Raises UnknownInvoice."""
    invoices = Invoice.objects.for_organization(organization_id).select_related("asset", "customer")
    found = invoices.filter(id=invoice_id).first()
    if found is None:
        raise UnknownInvoice(str(invoice_id))
    parked_customers.lock_accounts(
        organization_id=organization_id, customer_ids=[found.customer_id]
    )
    return invoices.select_for_update(no_key=True, of=("self",)).get(id=invoice_id)


def write_drafts(
    period: BillingPeriod, drawings: Collection[Drawing], *, kind: InvoiceKind, at: dt.datetime
) -> list[Invoice]:
    """Make these the drafts of a period, in place of those there were."""
    drafts = Invoice.objects.for_organization(period.organization_id).filter(
        period=period.id, kind=kind, state=InvoiceState.DRAFT
    )
    drafts.exclude(asset__in=[each.asset.id for each in drawings]).delete()
    return [_draft(period, drawing, kind=kind, at=at) for drawing in drawings]


def _draft(
    period: BillingPeriod, drawing: Drawing, *, kind: InvoiceKind, at: dt.datetime
) -> Invoice:
    invoice, is_new = Invoice.objects.get_or_create(
        organization_id=period.organization_id,
        period=period,
        asset=drawing.asset,
        kind=kind,
        state=InvoiceState.DRAFT,
        defaults={"customer_id": period.customer_id, "series": SERIES, "created_at": at},
    )
    if not is_new:
        invoice.lines.all().delete()
        invoice.taxes.all().delete()
    write_lines(invoice, drawing)
    return invoice


def write_lines(invoice: Invoice, drawing: Drawing) -> None:
    """Fill an invoice that has no lines, and say what it comes to."""
    reckoned = drawing.reckoned
    rows = [
        _line(invoice, line, price=each.price, item=each.item)
        for line, each in zip(reckoned.lines, drawing.drawn, strict=True)
    ]
    redemptions = [*drawing.redemptions, *[None] * len(reckoned.taken)]
    rows += [
        _line(invoice, line, redemption=redemption)
        for line, redemption in zip(reckoned.taken, redemptions, strict=False)
    ]
    for position, row in enumerate(rows, start=1):
        row.position = position
    InvoiceLine.objects.bulk_create(rows)
    InvoiceTax.objects.bulk_create(_taxes(invoice, drawing))
    invoice.subtotal, invoice.tax = reckoned.subtotal, reckoned.tax
    invoice.credits, invoice.total = reckoned.credits, reckoned.total
    invoice.credits_timing = drawing.timing
    invoice.save()


def _line(invoice: Invoice, line: object, **about: object) -> InvoiceLine:
    said = {name: getattr(line, name) for name in _SAID}
    return InvoiceLine(organization_id=invoice.organization_id, invoice=invoice, **said, **about)


_SAID = (
    "kind", "description", "quantity", "usage_amount", "credits_applied", "uncollected", "amount",
    "note",
)  # fmt: skip


def _taxes(invoice: Invoice, drawing: Drawing) -> Iterable[InvoiceTax]:
    for position, taxed in enumerate(drawing.reckoned.taxes, start=1):
        yield InvoiceTax(
            organization_id=invoice.organization_id,
            invoice=invoice,
            position=position,
            name=taxed.tax.name,
            percent=taxed.tax.percent,
            is_inclusive=taxed.tax.is_inclusive,
            taxable=taxed.taxable,
            amount=taxed.amount,
        )


def finalize(
    invoices: Sequence[Invoice],
    drawings: Sequence[Drawing],
    *,
    at: dt.datetime,
    counts_coupons: bool = True,
) -> list[Invoice]:
    """Number drafts and freeze them, with all that follows from them.

    Items they took up are taken, coupons they counted are counted, and what came to less than
    nothing waits for the next invoice.
    """
    for invoice, drawing in zip(invoices, drawings, strict=True):
        invoice.number = numbering.next_number(
            organization_id=invoice.organization_id, prefix=invoice.series
        )
        invoice.state = InvoiceState.FINALIZED
        invoice.finalized_at = at
        invoice.save()
        taken = [each.item.id for each in drawing.drawn if each.item is not None]
        InvoiceItem.objects.filter(id__in=taken).update(invoice=invoice)
        _carry(invoice, drawing, at=at)
    if counts_coupons:
        used = {each.id: each for drawing in drawings for each in drawing.redemptions}
        coupons.count_bill(used.values())
    return list(invoices)


def _carry(invoice: Invoice, drawing: Drawing, *, at: dt.datetime) -> None:
    if drawing.carries():
        InvoiceItem.objects.create(
            organization_id=invoice.organization_id,
            customer_id=invoice.customer_id,
            asset=drawing.asset,
            origin=ItemOrigin.CARRIED,
            description=f"Carried over from {invoice.display_number}",
            amount=-drawing.reckoned.carried,
            created_at=at,
        )
