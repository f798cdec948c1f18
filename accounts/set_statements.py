"""Set statements: many rows read or written by one statement, as arrays that it unnests.

An array travels as the text that PostgreSQL itself writes for it, made here a column at a time:
asking the driver to adapt every value on its own takes ten times as long as the rest of the work.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from operator import attrgetter
from typing import Any

from django.db import connection


@contextmanager
def sent_together() -> Iterator[None]:
    """Send the statements of the block one after the other, and wait for them once, at its end.

    Only there is it known whether they were taken: what the database refuses is raised then, and
    nothing inside the block may depend on how many rows a statement has changed.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


def execute(sql: str, rows: Sequence[Sequence[Any]], *first: Any) -> None:
    """Run `sql` with the parameters `first`, then one array per column of `rows`.

    Does nothing without rows. The statement says which types the arrays are of.
    """
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(sql, [*first, *map(array, zip(*rows, strict=True))])


def read(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run `sql` and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def array(values: Collection[Any]) -> str:
    """Write values of one type, or None, as an array. The statement has to say of which type.

    Raises TypeError for values of a type that has no place in a table of ours.
    """
    kind = next((type(value) for value in values if value is not None), None)
    if kind is None:
        return f"{{{','.join(['NULL'] * len(values))}}}"
    write = _writer(kind)
    return f"{{{','.join(['NULL' if value is None else write(value) for value in values])}}}"


def _quoted(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return '"' + text.replace('"', '\\"') + '"'


def _bytes(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


def _flag(value: bool) -> str:  # noqa: FBT001  It is the value.
    return "t" if value else "f"


# The first that fits: a truth value is a number in Python, too.
_WRITERS: Sequence[tuple[type, Callable[[Any], str]]] = (
    (uuid.UUID, attrgetter("hex")),
    (str, _quoted),
    (Decimal, str),
    (bool, _flag),
    (int, str),
    (dt.datetime, dt.datetime.isoformat),
    (bytes, _bytes),
)
_BY_TYPE = dict(_WRITERS)


def _writer(kind: type) -> Callable[[Any], str]:
    write = _BY_TYPE.get(kind)
    if write is not None:
        return write
    for known, write_known in _WRITERS:
        if issubclass(kind, known):
            return write_known
    raise TypeError(f"a {kind.__name__} has no place in an array")
