"""Set statements: many rows written by one statement, as arrays that the statement unnests."""

from collections.abc import Sequence
from typing import Any

from django.db import connection


def execute(sql: str, rows: Sequence[Sequence[Any]], *first: Any) -> None:
    """Run `sql` with the parameters `first`, then one array per column of `rows`.

    Does nothing without rows.
    """
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*first, *columns])
