"""What the database of a running product says about the events that were sent to it."""

from collections.abc import Collection
from pathlib import Path

import psycopg

from billing_site import embedded

_TIMES_STORED = """
    SELECT wanted.id, count(event.external_id)
    FROM unnest(%s::text[]) AS wanted (id)
    LEFT JOIN metering_event event ON event.external_id = wanted.id
    GROUP BY wanted.id
"""
# What left the accounts for an event against what its answer said they would pay.
_WRONGLY_PAID = """
    SELECT event.external_id, said.amount, paid.amount
    FROM metering_event event
    CROSS JOIN LATERAL (
        SELECT coalesce(sum((charge ->> 'amount')::numeric - (charge ->> 'overage')::numeric
            - coalesce((charge ->> 'uncollected')::numeric, 0)), 0)
        FROM jsonb_array_elements(event.charges) charge
    ) AS said (amount)
    CROSS JOIN LATERAL (
        SELECT coalesce(-sum(entry.amount), 0)
        FROM accounts_ledgerentry entry
        WHERE entry.organization_id = event.organization_id AND entry.reference = event.key
    ) AS paid (amount)
    WHERE event.external_id LIKE %s AND said.amount <> paid.amount
"""


def times_stored(home: Path, ids: Collection[str]) -> dict[str, int]:
    """Return how many rows there are for each event."""
    with psycopg.connect(embedded.database_url(home)) as connection:
        return dict(connection.execute(_TIMES_STORED, [list(ids)]).fetchall())


def wrongly_paid(home: Path, prefix: str) -> list[str]:
    """Return the events whose ledger entries do not add up to what they were charged, once."""
    with psycopg.connect(embedded.database_url(home)) as connection:
        rows = connection.execute(_WRONGLY_PAID, [f"{prefix}%"]).fetchall()
    return [f"{event}: charged {said}, paid {paid}" for event, said, paid in rows]
