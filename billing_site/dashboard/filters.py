"""What a page was asked for in its address. A value that makes no sense filters nothing."""

import datetime as dt
from collections.abc import Collection
from zoneinfo import ZoneInfo

from django.http import QueryDict

from accounts.timestamps import EARLIEST, LATEST

_NUMBER_DIGITS = 18


def day(query: QueryDict, name: str) -> dt.date | None:
    """Return the day asked for, of the years that business happens in."""
    try:
        found = dt.date.fromisoformat(query.get(name, ""))
    except ValueError:
        return None
    return found if EARLIEST.date() < found < LATEST.date() else None


def choice(query: QueryDict, name: str, *, of: Collection[str]) -> str:
    """Return what was chosen, "" when it is none of the choices."""
    chosen = query.get(name, "")
    return chosen if chosen in of else ""


def number(query: QueryDict, name: str) -> int | None:
    """Return a whole number from 1 on."""
    text = query.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= _NUMBER_DIGITS):
        return None
    return int(text) or None


def start_of(date: dt.date | None, zone: ZoneInfo) -> dt.datetime | None:
    """Return the moment a day begins in a time zone."""
    return None if date is None else dt.datetime.combine(date, dt.time(), tzinfo=zone)


def end_of(date: dt.date | None, zone: ZoneInfo) -> dt.datetime | None:
    """Return the moment the day after begins."""
    return None if date is None else start_of(date + dt.timedelta(days=1), zone)
