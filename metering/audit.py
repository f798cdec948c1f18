"""The audit of usage: what events cost, computed again, against the books and the totals."""

from accounts.checks import Check
from metering import authorization_audit, correction_audit
from metering.correction_audit import RERATED

# What counts the rows each check looks at, by organization.
COUNTS = {
    "events": "SELECT organization_id, count(*) FROM metering_event GROUP BY 1",
    "rated events": "SELECT organization_id, count(*) FROM metering_ratedevent GROUP BY 1",
    "usage totals": "SELECT organization_id, count(*) FROM metering_usagetotal GROUP BY 1",
    "alert firings": "SELECT organization_id, count(*) FROM metering_alertfiring GROUP BY 1",
    **authorization_audit.COUNTS,
    **correction_audit.COUNTS,
}

CHECKS = (
    Check(
        "an event is stored once",
        """
        SELECT organization_id, format('event %s', external_id),
            format('stored %s times from source "%s"', count(*), source),
            unnest(array_agg(DISTINCT customer_id))
        FROM metering_event
        GROUP BY organization_id, source, external_id
        HAVING count(*) > 1
        """,
        over="events",
    ),
    Check(
        "an event or a closed period has taken what it cost, less what credit did not pay",
        # Or a void, of what became dearer by it.
        f"""
        SELECT organization_id, format('event or period %s', key),
            format('rated %s, taken %s, from an account in the same asset', rated.due, taken.total),
            customer_id
        FROM (
            SELECT rated.organization_id, rated.event_key AS key, event.customer_id,
                price.asset_id,
                sum(rated.amount - rated.overage - rated.uncollected) AS due
            FROM metering_ratedevent rated
            JOIN metering_event event
                ON event.organization_id = rated.organization_id AND event.key = rated.event_key
            JOIN pricing_price price ON price.id = rated.price_id
            GROUP BY 1, 2, 3, 4
            UNION ALL
            SELECT charge.organization_id, charge.period_id, period.customer_id, price.asset_id,
                sum(charge.amount - charge.overage)
            FROM metering_periodcharge charge
            JOIN metering_billingperiod period ON period.id = charge.period_id
            JOIN pricing_price price ON price.id = charge.price_id
            GROUP BY 1, 2, 3, 4
            UNION ALL
            SELECT rerated.organization_id, rerated.void_id, rerated.customer_id, price.asset_id,
                sum(greatest(rerated.paid, 0))
            FROM ({RERATED}) rerated
            JOIN pricing_price price ON price.id = rerated.price_id
            GROUP BY 1, 2, 3, 4
        ) rated
        FULL JOIN (
            SELECT entry.organization_id, entry.reference AS key, account.customer_id,
                account.asset_id, -sum(entry.amount) AS total
            FROM accounts_ledgerentry entry
            JOIN accounts_creditaccount account ON account.id = entry.account_id
            WHERE entry.kind = 'usage' AND NOT EXISTS (
                -- What a hold took when its time came has no event; see the next promises.
                SELECT FROM accounts_hold hold
                WHERE hold.organization_id = entry.organization_id
                    AND hold.account_id = entry.account_id AND hold.reference = entry.reference
            )
            GROUP BY 1, 2, 3, 4
        ) taken USING (organization_id, key, customer_id, asset_id)
        WHERE coalesce(rated.due, 0) <> coalesce(taken.total, 0)
        """,  # noqa: S608
        over="rated events",
    ),
    Check(
        "an event was answered with what it was rated at",
        """
        SELECT organization_id, format('event %s', key),
            format('answered %s + %s + %s, rated %s + %s + %s in %s', answered.paid,
                answered.overage, answered.uncollected, rated.paid, rated.overage,
                rated.uncollected, coalesce(answered.asset, rated.asset)),
            (SELECT customer_id FROM metering_event event
                WHERE (event.organization_id, event.key) = (
                    coalesce(answered.organization_id, rated.organization_id),
                    coalesce(answered.key, rated.key)
                ))
        FROM (
            SELECT event.organization_id, event.key, charge ->> 'asset' AS asset,
                (charge ->> 'amount')::numeric - (charge ->> 'overage')::numeric - uncollected
                    AS paid,
                (charge ->> 'overage')::numeric AS overage, uncollected
            FROM metering_event event, jsonb_array_elements(event.charges) charge,
                coalesce((charge ->> 'uncollected')::numeric, 0) uncollected
        ) answered
        FULL JOIN (
            SELECT rated.organization_id, rated.event_key AS key, asset.code AS asset,
                sum(rated.amount - rated.overage - rated.uncollected) AS paid,
                sum(rated.overage) AS overage, sum(rated.uncollected) AS uncollected
            FROM metering_ratedevent rated
            JOIN pricing_price price ON price.id = rated.price_id
            JOIN accounts_asset asset ON asset.id = price.asset_id
            GROUP BY 1, 2, 3
        ) rated USING (organization_id, key, asset)
        WHERE answered.paid IS DISTINCT FROM rated.paid
            OR answered.overage IS DISTINCT FROM rated.overage
            OR answered.uncollected IS DISTINCT FROM rated.uncollected
        """,
        over="events",
    ),
    Check(
        "a rated event has its event",
        """
        SELECT rated.organization_id, format('event %s', rated.event_key), 'is not stored',
            (SELECT account.customer_id FROM accounts_ledgerentry entry
                JOIN accounts_creditaccount account ON account.id = entry.account_id
                WHERE entry.organization_id = rated.organization_id
                    AND entry.reference = rated.event_key AND entry.kind = 'usage' LIMIT 1)
        FROM metering_ratedevent rated
        LEFT JOIN metering_event event
            ON event.organization_id = rated.organization_id AND event.key = rated.event_key
        WHERE event.key IS NULL
        """,
        over="rated events",
    ),
    Check(
        "what an event cost is the sum of its parts",
        """
        SELECT event.organization_id, format('event %s', event.key),
            format('cost %s, its parts add up to %s', event.cost_amount, part.total),
            event.customer_id
        FROM metering_event event
        LEFT JOIN LATERAL (
            SELECT sum(each.amount::numeric) AS total
            FROM jsonb_each_text(event.cost_parts) AS each (meter, amount)
        ) part ON true
        WHERE event.cost_amount IS DISTINCT FROM part.total
        """,
        over="events",
    ),
    Check(
        "an event lies in a period of its own customer",
        """
        SELECT event.organization_id, format('event %s', event.key),
            format('of customer %s lies in period %s', event.customer_id, event.period_id),
            coalesce(period.customer_id, event.customer_id)
        FROM metering_event event
        LEFT JOIN metering_billingperiod period ON period.id = event.period_id
        WHERE period.organization_id IS DISTINCT FROM event.organization_id
            OR period.customer_id IS DISTINCT FROM event.customer_id
        """,
        over="events",
    ),
    Check(
        "a usage total is the sum of its rated events and of what voids have changed",
        """
        SELECT organization_id, format('period %s price %s cell %s', period_id, price_id, cell),
            format('%s for %s, overage %s, %s events; rated %s for %s, overage %s, %s events',
                total.quantity, total.amount, total.overage, total.events,
                rated.quantity, rated.amount, rated.overage, rated.events)
            || format('; billable %s metered %s, rated billable %s metered %s',
                total.billable, total.metered_amount, rated.billable, rated.metered_amount)
            || format('; uncollected %s, rated uncollected %s',
                total.uncollected, rated.uncollected),
            (SELECT customer_id FROM metering_billingperiod WHERE id = period_id)
        FROM metering_usagetotal total
        FULL JOIN (
            SELECT organization_id, period_id, price_id, cell,
                sum(quantity) AS quantity, sum(amount) AS amount, sum(overage) AS overage,
                sum(uncollected) AS uncollected, sum(events) AS events,
                sum(billable) AS billable, sum(metered_amount) AS metered_amount
            FROM (
                SELECT rated.organization_id, event.period_id, rated.price_id, rated.cell,
                    rated.quantity, rated.amount, rated.overage, rated.uncollected, 1 AS events,
                    coalesce((rated.working ->> 'billable')::numeric, rated.quantity) AS billable,
                    coalesce((rated.working ->> 'metered')::numeric, rated.amount)
                        AS metered_amount
                FROM metering_ratedevent rated
                JOIN metering_event event
                    ON event.organization_id = rated.organization_id
                    AND event.key = rated.event_key
                UNION ALL
                SELECT organization_id, period_id, price_id, cell, quantity, amount, overage,
                    uncollected, events, billable, metered_amount
                FROM metering_adjustment WHERE NOT is_after_invoice
            ) moved
            GROUP BY 1, 2, 3, 4
        ) rated USING (organization_id, period_id, price_id, cell)
        WHERE (total.quantity, total.billable, total.metered_amount, total.amount, total.overage,
                total.uncollected, total.events)
            IS DISTINCT FROM (rated.quantity, rated.billable, rated.metered_amount, rated.amount,
                rated.overage, rated.uncollected, rated.events)
        """,
        over="usage totals",
    ),
    Check(
        "a grant limited to some meters pays for no other",
        f"""
        SELECT entry.organization_id, format('grant %s', credit.id),
            format('for %s paid %s of event %s, which used %s of them',
                credit.meters, -entry.amount, entry.reference, coalesce(rated.amount, 0)),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = entry.account_id)
        FROM accounts_ledgerentry entry
        JOIN accounts_creditgrant credit
            ON credit.id = entry.grant_id AND credit.meters <> '{{}}'
        LEFT JOIN LATERAL (
            SELECT sum(rated.amount) AS amount
            FROM metering_ratedevent rated
            JOIN pricing_price price ON price.id = rated.price_id
            JOIN pricing_meter meter ON meter.id = price.meter_id
            WHERE rated.organization_id = entry.organization_id
                AND rated.event_key = entry.reference
                AND meter.code = ANY(credit.meters)
        ) rated ON true
        LEFT JOIN LATERAL (
            SELECT sum(charge.amount) AS amount
            FROM metering_periodcharge charge
            JOIN pricing_price price ON price.id = charge.price_id
            JOIN pricing_meter meter ON meter.id = price.meter_id
            WHERE charge.organization_id = entry.organization_id
                AND charge.period_id = entry.reference
                AND meter.code = ANY(credit.meters)
        ) closed ON true
        LEFT JOIN LATERAL (
            SELECT sum(greatest(rerated.paid, 0)) AS amount
            FROM ({RERATED}) rerated
            JOIN pricing_price price ON price.id = rerated.price_id
            JOIN pricing_meter meter ON meter.id = price.meter_id
            WHERE rerated.organization_id = entry.organization_id
                AND rerated.void_id = entry.reference
                AND meter.code = ANY(credit.meters)
        ) voided ON true
        WHERE entry.kind = 'usage'
            AND -entry.amount > coalesce(rated.amount, 0) + coalesce(closed.amount, 0)
                + coalesce(voided.amount, 0)
            -- What a hold had reserved there was reserved for one of the grant's meters.
            AND NOT EXISTS (
                SELECT FROM accounts_hold hold
                WHERE hold.organization_id = entry.organization_id
                    AND hold.account_id = entry.account_id AND hold.reference = entry.reference
            )
        """,  # noqa: S608
        over="ledger entries",
    ),
    Check(
        "an alert fired at an entry that crossed its threshold",
        """
        SELECT firing.organization_id, format('firing %s', firing.id),
            format('below %s at %s, entry %s left %s', alert.threshold, firing.balance,
                firing.epoch, entry.balance_after),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = firing.account_id)
        FROM metering_alertfiring firing
        JOIN metering_spendalert alert ON alert.id = firing.alert_id
        LEFT JOIN accounts_ledgerentry entry
            ON entry.organization_id = firing.organization_id
            AND entry.account_id = firing.account_id
            AND entry.account_version = firing.epoch
        WHERE entry.balance_after IS DISTINCT FROM firing.balance
            OR entry.balance_after >= alert.threshold
            OR entry.balance_after - entry.amount < alert.threshold
        """,
        over="alert firings",
        is_light=True,
    ),
    *authorization_audit.CHECKS,
    *correction_audit.CHECKS,
)
