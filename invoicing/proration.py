"""Proration: which days of a billing period a fee is charged for, and what a change of it makes.

Counted in days of the customer's calendar. The day something begins counts, the day it ends does
not: so the day of sign-up is charged, and a day on which one agreement follows another is charged
once. What changes counts from its day on; of several changes on one day the last one counts.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pricing.trials import Share


class Days(NamedTuple):
    """The days from `first` on, until `end`, which is not one of them."""

    first: dt.date
    end: dt.date

    @property
    def length(self) -> int:
        """How many they are; none when they end before they begin."""
        return max((self.end - self.first).days, 0)

    def within(self, other: "Days") -> "Days":
        """Return those that are among the other days, too."""
        first = max(self.first, other.first)
        return Days(first, max(min(self.end, other.end), first))


class Change(NamedTuple):
    """From `day` on there are so many."""

    day: dt.date
    seats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """So many seats for a share of the period; below zero: that were charged and are given back."""

    seats: int
    share: Share


def day_of(moment: dt.datetime, *, zone: ZoneInfo) -> dt.date:
    """Return the day of the customer's calendar on which a moment lies."""
    return moment.astimezone(zone).date()


def share_of(
    period: Days,
    *,
    begins: dt.date | None = None,
    ends: dt.date | None = None,
    trial_ends: dt.date | None = None,
) -> Share:
    """Return the days of a period that are charged: from sign-up, after a trial, until the end."""
    return Share(charged_days(period, begins=begins, ends=ends, trial_ends=trial_ends).length,
                 max(period.length, 1))  # fmt: skip


def charged_days(
    period: Days,
    *,
    begins: dt.date | None = None,
    ends: dt.date | None = None,
    trial_ends: dt.date | None = None,
) -> Days:
    """Return those days themselves."""
    first = max(day for day in (period.first, begins, trial_ends) if day is not None)
    end = min(day for day in (period.end, ends) if day is not None)
    return Days(first, end).within(period)


def change_of_fee(*, before: Decimal, after: Decimal, rest: Share) -> tuple[Decimal, Decimal]:
    """Return what is given back of the old fee and what is charged of the new one, not rounded.

    `rest` is the share of the period that the new fee is for.
    """
    return -rest.part(before), rest.part(after)


def seat_runs(
    period: Days, *, charged: Days, first: int, changes: Iterable[Change], included: int
) -> list[Run]:
    """Return how many seats were there for how many days, those included left out.

    `first` is how many there are before the first change. Runs without seats to charge are left
    out.
    """
    runs = []
    for seats, days in _stretches(charged, first, changes):
        chargeable = max(seats - included, 0)
        if chargeable and days.length:
            runs.append(Run(seats=chargeable, share=Share(days.length, max(period.length, 1))))
    return runs


def seat_changes(
    period: Days, *, charged: Days, first: int, changes: Iterable[Change], included: int
) -> list[Run]:
    """Return what changes make of seats that were charged in advance at `first`.

    Each change gives back the rest of the period for as many as there were, and charges it for as
    many as there are.
    """
    runs = []
    standing = max(first - included, 0)
    for seats, days in _stretches(charged, first, changes):
        chargeable = max(seats - included, 0)
        if chargeable == standing:
            continue
        rest = Share(Days(days.first, charged.end).length, max(period.length, 1))
        runs += [Run(seats=-standing, share=rest)] if standing else []
        runs += [Run(seats=chargeable, share=rest)] if chargeable else []
        standing = chargeable
    return runs


def _stretches(charged: Days, first: int, changes: Iterable[Change]) -> list[tuple[int, Days]]:
    """Return the stretches of days with one number of seats, in order."""
    last_of_day: dict[dt.date, int] = {}
    for change in sorted(changes, key=lambda each: each.day):
        day = max(change.day, charged.first)
        if day < charged.end:
            last_of_day[day] = change.seats
    begins = [(charged.first, first)]
    begins += last_of_day.items()
    ends = [day for day, _ in begins[1:]] + [charged.end]
    return [
        (seats, Days(day, end)) for (day, seats), end in zip(begins, ends, strict=True) if day < end
    ]


def words(share: Share) -> str:
    """Write a share for the line it made, nothing for the whole period."""
    if share.days == share.of:
        return ""
    return f"{share.days} of {share.of} days, the first of them counted"
