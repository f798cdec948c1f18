"""Closing: a period whose time is over becomes invoices.

First the period is closed, a flip of its row under the customer's account locks. Then, in a
transaction of its own, its totals become one finalized invoice for each currency. Both steps find
their work in the database and can be killed and repeated: whoever comes second finds it done.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Sequence

from django.db import models

from accounts import ledger, money, parked_customers, parking, tenancy
from accounts.books import Book
from accounts.models import Asset, CreditAccount
from invoicing import lines, numbering
from invoicing.models import Invoice, InvoiceLine, InvoiceState
from metering import alerts, billing_periods, settlement
from metering.models import BillingPeriod, PeriodCharge, UsageTotal
from pricing.models import Price, Settle
from pricing.period_charges import Kind

SERIES = "INV"


def close_due_periods(*, at: dt.datetime) -> int:
    """Close every period that ended at or before `at`; returns how many this call closed.

    Raises ExceptionGroup, after all the others, for periods that could not be closed.
    """
    due = BillingPeriod.objects.filter(closed_at=None, ends_at__lte=at).order_by("ends_at")
    return parking.serve_each(
        due.iterator(), lambda period: billing_periods.close_if_due(period, at=at)
    )


def build_due_invoices(*, at: dt.datetime) -> int:
    """Invoice every closed period that was not; returns how many invoices that made.

    Those of parked customers wait. Raises ExceptionGroup, after all the others, for periods that
    could not be invoiced.
    """
    waiting = BillingPeriod.objects.filter(closed_at__isnull=False, invoiced_at=None).exclude(
        parked_customers.customer_is_parked()
    )
    return parking.serve_each(
        list(waiting.order_by("closed_at").values_list("organization_id", "id")),
        lambda ids: len(build_invoices(organization_id=ids[0], period_id=ids[1], at=at)),
    )


def build_invoices(
    *, organization_id: uuid.UUID, period_id: uuid.UUID, at: dt.datetime
) -> list[Invoice]:
    """Invoice one closed period; returns the invoices, none if it was invoiced before
    or its customer is parked.

    First the period is charged what its events were not (`metering.settlement`). Only currencies
    are invoiced: what a unit of the organization's own has paid was sold before.
    """
    with tenancy.transaction_for(organization_id):
        books = _lock_customer(organization_id, period_id, at=at)
        period = (
            BillingPeriod.objects.select_for_update(no_key=True)
            .filter(
                organization=organization_id,
                id=period_id,
                closed_at__isnull=False,
                invoiced_at=None,
            )
            .first()
        )
        if period is None or parked_customers.is_parked(
            organization_id=organization_id, customer_id=period.customer_id
        ):
            return []
        settlement.settle(period=period, books=books, at=at)
        alerts.decide(books.values(), organization_id=organization_id, at=at)
        ledger.post(books.values(), at=at)
        invoices = [
            _finalized_invoice(period, asset, drawn, at=at)
            for asset, drawn in _lines_by_currency(period).items()
        ]
        period.invoiced_at = at
        period.save(update_fields=["invoiced_at"])
    return invoices


def _lock_customer(
    organization_id: uuid.UUID, period_id: uuid.UUID, *, at: dt.datetime
) -> dict[uuid.UUID, Book]:
    """Lock the accounts of the period's customer; returns their books by asset id."""
    accounts = dict(
        CreditAccount.objects.for_organization(organization_id)
        .filter(
            customer__in=BillingPeriod.objects.for_organization(organization_id)
            .filter(id=period_id)
            .values("customer")
        )
        .values_list("id", "asset_id")
    )
    books = ledger.lock_books(organization_id=organization_id, account_ids=accounts.keys(), at=at)
    return {accounts[account_id]: book for account_id, book in books.items()}


def _lines_by_currency(period: BillingPeriod) -> dict[Asset, list[tuple[Price, lines.Line]]]:
    """Return the lines of each currency: what events used by price, then what the close added."""
    drawn: dict[Asset, list[tuple[Price, lines.Line]]] = defaultdict(list)
    by_price: dict[Price, list[UsageTotal]] = defaultdict(list)
    for total in _billed(
        UsageTotal.objects.order_by("price__meter__code", "price", "cell"), period
    ):
        if total.price.settle == Settle.ON_EVENT:
            by_price[total.price].append(total)
    for price, cells in by_price.items():
        drawn[price.asset].append((price, _usage_line(price, cells)))
    for charge in _billed(PeriodCharge.objects.order_by("price__meter__code", "kind"), period):
        drawn[charge.price.asset].append((charge.price, _charge_line(charge)))
    return dict(sorted(drawn.items(), key=lambda item: item[0].code))


def _billed[Row: (UsageTotal, PeriodCharge)](
    rows: models.QuerySet[Row], period: BillingPeriod
) -> models.QuerySet[Row]:
    return rows.filter(
        organization=period.organization_id, period=period, price__asset__is_currency=True
    ).select_related("price__asset", "price__meter")


def _finalized_invoice(
    period: BillingPeriod,
    asset: Asset,
    drawn: Sequence[tuple[Price, lines.Line]],
    *,
    at: dt.datetime,
) -> Invoice:
    invoice = Invoice.objects.create(
        organization_id=period.organization_id,
        customer_id=period.customer_id,
        period=period,
        asset=asset,
        series=SERIES,
        created_at=at,
    )
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            organization_id=period.organization_id,
            invoice=invoice,
            position=position,
            price=price,
            description=line.description,
            quantity=line.quantity,
            usage_amount=line.usage_amount,
            credits_applied=line.credits_applied,
            uncollected=line.uncollected,
            amount=line.amount,
        )
        for position, (price, line) in enumerate(drawn, start=1)
    )
    invoice.subtotal = invoice.total = lines.total(line for _, line in drawn)
    invoice.number = numbering.next_number(organization_id=period.organization_id, prefix=SERIES)
    invoice.state = InvoiceState.FINALIZED
    invoice.finalized_at = at
    invoice.save()
    return invoice


def _usage_line(price: Price, cells: Sequence[UsageTotal]) -> lines.Line:
    return lines.usage_line(
        description=price.meter.name or price.meter.code,
        quantity=sum((cell.quantity for cell in cells), money.ZERO),
        amount=sum((cell.amount for cell in cells), money.ZERO),
        overage=sum((cell.overage for cell in cells), money.ZERO),
        uncollected=sum((cell.uncollected for cell in cells), money.ZERO),
        scale=price.asset.scale,
    )


_ADDED = {
    Kind.STANDING: ": fixed amount",
    Kind.USAGE: "",
    Kind.COMMITMENT: ": up to the commitment",
    Kind.MINIMUM: ": up to the minimum",
}


def _charge_line(charge: PeriodCharge) -> lines.Line:
    price = charge.price
    return lines.usage_line(
        description=f"{price.meter.name or price.meter.code}{_ADDED[Kind(charge.kind)]}",
        quantity=charge.quantity,
        amount=charge.amount,
        overage=charge.overage,
        scale=price.asset.scale,
    )
