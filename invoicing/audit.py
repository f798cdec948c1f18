"""The audit of invoices: their lines and numbers, computed again from usage and one another."""

from accounts.checks import Check

# What counts the rows each check looks at, by organization.
COUNTS = {"invoices": "SELECT organization_id, count(*) FROM invoicing_invoice GROUP BY 1"}

CHECKS = (
    Check(
        "invoice numbers run from 1 to the counter without a gap",
        """
        SELECT series.organization_id, format('series %s', series.prefix),
            format('counted to %s, %s invoices up to number %s',
                series.last_number, count(invoice.id), max(invoice.number)),
            NULL::uuid
        FROM invoicing_numberseries series
        LEFT JOIN invoicing_invoice invoice
            ON invoice.organization_id = series.organization_id
            AND invoice.series = series.prefix AND invoice.number IS NOT NULL
        GROUP BY series.id
        HAVING count(invoice.id) <> series.last_number
            OR coalesce(max(invoice.number), 0) <> series.last_number
        """,
        over="invoices",
        is_light=True,
    ),
    Check(
        "the subtotal of a final invoice is the sum of its lines",
        """
        SELECT invoice.organization_id, format('invoice %s', invoice.id),
            format('subtotal %s, lines add up to %s',
                invoice.subtotal, coalesce(sum(line.amount), 0)),
            invoice.customer_id
        FROM invoicing_invoice invoice
        LEFT JOIN invoicing_invoiceline line ON line.invoice_id = invoice.id
        WHERE invoice.state <> 'draft'
        GROUP BY invoice.id
        HAVING invoice.subtotal <> coalesce(sum(line.amount), 0)
        """,
        over="invoices",
        is_light=True,
    ),
    Check(
        "a final invoice bills what its period has used, each price once",
        """
        SELECT organization_id, format('invoice %s price %s', invoice_id, price_id),
            format('bills %s of which credit paid %s and nobody pays %s',
                billed.amount, billed.credits, billed.uncollected)
            || format('; used %s of which credit paid %s and nobody pays %s',
                used.amount, used.credits, used.uncollected),
            (SELECT customer_id FROM invoicing_invoice WHERE id = invoice_id)
        FROM (
            SELECT line.organization_id, line.invoice_id, line.price_id,
                sum(line.usage_amount) AS amount, sum(line.credits_applied) AS credits,
                sum(line.uncollected) AS uncollected
            FROM invoicing_invoiceline line
            JOIN invoicing_invoice invoice ON invoice.id = line.invoice_id
            WHERE invoice.state <> 'draft' AND line.price_id IS NOT NULL
            GROUP BY 1, 2, 3
        ) billed
        FULL JOIN (
            SELECT charged.organization_id, invoice.id AS invoice_id, charged.price_id,
                sum(charged.amount) AS amount, sum(charged.uncollected) AS uncollected,
                sum(charged.amount - charged.overage - charged.uncollected) AS credits
            FROM (
                SELECT organization_id, period_id, price_id, amount, overage, uncollected
                FROM metering_usagetotal
                UNION ALL
                SELECT organization_id, period_id, price_id, amount, overage, 0
                FROM metering_periodcharge
            ) charged
            JOIN pricing_price price ON price.id = charged.price_id
            JOIN invoicing_invoice invoice
                ON invoice.period_id = charged.period_id AND invoice.asset_id = price.asset_id
            WHERE invoice.state <> 'draft'
            GROUP BY 1, 2, 3
        ) used USING (organization_id, invoice_id, price_id)
        WHERE coalesce(billed.amount, 0) <> coalesce(used.amount, 0)
            OR coalesce(billed.credits, 0) <> coalesce(used.credits, 0)
            OR coalesce(billed.uncollected, 0) <> coalesce(used.uncollected, 0)
        """,
        over="invoices",
        is_light=True,
    ),
)
