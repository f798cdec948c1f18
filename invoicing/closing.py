"""Closing: a period whose time is over becomes invoices.

First the period is closed, a flip of its row under the customer's account locks. Then, in a
transaction of its own, its totals become one finalized invoice for each currency. Both steps find
their work in the database and can be killed and repeated: whoever comes second finds it done.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Sequence

from accounts import money, parking, tenancy
from accounts.models import Asset
from invoicing import lines, numbering
from invoicing.models import Invoice, InvoiceLine, InvoiceState
from metering import billing_periods
from metering.models import BillingPeriod, UsageTotal
from pricing.models import Price

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

    Raises ExceptionGroup, after all the others, for periods that could not be invoiced.
    """
    waiting = BillingPeriod.objects.filter(closed_at__isnull=False, invoiced_at=None)
    return parking.serve_each(
        list(waiting.order_by("closed_at").values_list("organization_id", "id")),
        lambda ids: len(build_invoices(organization_id=ids[0], period_id=ids[1], at=at)),
    )


def build_invoices(
    *, organization_id: uuid.UUID, period_id: uuid.UUID, at: dt.datetime
) -> list[Invoice]:
    """Invoice one closed period; returns the invoices, none if it was invoiced before.

    Only currencies are invoiced: what a unit of the organization's own has paid was sold before.
    """
    with tenancy.transaction_for(organization_id):
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
        if period is None:
            return []
        invoices = [
            _finalized_invoice(period, asset, totals, at=at)
            for asset, totals in _totals_by_currency(period).items()
        ]
        period.invoiced_at = at
        period.save(update_fields=["invoiced_at"])
    return invoices


def _totals_by_currency(period: BillingPeriod) -> dict[Asset, list[UsageTotal]]:
    totals = (
        UsageTotal.objects.for_organization(period.organization_id)
        .filter(period=period, price__asset__is_currency=True)
        .select_related("price__asset", "price__meter")
        .order_by("price__asset__code", "price__meter__code", "price", "cell")
    )
    by_currency: dict[Asset, list[UsageTotal]] = defaultdict(list)
    for total in totals:
        by_currency[total.price.asset].append(total)
    return by_currency


def _finalized_invoice(
    period: BillingPeriod, asset: Asset, totals: Sequence[UsageTotal], *, at: dt.datetime
) -> Invoice:
    by_price: dict[Price, list[UsageTotal]] = defaultdict(list)
    for total in totals:
        by_price[total.price].append(total)
    drawn = {price: _line(price, cells, asset) for price, cells in by_price.items()}
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
            amount=line.amount,
        )
        for position, (price, line) in enumerate(drawn.items(), start=1)
    )
    invoice.subtotal = invoice.total = lines.total(drawn.values())
    invoice.number = numbering.next_number(organization_id=period.organization_id, prefix=SERIES)
    invoice.state = InvoiceState.FINALIZED
    invoice.finalized_at = at
    invoice.save()
    return invoice


def _line(price: Price, cells: Sequence[UsageTotal], asset: Asset) -> lines.Line:
    return lines.usage_line(
        description=price.meter.name or price.meter.code,
        quantity=sum((cell.quantity for cell in cells), money.ZERO),
        amount=sum((cell.amount for cell in cells), money.ZERO),
        overage=sum((cell.overage for cell in cells), money.ZERO),
        scale=asset.scale,
    )
