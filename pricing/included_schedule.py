"""The schedule of included credit: when it comes, how much, and how long it lasts. Plain values.

Credit comes at the beginnings of days, weeks, months or billing periods, all counted from the
subscription's anchor day in the customer's time zone, so that on the day of sign-up everything
comes at once. An occurrence is known by the local day it belongs to, whatever the clocks do.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from accounts.money import ZERO
from accounts.periods import BillingCalendar, Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What comes again and again; `every` is None for each billing period.

    Without `after_days` it expires with the billing period it came in, or, when `never`, not at
    all. `limit_per_month` is the most that comes in a calendar month; zero for no limit.
    """

    amount: Decimal
    every: Interval | None = None
    after_days: int | None = None
    never: bool = False
    limit_per_month: Decimal = ZERO


class Occurrence(NamedTuple):
    """Credit that comes once."""

    day: dt.date
    amount: Decimal
    effective_at: dt.datetime
    expires_at: dt.datetime | None


def occurrences(
    terms: Terms, *, billing: BillingCalendar, since: dt.datetime, begins_at: dt.datetime
) -> Iterator[Occurrence]:
    """Yield what comes at or after `since`, in order and without end.

    `begins_at` is when the subscription began: the first of each kind comes then, in the midst of
    its day, and the monthly limit counts from there.
    """
    calendar = billing if terms.every is None else replace(billing, interval=terms.every)
    zone = billing.zone
    first_day = begins_at.astimezone(zone).date()
    month, in_month = (0, 0), ZERO
    # The month so far counts for the limit, though nothing of it is wanted any more.
    start = min(since, _month_begins(since, billing)) if terms.limit_per_month else since
    period = calendar.period_containing(max(start, begins_at))
    while True:
        day = period.start.astimezone(zone).date()
        if (day.year, day.month) != month:
            month, in_month = (day.year, day.month), ZERO
        amount = terms.amount
        if terms.limit_per_month:
            amount = min(amount, terms.limit_per_month - in_month)
        in_month += amount
        effective_at = max(period.start, begins_at)
        if day >= first_day and amount > 0 and effective_at >= since:
            expires_at = _expiry(terms, day, effective_at, billing)
            if expires_at is None or expires_at > effective_at:
                yield Occurrence(day, amount, effective_at, expires_at)
        period = calendar.period_containing(period.end)


def _month_begins(moment: dt.datetime, billing: BillingCalendar) -> dt.datetime:
    first = moment.astimezone(billing.zone).date().replace(day=1)
    return dt.datetime.combine(first, dt.time(), tzinfo=billing.zone).astimezone(dt.UTC)


def _expiry(
    terms: Terms, day: dt.date, effective_at: dt.datetime, billing: BillingCalendar
) -> dt.datetime | None:
    """Whole days count from the day the credit belongs to, so that daily credit ends with it."""
    if terms.never:
        return None
    if terms.after_days is None:
        return billing.period_containing(effective_at).end
    last = day + dt.timedelta(days=terms.after_days)
    return dt.datetime.combine(last, dt.time(), tzinfo=billing.zone).astimezone(dt.UTC)
