"""Trials: the days of a billing period for which a base fee is charged.

Days are those of the customer's calendar, and the day of sign-up is one of them. The day on which
a trial ends is charged.
"""

import datetime as dt
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from accounts.periods import Period


class Share(NamedTuple):
    """So many days of a period's days."""

    days: int
    of: int

    def part(self, amount: Decimal) -> Decimal:
        """Return the share of a period's amount, not rounded."""
        return amount * self.days / self.of


def charged_share(*, period: Period, zone: ZoneInfo, trial_ends_at: dt.datetime | None) -> Share:
    """Return the share of the period that is not a trial: all of it, some days, or none."""
    first, end = _day(period.start, zone), _day(period.end, zone)
    days = max((end - first).days, 1)
    if trial_ends_at is None or trial_ends_at <= period.start:
        return Share(days, days)
    free = (_day(trial_ends_at, zone) - first).days
    return Share(max(days - free, 0), days)


def _day(moment: dt.datetime, zone: ZoneInfo) -> dt.date:
    return moment.astimezone(zone).date()
