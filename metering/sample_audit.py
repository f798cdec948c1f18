"""The audit of a sample: some events priced again, some open periods added up again.

Prices are Python, so a charge cannot be checked in SQL, and reading every event each time would
cost more with every event. What is looked at is found by index alone, whatever has been stored.
"""

import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, models

from accounts import money
from accounts.checks import Difference
from accounts.models import Customer
from metering.models import BillingPeriod, Event, RatedEvent
from pricing import catalog
from pricing.models import Subscription
from pricing.price_form import PriceInvalid
from pricing.rating import before_of

CHARGED = "an event priced again costs what it was charged, to the last digit"
ADDED_UP = "the running totals of an open period are its events, added up again"

EVENTS = 200
"""How many events are drawn: one half from all there are, the other from the newest."""
NEWEST = 50
EVENTS_TO_A_PERIOD = 10
EVENTS_PER_PERIOD_MAX = 20_000
"""Periods with more are left to the checks that pass over everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was looked at, and what was wrong with it."""

    events: int
    totals: int
    differences: list[Difference]


def check(*, organization_id: uuid.UUID, seed: uuid.UUID, events: int = EVENTS) -> Sample:
    """Price a sample of the organization's events again and add up some of its open periods.

    `events` is how many are drawn at most; there is a period for every ten. The same seed on the
    same rows draws the same sample.
    """
    draw = random.Random(seed.int)  # noqa: S311  A sample, not a secret.
    keys = _drawn_from_all(organization_id, draw, number=events // 2)
    keys |= _drawn_from_newest(organization_id, draw, number=events // 2)
    customers = dict(
        Event.objects.filter(organization=organization_id, key__in=keys)
        .order_by()
        .values_list("key", "customer_id")
    )
    rated = RatedEvent.objects.filter(organization=organization_id, event_key__in=keys)
    differences = [
        Difference(
            CHARGED, organization_id, f"event {each.event_key}", wrong,
            customers.get(each.event_key),
        )
        for each in rated.select_related("price").order_by("event_key", "price")
        if (wrong := _wrong_with(each))
    ]  # fmt: skip
    totals = 0
    for period in _drawn_periods(organization_id, draw, number=events // EVENTS_TO_A_PERIOD):
        cells, wrong_cells = _add_up(period)
        totals += cells
        differences += wrong_cells
    return Sample(events=len(customers), totals=totals, differences=differences)


# Pricing again.


def _wrong_with(rated: RatedEvent) -> str:
    """Return what is wrong with a rated event, nothing if it is right."""
    try:
        again = _charged_again(rated)
    except (ArithmeticError, LookupError, TypeError, ValueError, PriceInvalid) as error:
        return f"charged {money.to_wire(rated.amount)}, cannot be priced again: {error!r}"
    if again != rated.amount:
        return f"charged {money.to_wire(rated.amount)}, priced again {money.to_wire(again)}"
    return ""


def _charged_again(rated: RatedEvent) -> Decimal:
    """Return what the price charges for an event that finds the period as this one found it."""
    price = catalog.compiled_plan(rated.price.plan_version_id).price(rated.price_id).compiled
    if not price.settles_on_event:
        return money.ZERO
    working = rated.working
    billable = Decimal(working.get("billable", working["quantity"]))
    steps = price.explain(rated.cell, before_of(working), billable)
    return sum((step.amount for step in steps), money.ZERO)


# Adding up again.

_ADD_UP = """
WITH event AS (
    SELECT key FROM metering_event
    WHERE organization_id = %(organization)s AND customer_id = %(customer)s
        AND occurred_at >= %(starts_at)s AND period_id = %(period)s AND NOT is_late
    UNION ALL
    SELECT key FROM metering_event
    WHERE organization_id = %(organization)s AND period_id = %(period)s AND is_late
), moved AS (
    SELECT price_id, cell, quantity, amount, overage, uncollected, 1 AS events
    FROM event
    JOIN metering_ratedevent rated
        ON rated.organization_id = %(organization)s AND rated.event_key = event.key
    UNION ALL
    SELECT price_id, cell, quantity, amount, overage, uncollected, events
    FROM metering_adjustment
    WHERE organization_id = %(organization)s AND period_id = %(period)s AND NOT is_after_invoice
), added AS (
    SELECT price_id, cell, sum(quantity) AS quantity, sum(amount) AS amount,
        sum(overage) AS overage, sum(uncollected) AS uncollected, sum(events) AS events
    FROM moved GROUP BY price_id, cell
), total AS (
    SELECT * FROM metering_usagetotal
    WHERE organization_id = %(organization)s AND period_id = %(period)s
)
SELECT format('period %%s price %%s cell %%s', %(period)s, price_id, cell),
    format('%%s for %%s, overage %%s, uncollected %%s, %%s events',
        total.quantity, total.amount, total.overage, total.uncollected, total.events)
    || format('; added up %%s for %%s, overage %%s, uncollected %%s, %%s events',
        added.quantity, added.amount, added.overage, added.uncollected, added.events),
    (total.quantity, total.amount, total.overage, total.uncollected, total.events)
        IS DISTINCT FROM
        (added.quantity, added.amount, added.overage, added.uncollected, added.events)
FROM total FULL JOIN added USING (price_id, cell)
"""


def _add_up(period: BillingPeriod) -> tuple[int, list[Difference]]:
    """Add up one period; returns how many totals it has, and those that are not right."""
    with connection.cursor() as cursor:
        cursor.execute(
            _ADD_UP,
            {
                "organization": period.organization_id,
                "customer": period.customer_id,
                "starts_at": period.starts_at,
                "period": period.id,
            },
        )
        cells = cursor.fetchall()
    return len(cells), [
        Difference(ADDED_UP, period.organization_id, subject, detail, period.customer_id)
        for subject, detail, is_wrong in cells
        if is_wrong
    ]


# Drawing. A random place in an index, and the first row from there on.


def _places(draw: random.Random, ends: Iterable[uuid.UUID], *, number: int) -> list[uuid.UUID]:
    """Return random places, and both ends, which otherwise had next to no chance."""
    first, last = sorted(ends)
    between = (draw.randint(first.int, last.int) for _ in range(number - 2))
    return [first, last, *(uuid.UUID(int=place) for place in between)]


def _ends(rows: models.QuerySet[Any], column: str) -> list[uuid.UUID]:
    """Return the least and the greatest value of an indexed column, or nothing."""
    values = rows.order_by(column).values_list(column, flat=True)
    return [end for end in (values.first(), values.last()) if end is not None]


def _drawn_from_all(
    organization_id: uuid.UUID, draw: random.Random, *, number: int
) -> set[uuid.UUID]:
    ends = _ends(RatedEvent.objects.filter(organization=organization_id), "event_key")
    if not ends:
        return set()
    query = """
    SELECT found.event_key FROM unnest(%s::uuid[]) AS place, LATERAL (
        SELECT event_key FROM metering_ratedevent
        WHERE organization_id = %s AND event_key >= place
        ORDER BY organization_id, event_key LIMIT 1
    ) found
    """
    places = _places(draw, ends, number=number)
    return {row[0] for row in _ask(query, places, organization_id)}


def _drawn_from_newest(
    organization_id: uuid.UUID, draw: random.Random, *, number: int
) -> set[uuid.UUID]:
    """Return events that are among the newest of some customers."""
    ends = _ends(Customer.objects.for_organization(organization_id), "id")
    if not ends:
        return set()
    query = """
    SELECT newest.key FROM unnest(%s::uuid[], %s::int[]) AS drawn (place, number), LATERAL (
        SELECT id FROM accounts_customer
        WHERE organization_id = %s AND id >= place ORDER BY organization_id, id LIMIT 1
    ) customer, LATERAL (
        SELECT key FROM metering_event
        WHERE organization_id = %s AND customer_id = customer.id
        ORDER BY occurred_at DESC LIMIT 1 OFFSET number
    ) newest
    """
    places = _places(draw, ends, number=number)
    numbers = [draw.randrange(NEWEST) for _ in places]
    return {row[0] for row in _ask(query, places, numbers, organization_id, organization_id)}


def _drawn_periods(
    organization_id: uuid.UUID, draw: random.Random, *, number: int
) -> list[BillingPeriod]:
    """Return some open periods whose events are few enough to be added up in passing."""
    ends = _ends(Subscription.objects.for_organization(organization_id), "id")
    if not ends:
        return []
    query = """
    SELECT DISTINCT period.id FROM unnest(%s::uuid[]) AS place, LATERAL (
        SELECT id FROM metering_billingperiod
        WHERE organization_id = %s AND closed_at IS NULL AND subscription_id >= place
        ORDER BY organization_id, subscription_id LIMIT 1
    ) period
    WHERE (
        SELECT coalesce(sum(events), 0) FROM metering_usagetotal
        WHERE organization_id = %s AND period_id = period.id
    ) <= %s
    """
    places = _places(draw, ends, number=number)
    rows = _ask(query, places, organization_id, organization_id, EVENTS_PER_PERIOD_MAX)
    ids = [row[0] for row in rows]
    return list(BillingPeriod.objects.for_organization(organization_id).filter(id__in=ids))


def _ask(query: str, *parameters: Any) -> list[tuple[uuid.UUID, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        rows: list[tuple[uuid.UUID, ...]] = cursor.fetchall()
    return rows
