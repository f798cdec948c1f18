"""Usage reports: what a customer used lately and what it cost, read for people to look at.

Everything here only reads, without locks, and always within one organization. What a report shows
is what was committed when it was read.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.core.cache import cache
from django.db import connection
from django.db.models import Sum

from accounts.models import Customer
from accounts.money import ZERO
from metering.models import Event, UsageTotal
from metering.standing_events import STANDING

PACE_DAYS = 7
_PAST_KEPT_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySpend:
    """What one day cost, credit and overage together, in one asset."""

    date: dt.date
    amount: Decimal


@dataclass(slots=True)
class _Spend:
    """Amounts by asset id and the midnight a day begins at, and how many charges they are."""

    amounts: dict[tuple[uuid.UUID, dt.datetime], Decimal] = field(default_factory=dict)
    charges: int = 0

    @property
    def assets(self) -> set[uuid.UUID]:
        return {asset_id for asset_id, _ in self.amounts}

    def of(self, asset_id: uuid.UUID, midnight: dt.datetime) -> Decimal:
        return self.amounts.get((asset_id, midnight), ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodSpend:
    """What a period has cost so far in one asset, and how much of it no credit paid."""

    amount: Decimal = ZERO
    overage: Decimal = ZERO


def spend_by_day(
    customer: Customer, *, at: dt.datetime, days: int
) -> dict[uuid.UUID, list[DaySpend]]:
    """Return what each of the last `days` days cost, today last, by asset id.

    A day is one of the customer's own time zone.
    """
    midnights = _midnights(ZoneInfo(customer.time_zone), at=at, days=days)
    # In this order: whatever is committed in between makes the past look older than it is, never
    # newer, and costs one more reading.
    charges, voids = _counted(customer)
    today = _spend_between(customer, midnights[-2:])
    past = _past_spend(customer, midnights[:-1], seen=(charges - today.charges, voids))
    return {
        asset_id: [
            DaySpend(
                date=midnight.date(),
                amount=past.of(asset_id, midnight) + today.of(asset_id, midnight),
            )
            for midnight in midnights[:-1]
        ]
        for asset_id in past.assets | today.assets
    }


def _past_spend(
    customer: Customer, midnights: Sequence[dt.datetime], *, seen: tuple[int, int]
) -> _Spend:
    """Return what the days before today cost, kept until a charge is added to one of them.

    Or taken away: `seen` are the charges of those days, and all voids.

    Events rarely come late, so a busy customer's month is not added up again for each of today's.
    """
    key = f"spend:{customer.id}:{customer.time_zone}:{midnights[0]:%Y%m%d}:{len(midnights)}"
    kept: tuple[tuple[int, int], _Spend] | None = cache.get(key)
    if kept is not None and kept[0] == seen:
        return kept[1]
    past = _spend_between(customer, midnights)
    cache.set(key, (seen, past), _PAST_KEPT_SECONDS)
    return past


def _counted(customer: Customer) -> tuple[int, int]:
    """Return how many charges the customer's open periods have seen, and how many voids there are.

    Today's charges, late ones and all others that were not voided.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED, [customer.organization_id, customer.id] * 2)
        charges, voids = cursor.fetchone()
    return int(charges), voids


_COUNTED = """
    SELECT (
        SELECT coalesce(sum(total.events), 0)
        FROM metering_usagetotal total
        JOIN metering_billingperiod period ON period.id = total.period_id
        WHERE total.organization_id = %s AND period.customer_id = %s AND period.closed_at IS NULL
    ), (
        SELECT count(*) FROM metering_eventvoid WHERE organization_id = %s AND customer_id = %s
    )
"""


def _midnights(zone: ZoneInfo, *, at: dt.datetime, days: int) -> list[dt.datetime]:
    """Return the starts of the last `days` days and the end of the last, by the zone's calendar."""
    today = at.astimezone(zone).date()
    return [
        dt.datetime.combine(today - dt.timedelta(days=back), dt.time(), tzinfo=zone)
        for back in range(days - 1, -2, -1)
    ]


# The bounds of the days come from Python, so that no day depends on the time zone database of the
# PostgreSQL in use. width_bucket() numbers the half-open ranges between them from 1.
_SPEND_BETWEEN = f"""
    SELECT price.asset_id,
        width_bucket(event.occurred_at, %(bounds)s::timestamptz[]) AS day,
        sum(rated.amount),
        count(*)
    FROM metering_event event
    JOIN metering_ratedevent rated
        ON rated.organization_id = event.organization_id AND rated.event_key = event.key
    JOIN pricing_price price
        ON price.organization_id = rated.organization_id AND price.id = rated.price_id
    WHERE {STANDING} AND event.organization_id = %(organization)s
        AND event.customer_id = %(customer)s
        AND event.occurred_at >= %(start)s
        AND event.occurred_at < %(end)s
    GROUP BY price.asset_id, day
"""  # noqa: S608


def _spend_between(customer: Customer, bounds: Sequence[dt.datetime]) -> _Spend:
    """Return what was spent between each two neighbouring bounds."""
    parameters: dict[str, Any] = {
        "bounds": list(bounds),
        "organization": customer.organization_id,
        "customer": customer.id,
        "start": bounds[0],
        "end": bounds[-1],
    }
    spend = _Spend()
    with connection.cursor() as cursor:
        cursor.execute(_SPEND_BETWEEN, parameters)
        for asset_id, day, amount, charges in cursor.fetchall():
            spend.amounts[asset_id, bounds[day - 1]] = amount
            spend.charges += charges
    return spend


def daily_pace(days: Sequence[DaySpend]) -> Decimal:
    """Return what a day costs lately: the mean of the last seven complete days.

    Days before the first spend do not count, so a customer who began yesterday has yesterday's
    pace; one who began today has today's spend so far.
    """
    *complete, today = [day.amount for day in days[-PACE_DAYS - 1 :]]
    while complete and not complete[0]:
        complete.pop(0)
    if not complete:
        return today
    return sum(complete, ZERO) / len(complete)


def activity(customer: Customer) -> tuple[uuid.UUID | None, int, int]:
    """Return a cheap sign of new events: the newest one's key, how many charges are counted, voids.

    The count, of the periods still open, also moves when an event comes late. One that is voided
    and another that takes its place leave it alone, but there is one more void.
    """
    newest = (
        Event.objects.filter(organization=customer.organization_id, customer=customer)
        .order_by("-occurred_at")
        .values_list("key", flat=True)
    )
    return newest.first(), *_counted(customer)


def spend_in_open_periods(
    *, organization_id: uuid.UUID, customer_ids: Collection[uuid.UUID]
) -> dict[tuple[uuid.UUID, uuid.UUID], PeriodSpend]:
    """Return what the periods still open have cost so far, by (customer id, asset id)."""
    totals = (
        UsageTotal.objects.for_organization(organization_id)
        .filter(period__customer_id__in=customer_ids, period__closed_at=None)
        .order_by()
        .values_list("period__customer_id", "price__asset_id")
        .annotate(spent=Sum("amount"), owed=Sum("overage"))
    )
    return {
        (customer_id, asset_id): PeriodSpend(amount=spent, overage=owed)
        for customer_id, asset_id, spent, owed in totals
    }
