"""What a backtest reads and writes: recorded events in their order, charges, and results."""

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet, Sum

from accounts import exact_json, identifiers, set_statements
from metering.models import BacktestRun, BillingPeriod, PeriodCharge
from metering.replaying import Amount, Difference
from metering.standing_events import STANDING

EVENTS_AT_ONCE = 2_000
# An event is received in its period and may lie a little ahead of that, never as much as this.
_AHEAD_MAX = dt.timedelta(days=1)


class RecordedEvent(NamedTuple):
    """An event as it was recorded; `position` rises in the order in which events were rated."""

    position: int
    external_id: str
    type: str
    occurred_at: dt.datetime
    received_at: dt.datetime
    properties: Mapping[str, Any]
    charged: list[Amount]
    cost: Amount | None


@contextmanager
def events_of(
    period: BillingPeriod, *, after: int, received_before: dt.datetime | None
) -> Iterator[Iterator[RecordedEvent]]:
    """Read a period's events beyond the position `after`, in order and a few at a time.

    Voided events are left out.
    Must run in a transaction. One reading at a time: it is a cursor of the server's.
    """
    parameters: dict[str, Any] = {
        "organization": period.organization_id,
        "customer": period.customer_id,
        "period": period.id,
        "starts_at": period.starts_at,
        "ends_at": period.ends_at + _AHEAD_MAX,
        "after": after,
        "received_before": received_before,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"DECLARE recorded NO SCROLL CURSOR FOR {_EVENTS}", parameters)
        yield _fetched(cursor)
        # Not reached when the block fails, but then the transaction ends and the cursor with it.
        cursor.execute("CLOSE recorded")


def _fetched(cursor: Any) -> Iterator[RecordedEvent]:
    while True:
        cursor.execute(f"FETCH {EVENTS_AT_ONCE} FROM recorded")
        rows = cursor.fetchall()
        for position, external_id, event_type, *moments, properties, charges, asset, cost in rows:
            charged = [
                Amount(charge["asset"], Decimal(charge["amount"]))
                for charge in exact_json.decode_stored(charges)
            ]
            occurred_at, received_at = moments
            yield RecordedEvent(
                position=position,
                external_id=external_id,
                type=event_type,
                occurred_at=occurred_at,
                received_at=received_at,
                properties=exact_json.decode_stored(properties),
                charged=charged,
                cost=None if cost is None else Amount(asset, cost),
            )
        if len(rows) < EVENTS_AT_ONCE:
            return


# What is not late lies between the bounds of its period, where the index by customer finds it.
_EVENTS = f"""
    SELECT event.position, event.external_id, event.type, event.occurred_at, event.received_at,
        event.properties::text, event.charges::text, asset.code, event.cost_amount
    FROM (
        SELECT * FROM metering_event
        WHERE organization_id = %(organization)s AND customer_id = %(customer)s
            AND period_id = %(period)s AND NOT is_late
            AND occurred_at >= %(starts_at)s AND occurred_at < %(ends_at)s
        UNION ALL
        SELECT * FROM metering_event
        WHERE organization_id = %(organization)s AND period_id = %(period)s AND is_late
    ) event
    LEFT JOIN accounts_asset asset ON asset.id = event.cost_asset_id
    WHERE event.position > %(after)s AND {STANDING}
        AND (%(received_before)s::timestamptz IS NULL OR event.received_at < %(received_before)s)
    ORDER BY event.position
"""  # noqa: S608


def count_events(periods: QuerySet[BillingPeriod], *, received_before: dt.datetime) -> int:
    """Return how many events lie in these periods."""
    sql, parameters = periods.order_by().values("id").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT.format(periods=sql, standing=STANDING), [*parameters, received_before]
        )
        [total] = cursor.fetchone()
    return int(total)


_COUNT = """
    SELECT count(*) FROM metering_billingperiod period
    JOIN metering_event event
        ON event.organization_id = period.organization_id
        AND event.customer_id = period.customer_id
        AND event.period_id = period.id
        AND (event.is_late OR event.occurred_at >= period.starts_at)
    WHERE period.id IN ({periods}) AND event.received_at < %s AND {standing}
"""


def charged_at_close(period: BillingPeriod) -> list[Amount]:
    """Return what the close of a settled period has charged, by asset."""
    charges = (
        PeriodCharge.objects.for_organization(period.organization_id)
        .filter(period=period)
        .values_list("price__asset__code")
        .annotate(charged=Sum("amount"))
    )
    return [Amount(asset, charged) for asset, charged in charges.order_by()]


def rerated(period: BillingPeriod) -> list[Amount]:
    """Return what voids have made the other events of a period dearer by, by asset.

    What is below zero made them cheaper. With it, the events that stand and the close come to what
    the period was charged.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RERATED, {"organization": period.organization_id, "period": period.id})
        return [Amount(asset, amount) for asset, amount in cursor.fetchall()]


_RERATED = """
    SELECT asset.code, sum(moved.amount)
    FROM (
        SELECT price_id, amount FROM metering_adjustment
        WHERE organization_id = %(organization)s AND period_id = %(period)s
        UNION ALL
        SELECT rated.price_id, rated.amount
        FROM metering_ratedevent rated
        WHERE rated.organization_id = %(organization)s AND rated.event_key IN (
            SELECT void.event_key
            FROM metering_eventvoid void
            JOIN metering_adjustment adjusted ON adjusted.void_id = void.id
            WHERE adjusted.organization_id = %(organization)s AND adjusted.period_id = %(period)s
        )
    ) moved
    JOIN pricing_price price ON price.id = moved.price_id
    JOIN accounts_asset asset ON asset.id = price.asset_id
    GROUP BY asset.code
    HAVING sum(moved.amount) <> 0
"""


def add_results(
    differences: Mapping[tuple[uuid.UUID, uuid.UUID], Difference],
    run: BacktestRun,
    *,
    at: dt.datetime,
) -> None:
    """Add differences, by customer and asset id, to the results of a run."""
    rows = [
        (
            identifiers.new_id(), customer_id, asset_id, each.charged, each.would_be, each.events,
            each.unpriced, each.cost, each.uncosted, each.charged_uncosted, each.would_be_uncosted,
        )
        for (customer_id, asset_id), each in sorted(differences.items())
    ]  # fmt: skip
    set_statements.execute(_ADD_RESULTS, rows, run.organization_id, run.id, at)


_ADD_RESULTS = """
INSERT INTO metering_backtestresult AS result (
    organization_id, run_id, replayed_at, id, customer_id, asset_id, charged, would_be, events,
    unpriced, cost, uncosted, charged_uncosted, would_be_uncosted
)
SELECT %s, %s, %s, counted.* FROM unnest(
    %s::uuid[], %s::uuid[], %s::uuid[], %s::numeric[], %s::numeric[], %s::bigint[], %s::bigint[],
    %s::numeric[], %s::bigint[], %s::numeric[], %s::numeric[]
) AS counted
ON CONFLICT (organization_id, run_id, customer_id, asset_id) DO UPDATE
SET charged = result.charged + excluded.charged,
    would_be = result.would_be + excluded.would_be,
    events = result.events + excluded.events,
    unpriced = result.unpriced + excluded.unpriced,
    cost = CASE WHEN result.cost IS NULL THEN excluded.cost
        ELSE result.cost + coalesce(excluded.cost, 0) END,
    uncosted = result.uncosted + excluded.uncosted,
    charged_uncosted = result.charged_uncosted + excluded.charged_uncosted,
    would_be_uncosted = result.would_be_uncosted + excluded.would_be_uncosted,
    replayed_at = excluded.replayed_at
"""
