"""Credit notes: what a final invoice asks for less than it said.

One comes from an event that was voided after its invoice: the invoice is reckoned once as it
stands and once as it would be without the event, and the note is the difference, coupons and taxes
included. So the invoice and its notes come to what the invoice would have been. Where the void
made other usage dearer, the difference is an item for the next invoice. Another kind of note is
given by an operator. All notes of an invoice never come to more than the invoice.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Exists, OuterRef, QuerySet, Sum

from accounts import money, parked_customers, parking, tenancy
from accounts.models import Organization
from accounts.money import ZERO
from invoicing import invoice_rows, numbering, reckoning, stored_invoices
from invoicing.drawing import Drawn
from invoicing.lines import Line, LineKind
from invoicing.models import (
    CREDIT_NOTE_SERIES,
    CreditNote,
    Invoice,
    InvoiceCorrection,
    InvoiceItem,
    InvoiceKind,
    InvoiceState,
    ItemOrigin,
)
from invoicing.reckoning import Reckoned
from metering.models import Adjustment
from pricing import coupons
from pricing.models import Settle

REASON_LENGTH_MAX = 500


class NoteRefused(ValueError):
    """The note cannot be given; `field` says what is wrong with it. Nothing was changed."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class _Place(NamedTuple):
    """Which line of an invoice an adjustment is about."""

    price_id: uuid.UUID
    kind: str


class _Moved(NamedTuple):
    """By how much adjustments move a line, in full precision."""

    amount: Decimal = ZERO
    overage: Decimal = ZERO
    uncollected: Decimal = ZERO
    quantity: Decimal = ZERO


class _Sums(NamedTuple):
    """What a note comes to."""

    subtotal: Decimal
    tax: Decimal
    credits: Decimal

    @property
    def total(self) -> Decimal:
        """What is asked for less."""
        return self.subtotal + self.tax - self.credits


def give(
    *,
    organization: Organization,
    invoice_id: uuid.UUID,
    amount: Decimal,
    at: dt.datetime,
    reason: str = "",
) -> CreditNote:
    """Ask for `amount` less than a final invoice says, taxes included, in whole minor units.

    What of it is tax is the invoice's own share of tax, rounded once. Raises NoteRefused, and
    invoice_rows.UnknownInvoice.
    """
    with tenancy.transaction_for(organization.id):
        invoice = invoice_rows.lock(organization_id=organization.id, invoice_id=invoice_id)
        if invoice.state != InvoiceState.FINALIZED:
            raise NoteRefused("invoice", "is not final, or was voided")
        scale = invoice.asset.scale
        if amount <= 0 or money.round_to_minor_unit(amount, scale=scale) != amount:
            raise NoteRefused("amount", f"must be above zero and have at most {scale} places")
        left = _left(invoice)
        if amount > left:
            raise NoteRefused("amount", f"is more than the {money.to_wire(left)} left of it")
        tax = ZERO
        if invoice.tax:
            share = amount * invoice.tax / (invoice.subtotal + invoice.tax)
            tax = money.round_to_minor_unit(share, scale=scale)
        sums = _Sums(subtotal=amount - tax, tax=tax, credits=ZERO)
        lines = [_line_on_note(reason or "Credit", amount - tax)]
        return _write(invoice, sums, lines=lines, taxes=[], reason=reason, at=at)


def correct_invoices(*, at: dt.datetime) -> int:
    """Make up for all events voided after their invoice; returns how many invoices that concerned.

    Those of parked customers wait. Raises ExceptionGroup, after all the others, for invoices that
    could not be corrected.
    """
    return parking.serve_each(
        list(_to_correct().values_list("organization_id", "id")),
        lambda ids: correct_invoice(organization_id=ids[0], invoice_id=ids[1], at=at),
    )


def _to_correct() -> QuerySet[Invoice]:
    made_up = InvoiceCorrection.objects.filter(
        organization=OuterRef("organization"),
        void=OuterRef("void"),
        invoice=OuterRef(OuterRef("pk")),
    )
    waiting = (
        Adjustment.objects.all()
        .waiting_for_credit_note()
        .filter(
            ~Exists(made_up),
            organization=OuterRef("organization"),
            period=OuterRef("period"),
            price__asset=OuterRef("asset"),
        )
    )
    return (
        Invoice.objects.filter(
            Exists(waiting), state=InvoiceState.FINALIZED, kind=InvoiceKind.PERIOD
        )
        .exclude(parked_customers.customer_is_parked())
        .order_by("finalized_at")
    )  # fmt: skip


def correct_invoice(*, organization_id: uuid.UUID, invoice_id: uuid.UUID, at: dt.datetime) -> int:
    """Make up for events voided since an invoice; returns 1 if there were any, else 0."""
    with tenancy.transaction_for(organization_id):
        invoice = invoice_rows.lock(organization_id=organization_id, invoice_id=invoice_id)
        known = set(invoice.corrections.values_list("void", flat=True))
        adjustments = list(
            Adjustment.objects.for_organization(organization_id)
            .filter(period=invoice.period_id, price__asset=invoice.asset_id, is_after_invoice=True)
            .select_related("price")
        )
        new = {each.void_id for each in adjustments} - known
        if invoice.state != InvoiceState.FINALIZED or not new:
            return 0
        before = _reckoned(invoice, [each for each in adjustments if each.void_id in known])
        after = _reckoned(invoice, adjustments)
        note, item = _make_up(invoice, before, after, at=at)
        InvoiceCorrection.objects.bulk_create(
            InvoiceCorrection(
                organization_id=organization_id,
                void_id=void_id,
                invoice=invoice,
                credit_note=note,
                item=item,
            )
            for void_id in sorted(new)
        )
        return 1


def _left(invoice: Invoice) -> Decimal:
    given = invoice.credit_notes.aggregate(Sum("total"))["total__sum"] or ZERO
    left: Decimal = invoice.total - given
    return left


def _reckoned(invoice: Invoice, adjustments: Iterable[Adjustment]) -> Reckoned:
    """Reckon an invoice as it would be with these adjustments, coupons and taxes as they were."""
    redemptions = stored_invoices.redemptions(invoice)
    return reckoning.reckon(
        _adjusted(stored_invoices.drawn(invoice), adjustments, scale=invoice.asset.scale),
        asset=invoice.asset.code,
        scale=invoice.asset.scale,
        discounts=[coupons.discount_of(each) for each in redemptions],
        taxes=stored_invoices.taxes(invoice),
        credits=stored_invoices.timing(invoice),
    )


def _adjusted(
    drawn: Sequence[Drawn], adjustments: Iterable[Adjustment], *, scale: int
) -> list[Line]:
    moved = _by_place(adjustments)
    found = []
    for each in drawn:
        place = _Place(each.price.id, each.line.kind) if each.price is not None else None
        by = moved.pop(place, None) if place is not None else None
        found.append(each.line if by is None else _move(each.line, by, scale=scale))
    # A charge of the close that the invoice had no line for.
    found += [_move(_nothing(place), by, scale=scale) for place, by in sorted(moved.items())]
    return found


def _by_place(adjustments: Iterable[Adjustment]) -> dict[_Place, _Moved]:
    moved: dict[_Place, _Moved] = defaultdict(_Moved)
    for each in adjustments:
        if not each.kind and each.price.settle != Settle.ON_EVENT:
            continue  # It was charged by the close, which has an adjustment of its own.
        place = _Place(each.price_id, each.kind or LineKind.USAGE)
        held = moved[place]
        moved[place] = _Moved(
            held.amount + each.amount,
            held.overage + each.overage,
            held.uncollected + each.uncollected,
            held.quantity + each.quantity,
        )
    return moved


def _move(line: Line, by: _Moved, *, scale: int) -> Line:
    amount, overage = line.usage_amount + by.amount, line.overage + by.overage
    uncollected = line.uncollected + by.uncollected
    return replace(
        line,
        quantity=line.quantity + by.quantity,
        usage_amount=amount,
        credits_applied=amount - overage - uncollected,
        uncollected=uncollected,
        amount=money.round_to_minor_unit(overage, scale=scale),
    )


def _nothing(place: _Place) -> Line:
    return Line(
        kind=LineKind(place.kind),
        description=f"Correction: {place.kind}",
        quantity=ZERO,
        usage_amount=ZERO,
        amount=ZERO,
    )


def _make_up(
    invoice: Invoice, before: Reckoned, after: Reckoned, *, at: dt.datetime
) -> tuple[CreditNote | None, InvoiceItem | None]:
    """Write the note, or the item, that is the difference; neither when there is none."""
    less = before.total - after.total
    if less > 0:
        sums = _Sums(
            subtotal=before.subtotal - after.subtotal,
            tax=before.tax - after.tax,
            credits=before.credits - after.credits,
        )
        left = _left(invoice)
        if less > left:
            # An operator has given back some of it before.
            sums = _Sums(subtotal=sums.subtotal - (less - left), tax=sums.tax, credits=sums.credits)
        if not sums.total:
            return None, None
        return _write(
            invoice,
            sums,
            lines=_differences(before, after),
            taxes=_tax_differences(before, after),
            reason="Usage that was taken back",
            at=at,
        ), None
    more = _before_tax(after) - _before_tax(before)
    if more > 0:
        # The next invoice adds the tax.
        return None, InvoiceItem.objects.create(
            organization_id=invoice.organization_id,
            customer_id=invoice.customer_id,
            asset=invoice.asset,
            origin=ItemOrigin.CORRECTION,
            description=f"Correction of {invoice.display_number}",
            amount=more,
            created_at=at,
        )
    return None, None


def _before_tax(reckoned: Reckoned) -> Decimal:
    return reckoned.subtotal - reckoned.credits


def _differences(before: Reckoned, after: Reckoned) -> list[dict[str, str]]:
    """Return by how much each line, and what coupons take of them, is less."""
    was: dict[str, Decimal] = defaultdict(Decimal)
    for sign, reckoned in ((1, before), (-1, after)):
        for line in [*reckoned.lines, *reckoned.taken]:
            was[line.description] += sign * line.amount
    return [_line_on_note(description, amount) for description, amount in was.items() if amount]


def _tax_differences(before: Reckoned, after: Reckoned) -> list[dict[str, str]]:
    return [
        {
            "name": was.tax.name,
            "percent": money.to_wire(was.tax.percent),
            "amount": money.to_wire(was.amount - now.amount),
        }
        for was, now in zip(before.taxes, after.taxes, strict=True)
        if was.amount != now.amount
    ]


def _line_on_note(description: str, amount: Decimal) -> dict[str, str]:
    return {"description": description, "amount": money.to_wire(amount)}


def _write(
    invoice: Invoice,
    sums: _Sums,
    *,
    lines: list[dict[str, str]],
    taxes: list[dict[str, str]],
    reason: str,
    at: dt.datetime,
) -> CreditNote:
    return CreditNote.objects.create(
        organization_id=invoice.organization_id,
        customer_id=invoice.customer_id,
        invoice=invoice,
        asset=invoice.asset,
        series=CREDIT_NOTE_SERIES,
        number=numbering.next_number(
            organization_id=invoice.organization_id, prefix=CREDIT_NOTE_SERIES
        ),
        subtotal=sums.subtotal,
        tax=sums.tax,
        credits=sums.credits,
        total=sums.total,
        lines=lines,
        taxes=taxes,
        reason=reason,
        created_at=at,
    )
