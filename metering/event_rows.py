"""How what one batch of events has brought is written: each table by one statement."""

import datetime as dt
import hashlib
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from accounts import exact_json, identifiers, money, set_statements
from metering.event_drafts import EventDraft
from metering.models import DeadLetter
from metering.spend_caps import Counted
from pricing.costs import EventCost
from pricing.rating import CompiledPrice, Rated, Total, Totals, write_working

type TotalsKey = tuple[uuid.UUID, uuid.UUID]
"""Period and price."""

type TotalKey = tuple[uuid.UUID, uuid.UUID, str]
"""Period, price and matrix cell."""


class DistinctKey(NamedTuple):
    """A value that a unique count has met: where, and a hash of its matrix cell and itself."""

    period_id: uuid.UUID
    price_id: uuid.UUID
    value_hash: uuid.UUID


@dataclass(slots=True)
class Writes:
    """Rows of one transaction, collected while it is computed.

    `resolved` are the keys of dead letters that are recorded now.
    """

    events: list[tuple[Any, ...]] = field(default_factory=list)
    rated: list[tuple[Any, ...]] = field(default_factory=list)
    totals: dict[TotalKey, Total] = field(default_factory=dict)
    distinct: list[DistinctKey] = field(default_factory=list)
    dead_letters: dict[uuid.UUID, DeadLetter] = field(default_factory=dict)
    resolved: list[uuid.UUID] = field(default_factory=list)


def read_totals(
    *, organization_id: uuid.UUID, period_ids: Collection[uuid.UUID]
) -> dict[TotalsKey, Totals]:
    """Return what the prices of these periods hold.

    A cell whose events were all voided is as one that was never used.
    """
    cells: dict[TotalsKey, dict[str, Total]] = defaultdict(dict)
    rows = set_statements.read(_TOTALS, organization_id, set_statements.array(period_ids))
    for period_id, price_id, cell, *held in rows:
        cells[period_id, price_id][cell] = Total(*held)
    return {key: Totals.of(held) for key, held in cells.items()}


_TOTALS = """
SELECT period_id, price_id, cell, quantity, billable, metered_amount, amount, overage, uncollected,
    events, latest_at
FROM metering_usagetotal
WHERE organization_id = %s AND period_id = ANY(%s::uuid[]) AND events > 0
"""


def distinct_key(period_id: uuid.UUID, price_id: uuid.UUID, cell: str, value: str) -> DistinctKey:
    """Return the identity of a value that a unique count meets in a cell."""
    text = f"{len(cell)}:{cell}{value}".encode()
    digest = hashlib.blake2b(text, digest_size=16).digest()
    return DistinctKey(period_id, price_id, uuid.UUID(bytes=digest))


def read_distinct(
    *, organization_id: uuid.UUID, asked: Collection[DistinctKey]
) -> set[DistinctKey]:
    """Return which of the values asked for were met before."""
    if not asked:
        return set()
    rows = set_statements.read(
        _MET, *map(set_statements.array, zip(*asked, strict=True)), organization_id
    )
    return {DistinctKey(*row) for row in rows}


_MET = """
SELECT period_id, price_id, value_hash
FROM metering_distinctvalue met
JOIN unnest(%s::uuid[], %s::uuid[], %s::uuid[]) AS asked (period_id, price_id, value_hash)
    USING (period_id, price_id, value_hash)
WHERE met.organization_id = %s
"""


class Known(NamedTuple):
    """An event that is stored, or about to be by this very set: its hash and its charges."""

    payload_hash: bytes
    charges: Sequence[dict[str, str]]


class KnownKeys(NamedTuple):
    """What is known of some keys: the events stored, and the dead letters that wait."""

    events: dict[uuid.UUID, Known]
    dead_letters: list[uuid.UUID]


def read_known(*, organization_id: uuid.UUID, keys: Collection[uuid.UUID]) -> KnownKeys:
    """Return which of these keys are known."""
    known = KnownKeys({}, [])
    asked = set_statements.array(keys)
    rows = set_statements.read(_KNOWN, organization_id, asked, organization_id, asked)
    for key, payload_hash, charges in rows:
        if payload_hash is None:
            known.dead_letters.append(key)
        else:
            known.events[key] = Known(bytes(payload_hash), exact_json.decode_stored(charges))
    return known


_KNOWN = """
SELECT key, payload_hash, charges FROM metering_event
WHERE organization_id = %s AND key = ANY(%s::uuid[])
UNION ALL
SELECT key, NULL, NULL FROM metering_deadletter
WHERE organization_id = %s AND key = ANY(%s::uuid[]) AND resolved_at IS NULL
"""


def write(writes: Writes, *, organization_id: uuid.UUID, at: dt.datetime) -> None:
    """Write everything that was collected."""
    _write_dead_letters(writes, organization_id=organization_id)
    if not writes.events:
        return
    totals = [
        (
            total_id, *key, total.quantity, total.billable, total.metered, total.amount,
            total.overage, total.uncollected, total.events, total.latest_at,
        )
        for total_id, (key, total) in zip(
            identifiers.new_ids(len(writes.totals)), writes.totals.items(), strict=True
        )
    ]  # fmt: skip
    set_statements.execute(_INSERT_EVENTS, writes.events, organization_id, at)
    set_statements.execute(_INSERT_RATED, writes.rated, organization_id)
    set_statements.execute(_UPSERT_TOTALS, totals, organization_id)
    set_statements.execute(_INSERT_DISTINCT, writes.distinct, organization_id)
    if writes.resolved:
        DeadLetter.objects.filter(
            organization=organization_id, key__in=writes.resolved, resolved_at=None
        ).update(resolved_at=at)


def event_row(
    draft: EventDraft,
    *,
    customer_id: uuid.UUID,
    period_id: uuid.UUID,
    occurred_at: dt.datetime,
    is_late: bool,
    charges: Sequence[dict[str, str]],
    cost: EventCost | None,
    authorization_id: uuid.UUID | None = None,
    counted: Sequence[Counted] = (),
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
        draft.properties_json,
        draft.payload_hash,
        exact_json.encode(charges).decode(),
        *_cost_columns(cost),
        authorization_id,
        draft.is_backfill,
        exact_json.encode([_counted(each) for each in counted]).decode() if counted else "[]",
    )


def _counted(counted: Counted) -> dict[str, str]:
    cap_id, bucket, window_starts_at = counted.key
    return {
        "cap": str(cap_id),
        "bucket": bucket,
        "window_starts_at": window_starts_at.isoformat(),
        "amount": money.to_wire(counted.amount),
    }


def _cost_columns(cost: EventCost | None) -> tuple[Decimal | None, uuid.UUID | None, str | None]:
    if cost is None:
        return None, None, None
    parts = {meter: money.to_wire(part) for meter, part in cost.parts.items()}
    return cost.amount, cost.asset_id, exact_json.encode(parts).decode()


def rated_row(
    key: uuid.UUID,
    price_id: uuid.UUID,
    price: CompiledPrice,
    rated: Rated,
    *,
    overage: Decimal,
    uncollected: Decimal,
) -> tuple[Any, ...]:
    """Return the columns of a rated event in the order the insert takes them."""
    return (
        key, price_id, rated.cell, rated.quantity, rated.amount, overage, uncollected,
        write_working(price, rated),
    )  # fmt: skip


def _write_dead_letters(writes: Writes, *, organization_id: uuid.UUID) -> None:
    rows = [
        (
            letter.id, letter.key, letter.source, letter.external_id, letter.type,
            letter.customer_external_id, letter.occurred_at, letter.received_at,
            exact_json.encode(letter.properties).decode(), letter.reason, letter.detail,
            letter.is_backfill, letter.payload_hash,
        )
        for _, letter in sorted(writes.dead_letters.items())
    ]  # fmt: skip
    set_statements.execute(_UPSERT_DEAD_LETTERS, rows, organization_id)


_INSERT_EVENTS = """
INSERT INTO metering_event (
    organization_id, received_at, key, source, external_id, type, customer_id, period_id,
    occurred_at, is_late, properties, payload_hash, charges, cost_amount, cost_asset_id, cost_parts,
    authorization_id, is_backfill, counted
)
SELECT %s, %s, key, source, external_id, type, customer_id, period_id, occurred_at, is_late,
    properties::jsonb, payload_hash, charges::jsonb, cost_amount, cost_asset_id, cost_parts::jsonb,
    authorization_id, is_backfill, counted::jsonb
FROM unnest(
    %s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::timestamptz[],
    %s::boolean[], %s::text[], %s::bytea[], %s::text[], %s::numeric[], %s::uuid[], %s::text[],
    %s::uuid[], %s::boolean[], %s::text[]
) WITH ORDINALITY AS sent (
    key, source, external_id, type, customer_id, period_id, occurred_at, is_late, properties,
    payload_hash, charges, cost_amount, cost_asset_id, cost_parts, authorization_id, is_backfill,
    counted, place
)
ORDER BY place
"""

_INSERT_RATED = """
INSERT INTO metering_ratedevent (
    organization_id, event_key, price_id, cell, quantity, amount, overage, uncollected, working
)
SELECT %s, event_key, price_id, cell, quantity, amount, overage, uncollected, working::jsonb
FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[],
    %s::numeric[], %s::text[]
) AS rated (event_key, price_id, cell, quantity, amount, overage, uncollected, working)
"""

# The totals were read under the lock of the customer's accounts, so the new values stand.
_UPSERT_TOTALS = """
INSERT INTO metering_usagetotal AS total (
    organization_id, id, period_id, price_id, cell, quantity, billable, metered_amount, amount,
    overage, uncollected, events, latest_at
)
SELECT %s, moved.* FROM unnest(
    %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[],
    %s::numeric[], %s::numeric[], %s::numeric[], %s::bigint[], %s::timestamptz[]
) AS moved
ON CONFLICT (organization_id, period_id, price_id, cell) DO UPDATE
SET quantity = excluded.quantity, billable = excluded.billable,
    metered_amount = excluded.metered_amount, amount = excluded.amount,
    overage = excluded.overage, uncollected = excluded.uncollected, events = excluded.events,
    latest_at = excluded.latest_at
"""

_INSERT_DISTINCT = """
INSERT INTO metering_distinctvalue (organization_id, period_id, price_id, value_hash)
SELECT %s, met.* FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[]) AS met
"""

_UPSERT_DEAD_LETTERS = """
INSERT INTO metering_deadletter AS letter (
    organization_id, id, key, source, external_id, type, customer_external_id, occurred_at,
    received_at, properties, reason, detail, is_backfill, payload_hash
)
SELECT %s, id, key, source, external_id, type, customer_external_id, occurred_at, received_at,
    properties::jsonb, reason, detail, is_backfill, payload_hash
FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
    %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::boolean[], %s::bytea[]
) AS sent (
    id, key, source, external_id, type, customer_external_id, occurred_at, received_at,
    properties, reason, detail, is_backfill, payload_hash
)
ON CONFLICT (organization_id, key) DO UPDATE
SET type = excluded.type, customer_external_id = excluded.customer_external_id,
    occurred_at = excluded.occurred_at, received_at = excluded.received_at,
    properties = excluded.properties, reason = excluded.reason, detail = excluded.detail,
    is_backfill = excluded.is_backfill, payload_hash = excluded.payload_hash, resolved_at = NULL
"""
