"""Timestamps as the API takes them: RFC 3339 with an offset, of years that business happens in."""

import datetime as dt
import re

EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
# Room above, so that a moment can be written in every time zone without leaving the calendar.
LATEST = dt.datetime(3000, 1, 1, tzinfo=dt.UTC)

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class TimestampInvalid(ValueError):
    """The value is not a moment that can be kept."""


def parse(value: object) -> dt.datetime:
    """Return the moment in UTC; digits beyond microseconds are cut off.

    Raises TimestampInvalid for anything but an RFC 3339 text, for leap seconds, which the
    database cannot keep, and for moments before the year 2000 or after the year 2999.
    """
    moment = _read(value) if isinstance(value, str) and _RFC_3339.fullmatch(value) else None
    if moment is None:
        example = "2026-01-31T12:00:00Z"
        raise TimestampInvalid(f"must be an RFC 3339 time with an offset, for example {example}")
    if moment < EARLIEST:
        raise TimestampInvalid("must not be before the year 2000")
    if moment >= LATEST:
        raise TimestampInvalid("must not be after the year 2999")
    return moment


def _read(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
