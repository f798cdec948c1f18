"""The ledger told again in the plainest way: a list of pots and a debt. No database, no entries.

It shares no code with the product, so that a mistake in the rules would have to be made twice.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

FAR = dt.datetime.max.replace(tzinfo=dt.UTC)
CATEGORIES = ("promotional", "included", "refund", "paid")

type Draws = list[tuple[uuid.UUID | None, Decimal]]
"""Which grant paid how much of an event; None for what became a debt."""


class TooPoor(Exception):
    """The event costs more than there is."""


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

    @property
    def turn(self) -> tuple[int, dt.datetime, int, dt.datetime, uuid.UUID]:
        """When it is this pot's turn to pay."""
        place = CATEGORIES.index(self.category)
        return (self.priority, self.ends or FAR, place, self.begins, self.id)


@dataclass
class Wallet:
    """One customer's credit, seen at `now`."""

    floor: Decimal
    now: dt.datetime
    debt: Decimal = Decimal(0)
    pots: list[Pot] = field(default_factory=list)

    @property
    def balance(self) -> Decimal:
        """What the pots hold, less the debt."""
        return sum((pot.left for pot in self.pots if not pot.waiting), -self.debt)

    def wait(self, until: dt.datetime) -> None:
        """Live through every moment at which something begins or ends."""
        moments = {pot.begins for pot in self.pots} | {pot.ends for pot in self.pots if pot.ends}
        for moment in sorted(each for each in moments if self.now < each <= until):
            self.now = moment
            self._live()
        self.now = until

    def add(self, pot: Pot) -> None:
        """Put a pot on the table."""
        self.pots.append(pot)
        self._live()

    def _live(self) -> None:
        for pot in sorted(self.pots, key=lambda each: (each.begins, each.turn)):
            if pot.waiting and pot.begins <= self.now:
                pot.waiting = False
                repaid = min(self.debt, pot.left)
                pot.left -= repaid
                self.debt -= repaid
        for pot in self.pots:
            if pot.ends is not None and pot.ends <= self.now:
                pot.left = Decimal(0)

    def pay(
        self, parts: Sequence[tuple[str, Decimal]], *, overage: bool
    ) -> tuple[Draws, list[Decimal]]:
        """Pay an event. Returns who paid, and what nobody paid of each part; may raise TooPoor."""
        left = {pot.id: pot.left for pot in self.pots}
        paid: dict[uuid.UUID | None, Decimal] = {}
        missing = []
        for meter, amount in parts:
            rest = amount
            for pot in sorted(self.pots, key=lambda each: each.turn):
                if pot.waiting or (pot.meters and meter not in pot.meters):
                    continue
                taken = min(left[pot.id], rest)
                left[pot.id] -= taken
                rest -= taken
                if taken:
                    paid[pot.id] = paid.get(pot.id, Decimal(0)) + taken
            missing.append(rest)
        short = sum(missing, Decimal(0))
        if not overage:
            if short and self.debt + short > -self.floor:
                raise TooPoor
            self.debt += short
            if short:
                paid[None] = short
        for pot in self.pots:
            pot.left = left[pot.id]
        return list(paid.items()), missing

    def give_back(self, pot_id: uuid.UUID | None, amount: Decimal) -> Decimal:
        """Undo a payment. Returns what has to come back as a new pot."""
        if pot_id is None:
            forgiven = min(self.debt, amount)
            self.debt -= forgiven
            return amount - forgiven
        next(pot for pot in self.pots if pot.id == pot_id).left += amount
        self._live()
        return Decimal(0)
