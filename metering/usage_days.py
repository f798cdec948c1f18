"""Usage days: what a customer's events were charged between moments, mostly read from its slots.

The sum is that of the rated events that stand, to the last digit and at every moment: slots hold
all events up to a position, the newer ones are read as they are, and what was voided is taken off.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db import connection

from accounts.models import Customer
from metering.models import UsageFold
from metering.usage_folding import SLOT_MINUTES

_ATTEMPTS = 5

type Spend = dict[tuple[uuid.UUID, int], Decimal]
"""Amounts by asset id and the place of the bound from which on they were spent."""


def spend_between(customer: Customer, bounds: Sequence[dt.datetime]) -> Spend:
    """Return what was spent between each two neighbouring `bounds`; where nothing was, no entry.

    Where a bound lies within a slot, as in the few zones that differ from others by quarters of an
    hour, it is the events that are added up.
    """
    if all(_begins_a_slot(bound) for bound in bounds):
        for _ in range(_ATTEMPTS):
            folded = _folded(customer)
            if not folded:
                break
            rows = _read(_FROM_SLOTS, customer, bounds, folded=folded)
            # Slots that were moved on or made anew in between hold other events than was assumed.
            if all(row[-1] == folded for row in rows):
                return _spend(rows)
    return _spend(_read(_FROM_EVENTS, customer, bounds, folded=0))


def _begins_a_slot(moment: dt.datetime) -> bool:
    return moment.timestamp() % (SLOT_MINUTES * 60) == 0


def _folded(customer: Customer) -> int:
    folds = UsageFold.objects.for_organization(customer.organization_id)
    return folds.values_list("position", flat=True).first() or 0


def _read(
    sql: str, customer: Customer, bounds: Sequence[dt.datetime], *, folded: int
) -> list[tuple[Any, ...]]:
    parameters: dict[str, Any] = {
        "bounds": list(bounds),
        "organization": customer.organization_id,
        "customer": customer.id,
        "start": bounds[0],
        "end": bounds[-1],
        "folded": folded,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _spend(rows: Sequence[tuple[Any, ...]]) -> Spend:
    """Places of rows are counted from 1."""
    return {
        (asset_id, place - 1): amount
        for asset_id, place, amount, charges, *_ in rows
        if asset_id is not None and charges
    }


# The bounds of the days come from Python, so that no day depends on the time zone database of the
# PostgreSQL in use. width_bucket() numbers the half-open ranges between them from 1.
_CHARGES = """
SELECT price.asset_id, width_bucket(event.occurred_at, %(bounds)s::timestamptz[]) AS place,
    {sign}sum(rated.amount) AS amount, {sign}count(*) AS charges
FROM {events}
JOIN metering_ratedevent rated
    ON rated.organization_id = event.organization_id AND rated.event_key = event.key
JOIN pricing_price price
    ON price.organization_id = rated.organization_id AND price.id = rated.price_id
WHERE event.organization_id = %(organization)s AND event.customer_id = %(customer)s
    AND event.occurred_at >= %(start)s AND event.occurred_at < %(end)s {also}
GROUP BY price.asset_id, place
"""

_VOIDED = _CHARGES.format(
    sign="-",
    events="""metering_eventvoid void
JOIN metering_event event
    ON event.organization_id = void.organization_id AND event.key = void.event_key""",
    also="AND void.organization_id = %(organization)s AND void.customer_id = %(customer)s",
)

_FROM_EVENTS = f"""
SELECT asset_id, place, sum(amount), sum(charges)
FROM (
    ({_CHARGES.format(sign="", events="metering_event event", also="")})
    UNION ALL ({_VOIDED})
) part
GROUP BY asset_id, place
"""  # noqa: S608

# With the position as a number the planner knows how few events are newer, and takes the index of
# positions. There is a row even if nothing was spent, for the position at this very moment.
_FROM_SLOTS = f"""
SELECT part.asset_id, part.place, sum(part.amount), sum(part.charges), fold.position
FROM (VALUES (%(organization)s::uuid)) AS tenant (id)
LEFT JOIN metering_usagefold fold ON fold.organization_id = tenant.id
LEFT JOIN (
    (
        SELECT slot.asset_id, width_bucket(slot.starts_at, %(bounds)s::timestamptz[]) AS place,
            sum(slot.amount) AS amount, sum(slot.charges) AS charges
        FROM metering_usageslot slot
        WHERE slot.organization_id = %(organization)s AND slot.customer_id = %(customer)s
            AND slot.starts_at >= %(start)s AND slot.starts_at < %(end)s
        GROUP BY slot.asset_id, place
    )
    UNION ALL ({
    _CHARGES.format(
        sign="",
        events="metering_event event",
        also="AND event.position > %(folded)s",
    )
})
    UNION ALL ({_VOIDED})
) part ON true
GROUP BY part.asset_id, part.place, fold.position
"""  # noqa: S608
