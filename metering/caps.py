"""Caps: setting and lifting limits on what a customer may use; see `metering.spend_caps`."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from accounts import tenancy
from accounts.models import Asset, Customer
from accounts.money import ZERO
from metering import cap_counters, spend_caps
from metering.cap_counters import Capped
from metering.models import BillingPeriod, CapOwner, SpendCap
from metering.spend_caps import Window
from pricing.models import Meter

VALUES_SHOWN = 5


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


def change_cap(cap: SpendCap, *, limit: Decimal, is_active: bool, name: str) -> None:
    """Move a cap's limit, or let it limit nothing for a while. What it has counted stays."""
    with tenancy.transaction_for(cap.organization_id):
        cap.limit, cap.is_active, cap.name = limit, is_active, name
        cap.save(update_fields=["limit", "is_active", "name"])


@dataclass(frozen=True, slots=True, kw_only=True)
class CapUse:
    """What one value of a cap's property, or the cap itself, holds in the current window.

    Amounts that open authorizations have reserved are in `used`.
    """

    value: str
    used: Decimal
    limit: Decimal

    @property
    def percent(self) -> int:
        """How much of the limit is used, 0 to 100."""
        return min(int(self.used * 100 / self.limit), 100) if self.limit else 100

    @property
    def left(self) -> Decimal:
        """What may still be used."""
        return max(self.limit - self.used, ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapState:
    """A cap in force, its fullest counts first; `hidden` of them are left out.

    A cap for each request counts nothing from one to the next. `ends_at` is when it starts again,
    None for one by billing period while there is none.
    """

    cap: SpendCap
    uses: Sequence[CapUse]
    hidden: int
    ends_at: dt.datetime | None


def states(*, customer: Customer, at: dt.datetime) -> list[CapState]:
    """Return the caps in force with what their windows hold at `at`, in the order they were set."""
    rows = (
        SpendCap.objects.for_organization(customer.organization_id)
        .filter(customer=customer, is_active=True)
        .select_related("asset", "meter")
        .order_by("created_at", "id")
    )
    caps = list(rows)
    if not caps:
        return []
    period = _open_period(customer)
    used = _used(customer, period, at=at)
    return [
        _state(cap, used.get(cap.id, {}), ends_at=_window_end(cap, customer, period, at=at))
        for cap in caps
    ]


def _state(cap: SpendCap, used: Mapping[str, Decimal], *, ends_at: dt.datetime | None) -> CapState:
    counts = sorted(used.items(), key=lambda each: (-each[1], each[0]))
    if cap.window == Window.REQUEST:
        counts = []
    elif not cap.property_name:
        counts = counts or [("", ZERO)]
    elif cap.property_value:
        counts = counts or [(cap.property_value, ZERO)]
    shown = [
        CapUse(value=value, used=total, limit=cap.limit) for value, total in counts[:VALUES_SHOWN]
    ]
    return CapState(cap=cap, uses=shown, hidden=len(counts) - len(shown), ends_at=ends_at)


def _window_end(
    cap: SpendCap, customer: Customer, period: BillingPeriod | None, *, at: dt.datetime
) -> dt.datetime | None:
    window, zone = Window(cap.window), ZoneInfo(customer.time_zone)
    if period is None and window is Window.PERIOD:
        return None
    starts_at, ends_at = (period.starts_at, period.ends_at) if period is not None else (at, at)
    start = spend_caps.window_start(window, at=at, zone=zone, period_starts_at=starts_at)
    return spend_caps.window_end(window, start=start, zone=zone, period_ends_at=ends_at)


def used_now(*, customer: Customer, at: dt.datetime) -> dict[uuid.UUID, dict[str, Decimal]]:
    """Return what the current windows hold, held amounts included: by cap id and bucket."""
    return _used(customer, _open_period(customer), at=at)


def _open_period(customer: Customer) -> BillingPeriod | None:
    return BillingPeriod.objects.filter(
        organization=customer.organization_id, customer=customer, closed_at=None
    ).first()


def _used(
    customer: Customer, period: BillingPeriod | None, *, at: dt.datetime
) -> dict[uuid.UUID, dict[str, Decimal]]:
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
