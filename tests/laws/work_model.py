"""A plain model of one prepaid customer at work: what it has, holds, and may still use of its caps.

A minute costs 1.00 and credit never expires; `tests.laws.ledger_model` knows about grants.
"""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal

from metering.spend_caps import Window

NOTHING = Decimal(0)


@dataclass(eq=False)
class Limit:
    """A cap on minutes' worth of USD in a window; `used` by when the window began."""

    window: Window
    most: Decimal
    is_in_force: bool = True
    used: dict[dt.datetime, Decimal] = field(default_factory=dict)

    def begins(self, now: dt.datetime) -> dt.datetime:
        """When the window around now began; the customer lives by UTC, its period is the month."""
        if self.window is Window.HOUR:
            return now.replace(minute=0, second=0, microsecond=0)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if self.window is Window.DAY else midnight.replace(day=1)

    def use(self, amount: Decimal, began: dt.datetime) -> None:
        """Count an amount, or take it out again."""
        self.used[began] = self.used.get(began, NOTHING) + amount


type Counts = list[tuple[Limit, dt.datetime, Decimal]]


@dataclass(eq=False)
class Promise:
    """An open authorization: what it still holds, and what it reserves of which limit."""

    held: Decimal
    ends: dt.datetime
    reserved: Counts
    is_over: bool = False

    def give_up(self, limit: Limit, amount: Decimal) -> None:
        """Take what was used of a limit out of what was reserved of it, the oldest first."""
        left = []
        for each, began, reserved in sorted(self.reserved, key=lambda entry: entry[1]):
            taken = min(reserved, amount) if each is limit else NOTHING
            amount -= taken
            left.append((each, began, reserved - taken))
        self.reserved = left


@dataclass(eq=False)
class Done:
    """A recorded event: what credit paid of it, and what it counted towards."""

    paid: Decimal
    counts: Counts


@dataclass(eq=False)
class Worker:
    """The customer."""

    now: dt.datetime
    posted: Decimal
    limits: list[Limit] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)

    @property
    def held(self) -> Decimal:
        """What open authorizations hold."""
        return sum((each.held for each in self.open), NOTHING)

    @property
    def open(self) -> list[Promise]:
        """The authorizations whose time is not over."""
        return [each for each in self.promises if not each.is_over and each.ends > self.now]

    @property
    def available(self) -> Decimal:
        """What may still be used."""
        return self.posted - self.held

    def total(self, limit: Limit) -> Decimal:
        """What a limit counts now: used, and reserved in this very window."""
        began = limit.begins(self.now)
        reserved = (
            amount
            for promise in self.open
            for each, at, amount in promise.reserved
            if (each, at) == (limit, began)
        )
        return limit.used.get(began, NOTHING) + sum(reserved, NOTHING)

    def may(self, amount: Decimal) -> bool:
        """Whether new work of this amount may go ahead."""
        if not amount:
            return True
        has_room = all(
            self.total(limit) + amount <= limit.most for limit in self.limits if limit.is_in_force
        )
        return has_room and amount <= self.available

    def counts(self, amount: Decimal) -> Counts:
        """What this amount adds to the limits in force."""
        in_force = (limit for limit in self.limits if limit.is_in_force)
        return [(limit, limit.begins(self.now), amount) for limit in in_force if amount]

    def do(self, amount: Decimal) -> Done:
        """Record an event that may go ahead."""
        self.posted -= amount
        return self._counted(amount, amount)

    def promise(self, amount: Decimal, *, lasts: dt.timedelta) -> Promise:
        """Authorize work that may go ahead."""
        promise = Promise(held=amount, ends=self.now + lasts, reserved=self.counts(amount))
        self.promises.append(promise)
        return promise

    def extend(self, promise: Promise, amount: Decimal) -> None:
        """Hold more for the same work."""
        promise.held += amount
        promise.reserved += self.counts(amount)

    def capture(self, promise: Promise, amount: Decimal, *, final: bool) -> Done:
        """Record what the work came to: out of the hold, then beside it, and no further."""
        own = min(promise.held, amount)
        beside = min(amount - own, self.available)
        promise.held -= own
        self.posted -= own + beside
        done = self._counted(own + beside, amount)
        for limit, _, _ in done.counts:
            promise.give_up(limit, amount)
        promise.is_over = final
        return done

    def _counted(self, paid: Decimal, amount: Decimal) -> Done:
        done = Done(paid=paid, counts=self.counts(amount))
        for limit, began, _ in done.counts:
            limit.use(amount, began)
        return done

    def undo(self, done: Done) -> None:
        """Take an event back."""
        self.posted += done.paid
        for limit, began, amount in done.counts:
            limit.use(-amount, began)
