"""Usage folding: events are added to the usage slots of their customers, each of them once.

Recording does nothing for it. Every few seconds a worker takes what has come since, by the events'
positions, and notes in the same transaction how far it is. Positions are given out before their
transactions commit, so it first waits until all that were at work when it looked are over.
"""

import time
import uuid
from collections.abc import Sequence

from django.db import connection, transaction

from metering.models import UsageFold, UsageSlot

SLOT_MINUTES = 30
POSITIONS_PER_TRANSACTION = 20_000
_PATIENCE_SECONDS = 2.0
_PAUSE_SECONDS = 0.005


def fold() -> int:
    """Add every organization's newest events to its slots; returns how many slots that moved.

    Gives up, without harm, when somebody has been writing events for seconds; the next run goes on.
    Any number of workers may do this at once, and any of them may be killed.
    """
    horizon = _horizon()
    if horizon is None:
        return 0
    _begin_where_missing(horizon)
    moved = 0
    while (behind := _furthest_behind(horizon)) is not None:
        moved += _fold_from(behind, horizon=horizon)
    _summarize()
    return moved


def restart(organization_id: uuid.UUID) -> None:
    """Forget an organization's slots; the next `fold` makes them again from its events."""
    with transaction.atomic():
        # In this order: a worker that is at it finishes first, and what it has added goes as well.
        UsageFold.objects.for_organization(organization_id).delete()
        UsageSlot.objects.filter(organization=organization_id).delete()


def _horizon() -> int | None:
    """Return a position such that no event at or below it is still to come."""
    with connection.cursor() as cursor:
        cursor.execute(_DRAWN)
        [position] = cursor.fetchone()
    # Whoever has drawn a number by now held a lock on the table before.
    writers, deadline = _writers(), time.monotonic() + _PATIENCE_SECONDS
    while writers and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        writers &= _writers()
    return None if writers else int(position)


_DRAWN = """
SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM metering_event_position
"""


def _writers() -> set[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_WRITERS)
        return set(cursor.fetchall())


_WRITERS = """
SELECT virtualtransaction, pid FROM pg_locks
WHERE locktype = 'relation' AND relation = 'metering_event'::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND mode = 'RowExclusiveLock' AND pid IS DISTINCT FROM pg_backend_pid()
"""


def _begin_where_missing(horizon: int) -> None:
    """Let organizations begin right before their first event, not with those of all others."""
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, {"horizon": horizon})


_BEGIN = """
INSERT INTO metering_usagefold (id, organization_id, position)
SELECT gen_random_uuid(), organization.id, least(
    %(horizon)s,
    (SELECT min(position) - 1 FROM metering_event WHERE organization_id = organization.id)
)
FROM accounts_organization organization
WHERE NOT EXISTS (
    SELECT FROM metering_usagefold fold WHERE fold.organization_id = organization.id
)
ON CONFLICT (organization_id) DO NOTHING
"""


def _furthest_behind(horizon: int) -> int | None:
    folds = UsageFold.objects.filter(position__lt=horizon).order_by("position")
    return folds.values_list("position", flat=True).first()


def _fold_from(position: int, *, horizon: int) -> int:
    """Fold a stretch of positions for all organizations that stand at `position`."""
    until = min(position + POSITIONS_PER_TRANSACTION, horizon)
    with transaction.atomic():
        folds = UsageFold.objects.filter(position=position).order_by("id")
        # One that another worker has moved meanwhile is not found any more.
        organizations = list(folds.select_for_update().values_list("organization_id", flat=True))
        moved = _add(organizations, after=position, until=until)
        folds.filter(organization__in=organizations).update(position=until)
    return moved


def _add(organization_ids: Sequence[uuid.UUID], *, after: int, until: int) -> int:
    if not organization_ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            _ADD, {"organizations": list(organization_ids), "after": after, "until": until}
        )
        return int(cursor.rowcount)


_ADD = f"""
INSERT INTO metering_usageslot AS slot (
    organization_id, customer_id, starts_at, asset_id, amount, charges
)
SELECT event.organization_id, event.customer_id,
    date_bin('{SLOT_MINUTES} minutes', event.occurred_at, 'epoch') AS starts_at, price.asset_id,
    sum(rated.amount), count(*)
FROM metering_event event
JOIN metering_ratedevent rated
    ON rated.organization_id = event.organization_id AND rated.event_key = event.key
JOIN pricing_price price
    ON price.organization_id = rated.organization_id AND price.id = rated.price_id
WHERE event.position > %(after)s AND event.position <= %(until)s
    AND event.organization_id = ANY(%(organizations)s)
GROUP BY event.organization_id, event.customer_id, starts_at, price.asset_id
ORDER BY event.organization_id, event.customer_id, starts_at, price.asset_id
ON CONFLICT (organization_id, customer_id, starts_at, asset_id) DO UPDATE
SET amount = slot.amount + excluded.amount, charges = slot.charges + excluded.charges
"""  # noqa: S608


def _summarize() -> None:
    """Let the index of positions know the newest events, which it else learns minutes later."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT brin_summarize_new_values('event_by_position')")
