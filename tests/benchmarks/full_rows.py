"""The strict yardstick: what the product writes for a batch, and nothing but these writes.

Its tables are made like the product's hot tables, whatever columns, indexes and fill factors those
have, without their triggers, foreign keys and checks. Its rows are the rows of a batch that the
product itself has recorded, written again under new keys: as wide as ours to the byte. Nothing is
parsed, looked up, priced or decided, and what each row adds was worked out beforehand, so that one
function call is a lock and six set statements.
"""

from collections.abc import Mapping, Sequence

from django.db import connection

from tests.benchmarks.yardsticks import SCHEMA

TABLES = {
    "metering_event": "full_event",
    "metering_ratedevent": "full_rated",
    "accounts_ledgerentry": "full_entry",
    "metering_usagetotal": "full_total",
    "accounts_creditaccount": "full_account",
    "accounts_creditgrant": "full_grant",
}
"""Our hot tables, and what those like them are called in the yardstick's schema."""

_HOLDING_STATE = ("metering_usagetotal", "accounts_creditaccount", "accounts_creditgrant")


def create() -> None:
    """Create the tables; those that hold state begin with the rows the product has now."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SEQUENCE {SCHEMA}.full_position CACHE 1")
        for ours, theirs in TABLES.items():
            # Without generated columns and identities nothing else of a table costs a write.
            cursor.execute(
                f"CREATE TABLE {SCHEMA}.{theirs} "
                f"(LIKE {ours} INCLUDING INDEXES INCLUDING STORAGE INCLUDING COMPRESSION)"
            )
            cursor.execute("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", [ours])
            options = ", ".join(cursor.fetchone()[0] or ())
            if options:
                cursor.execute(f"ALTER TABLE {SCHEMA}.{theirs} SET ({options})")
        for ours in _HOLDING_STATE:
            cursor.execute(f"INSERT INTO {SCHEMA}.{TABLES[ours]} SELECT * FROM {ours}")
        cursor.execute(f"ANALYZE {', '.join(f'{SCHEMA}.{name}' for name in TABLES.values())}")


def sample(name: str, external_ids: Sequence[str]) -> str:
    """Keep the rows of these recorded events, and return the statement that writes them again.

    The events have to be those of one request, in its order.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLE_PLACES.format(schema=SCHEMA, name=name), [list(external_ids)])
        for statement in _SAMPLES:
            cursor.execute(statement.format(schema=SCHEMA, name=name))
        cursor.execute(_function(name))
    return f"SELECT {SCHEMA}.record_full_{name}();"


_SAMPLE_PLACES = """
CREATE TABLE {schema}.{name}_place AS
SELECT sent.place::integer AS place, event.organization_id, event.key, event.period_id,
    event.occurred_at
FROM unnest(%s::text[]) WITH ORDINALITY sent (external_id, place)
JOIN metering_event event USING (external_id);
"""
_SAMPLES = (
    """
    CREATE TABLE {schema}.{name}_event AS
    SELECT place.place, event.* FROM {schema}.{name}_place place
    JOIN metering_event event USING (organization_id, key) ORDER BY place.place
    """,
    """
    CREATE TABLE {schema}.{name}_rated AS
    SELECT place.place, rated.* FROM {schema}.{name}_place place
    JOIN metering_ratedevent rated
        ON rated.organization_id = place.organization_id AND rated.event_key = place.key
    ORDER BY place.place
    """,
    # An entry's number and what it leaves are its account's, moved by what came before it.
    """
    CREATE TABLE {schema}.{name}_entry AS
    SELECT place.place, entry.*, row_number() OVER link AS step,
        sum(entry.amount) OVER link AS moves
    FROM {schema}.{name}_place place
    JOIN accounts_ledgerentry entry
        ON entry.organization_id = place.organization_id AND entry.reference = place.key
    WINDOW link AS (PARTITION BY entry.account_id ORDER BY entry.account_version)
    ORDER BY place.place
    """,
    """
    CREATE TABLE {schema}.{name}_total AS
    SELECT place.organization_id, place.period_id, rated.price_id, rated.cell,
        sum(rated.quantity) AS quantity, sum(rated.amount) AS amount, count(*) AS events
    FROM {schema}.{name}_place place
    JOIN metering_ratedevent rated
        ON rated.organization_id = place.organization_id AND rated.event_key = place.key
    GROUP BY place.organization_id, place.period_id, rated.price_id, rated.cell
    """,
    """
    CREATE TABLE {schema}.{name}_account AS
    SELECT account_id, max(step) AS steps, sum(amount) AS moves
    FROM {schema}.{name}_entry GROUP BY account_id
    """,
    """
    CREATE TABLE {schema}.{name}_grant AS
    SELECT grant_id, sum(amount) AS moves
    FROM {schema}.{name}_entry WHERE grant_id IS NOT NULL GROUP BY grant_id
    """,
    """
    ANALYZE {schema}.{name}_event, {schema}.{name}_rated, {schema}.{name}_entry,
        {schema}.{name}_total, {schema}.{name}_account, {schema}.{name}_grant
    """,
)


def _function(name: str) -> str:
    """Return the function that writes a sample again."""
    inserts = "\n".join(
        (
            _insert(
                "metering_event",
                f"{name}_event sample",
                {
                    "key": "keys[place]",
                    "external_id": "keys[place]::text",
                    "position": f"nextval('{SCHEMA}.full_position')",
                    "occurred_at": "now()",
                    "received_at": "now()",
                },
            ),
            _insert("metering_ratedevent", f"{name}_rated sample", {"event_key": "keys[place]"}),
            _insert(
                "accounts_ledgerentry",
                f"{name}_entry sample JOIN {SCHEMA}.full_account account "
                "ON account.id = sample.account_id",
                {
                    "account_version": "account.version + sample.step",
                    "balance_after": "account.balance + sample.moves",
                    "reference": "keys[place]",
                    "at": "now()",
                },
            ),
        )
    )
    return f"""
    CREATE FUNCTION {SCHEMA}.record_full_{name}() RETURNS void LANGUAGE plpgsql AS $$
    DECLARE keys uuid[];
    BEGIN
        PERFORM FROM {SCHEMA}.full_account
        WHERE id = ANY (ARRAY(SELECT account_id FROM {SCHEMA}.{name}_account))
        ORDER BY id FOR NO KEY UPDATE;
        SELECT array_agg(gen_random_uuid()) INTO keys FROM {SCHEMA}.{name}_place;
        {inserts}
        UPDATE {SCHEMA}.full_total total
        SET quantity = total.quantity + moved.quantity, billable = total.billable + moved.quantity,
            metered_amount = total.metered_amount + moved.amount,
            amount = total.amount + moved.amount, events = total.events + moved.events,
            latest_at = now()
        FROM {SCHEMA}.{name}_total moved
        WHERE total.organization_id = moved.organization_id AND total.period_id = moved.period_id
            AND total.price_id = moved.price_id AND total.cell = moved.cell;
        UPDATE {SCHEMA}.full_grant credit SET remaining = credit.remaining + moved.moves
        FROM {SCHEMA}.{name}_grant moved WHERE credit.id = moved.grant_id;
        UPDATE {SCHEMA}.full_account account
        SET balance = account.balance + moved.moves, version = account.version + moved.steps
        FROM {SCHEMA}.{name}_account moved WHERE account.id = moved.account_id;
    END $$
    """


def _insert(ours: str, source: str, instead: Mapping[str, str]) -> str:
    """Return the statement that writes a table's sample, with these columns made anew."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(attname) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [ours],
        )
        columns = [str(row[0]) for row in cursor.fetchall()]
    plain = {column: column.strip('"') for column in columns}
    values = [instead.get(plain[column], f"sample.{column}") for column in columns]
    return (
        f"INSERT INTO {SCHEMA}.{TABLES[ours]} ({', '.join(columns)})\n"
        f"SELECT {', '.join(values)} FROM {SCHEMA}.{source} ORDER BY sample.place;"
    )


def differences() -> list[str]:
    """Return where what was written does not add up: a yardstick that cheats would be shorter."""
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES.format(schema=SCHEMA))
        return [f"{what}: {found}" for what, found in cursor.fetchall() if found]


_DIFFERENCES = """
SELECT 'accounts that are not at their newest entry', count(*) FROM {schema}.full_account account
JOIN LATERAL (
    SELECT account_version, balance_after FROM {schema}.full_entry entry
    WHERE entry.organization_id = account.organization_id AND entry.account_id = account.id
    ORDER BY account_version DESC LIMIT 1
) newest ON true
WHERE (newest.account_version, newest.balance_after) <> (account.version, account.balance)
UNION ALL
SELECT 'accounts and grants apart', count(*) FROM (
    SELECT account.balance - sum(credit.remaining) AS apart FROM {schema}.full_account account
    JOIN {schema}.full_grant credit ON credit.account_id = account.id
    GROUP BY account.id, account.balance
) sums WHERE apart <> 0
UNION ALL
SELECT 'rated events and events apart', abs(
    (SELECT count(*) FROM {schema}.full_event) - (SELECT count(*) FROM {schema}.full_rated)
)
"""
