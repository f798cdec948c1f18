"""Reservations: what work to come will need is held, and later taken or given back.

A hold lies on grants, in burn order, and below zero on the credit line; each draw of it remembers
the meter it was planned for. Captures take real usage out of it, in one or several parts. What a
grant owes to open holds outlives the grant's expiry, and lapses when the hold ends without it.

    amount   = all that was ever reserved = captured + reserved + given back
    captured = what usage took out of the hold; usage beyond the hold is taken beside it
    reported = how far the work says it has come, for holds that are charged by it when time is up

A hold ends exactly once: captured, released, or expired when its time came unclaimed.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

from accounts.burndown import Draw
from accounts.money import ZERO, AmountInvalid
from accounts.passbooks import Part, Passbook


class Shortfall(StrEnum):
    """What it means that usage is more than the hold and the credit beside it."""

    BLOCK = "block"
    OVERAGE = "overage"
    OVERDRAFT = "overdraft"


class HoldEnded(Exception):
    """The hold came to its end before; `state` says which."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the hold is {state}")
        self.state = state


class UnknownHold(LookupError):
    """No hold of this reference was read."""


@dataclass(slots=True, kw_only=True)
class DrawState:
    """What a hold reserves on one grant, or on the credit line, for one meter."""

    grant_id: uuid.UUID | None
    meter: str
    amount: Decimal = ZERO
    captured: Decimal = ZERO


@dataclass(slots=True, kw_only=True)
class HoldState:
    """One hold; `on_expiry` is release, capture_reported or capture_full. See the module."""

    id: uuid.UUID
    reference: uuid.UUID
    expires_at: dt.datetime
    on_expiry: str
    amount: Decimal = ZERO
    captured: Decimal = ZERO
    reported: Decimal = ZERO
    state: str = "open"
    ended_at: dt.datetime | None = None
    draws: list[DrawState] = field(default_factory=list)

    @property
    def reserved(self) -> Decimal:
        """What is reserved for it now."""
        return sum((draw.amount for draw in self.draws), ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What became of a capture: `paid` left the balance, out of the hold and beside it.

    Of part i, `overage[i]` is to be invoiced and `uncollected[i]` will be paid by nobody.
    `released` is what a final capture gave back.
    """

    paid: Decimal
    overage: tuple[Decimal, ...]
    uncollected: tuple[Decimal, ...]
    released: Decimal
    balance: Decimal
    available: Decimal


class Expired(NamedTuple):
    """What became of a hold whose time was over."""

    taken: Decimal
    released: Decimal


@dataclass(slots=True, kw_only=True)
class Reservations(Passbook):
    """A passbook with those of the account's holds that were asked for, or whose time is over.

    The verbs other than `hold` raise HoldEnded for a hold that is not open any more.
    """

    holds: dict[uuid.UUID, HoldState] = field(default_factory=dict)
    new_holds: dict[uuid.UUID, HoldState] = field(default_factory=dict)
    touched_holds: dict[uuid.UUID, HoldState] = field(default_factory=dict)

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(
            self.entries or self.created or self.touched or self.new_holds or self.touched_holds
        )

    def forget_changes(self) -> None:
        """Take what was changed as written."""
        for changes in (self.entries, self.created):
            changes.clear()
        for changed in (self.touched, self.newly_held, self.new_holds, self.touched_holds):
            changed.clear()

    def find_hold(self, reference: uuid.UUID) -> HoldState:
        """Return the hold made under `reference`, open or ended. Raises UnknownHold."""
        for hold in self.holds.values():
            if hold.reference == reference:
                return hold
        raise UnknownHold

    def hold(
        self,
        *,
        parts: Sequence[Part],
        hold_id: uuid.UUID,
        reference: uuid.UUID,
        expires_at: dt.datetime,
        at: dt.datetime,
        on_expiry: str = "release",
        overage_allowed: bool = False,
    ) -> HoldState:
        """Reserve what `parts` come to, all or nothing; nothing at all is a hold, too.

        Grants reserve what they may pay of each part's meter, in burn order, and the credit line
        the rest as far as the floor allows; beyond that the hold is refused with
        InsufficientCredit, or, with `overage_allowed`, what grants do not cover is not reserved.
        """
        if expires_at <= at:
            raise ValueError("expires_at must be later than now")
        hold = HoldState(
            id=hold_id, reference=reference, expires_at=expires_at, on_expiry=on_expiry
        )
        self._reserve_parts(hold, parts, at=at, overage_allowed=overage_allowed)
        self.holds[hold.id] = self.new_holds[hold.id] = hold
        return hold

    def extend(
        self,
        hold: HoldState,
        *,
        at: dt.datetime,
        parts: Sequence[Part] = (),
        expires_at: dt.datetime | None = None,
        overage_allowed: bool = False,
    ) -> None:
        """Reserve more for a hold, or for longer, all or nothing; its time is never cut short.

        Raises InsufficientCredit, and HoldEnded.
        """
        _refuse_ended(hold)
        self._reserve_parts(hold, parts, at=at, overage_allowed=overage_allowed)
        self.touched_holds[hold.id] = hold
        if expires_at is not None:
            hold.expires_at = max(hold.expires_at, expires_at)

    def report(self, hold: HoldState, amount: Decimal) -> None:
        """Note that the work has come to `amount` in all; never back, never beyond the hold."""
        self._change(hold)
        hold.reported = max(hold.reported, min(amount, hold.amount))

    def capture(
        self,
        hold: HoldState,
        *,
        parts: Sequence[Part],
        reference: uuid.UUID,
        at: dt.datetime,
        final: bool = True,
        shortfall: str = "block",
    ) -> Captured:
        """Take what the work of one event came to, which is never refused: it is done.

        The hold pays first: of each part what was planned for its meter, then what else of the
        hold may pay for it, also on a grant that has expired meanwhile. What it had on the credit
        line is paid by grants that came since, else it goes below zero. Beyond it, other grants
        pay, and then, as `shortfall` says, the rest is overage, or goes below zero as far as the
        floor allows and is uncollected after that. A `final` capture gives back the rest of it.
        """
        self._change(hold)
        return self._charge(
            hold, parts, reference=reference, at=at, final=final, shortfall=shortfall
        )

    def release(self, hold: HoldState, *, at: dt.datetime) -> Decimal:
        """Give back what is left of a hold and end it; returns how much that was."""
        self._change(hold)
        return self._end(hold, "captured" if hold.captured else "released", at=at)

    def end_due(self, *, at: dt.datetime, until: dt.datetime | None = None) -> None:
        """End the holds whose time was over by `until`, in the order in which it was."""
        due = [hold for hold in self.holds.values() if hold.state == "open"]
        for hold in sorted(due, key=lambda hold: (hold.expires_at, hold.id)):
            if hold.expires_at <= (until or at):
                self.end_expired(hold, at=at)

    def end_expired(self, hold: HoldState, *, at: dt.datetime) -> Expired:
        """End a hold that nobody claimed in time the way it asks for.

        Released, or charged with what was reported and not captured yet, or with all of it: as
        usage whose reference is the hold's own.
        """
        self._change(hold)
        taken = ZERO
        if hold.on_expiry == "capture_full":
            taken = hold.reserved
        elif hold.on_expiry == "capture_reported":
            taken = max(hold.reported - hold.captured, ZERO)
        if taken:
            # Nobody knows the meter, so grants limited to some pay only what they reserved.
            parts = [Part("", taken)]
            self._collect(hold, parts, reference=hold.reference, at=at, any_meter=True)
        return Expired(taken=taken, released=self._end(hold, "expired", at=at))

    # What the verbs are made of.

    def _charge(
        self,
        hold: HoldState,
        parts: Sequence[Part],
        *,
        reference: uuid.UUID,
        at: dt.datetime,
        final: bool,
        shortfall: str,
    ) -> Captured:
        overage_allowed = Shortfall(shortfall) is Shortfall.OVERAGE
        _refuse_negative(parts)
        paid, unpaid = self._collect(
            hold, parts, reference=reference, at=at, below_zero=not overage_allowed
        )
        nothing = (ZERO,) * len(parts)
        return Captured(
            paid=paid,
            overage=unpaid if overage_allowed else nothing,
            uncollected=nothing if overage_allowed else unpaid,
            released=self._end(hold, "captured", at=at) if final else ZERO,
            balance=self.balance,
            available=self.available,
        )

    def _change(self, hold: HoldState) -> None:
        _refuse_ended(hold)
        self.touched_holds[hold.id] = hold

    def _reserve_parts(
        self, hold: HoldState, parts: Sequence[Part], *, at: dt.datetime, overage_allowed: bool
    ) -> None:
        _refuse_negative(parts)
        plans, shortfalls = self._plan(parts, at=at)
        if overage_allowed:
            shortfalls = [ZERO] * len(parts)
        self._refuse_beyond_floor(parts, sum(shortfalls, ZERO))
        for part, draws, shortfall in zip(parts, plans, shortfalls, strict=True):
            for grant, amount in draws:
                self._reserve(hold, grant.id, part.meter, amount)
            if shortfall:
                self._reserve(hold, None, part.meter, shortfall)

    def _reserve(
        self, hold: HoldState, grant_id: uuid.UUID | None, meter: str, amount: Decimal
    ) -> None:
        for draw in hold.draws:
            if draw.grant_id == grant_id and draw.meter == meter:
                break
        else:
            draw = DrawState(grant_id=grant_id, meter=meter)
            hold.draws.append(draw)
        draw.amount += amount
        hold.amount += amount
        self._hold_on(grant_id, amount)

    def _hold_on(self, grant_id: uuid.UUID | None, amount: Decimal) -> None:
        """Count `amount` (below zero: given back) as held by a grant or the credit line."""
        self.held += amount
        self.newly_held[grant_id] = self.newly_held.get(grant_id, ZERO) + amount
        if grant_id is not None:
            grant = self.grant_of(grant_id)
            grant.held += amount
            self.touched[grant.id] = grant

    def _collect(
        self,
        hold: HoldState,
        parts: Sequence[Part],
        *,
        reference: uuid.UUID,
        at: dt.datetime,
        below_zero: bool = True,
        any_meter: bool = False,
    ) -> tuple[Decimal, tuple[Decimal, ...]]:
        """Take `parts` from the hold and beside it; returns what was paid, and not, of each part.

        With `below_zero` the credit line pays beyond what the hold has reserved on it.
        """
        own, lines = self._use_draws(hold, parts, any_meter=any_meter)
        # The grants' share of the hold is still held, so grants beside it do not pay with it.
        rests = [
            Part(part.meter, part.amount - sum((amount for _, amount in draws), ZERO))
            for part, draws in zip(parts, own, strict=True)
        ]
        beside, missing = self._plan(rests, at=at)
        for grant, amount in chain.from_iterable(own):
            self._hold_on(grant.id, -amount)
        self._hold_on(None, -sum(lines, ZERO))
        paid = self._take([*chain(*own, *beside)], reference=reference, at=at)
        owed = [min(short, line) for short, line in zip(missing, lines, strict=True)]
        if below_zero:
            room = max(self.room - sum(owed, ZERO), ZERO)
            for place, short in enumerate(missing):
                more = min(short - owed[place], room)
                owed[place] += more
                room -= more
        below = sum(owed, ZERO)
        if below:
            self._enter_usage(below, grant=None, reference=reference, at=at)
        unpaid = tuple(short - line for short, line in zip(missing, owed, strict=True))
        return paid + below, unpaid

    def _use_draws(
        self, hold: HoldState, parts: Sequence[Part], *, any_meter: bool
    ) -> tuple[list[list[Draw]], list[Decimal]]:
        """Take `parts` out of the hold's draws; returns each part's grants, and credit line.

        First what was planned for the part's meter, then what else may pay for it, so that no
        part lives on another's share while there is some of its own.
        """
        own: list[list[Draw]] = [[] for _ in parts]
        lines = [ZERO] * len(parts)
        needs = [part.amount for part in parts]
        for planned in (True, False):
            for place, part in enumerate(parts):
                for draw in self._usable_draws(hold, part.meter, any_meter=any_meter):
                    if planned and draw.meter != part.meter:
                        continue
                    amount = min(draw.amount, needs[place])
                    draw.amount -= amount
                    draw.captured += amount
                    hold.captured += amount
                    needs[place] -= amount
                    if draw.grant_id is None:
                        lines[place] += amount
                    elif amount:
                        own[place].append(Draw(self.grant_of(draw.grant_id), amount))
        return own, lines

    def _usable_draws(self, hold: HoldState, meter: str, *, any_meter: bool) -> Iterator[DrawState]:
        """Yield the draws that may pay for `meter`, in burn order, the credit line last."""
        by_grant: dict[uuid.UUID | None, list[DrawState]] = {}
        for draw in hold.draws:
            if draw.amount:
                by_grant.setdefault(draw.grant_id, []).append(draw)
        for grant in self.grants:
            if any_meter or grant.pays_for(meter):
                yield from by_grant.get(grant.id, ())
        yield from by_grant.get(None, ())

    def _end(self, hold: HoldState, state: str, *, at: dt.datetime) -> Decimal:
        released = hold.reserved
        for draw in hold.draws:
            if draw.amount:
                self._hold_on(draw.grant_id, -draw.amount)
                draw.amount = ZERO
                if draw.grant_id is not None:
                    self.lapse(self.grant_of(draw.grant_id), at=at)
        hold.state = state
        hold.ended_at = at
        return released


def _refuse_ended(hold: HoldState) -> None:
    if hold.state != "open":
        raise HoldEnded(hold.state)


def _refuse_negative(parts: Sequence[Part]) -> None:
    if any(part.amount < 0 for part in parts):
        raise AmountInvalid("must not be below zero")
