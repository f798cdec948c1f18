"""Checks: promises as queries for the rows that break them, and how they are run.

Each check is one statement, so it sees one moment of a living system, and a set statement, so
millions of rows are one pass. It only reads. Floors write down what they promise in a module
called `audit`; whoever sees all floors runs them together.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from django.db import connection, transaction

DIFFERENCES_MAX = 1_000
DIFFERENCES_PER_CUSTOMER = 20

SINCE = "current_setting('drawdown.checked_since')::timestamptz"
"""What a query for recent rows compares with."""


class Check(NamedTuple):
    """A promise, and a query for the rows that break it.

    The query gives four columns: the organization, the subject, the detail, and the customer whom
    the row concerns, null where it concerns nobody alone. `over` names the rows it looks at. With
    `is_light` it looks at no row an event has made, so it may be run as often as one likes; with
    `recent` there is a second query that looks only at what was written from SINCE on.
    """

    promise: str
    query: str
    over: str
    is_light: bool = False
    recent: str = ""


class Difference(NamedTuple):
    """One row that breaks a promise."""

    promise: str
    organization_id: uuid.UUID
    subject: str
    detail: str
    customer_id: uuid.UUID | None = None

    def __str__(self) -> str:
        return f"{self.promise}: {self.subject} ({self.detail})"


# One tenant with very many broken rows must not hide the one broken row of another.
_FIRST_OF_EACH = """
SELECT organization_id, subject, detail, customer_id
FROM (
    SELECT *, row_number() OVER (PARTITION BY organization_id, customer_id) AS place
    FROM ({query}) found (organization_id, subject, detail, customer_id)
) numbered
WHERE place <= {most}
"""


def run(
    checks: Iterable[Check],
    *,
    since: dt.datetime | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[Difference]:
    """Return what breaks these checks, at most 20 rows for each check and customer.

    With `since` only light checks are run, and those for recent rows on what was written from then
    on. `progress` is called after each check.
    """
    found = []
    for check in checks:
        query = _query(check, since=since)
        if query:
            text = _FIRST_OF_EACH.format(query=query, most=DIFFERENCES_PER_CUSTOMER)
            found += [Difference(check.promise, *row) for row in _rows(text, since=since)]
        progress()
    return found


def count(
    queries: Mapping[str, str], *, since: dt.datetime | None = None
) -> dict[uuid.UUID, dict[str, int]]:
    """Run queries that count rows by organization; returns by organization, then by name."""
    counted: dict[uuid.UUID, dict[str, int]] = defaultdict(dict)
    for name, query in queries.items():
        for organization_id, number in _rows(query, since=since):
            counted[organization_id][name] = number
    return counted


def _query(check: Check, *, since: dt.datetime | None) -> str:
    if since is None or check.is_light:
        return check.query
    return check.recent


def _rows(query: str, *, since: dt.datetime | None) -> list[tuple[Any, ...]]:
    with transaction.atomic(), connection.cursor() as cursor:
        # A pass over a large ledger takes longer than any request may.
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(
            "SELECT set_config('drawdown.checked_since', %s, true)",
            ["-infinity" if since is None else since.isoformat()],
        )
        cursor.execute(query)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
