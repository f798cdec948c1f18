"""Voiding: an invoice is taken back, for good, and with `reissue` another one takes its place.

The number of the one taken back stays taken. The new one says the same of usage, fees and items,
with taxes as they are now: what was wrong was to whom or with which tax it was written. Without a
new one nobody asks for usage and fees again, and items wait for the next invoice.
"""

import datetime as dt
import uuid

from accounts import tenancy
from accounts.models import Organization
from invoicing import drawing, invoice_rows, stored_invoices
from invoicing.lines import LineKind
from invoicing.models import Invoice, InvoiceItem, InvoiceState

REASON_LENGTH_MAX = 500


class NotVoidable(Exception):
    """The invoice cannot be taken back; the message says why. Nothing was changed."""


def void_invoice(
    *,
    organization: Organization,
    invoice_id: uuid.UUID,
    at: dt.datetime,
    reason: str = "",
    reissue: bool = False,
) -> Invoice:
    """Take a final invoice back; returns it, or with `reissue` the one that takes its place.

    Raises NotVoidable and invoice_rows.UnknownInvoice.
    """
    with tenancy.transaction_for(organization.id):
        invoice = invoice_rows.lock(organization_id=organization.id, invoice_id=invoice_id)
        _refuse_unless_voidable(invoice)
        invoice.state = InvoiceState.VOID
        invoice.voided_at, invoice.void_reason = at, reason
        invoice.save(update_fields=["state", "voided_at", "void_reason"])
        if reissue:
            return _reissue(invoice, at=at)
        InvoiceItem.objects.filter(invoice=invoice).update(invoice=None)
        return invoice


def _refuse_unless_voidable(invoice: Invoice) -> None:
    if invoice.state == InvoiceState.DRAFT:
        raise NotVoidable("a draft is not sent yet")
    if invoice.state == InvoiceState.VOID:
        raise NotVoidable("it was voided before")
    if invoice.credit_notes.exists() or invoice.corrections.exists():
        raise NotVoidable("it was corrected since; ask for less by a credit note")
    if invoice.lines.filter(kind=LineKind.CARRIED).exists():
        raise NotVoidable("a part of it was carried over to the next invoice")


def _reissue(voided: Invoice, *, at: dt.datetime) -> Invoice:
    [drawn] = drawing.reckon(
        {voided.asset: stored_invoices.drawn(voided)},
        customer=voided.customer,
        redemptions=stored_invoices.redemptions(voided),
        timing=stored_invoices.timing(voided),
    )
    invoice = Invoice(
        organization_id=voided.organization_id,
        customer_id=voided.customer_id,
        period_id=voided.period_id,
        asset_id=voided.asset_id,
        kind=voided.kind,
        series=voided.series,
        replaces=voided,
        created_at=at,
    )
    invoice.save(force_insert=True)
    invoice_rows.write_lines(invoice, drawn)
    invoice_rows.finalize([invoice], [drawn], at=at, counts_coupons=False)
    return invoice
