"""Spend caps: limits on what a customer, a meter or a value of a property may use in a window.

Every cap that an event falls under must have room for it, or the event is refused: whoever set it,
whatever the balance. Counting and checking happen under the lock of the customer's accounts. A cap
counts what is used and, beside it, what open authorizations have reserved.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from accounts.money import ZERO
from pricing.properties import as_text, reader


class Window(StrEnum):
    """How long a cap counts before it starts again."""

    REQUEST = "request"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    PERIOD = "period"


def cap_name(name: str, *, limit: Decimal, window: str) -> str:
    """Return what a cap is called: its name, or what it allows."""
    return name or f"{limit:f} a {window}"


class Use(NamedTuple):
    """What an event uses at one price: raw units of a meter, and an amount of an asset."""

    asset_id: uuid.UUID
    meter: str
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """One limit. It counts amounts of `asset_id`, or raw units of `meter` when there is no asset.

    With `meter` only that meter's use counts. With `property_name` only events that have the
    property; each of its values has a count of its own, or only `property_value` is counted.
    """

    id: uuid.UUID
    customer_id: uuid.UUID
    name: str
    owner: str
    window: Window
    limit: Decimal
    asset_id: uuid.UUID | None = None
    meter: str = ""
    property_name: str = ""
    property_value: str = ""

    def bucket_of(self, properties: Mapping[str, object]) -> str | None:
        """Return which count an event adds to; None when the cap is not about it."""
        if not self.property_name:
            return ""
        value = as_text(reader(self.property_name)(properties))
        if value is None or (self.property_value and value != self.property_value):
            return None
        return value

    def counted(self, uses: Iterable[Use]) -> Decimal:
        """Return what these uses add to the count."""
        if self.asset_id is None:
            return sum((use.quantity for use in uses if use.meter == self.meter), ZERO)
        return sum(
            (
                use.amount
                for use in uses
                if use.asset_id == self.asset_id and self.meter in ("", use.meter)
            ),
            ZERO,
        )


class CounterKey(NamedTuple):
    """A count of one cap: of which value, in the window that began when."""

    cap_id: uuid.UUID
    bucket: str
    window_starts_at: dt.datetime


@dataclass(slots=True)
class Counter:
    """What was used in a window, and what open authorizations have reserved beside it."""

    used: Decimal = ZERO
    held: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """What no new event can use any more."""
        return self.used + self.held


class CapRefusal(NamedTuple):
    """A cap without room: what the event needs of it, and what is left."""

    cap: Cap
    bucket: str
    needed: Decimal
    left: Decimal


class Counted(NamedTuple):
    """What an event adds to one count."""

    key: CounterKey
    amount: Decimal


@dataclass(slots=True)
class Reserved:
    """What an authorization still reserves of one count."""

    key: CounterKey
    amount: Decimal


def take_out(reserved: Sequence[Reserved], used: Iterable[Counted]) -> list[Counted]:
    """Take what an event has used out of what was reserved for it; returns what that gives back.

    The window it was reserved in may be another than the one it was used in.
    """
    given_back = []
    for (cap_id, bucket, _), amount in used:
        wanted = amount
        for each in reserved:
            if (each.key.cap_id, each.key.bucket) == (cap_id, bucket):
                taken = min(each.amount, wanted)
                each.amount -= taken
                wanted -= taken
                given_back.append(Counted(each.key, taken))
    return given_back


def window_start(
    window: Window, *, at: dt.datetime, zone: ZoneInfo, period_starts_at: dt.datetime
) -> dt.datetime:
    """Return when the window around `at` began: by the customer's clock, or with the period."""
    if window is Window.PERIOD:
        return period_starts_at
    local = at.astimezone(zone)
    if window in (Window.HOUR, Window.REQUEST):
        # Counted from midnight UTC, so that the hour an hour is repeated in has both its halves.
        return at.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    midnight = dt.datetime.combine(local.date(), dt.time(), tzinfo=zone)
    first = midnight.replace(day=1) if window is Window.MONTH else midnight
    return first.astimezone(dt.UTC)


def window_end(
    window: Window, *, start: dt.datetime, zone: ZoneInfo, period_ends_at: dt.datetime
) -> dt.datetime:
    """Return when the window that began at `start` is over and its counts begin again."""
    if window is Window.PERIOD:
        return period_ends_at
    if window in (Window.HOUR, Window.REQUEST):
        return start + dt.timedelta(hours=1)
    today = start.astimezone(zone).date()
    following = today + dt.timedelta(days=1)
    if window is Window.MONTH:
        following = (today.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    return dt.datetime.combine(following, dt.time(), tzinfo=zone).astimezone(dt.UTC)


def _passes_by(window: Window, starts_at: dt.datetime, occurred_at: dt.datetime) -> bool:
    """Whether usage of `occurred_at` is older than what a window of this kind looks at."""
    return window in (Window.HOUR, Window.DAY, Window.MONTH) and occurred_at < starts_at


@dataclass(slots=True, kw_only=True)
class CapBook:
    """The caps of one customer with what their windows hold; `touched` are those used more."""

    caps: Sequence[Cap]
    counters: dict[CounterKey, Counter]
    at: dt.datetime
    zone: ZoneInfo
    period_starts_at: dt.datetime
    touched: set[CounterKey] = field(default_factory=set)

    def key_of(self, cap: Cap, bucket: str) -> CounterKey:
        """Return the count of a value in the current window."""
        start = window_start(
            cap.window, at=self.at, zone=self.zone, period_starts_at=self.period_starts_at
        )
        return CounterKey(cap.id, bucket, start)

    def check(
        self,
        properties: Mapping[str, object],
        uses: Sequence[Use],
        *,
        backfilled: dt.datetime | None = None,
    ) -> tuple[list[Counted], list[CapRefusal]]:
        """Return what an event adds to which counts, and the caps without room for it.

        The tightest refusal comes first. Nothing is counted yet. Old usage, `backfilled` to when
        it occurred, takes no room in an hour, a day or a month that began after it; the billing
        period it is charged in counts it like any other.
        """
        adds, refusals = [], []
        for cap in self.caps:
            bucket = cap.bucket_of(properties)
            if bucket is None:
                continue
            needed = cap.counted(uses)
            key = self.key_of(cap, bucket)
            if backfilled is not None and _passes_by(cap.window, key.window_starts_at, backfilled):
                continue
            before = ZERO if cap.window is Window.REQUEST else self._total(key)
            if needed and before + needed > cap.limit:
                left = max(cap.limit - before, ZERO)
                refusals.append(CapRefusal(cap, bucket, needed, left))
            if needed and cap.window is not Window.REQUEST:
                adds.append(Counted(key, needed))
        refusals.sort(key=lambda refusal: (refusal.left - refusal.needed, refusal.cap.id))
        return adds, refusals

    def _total(self, key: CounterKey) -> Decimal:
        counter = self.counters.get(key)
        return counter.total if counter is not None else ZERO

    def use(self, adds: Iterable[Counted]) -> None:
        """Count what an event has used."""
        for key, amount in adds:
            self.touched.add(key)
            self._counter(key).used += amount

    def hold(self, adds: Iterable[Counted]) -> None:
        """Reserve what an authorization may use."""
        for key, amount in adds:
            self._counter(key).held += amount

    def let_go(self, held: Iterable[Counted]) -> None:
        """Give back what an authorization has reserved, in those windows that are current."""
        for key, amount in held:
            if key in self.counters:
                self.counters[key].held -= amount

    def _counter(self, key: CounterKey) -> Counter:
        return self.counters.setdefault(key, Counter())
