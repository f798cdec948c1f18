"""Caps: setting and lifting limits on what a customer may use; see `metering.spend_caps`."""

import datetime as dt
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

from accounts import tenancy
from accounts.models import Asset, Customer
from accounts.money import ZERO
from metering import cap_counters
from metering.cap_counters import Capped
from metering.models import BillingPeriod, CapOwner, SpendCap
from metering.spend_caps import Window
from pricing.models import Meter


def set_cap(
    *,
    customer: Customer,
    limit: Decimal,
    window: Window,
    at: dt.datetime,
    asset: Asset | None = None,
    meter: Meter | None = None,
    property_name: str = "",
    property_value: str = "",
    owner: str = CapOwner.ORGANIZATION,
    name: str = "",
) -> SpendCap:
    """Limit what a customer may use in a window, in `asset` or in raw units of `meter`.

    It counts from now on: what was used before in the current window is not known to it.
    """
    with tenancy.transaction_for(customer.organization_id):
        return SpendCap.objects.create(
            organization_id=customer.organization_id,
            customer=customer,
            name=name,
            owner=owner,
            window=window,
            limit=limit,
            asset=asset,
            meter=meter,
            property_name=property_name,
            property_value=property_value,
            created_at=at,
        )


def lift_cap(cap: SpendCap) -> None:
    """Let a cap limit nothing any more. Its counts stay."""
    with tenancy.transaction_for(cap.organization_id):
        cap.is_active = False
        cap.save(update_fields=["is_active"])


def used_now(*, customer: Customer, at: dt.datetime) -> dict[uuid.UUID, dict[str, Decimal]]:
    """Return what the current windows hold, held amounts included: by cap id and bucket."""
    period = BillingPeriod.objects.filter(
        organization=customer.organization_id, customer=customer, closed_at=None
    ).first()
    books = cap_counters.read_cap_books(
        organization_id=customer.organization_id,
        customers=[
            Capped(customer.id, ZoneInfo(customer.time_zone), period.starts_at if period else at)
        ],
        at=at,
    )
    used: dict[uuid.UUID, dict[str, Decimal]] = {}
    for book in books.values():
        for key, counter in book.counters.items():
            if counter.total > ZERO:
                used.setdefault(key.cap_id, {})[key.bucket] = counter.total
    return used
