"""Companies whose plans have fees, and the calendar that invoices them."""

import datetime as dt
from decimal import Decimal
from typing import Any

from accounts import ledger
from invoicing import closing, credit_notes
from invoicing.models import Invoice, InvoiceLine
from pricing import publication, subscriptions
from pricing.models import PlanVersion, ShortfallPolicy
from tests.clock import SINCE
from tests.factories import (
    AssetFactory,
    CustomerFactory,
    MeterFactory,
    OrganizationFactory,
    PlanVersionFactory,
    PriceFactory,
)
from tests.worlds import VIDEO_PRICE, VideoWorld


def moment(text: str) -> dt.datetime:
    """Return a moment in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def amounts(*numbers: int) -> tuple[Decimal, ...]:
    """Return whole amounts, to compare several with at once."""
    return tuple(Decimal(number) for number in numbers)


def open_fee_world(
    *, at: dt.datetime, seats: int = 1, coupon: Any = None, **terms: Any
) -> VideoWorld:
    """Open a company that sells video on a plan named Pro with these terms.

    Fees are given as `base_fee` and `seat_fee` in USD; the customer signs up at `at`, without
    credit.
    """
    organization = OrganizationFactory.create()
    usd = AssetFactory.create(organization=organization)
    minutes = MeterFactory.create(
        organization=organization, code="video_minutes", name="Video minutes"
    )
    for kind in ("base_fee", "seat_fee"):
        if kind in terms:
            terms[f"{kind}_amount"] = Decimal(terms.pop(kind))
            terms[f"{kind}_asset"] = usd
    draft: PlanVersion = PlanVersionFactory.create(
        plan__organization=organization,
        plan__name="Pro",
        shortfall_policy=ShortfallPolicy.OVERAGE,
        **terms,
    )
    PriceFactory.create(plan_version=draft, meter=minutes, asset=usd, definition=VIDEO_PRICE)
    version = publication.publish(version=draft, by=None, at=SINCE)
    customer = CustomerFactory.create(organization=organization)
    subscriptions.subscribe(
        customer=customer,
        plan_version=version,
        at=at,
        seats=seats,
        coupon=coupon(organization, usd) if coupon is not None else None,
    )
    return VideoWorld(
        organization=organization,
        usd=usd,
        minutes=minutes,
        plan_version=version,
        customer=customer,
        account=ledger.open_account(customer=customer, asset=usd),
    )


def let_it_be(at: dt.datetime) -> None:
    """Let the calendar do all its work at a moment."""
    closing.begin_due_periods(at=at)
    closing.close_due_periods(at=at)
    closing.build_due_invoices(at=at)
    closing.open_due_periods(at=at)
    credit_notes.correct_invoices(at=at)


def said(invoice: Invoice) -> list[str]:
    """Return the lines of an invoice as short texts."""
    rows = InvoiceLine.objects.filter(invoice=invoice).order_by("position")
    return [f"{row.description}: {row.amount.normalize():f}" for row in rows]


def invoices_of(world: VideoWorld) -> list[Invoice]:
    """Return the customer's invoices, the oldest first."""
    return list(Invoice.objects.filter(customer=world.customer).order_by("number"))
