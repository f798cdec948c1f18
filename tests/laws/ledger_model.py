"""The ledger told again in the plainest way: pots, promises and a debt. No database, no entries.

It shares no code with the product, so that a mistake in the rules would have to be made twice.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

FAR = dt.datetime.max.replace(tzinfo=dt.UTC)
CATEGORIES = ("promotional", "included", "refund", "paid")
ZERO = Decimal(0)

type Draws = dict[uuid.UUID | None, Decimal]
"""Which grant paid how much of an event; None for what became a debt."""
type Parts = Sequence[tuple[str, Decimal]]


class TooPoor(Exception):
    """The event, or the promise, costs more than there is."""


@dataclass(kw_only=True)
class Pot:
    """What is left of one grant."""

    id: uuid.UUID
    left: Decimal
    category: str
    priority: int
    begins: dt.datetime
    ends: dt.datetime | None
    meters: frozenset[str] = frozenset()
    waiting: bool = True
    voided: bool = False
    series: uuid.UUID | None = None
    limit: Decimal | None = None
    carried: Decimal | None = None

    @property
    def turn(self) -> tuple[int, dt.datetime, int, dt.datetime, uuid.UUID]:
        """When it is this pot's turn to pay."""
        place = CATEGORIES.index(self.category)
        return (self.priority, self.ends or FAR, place, self.begins, self.id)

    def is_over(self, now: dt.datetime) -> bool:
        """Whether nobody may take from it any more."""
        return self.voided or (self.ends is not None and self.ends <= now)

    def serves(self, meter: str) -> bool:
        """Whether it may ever pay for a meter."""
        return not self.meters or meter in self.meters


@dataclass(kw_only=True)
class Share:
    """What a promise has put aside in one pot (None: in the debt) for one meter."""

    pot: Pot | None
    meter: str
    amount: Decimal


@dataclass(kw_only=True)
class Promise:
    """A hold: what is put aside for work to come."""

    reference: uuid.UUID
    ends: dt.datetime
    policy: str
    amount: Decimal = ZERO
    captured: Decimal = ZERO
    reported: Decimal = ZERO
    state: str = "open"
    shares: list[Share] = field(default_factory=list)

    @property
    def aside(self) -> Decimal:
        """All that is put aside for it."""
        return sum((share.amount for share in self.shares), ZERO)


@dataclass
class Wallet:
    """One customer's credit, seen at `now`."""

    floor: Decimal
    now: dt.datetime
    debt: Decimal = ZERO
    pots: list[Pot] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)

    @property
    def balance(self) -> Decimal:
        """What the pots hold, less the debt."""
        return sum((pot.left for pot in self.pots if not pot.waiting), -self.debt)

    @property
    def aside(self) -> Decimal:
        """What is put aside in all."""
        return sum((promise.aside for promise in self.promises), ZERO)

    def aside_in(self, pot: Pot | None) -> Decimal:
        """What is put aside in one pot, or in the debt."""
        shares = (share for promise in self.promises for share in promise.shares)
        return sum((share.amount for share in shares if share.pot is pot), ZERO)

    @property
    def open_promises(self) -> list[Promise]:
        """Those that have not come to their end."""
        return [promise for promise in self.promises if promise.state == "open"]

    def moments(self, until: dt.datetime) -> list[dt.datetime]:
        """When something begins or ends between now and then."""
        moments = {pot.begins for pot in self.pots}
        moments |= {pot.ends for pot in self.pots if pot.ends}
        moments |= {promise.ends for promise in self.open_promises}
        return sorted(moment for moment in moments if self.now < moment <= until)

    def wait(self, until: dt.datetime) -> None:
        """Live through every moment at which something begins or ends."""
        for moment in self.moments(until):
            self.now = moment
            self._live()
        self.now = until

    def add(self, pot: Pot) -> None:
        """Put a pot on the table."""
        self.pots.append(pot)
        self._live()

    def void(self, pot: Pot) -> None:
        """Take a pot off the table, but for what is put aside in it."""
        pot.voided = True
        self._live()

    def _live(self) -> None:
        """What happens at one moment: plain pots first, those of a series after promises ran out.

        Only so is it known what they take over.
        """
        for of_series in (False, True):
            if of_series:
                for promise in sorted(self.open_promises, key=lambda each: each.ends):
                    if promise.ends <= self.now:
                        self._run_out(promise)
            for pot in sorted(self.pots, key=lambda each: (each.begins, each.turn)):
                begins = pot.waiting and not pot.voided and pot.begins <= self.now
                if begins and (of_series or not self._followed_by(pot)):
                    self._begin(pot)
        self._clear()

    def _followed_by(self, pot: Pot) -> list[Pot]:
        """The pots whose rest is taken over by one that begins, the newest first."""
        followed = [
            each
            for each in self.pots
            if each.series == pot.series and pot.series and not each.waiting and not each.voided
            if each.ends == pot.begins and each.left
        ]
        return sorted(followed, key=lambda each: each.begins, reverse=True)

    def _begin(self, pot: Pot) -> None:
        followed = self._followed_by(pot)
        pot.waiting = False
        repaid = min(self.debt, pot.left)
        pot.left -= repaid
        self.debt -= repaid
        room = pot.limit
        for each in followed:
            each.carried = min(
                amount for amount in (each.left, each.carried, room) if amount is not None
            )
            if room is not None:
                room -= each.carried
            if each.carried:
                each.ends = pot.ends

    def _clear(self) -> None:
        """Throw away what nobody may have any more."""
        beginning = [p for p in self.pots if p.waiting and not p.voided and p.begins <= self.now]
        taken_over = {each.id for pot in beginning for each in self._followed_by(pot)}
        for pot in self.pots:
            if pot.waiting or pot.id in taken_over:
                continue
            if pot.is_over(self.now):
                pot.left = self.aside_in(pot)
            elif pot.carried is not None:
                pot.left = min(pot.left, max(pot.carried, self.aside_in(pot)))

    def _run_out(self, promise: Promise) -> None:
        due = {
            "release": ZERO,
            "capture_reported": max(promise.reported - promise.captured, ZERO),
            "capture_full": promise.aside,
        }[promise.policy]
        self.keep(promise, [(None, due)], overage=False)
        self.end(promise, "expired")

    def _usable(self, meter: str | None) -> Iterator[Pot]:
        for pot in sorted(self.pots, key=lambda each: each.turn):
            serves = not pot.meters if meter is None else pot.serves(meter)
            if serves and not pot.waiting and not pot.is_over(self.now):
                yield pot

    def _spare(
        self, parts: Sequence[tuple[str | None, Decimal]]
    ) -> tuple[list[Draws], list[Decimal]]:
        """Say what spare credit each part would get, and what would be missing, by part's place."""
        spare = {pot.id: pot.left - self.aside_in(pot) for pot in self.pots}
        found: list[Draws] = []
        missing: list[Decimal] = []
        for meter, amount in parts:
            rest = amount
            mine: Draws = {}
            for pot in self._usable(meter):
                taken = min(spare[pot.id], rest)
                if taken > 0:
                    mine[pot.id] = taken
                    spare[pot.id] -= taken
                    rest -= taken
            found.append(mine)
            missing.append(rest)
        return found, missing

    @property
    def _credit(self) -> Decimal:
        """How much deeper the debt may still become."""
        return -self.floor - self.debt - self.aside_in(None)

    def pay(self, parts: Parts, *, overage: bool) -> tuple[Draws, list[Decimal]]:
        """Pay an event. Returns who paid, and what nobody paid of each part; may raise TooPoor."""
        found, missing = self._spare(parts)
        short = sum(missing, ZERO)
        if not overage and short > 0 and short > self._credit:
            raise TooPoor
        paid = self._take(found)
        if short and not overage:
            self.debt += short
            paid[None] = short
        return paid, missing

    def _take(self, found: Sequence[Draws]) -> Draws:
        paid: Draws = {}
        for draws in found:
            for pot_id, amount in draws.items():
                self._pot(pot_id).left -= amount
                paid[pot_id] = paid.get(pot_id, ZERO) + amount
        return paid

    def _pot(self, pot_id: uuid.UUID | None) -> Pot:
        return next(pot for pot in self.pots if pot.id == pot_id)

    def put_aside(self, promise: Promise, parts: Parts, *, overage: bool) -> None:
        """Promise more; may raise TooPoor, then nothing was promised."""
        found, missing = self._spare(parts)
        if overage:
            missing = [ZERO] * len(parts)
        short = sum(missing, ZERO)
        if short > 0 and short > self._credit:
            raise TooPoor
        for (meter, _), draws, rest in zip(parts, found, missing, strict=True):
            for pot_id, amount in draws.items():
                promise.shares.append(Share(pot=self._pot(pot_id), meter=meter, amount=amount))
            promise.shares.append(Share(pot=None, meter=meter, amount=rest))
            promise.amount += sum(draws.values(), rest)

    def keep(
        self, promise: Promise, parts: Sequence[tuple[str | None, Decimal]], *, overage: bool
    ) -> tuple[Draws, list[Decimal]]:
        """Keep a promise. Returns who paid, and what nobody paid of each part."""
        rests = [amount for _, amount in parts]
        paid: Draws = {}
        owing = [ZERO] * len(parts)
        for place, share in self._own_shares(promise, parts):
            used = min(share.amount, rests[place] - owing[place])
            share.amount -= used
            promise.captured += used
            if share.pot is None:
                owing[place] += used
            elif used:
                rests[place] -= used
                share.pot.left -= used
                paid[share.pot.id] = paid.get(share.pot.id, ZERO) + used
        beside = [(meter, rest) for (meter, _), rest in zip(parts, rests, strict=True)]
        found, missing = self._spare(beside)
        for pot_id, amount in self._take(found).items():
            paid[pot_id] = paid.get(pot_id, ZERO) + amount
        below = [min(short, owed) for short, owed in zip(missing, owing, strict=True)]
        self.debt += sum(below, ZERO)
        for place, short in enumerate(missing):
            if not overage:
                more = min(short - below[place], self._credit)
                self.debt += more
                below[place] += more
        if sum(below, ZERO):
            paid[None] = sum(below, ZERO)
        return paid, [short - low for short, low in zip(missing, below, strict=True)]

    @staticmethod
    def _own_shares(
        promise: Promise, parts: Sequence[tuple[str | None, Decimal]]
    ) -> Iterator[tuple[int, Share]]:
        """Yield which share may serve which part, in the order in which they do."""
        on_pots = [(share.pot.turn, share) for share in promise.shares if share.pot]
        in_turn = [share for _, share in sorted(on_pots, key=lambda each: each[0])]
        in_turn += [share for share in promise.shares if share.pot is None]
        for own_meter in (True, False):
            for place, (meter, _) in enumerate(parts):
                for share in in_turn:
                    may_serve = meter is None or share.pot is None or share.pot.serves(meter)
                    if may_serve and (share.meter == meter or not own_meter):
                        yield place, share

    def end(self, promise: Promise, state: str) -> None:
        """Give back what is left of a promise."""
        promise.state = state
        promise.shares.clear()
        self._clear()

    def give_back(self, pot_id: uuid.UUID | None, amount: Decimal) -> Decimal:
        """Undo a payment. Returns what has to come back as a new pot."""
        if pot_id is None:
            forgiven = min(self.debt, amount)
            self.debt -= forgiven
            return amount - forgiven
        self._pot(pot_id).left += amount
        self._live()
        return ZERO
