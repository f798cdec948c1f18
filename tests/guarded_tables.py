"""Tests may do what the product cannot: switch the database's guards off for a moment.

Two reasons exist: emptying tables that refuse TRUNCATE, and breaking the books by hand to see that
the self-check notices. Both need the tables' owner, and both are refused outside a test database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from django.db import connection, transaction

_SWITCH = """
DO $$
DECLARE guarded regclass;
BEGIN
    FOR guarded IN SELECT DISTINCT tgrelid FROM pg_trigger WHERE NOT tgisinternal LOOP
        EXECUTE format('ALTER TABLE %s {verb} TRIGGER USER', guarded);
    END LOOP;
END $$
"""


@contextmanager
def unguarded() -> Iterator[None]:
    """Run the block in one transaction in which no trigger of ours fires."""
    name = str(connection.settings_dict["NAME"])
    if not name.startswith("test_"):
        message = f"{name} is not a test database"
        raise RuntimeError(message)
    with transaction.atomic():
        _switch("DISABLE")
        yield
        _switch("ENABLE")


def _switch(verb: Literal["ENABLE", "DISABLE"]) -> None:
    with connection.cursor() as cursor:
        # PostgreSQL alters no table while checks of its rows are still to come.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(_SWITCH.format(verb=verb))
