"""The audit of invoices: their lines and numbers, computed again from usage and one another."""

from accounts.checks import Check

# What counts the rows each check looks at, by organization.
COUNTS = {
    "invoices": "SELECT organization_id, count(*) FROM invoicing_invoice GROUP BY 1",
    "credit notes": "SELECT organization_id, count(*) FROM invoicing_creditnote GROUP BY 1",
}

CHECKS = (
    Check(
        "invoice numbers run from 1 to the counter without a gap",
        """
        SELECT series.organization_id, format('series %s', series.prefix),
            format('counted to %s, %s numbered up to %s',
                series.last_number, count(numbered.number), max(numbered.number)),
            NULL::uuid
        FROM invoicing_numberseries series
        LEFT JOIN (
            SELECT organization_id, series, number FROM invoicing_invoice
            WHERE number IS NOT NULL
            UNION ALL
            SELECT organization_id, series, number FROM invoicing_creditnote
        ) numbered
            ON numbered.organization_id = series.organization_id
            AND numbered.series = series.prefix
        GROUP BY series.id
        HAVING count(numbered.number) <> series.last_number
            OR coalesce(max(numbered.number), 0) <> series.last_number
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
            WHERE invoice.state = 'finalized' AND line.price_id IS NOT NULL
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
            WHERE invoice.state = 'finalized' AND invoice.kind = 'period'
            GROUP BY 1, 2, 3
        ) used USING (organization_id, invoice_id, price_id)
        WHERE coalesce(billed.amount, 0) <> coalesce(used.amount, 0)
            OR coalesce(billed.credits, 0) <> coalesce(used.credits, 0)
            OR coalesce(billed.uncollected, 0) <> coalesce(used.uncollected, 0)
        """,
        over="invoices",
        is_light=True,
    ),
    Check(
        "an invoice asks for its lines and the taxes on top, less what credit has paid",
        """
        SELECT invoice.organization_id, format('invoice %s', invoice.id),
            format('asks for %s, taxes add %s', invoice.total, coalesce(sum(tax.amount), 0)),
            invoice.customer_id
        FROM invoicing_invoice invoice
        LEFT JOIN invoicing_invoicetax tax
            ON tax.invoice_id = invoice.id AND NOT tax.is_inclusive
        WHERE invoice.state <> 'draft'
        GROUP BY invoice.id
        HAVING invoice.total <> invoice.subtotal + coalesce(sum(tax.amount), 0) - invoice.credits
            OR invoice.total < 0
        """,
        over="invoices",
        is_light=True,
    ),
    Check(
        "credit notes come to no more than their final invoice",
        """
        SELECT invoice.organization_id, format('invoice %s', invoice.id),
            format('asks for %s, notes come to %s', invoice.total, sum(note.total)),
            invoice.customer_id
        FROM invoicing_invoice invoice
        JOIN invoicing_creditnote note ON note.invoice_id = invoice.id
        GROUP BY invoice.id
        HAVING sum(note.total) > invoice.total OR invoice.state <> 'finalized'
        """,
        over="credit notes",
        is_light=True,
    ),
    Check(
        "an item is a line of the invoice that took it up, and of no other that stands",
        """
        SELECT item.organization_id, format('item %s', item.id),
            format('is taken up by %s, is a line of %s final invoices',
                item.invoice_id, count(invoice.id)),
            item.customer_id
        FROM invoicing_invoiceitem item
        LEFT JOIN invoicing_invoiceline line ON line.item_id = item.id
        LEFT JOIN invoicing_invoice invoice
            ON invoice.id = line.invoice_id AND invoice.state = 'finalized'
        GROUP BY item.id
        HAVING count(invoice.id) <> (item.invoice_id IS NOT NULL)::int
        """,
        over="invoices",
        is_light=True,
    ),
)
