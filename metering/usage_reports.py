"""Usage reports: what a customer used lately and what it cost, read for people to look at.

Everything here only reads, without locks, and always within one organization. What a report shows
is what was committed when it was read.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Sum

from accounts.models import Customer
from accounts.money import ZERO
from metering import usage_days
from metering.models import Event, UsageTotal

PACE_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySpend:
    """What one day cost, credit and overage together, in one asset."""

    date: dt.date
    amount: Decimal


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
    spend = usage_days.spend_between(customer, midnights)
    return {
        asset_id: [
            DaySpend(date=midnight.date(), amount=spend.get((asset_id, place), ZERO))
            for place, midnight in enumerate(midnights[:-1])
        ]
        for asset_id in {asset_id for asset_id, _ in spend}
    }


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
