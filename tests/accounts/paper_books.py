"""Books on paper: grants and accounts that never saw a database."""

import itertools
import uuid
from decimal import Decimal
from typing import Any

from accounts.books import Book, Debit, Part
from accounts.burndown import Category, GrantState
from accounts.reservations import Captured, HoldState
from tests.clock import HOUR, NOW, SINCE

_numbers = itertools.count(1)


def grant(amount: str = "100", **terms: Any) -> GrantState:
    """A paid grant with all of its amount left, but for what `terms` say."""
    return GrantState(
        **{
            "id": uuid.UUID(int=next(_numbers)),
            "amount": Decimal(amount),
            "remaining": Decimal(amount),
            "category": Category.PAID,
            "priority": 50,
            "effective_at": SINCE,
            "expires_at": None,
            **terms,
        }
    )


def coming_grant(amount: str = "100", **terms: Any) -> GrantState:
    """A grant that has not entered the balance yet."""
    return grant(amount, **{"remaining": Decimal(0), "posted": False, **terms})


def book(*grants: GrantState, floor: str = "0", owed: str = "0") -> Book:
    """An account with these grants, and a debt from before they came."""
    return Book(
        account_id=uuid.UUID(int=0),
        organization_id=uuid.UUID(int=0),
        balance=sum((each.remaining for each in grants), Decimal(0)) - Decimal(owed),
        held=sum((each.held for each in grants), Decimal(0)),
        floor=Decimal(floor),
        version=0,
        grants=list(grants),
    )


def debit(account: Book, amount: str, *, meter: str = "tokens", **terms: Any) -> Debit:
    """Charge one new event for one meter."""
    event = uuid.UUID(int=next(_numbers))
    parts = [Part(meter, Decimal(amount))]
    return account.debit(**{"parts": parts, "reference": event, "at": NOW, **terms})


def hold(account: Book, amount: str, *, meter: str = "tokens", **terms: Any) -> HoldState:
    """Reserve for an hour, for one meter."""
    return account.hold(
        **{
            "parts": [Part(meter, Decimal(amount))],
            "hold_id": uuid.UUID(int=next(_numbers)),
            "reference": uuid.UUID(int=next(_numbers)),
            "expires_at": NOW + HOUR,
            "at": NOW,
            **terms,
        }
    )


def capture(
    account: Book, held: HoldState, amount: str, *, meter: str = "tokens", **terms: Any
) -> Captured:
    """Capture one new event for one meter."""
    event = uuid.UUID(int=next(_numbers))
    parts = [Part(meter, Decimal(amount))]
    return account.capture(held, **{"parts": parts, "reference": event, "at": NOW, **terms})


def left(*grants: GrantState) -> list[int]:
    """Return what grants have left, for amounts that are whole."""
    return [int(each.remaining) for each in grants]


def whole(*units: int) -> tuple[Decimal, ...]:
    """Return exact amounts of so many units."""
    return tuple(Decimal(each) for each in units)


def entries(account: Book) -> list[tuple[str, int]]:
    """The new entries, for amounts that are whole."""
    return [(entry.kind, int(entry.amount)) for entry in account.entries]
