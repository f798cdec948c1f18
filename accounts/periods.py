"""Billing calendars: half-open periods that meet without gap, whatever the month or the clock does.

A calendar is an anchor date, an interval and a time zone. Its n-th boundary is counted from the
anchor itself, never from the boundary before it, so a calendar anchored on the 31st visits
28 February and is back on 31 March.
"""

import calendar
import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo


class Interval(StrEnum):
    """How long a billing period lasts."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


_DAYS = {Interval.DAY: 1, Interval.WEEK: 7}
_MONTHS = {Interval.MONTH: 1, Interval.YEAR: 12}


@dataclass(frozen=True, slots=True)
class Period:
    """The half-open range [start, end) in UTC."""

    start: dt.datetime
    end: dt.datetime

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError("a period ends after it starts")

    def __contains__(self, moment: dt.datetime) -> bool:
        return self.start <= moment < self.end


@dataclass(frozen=True, slots=True)
class BillingCalendar:
    """The sequence of periods of one subscription."""

    anchor: dt.date
    interval: Interval
    zone: ZoneInfo

    def period_containing(self, moment: dt.datetime) -> Period:
        """Return the period in which `moment` lies; before the anchor counts backwards."""
        index = self._estimate(moment.astimezone(self.zone).date())
        while self._boundary(index) > moment:
            index -= 1
        while self._boundary(index + 1) <= moment:
            index += 1
        return Period(self._boundary(index), self._boundary(index + 1))

    def _estimate(self, day: dt.date) -> int:
        if self.interval in _DAYS:
            return (day - self.anchor).days // _DAYS[self.interval]
        months = (day.year - self.anchor.year) * 12 + day.month - self.anchor.month
        return months // _MONTHS[self.interval]

    def _boundary(self, index: int) -> dt.datetime:
        if self.interval in _DAYS:
            day = self.anchor + dt.timedelta(days=index * _DAYS[self.interval])
        else:
            day = _add_months(self.anchor, index * _MONTHS[self.interval])
        return dt.datetime.combine(day, dt.time(), tzinfo=self.zone).astimezone(dt.UTC)


def _add_months(day: dt.date, months: int) -> dt.date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return dt.date(year, month + 1, min(day.day, last))
