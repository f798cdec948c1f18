"""How spend caps and their counters are read under lock and written back, each by one statement."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

from accounts import set_statements
from metering.spend_caps import Cap, CapBook, Counter, CounterKey, Window, cap_name


class Capped(NamedTuple):
    """A customer whose caps are asked for, by whose clock and in which period they count."""

    customer_id: uuid.UUID
    zone: ZoneInfo
    period_starts_at: dt.datetime


def read_cap_books(
    *, organization_id: uuid.UUID, customers: Collection[Capped], at: dt.datetime
) -> Mapping[uuid.UUID, CapBook]:
    """Return the cap books of the customers that have caps in force, by customer id."""
    caps = _read_caps(organization_id, [each.customer_id for each in customers])
    if not caps:
        return {}
    books = {
        each.customer_id: CapBook(
            caps=caps[each.customer_id],
            counters={},
            at=at,
            zone=each.zone,
            period_starts_at=each.period_starts_at,
        )
        for each in customers
        if each.customer_id in caps
    }
    _read_counters(organization_id, books.values(), at=at)
    return books


def _read_caps(
    organization_id: uuid.UUID, customer_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[Cap]]:
    caps: dict[uuid.UUID, list[Cap]] = defaultdict(list)
    asked = set_statements.array(customer_ids)
    for row in set_statements.read(_IN_FORCE, organization_id, asked):
        cap = _cap(*row)
        caps[cap.customer_id].append(cap)
    return caps


def _cap(cap_id: uuid.UUID, customer_id: uuid.UUID, *terms: Any) -> Cap:
    name, owner, window, limit, asset_id, meter, property_name, property_value = terms
    return Cap(
        id=cap_id,
        customer_id=customer_id,
        name=cap_name(name, limit=limit, window=window),
        owner=owner,
        window=Window(window),
        limit=limit,
        asset_id=asset_id,
        meter=meter or "",
        property_name=property_name,
        property_value=property_value,
    )


_IN_FORCE = """
SELECT cap.id, cap.customer_id, cap.name, cap.owner, cap."window", cap.most, cap.asset_id,
    meter.code, cap.property_name, cap.property_value
FROM metering_spendcap cap
LEFT JOIN pricing_meter meter ON meter.id = cap.meter_id
WHERE cap.organization_id = %s AND cap.customer_id = ANY(%s::uuid[]) AND cap.is_active
ORDER BY cap.created_at, cap.id
"""


def _read_counters(
    organization_id: uuid.UUID, books: Collection[CapBook], *, at: dt.datetime
) -> None:
    """Fill in what the current windows hold, of every value there is a count of.

    What authorizations have reserved counts as long as they are open, whoever books their end.
    """
    windows = {
        (cap.id, book.key_of(cap, "").window_starts_at): book for book in books for cap in book.caps
    }
    cap_ids, starts = (list(column) for column in zip(*windows, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH asked AS (
                SELECT * FROM unnest(%s::uuid[], %s::timestamptz[])
                    AS asked (cap_id, window_starts_at)
            )
            SELECT cap_id, bucket, window_starts_at, sum(used), sum(held)
            FROM (
                SELECT cap_id, bucket, window_starts_at, used, 0 AS held
                FROM metering_capcounter JOIN asked USING (cap_id, window_starts_at)
                WHERE organization_id = %s
                UNION ALL
                SELECT cap_id, bucket, window_starts_at, 0, amount
                FROM metering_capreservation JOIN asked USING (cap_id, window_starts_at)
                WHERE organization_id = %s AND (ends_at IS NULL OR ends_at > %s)
            ) counted
            GROUP BY 1, 2, 3
            """,
            [cap_ids, starts, organization_id, organization_id, at],
        )
        for cap_id, bucket, window_starts_at, used, held in cursor.fetchall():
            book = windows[cap_id, window_starts_at]
            book.counters[CounterKey(cap_id, bucket, window_starts_at)] = Counter(used, held)


def write_cap_books(books: Iterable[CapBook], *, organization_id: uuid.UUID) -> None:
    """Write the counters that changed."""
    rows = [(*key, book.counters[key].used) for book in books for key in sorted(book.touched)]
    set_statements.execute(_UPSERT_COUNTERS, rows, organization_id)


# The counters were read under the lock of the customer's accounts, so the new values stand.
_UPSERT_COUNTERS = """
INSERT INTO metering_capcounter AS counter (
    organization_id, cap_id, bucket, window_starts_at, used
)
SELECT %s, moved.* FROM unnest(
    %s::uuid[], %s::text[], %s::timestamptz[], %s::numeric[]
) AS moved
ON CONFLICT (organization_id, cap_id, bucket, window_starts_at) DO UPDATE
SET used = excluded.used
"""
