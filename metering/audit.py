"""The audit of usage: what events cost, computed again, against the books and the totals."""

from accounts.audit import Check

CHECKS = (
    Check(
        "an event is stored once",
        """
        SELECT organization_id, format('event %s', external_id),
            format('stored %s times from source "%s"', count(*), source)
        FROM metering_event
        GROUP BY organization_id, source, external_id
        HAVING count(*) > 1
        """,
    ),
    Check(
        "an event or a closed period has taken what it cost, less what credit did not pay",
        """
        SELECT organization_id, format('event or period %s', key),
            format('rated %s, taken %s, from an account in the same asset', rated.due, taken.total)
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
        ) rated
        FULL JOIN (
            SELECT entry.organization_id, entry.reference AS key, account.customer_id,
                account.asset_id, -sum(entry.amount) AS total
            FROM accounts_ledgerentry entry
            JOIN accounts_creditaccount account ON account.id = entry.account_id
            WHERE entry.kind = 'usage'
            GROUP BY 1, 2, 3, 4
        ) taken USING (organization_id, key, customer_id, asset_id)
        WHERE coalesce(rated.due, 0) <> coalesce(taken.total, 0)
        """,
    ),
    Check(
        "an event was answered with what it was rated at",
        """
        SELECT organization_id, format('event %s', key),
            format('answered %s + %s + %s, rated %s + %s + %s in %s', answered.paid,
                answered.overage, answered.uncollected, rated.paid, rated.overage,
                rated.uncollected, coalesce(answered.asset, rated.asset))
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
    ),
    Check(
        "a rated event has its event",
        """
        SELECT rated.organization_id, format('event %s', rated.event_key), 'is not stored'
        FROM metering_ratedevent rated
        LEFT JOIN metering_event event
            ON event.organization_id = rated.organization_id AND event.key = rated.event_key
        WHERE event.key IS NULL
        """,
    ),
    Check(
        "what an event cost is the sum of its parts",
        """
        SELECT event.organization_id, format('event %s', event.key),
            format('cost %s, its parts add up to %s', event.cost_amount, part.total)
        FROM metering_event event
        LEFT JOIN LATERAL (
            SELECT sum(each.amount::numeric) AS total
            FROM jsonb_each_text(event.cost_parts) AS each (meter, amount)
        ) part ON true
        WHERE event.cost_amount IS DISTINCT FROM part.total
        """,
    ),
    Check(
        "an event lies in a period of its own customer",
        """
        SELECT event.organization_id, format('event %s', event.key),
            format('of customer %s lies in period %s', event.customer_id, event.period_id)
        FROM metering_event event
        LEFT JOIN metering_billingperiod period ON period.id = event.period_id
        WHERE period.organization_id IS DISTINCT FROM event.organization_id
            OR period.customer_id IS DISTINCT FROM event.customer_id
        """,
    ),
    Check(
        "a usage total is the sum of its rated events",
        """
        SELECT organization_id, format('period %s price %s cell %s', period_id, price_id, cell),
            format('%s for %s, overage %s, %s events; rated %s for %s, overage %s, %s events',
                total.quantity, total.amount, total.overage, total.events,
                rated.quantity, rated.amount, rated.overage, rated.events)
            || format('; billable %s metered %s, rated billable %s metered %s',
                total.billable, total.metered_amount, rated.billable, rated.metered_amount)
            || format('; uncollected %s, rated uncollected %s',
                total.uncollected, rated.uncollected)
        FROM metering_usagetotal total
        FULL JOIN (
            SELECT rated.organization_id, event.period_id, rated.price_id, rated.cell,
                sum(rated.quantity) AS quantity, sum(rated.amount) AS amount,
                sum(rated.overage) AS overage, sum(rated.uncollected) AS uncollected,
                count(*) AS events,
                sum(coalesce((rated.working ->> 'billable')::numeric, rated.quantity)) AS billable,
                sum(coalesce((rated.working ->> 'metered')::numeric, rated.amount))
                    AS metered_amount
            FROM metering_ratedevent rated
            JOIN metering_event event
                ON event.organization_id = rated.organization_id AND event.key = rated.event_key
            GROUP BY 1, 2, 3, 4
        ) rated USING (organization_id, period_id, price_id, cell)
        WHERE (total.quantity, total.billable, total.metered_amount, total.amount, total.overage,
                total.uncollected, total.events)
            IS DISTINCT FROM (rated.quantity, rated.billable, rated.metered_amount, rated.amount,
                rated.overage, rated.uncollected, rated.events)
        """,
    ),
    Check(
        "a grant limited to some meters pays for no other",
        """
        SELECT entry.organization_id, format('grant %s', credit.id),
            format('for %s paid %s of event %s, which used %s of them',
                credit.meters, -entry.amount, entry.reference, coalesce(rated.amount, 0))
        FROM accounts_ledgerentry entry
        JOIN accounts_creditgrant credit
            ON credit.id = entry.grant_id AND credit.meters <> '{}'
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
        WHERE entry.kind = 'usage'
            AND -entry.amount > coalesce(rated.amount, 0) + coalesce(closed.amount, 0)
        """,
    ),
    Check(
        "an alert fired at an entry that crossed its threshold",
        """
        SELECT firing.organization_id, format('firing %s', firing.id),
            format('below %s at %s, entry %s left %s', alert.threshold, firing.balance,
                firing.epoch, entry.balance_after)
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
    ),
)
