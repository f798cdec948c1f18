"""Settlement: what a closed period is charged beside its events.

Prices that settle at close, standing amounts, commitments and minimums become period charges,
once. Credit pays what it can; the rest is overage, which the invoice asks for.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Mapping

from accounts import identifiers, ledger, money
from accounts.books import Book
from metering import event_rows
from metering.models import BillingPeriod, PeriodCharge
from pricing import catalog, period_charges
from pricing.catalog import CatalogPrice
from pricing.rating import Span, Totals, write_steps


def settle(
    *, period: BillingPeriod, books: Mapping[uuid.UUID, Book], at: dt.datetime
) -> list[PeriodCharge]:
    """Charge a closed period and return what was written, none if it was settled before.

    The caller holds the locks of the customer's accounts, whose `books` (by asset id) it posts,
    and of the period. Raises ledger.UnknownAccount when the customer has no account in an asset.
    """
    if PeriodCharge.objects.for_organization(period.organization_id).filter(period=period).exists():
        return []
    return PeriodCharge.objects.bulk_create(foresee(period=period, books=books, at=at))


def foresee(
    *, period: BillingPeriod, books: Mapping[uuid.UUID, Book], at: dt.datetime
) -> list[PeriodCharge]:
    """Return what `settle` would write now, and write nothing.

    The books say afterwards what it would leave of credit; books that are not posted need no lock.
    Raises ledger.UnknownAccount.
    """
    by_asset: dict[uuid.UUID, list[PeriodCharge]] = defaultdict(list)
    meters: dict[uuid.UUID, str] = {}
    for price, charge in due(period):
        meters[price.price_id] = price.compiled.meter.code
        by_asset[price.asset_id].append(_row(period, price, charge))
    for asset_id, rows in by_asset.items():
        if asset_id not in books:
            raise ledger.UnknownAccount(str(asset_id))
        debit = books[asset_id].debit(
            parts=[ledger.Part(meters[row.price_id], row.amount) for row in rows],
            reference=period.id,
            at=at,
            overage_allowed=True,
        )
        for row, overage in zip(rows, debit.overage, strict=True):
            row.overage = overage
    return [row for rows in by_asset.values() for row in rows]


def due(period: BillingPeriod) -> list[tuple[CatalogPrice, period_charges.PeriodCharge]]:
    """Return what a period's end adds to what its events were charged, as it stands now."""
    held = event_rows.read_totals(organization_id=period.organization_id, period_ids=[period.id])
    plan = catalog.compiled_plan(period.plan_version_id)
    span = Span(period.starts_at, period.ends_at)
    return [
        (price, charge)
        for price in plan.prices
        for charge in period_charges.charges_at_close(
            price.compiled, held.get((period.id, price.price_id), Totals()), period=span
        )
    ]


def _row(
    period: BillingPeriod, price: CatalogPrice, charge: period_charges.PeriodCharge
) -> PeriodCharge:
    return PeriodCharge(
        id=identifiers.new_id(),
        organization_id=period.organization_id,
        period=period,
        price_id=price.price_id,
        kind=charge.kind,
        quantity=money.quantize(charge.quantity),
        amount=charge.amount,
        working=write_steps(charge.steps),
    )
