"""The audit of corrections: what voids gave back and charged, against the books and the totals."""

from accounts.checks import Check

RERATED = """
SELECT void.organization_id, void.id AS void_id, void.customer_id, rated.price_id,
    rated.amount - rated.overage - rated.uncollected + coalesce(adjusted.paid, 0) AS paid
FROM metering_eventvoid void
JOIN metering_ratedevent rated
    ON rated.organization_id = void.organization_id AND rated.event_key = void.event_key
LEFT JOIN LATERAL (
    SELECT sum(adjustment.amount - adjustment.overage - adjustment.uncollected) AS paid
    FROM metering_adjustment adjustment
    WHERE adjustment.void_id = void.id AND adjustment.price_id = rated.price_id
) adjusted ON true
"""
"""What credit paid more of others' usage because of a void (below zero: less), by price."""

# What counts the rows each check looks at, by organization.
COUNTS = {
    "voids": "SELECT organization_id, count(*) FROM metering_eventvoid GROUP BY 1",
}

CHECKS = (
    Check(
        "a voided event has given back what it took",
        """
        SELECT void.organization_id, format('event %s', void.event_key),
            format('entry %s of account %s took %s and was not reversed',
                taken.account_version, taken.account_id, -taken.amount),
            void.customer_id
        FROM metering_eventvoid void
        JOIN accounts_ledgerentry taken
            ON taken.organization_id = void.organization_id
            AND taken.reference = void.event_key AND taken.kind = 'usage'
        LEFT JOIN accounts_ledgerentry undone
            ON undone.organization_id = taken.organization_id
            AND undone.account_id = taken.account_id
            AND undone.reverses_version = taken.account_version
        WHERE undone.account_id IS NULL
        """,
        over="voids",
    ),
    Check(
        "what a void made cheaper came back as credit, unless nobody had paid it",
        f"""
        SELECT rerated.organization_id, format('void %s', rerated.void_id),
            format('%s too much was paid in %s, %s was granted', rerated.less, rerated.asset,
                coalesce(credit.amount, 0)),
            rerated.customer_id
        FROM (
            SELECT each.organization_id, each.void_id, each.customer_id, asset.code AS asset,
                sum(greatest(-each.paid, 0)) AS less
            FROM ({RERATED}) each
            JOIN pricing_price price ON price.id = each.price_id
            JOIN accounts_asset asset ON asset.id = price.asset_id
            GROUP BY 1, 2, 3, 4
        ) rerated
        LEFT JOIN accounts_creditgrant credit
            ON credit.organization_id = rerated.organization_id
            AND credit.reference = format('void:%s:%s', rerated.void_id, rerated.asset)
        WHERE rerated.less <> coalesce(credit.amount, 0)
        """,  # noqa: S608
        over="voids",
    ),
    Check(
        "a void takes its event out of each total that counted it",
        """
        SELECT void.organization_id, format('void %s', void.id),
            format('event %s was rated at price %s in cell "%s"',
                void.event_key, rated.price_id, rated.cell),
            void.customer_id
        FROM metering_eventvoid void
        JOIN metering_ratedevent rated
            ON rated.organization_id = void.organization_id AND rated.event_key = void.event_key
        LEFT JOIN metering_adjustment adjusted
            ON adjusted.void_id = void.id AND adjusted.price_id = rated.price_id
            AND adjusted.kind = '' AND adjusted.cell = rated.cell
        WHERE adjusted.events IS DISTINCT FROM -1
        """,
        over="voids",
    ),
    Check(
        "a spend cap has counted every event that stands",
        """
        SELECT counted.organization_id, format('cap %s, "%s"', counted.cap_id, counted.bucket),
            format('has counted %s since %s, events that stand come to %s',
                coalesce(counter.used, 0), counted.starts_at, counted.amount),
            counted.customer_id
        FROM (
            SELECT event.organization_id, event.customer_id, (part ->> 'cap')::uuid AS cap_id,
                part ->> 'bucket' AS bucket,
                (part ->> 'window_starts_at')::timestamptz AS starts_at,
                sum((part ->> 'amount')::numeric) AS amount
            FROM metering_event event, jsonb_array_elements(event.counted) part
            WHERE event.counted <> '[]' AND NOT EXISTS (
                SELECT FROM metering_eventvoid void
                WHERE void.organization_id = event.organization_id
                    AND void.event_key = event.key
            )
            GROUP BY 1, 2, 3, 4, 5
        ) counted
        LEFT JOIN metering_capcounter counter
            ON counter.organization_id = counted.organization_id
            AND counter.cap_id = counted.cap_id AND counter.bucket = counted.bucket
            AND counter.window_starts_at = counted.starts_at
        WHERE coalesce(counter.used, 0) < counted.amount
        """,
        over="events",
    ),
    Check(
        "a unique count is as large as the values it has met",
        """
        SELECT total.organization_id,
            format('period %s price %s', total.period_id, total.price_id),
            format('counts %s, has met %s', total.quantity, met.number),
            (SELECT customer_id FROM metering_billingperiod WHERE id = total.period_id)
        FROM (
            SELECT total.organization_id, total.period_id, total.price_id,
                sum(total.quantity) AS quantity
            FROM metering_usagetotal total
            JOIN pricing_price price ON price.id = total.price_id
            JOIN pricing_meter meter ON meter.id = price.meter_id
            WHERE meter.aggregation = 'unique_count'
            GROUP BY 1, 2, 3
        ) total
        LEFT JOIN LATERAL (
            SELECT count(*) AS number FROM metering_distinctvalue met
            WHERE met.organization_id = total.organization_id
                AND met.period_id = total.period_id AND met.price_id = total.price_id
        ) met ON true
        WHERE total.quantity <> met.number
        """,
        over="usage totals",
    ),
)
