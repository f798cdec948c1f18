"""Many stored events at once, as if a company had sent them long ago: what growth is measured on.

They are copies of one event that went through the product's own door, spread in turn over all
customers of the organization and evenly over the last thirty days, and written by the server
itself. Entries are chained, and accounts, grants and totals move with them; but the copies' answers
repeat the first one's balance, and the self-check was not run over them: it stays outside.
"""

from django.db import connection, transaction

from accounts.models import Organization

CHUNK = 200_000
_TABLES = ("metering_event", "metering_ratedevent", "accounts_ledgerentry")


def fill(organization: Organization, events: int) -> None:
    """Store `events` more events like the organization's newest one, rounded down to its customers.

    Needs one recorded event of a price by the unit, and for each customer one account with one
    open paid grant and enough in it. Ends with VACUUM ANALYZE, so it cannot run in a transaction.
    """
    with connection.cursor() as cursor:
        with transaction.atomic():
            cursor.execute(_PAYERS, {"organization": organization.id})
            cursor.execute("SELECT count(*) FROM benchmark_payer")
            [customers] = cursor.fetchone()
            rounds = events // customers
            for table in _TABLES:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        step = max(CHUNK // customers, 1)
        for start in range(0, rounds, step):
            bounds = {"first": start + 1, "last": min(start + step, rounds), "rounds": rounds}
            for statement in (_EVENTS, _RATED, _ENTRIES):
                cursor.execute(statement, bounds)
        with transaction.atomic():
            for table in _TABLES:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
            for statement in (_ACCOUNTS, _GRANTS, _TOTALS):
                cursor.execute(statement, {"rounds": rounds})
        cursor.execute("DROP TABLE benchmark_payer")
        cursor.execute("VACUUM ANALYZE")


# One row for each customer: where its books stand, and the event that is copied.
_PAYERS = """
CREATE TEMPORARY TABLE benchmark_payer AS
SELECT event.organization_id, account.customer_id, period.id AS period_id, period.starts_at,
    account.id AS account_id, account.version, account.balance, credit.id AS grant_id,
    event.source, event.type, event.properties, event.payload_hash, event.charges,
    rated.price_id, rated.cell, rated.quantity, rated.amount, rated.working,
    row_number() OVER (ORDER BY account.id) AS place, now() AS filled_at
FROM (
    SELECT * FROM metering_event WHERE organization_id = %(organization)s
    ORDER BY received_at DESC, position DESC LIMIT 1
) event
JOIN metering_ratedevent rated
    ON rated.organization_id = event.organization_id AND rated.event_key = event.key
JOIN accounts_creditaccount account ON account.organization_id = event.organization_id
JOIN metering_billingperiod period
    ON period.customer_id = account.customer_id AND period.closed_at IS NULL
JOIN accounts_creditgrant credit
    ON credit.account_id = account.id AND credit.category = 'paid'
"""

# A copy is named by its customer and its round, so that all three tables find the same key.
_COPIES = """
FROM generate_series(%(first)s::int, %(last)s::int) AS round (number)
CROSS JOIN benchmark_payer payer
CROSS JOIN LATERAL (
    SELECT md5(payer.account_id::text || (payer.version + round.number))::uuid AS key,
        payer.filled_at - interval '30 days' * (1 - round.number::float / %(rounds)s) AS at
) copy
ORDER BY round.number, payer.place
"""

_EVENTS = f"""
INSERT INTO metering_event (
    organization_id, key, source, external_id, type, customer_id, period_id, occurred_at,
    received_at, is_late, is_backfill, properties, payload_hash, charges, counted
)
SELECT payer.organization_id, copy.key, payer.source, copy.key::text, payer.type,
    payer.customer_id, payer.period_id, copy.at, copy.at, copy.at < payer.starts_at, false,
    payer.properties, payer.payload_hash, payer.charges, '[]'
{_COPIES}
"""

_RATED = f"""
INSERT INTO metering_ratedevent (
    organization_id, event_key, price_id, cell, quantity, amount, overage, uncollected, working
)
SELECT payer.organization_id, copy.key, payer.price_id, payer.cell, payer.quantity, payer.amount,
    0, 0, payer.working
{_COPIES}
"""

_ENTRIES = f"""
INSERT INTO accounts_ledgerentry (
    organization_id, account_id, account_version, amount, balance_after, kind, contra, grant_id,
    reference, at
)
SELECT payer.organization_id, payer.account_id, payer.version + round.number, -payer.amount,
    payer.balance - payer.amount * round.number, 'usage', 'revenue', payer.grant_id,
    copy.key, copy.at
{_COPIES}
"""

_ACCOUNTS = """
UPDATE accounts_creditaccount account
SET version = account.version + %(rounds)s, balance = account.balance - payer.amount * %(rounds)s
FROM benchmark_payer payer WHERE account.id = payer.account_id
"""

_GRANTS = """
UPDATE accounts_creditgrant credit SET remaining = credit.remaining - payer.amount * %(rounds)s
FROM benchmark_payer payer WHERE credit.id = payer.grant_id
"""

_TOTALS = """
INSERT INTO metering_usagetotal AS total (
    organization_id, id, period_id, price_id, cell, quantity, billable, metered_amount, amount,
    overage, uncollected, events, latest_at
)
SELECT organization_id, gen_random_uuid(), period_id, price_id, cell, quantity * %(rounds)s,
    quantity * %(rounds)s, amount * %(rounds)s, amount * %(rounds)s, 0, 0, %(rounds)s, filled_at
FROM benchmark_payer
ON CONFLICT (organization_id, period_id, price_id, cell) DO UPDATE
SET quantity = total.quantity + excluded.quantity, billable = total.billable + excluded.billable,
    metered_amount = total.metered_amount + excluded.metered_amount,
    amount = total.amount + excluded.amount, events = total.events + excluded.events,
    latest_at = greatest(total.latest_at, excluded.latest_at)
"""
