"""How what one batch of events has brought is written: each table by one statement."""

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection

from accounts import exact_json, identifiers, set_statements
from metering.event_drafts import EventDraft
from metering.models import DeadLetter
from pricing.rating import Rated

type TotalKey = tuple[uuid.UUID, uuid.UUID, str]
"""Period, price and matrix cell."""


@dataclass(slots=True)
class Total:
    """A running total; see `metering.models.UsageTotal`."""

    quantity: Decimal
    amount: Decimal
    overage: Decimal
    events: int


@dataclass(slots=True)
class Writes:
    """Rows of one transaction, collected while it is computed."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    rated: list[tuple[Any, ...]] = field(default_factory=list)
    totals: dict[TotalKey, Total] = field(default_factory=dict)
    dead_letters: dict[uuid.UUID, DeadLetter] = field(default_factory=dict)


def read_totals(
    *, organization_id: uuid.UUID, period_ids: Collection[uuid.UUID]
) -> dict[TotalKey, Total]:
    """Return the running totals of these periods."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT period_id, price_id, cell, quantity, amount, overage, events
            FROM metering_usagetotal WHERE organization_id = %s AND period_id = ANY(%s)
            """,
            [organization_id, list(period_ids)],
        )
        return {(row[0], row[1], row[2]): Total(*row[3:]) for row in cursor.fetchall()}


def write(writes: Writes, *, organization_id: uuid.UUID, at: dt.datetime) -> None:
    """Write everything that was collected."""
    _write_dead_letters(writes, organization_id=organization_id)
    if not writes.events:
        return
    totals = [
        (identifiers.new_id(), *key, total.quantity, total.amount, total.overage, total.events)
        for key, total in sorted(writes.totals.items())
    ]
    set_statements.execute(_INSERT_EVENTS, writes.events, organization_id, at)
    set_statements.execute(_INSERT_RATED, writes.rated, organization_id)
    set_statements.execute(_UPSERT_TOTALS, totals, organization_id)
    keys = [row[0] for row in writes.events]
    DeadLetter.objects.filter(organization=organization_id, key__in=keys, resolved_at=None).update(
        resolved_at=at
    )


def event_row(
    draft: EventDraft,
    *,
    customer_id: uuid.UUID,
    period_id: uuid.UUID,
    occurred_at: dt.datetime,
    is_late: bool,
    charges: Sequence[dict[str, str]],
) -> tuple[Any, ...]:
    """Return the columns of an event in the order the insert takes them."""
    return (
        draft.key,
        draft.source,
        draft.external_id,
        draft.type,
        customer_id,
        period_id,
        occurred_at,
        is_late,
        exact_json.encode(draft.properties).decode(),
        draft.payload_hash,
        exact_json.encode(charges).decode(),
    )


def rated_row(
    key: uuid.UUID, price_id: uuid.UUID, rated: Rated, overage: Decimal
) -> tuple[Any, ...]:
    """Return the columns of a rated event in the order the insert takes them."""
    working = exact_json.encode(rated.working).decode()
    return (key, price_id, rated.cell, rated.quantity, rated.amount, overage, working)


def _write_dead_letters(writes: Writes, *, organization_id: uuid.UUID) -> None:
    rows = [
        (
            letter.id, letter.key, letter.source, letter.external_id, letter.type,
            letter.customer_external_id, letter.occurred_at, letter.received_at,
            exact_json.encode(letter.properties).decode(), letter.reason, letter.detail,
        )
        for _, letter in sorted(writes.dead_letters.items())
    ]  # fmt: skip
    set_statements.execute(_UPSERT_DEAD_LETTERS, rows, organization_id)


_INSERT_EVENTS = """
INSERT INTO metering_event (
    organization_id, received_at, key, source, external_id, type, customer_id, period_id,
    occurred_at, is_late, properties, payload_hash, charges
)
SELECT %s, %s, key, source, external_id, type, customer_id, period_id, occurred_at, is_late,
    properties::jsonb, payload_hash, charges::jsonb
FROM unnest(
    %s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::timestamptz[],
    %s::boolean[], %s::text[], %s::bytea[], %s::text[]
) AS sent (
    key, source, external_id, type, customer_id, period_id, occurred_at, is_late, properties,
    payload_hash, charges
)
"""

_INSERT_RATED = """
INSERT INTO metering_ratedevent (
    organization_id, event_key, price_id, cell, quantity, amount, overage, working
)
SELECT %s, event_key, price_id, cell, quantity, amount, overage, working::jsonb
FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::text[]
) AS rated (event_key, price_id, cell, quantity, amount, overage, working)
"""

# The totals were read under the lock of the customer's accounts, so the new values stand.
_UPSERT_TOTALS = """
INSERT INTO metering_usagetotal AS total (
    organization_id, id, period_id, price_id, cell, quantity, amount, overage, events
)
SELECT %s, moved.* FROM unnest(
    %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[],
    %s::bigint[]
) AS moved
ON CONFLICT (organization_id, period_id, price_id, cell) DO UPDATE
SET quantity = excluded.quantity, amount = excluded.amount, overage = excluded.overage,
    events = excluded.events
"""

_UPSERT_DEAD_LETTERS = """
INSERT INTO metering_deadletter AS letter (
    organization_id, id, key, source, external_id, type, customer_external_id, occurred_at,
    received_at, properties, reason, detail
)
SELECT %s, id, key, source, external_id, type, customer_external_id, occurred_at, received_at,
    properties::jsonb, reason, detail
FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
    %s::timestamptz[], %s::text[], %s::text[], %s::text[]
) AS sent (
    id, key, source, external_id, type, customer_external_id, occurred_at, received_at,
    properties, reason, detail
)
ON CONFLICT (organization_id, key) DO UPDATE
SET type = excluded.type, customer_external_id = excluded.customer_external_id,
    occurred_at = excluded.occurred_at, received_at = excluded.received_at,
    properties = excluded.properties, reason = excluded.reason, detail = excluded.detail,
    resolved_at = NULL
"""
