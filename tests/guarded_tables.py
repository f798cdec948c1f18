"""The guards of the database, as tests meet them: trying what is forbidden, and doing it anyway.

Guards are switched off for two reasons: to empty tables that refuse TRUNCATE, and to break the
books by hand and see that the self-check notices. Both need the tables' owner, and both are refused
outside a test database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from django.db import DatabaseError, connection, transaction

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
    # PostgreSQL alters no table while checks of its rows are still to come.
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run("SET CONSTRAINTS ALL DEFERRED")
    run(_SWITCH.format(verb=verb))


def run(statement: str, *parameters: Any) -> None:
    """Run a statement as somebody at a prompt would."""
    with connection.cursor() as cursor:
        # Without parameters a percent sign is one.
        cursor.execute(statement, parameters or None)


@contextmanager
def refused(by: str) -> Iterator[None]:
    """Expect the database to refuse the block, naming the guard or speaking its words."""
    with pytest.raises(DatabaseError, match=by), transaction.atomic():  # noqa: PT012
        # What a commit would check is checked with each statement.
        run("SET CONSTRAINTS ALL IMMEDIATE")
        yield
