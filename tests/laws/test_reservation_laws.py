"""Laws of holds, for any account and any work."""

import datetime as dt
import itertools
import random
import uuid
from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from accounts.books import Book, InsufficientCredit, Part
from accounts.burndown import Category, GrantState
from accounts.reservations import HoldState
from tests.clock import HOUR, NOW

METERS = ("tokens", "images", "minutes")
AMOUNTS = st.integers(0, 1_000).map(lambda cents: Decimal(cents) / 100)
PARTS = st.lists(st.builds(Part, st.sampled_from(METERS), AMOUNTS), min_size=1, max_size=4)
_numbers = itertools.count(1)


@st.composite
def grants(draw: st.DrawFn) -> GrantState:
    """Any grant in the balance, part of it held by somebody else."""
    remaining = draw(AMOUNTS)
    return GrantState(
        id=uuid.UUID(int=next(_numbers)),
        amount=remaining + 1,
        remaining=remaining,
        held=draw(st.decimals(0, remaining, places=2)),
        category=draw(st.sampled_from(list(Category))),
        priority=draw(st.integers(0, 2)),
        effective_at=NOW - draw(st.integers(0, 2)) * HOUR,
        expires_at=draw(st.none() | st.integers(1, 3).map(lambda hours: NOW + hours * HOUR)),
        meters=frozenset(draw(st.sets(st.sampled_from(METERS)))),
    )


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Any account that is within its floor."""
    owned = draw(st.lists(grants(), max_size=5))
    owed = draw(AMOUNTS)
    return Book(
        account_id=uuid.UUID(int=0),
        organization_id=uuid.UUID(int=0),
        balance=sum((grant.remaining for grant in owned), Decimal(0)) - owed,
        held=sum((grant.held for grant in owned), Decimal(0)),
        floor=-owed - draw(AMOUNTS),
        version=0,
        grants=owned,
    )


def held_for(book: Book, parts: list[Part], *, hours: int = 1) -> HoldState:
    """Hold for the work, or give this example up."""
    try:
        return book.hold(
            parts=parts,
            hold_id=uuid.UUID(int=next(_numbers)),
            reference=uuid.UUID(int=next(_numbers)),
            expires_at=NOW + hours * HOUR,
            at=NOW,
        )
    except InsufficientCredit:
        assume(False)
        raise


def capture(book: Book, held: HoldState, parts: list[Part], *, at: dt.datetime = NOW) -> Decimal:
    """Capture a part of the work; returns what nobody paid."""
    captured = book.capture(
        held, parts=parts, reference=uuid.UUID(int=next(_numbers)), at=at, final=False
    )
    return sum(captured.uncollected, Decimal(0))


def total(parts: list[Part]) -> Decimal:
    return sum((part.amount for part in parts), Decimal(0))


def state(book: Book) -> list[object]:
    """Return everything that holds change."""
    return [book.balance, book.held, [(grant.remaining, grant.held) for grant in book.grants]]


@given(books(), PARTS, st.randoms(use_true_random=False), st.booleans())
def test_work_that_was_held_for_is_paid_in_full_in_whatever_order_it_comes(
    book: Book, parts: list[Part], chance: random.Random, at_once: bool
) -> None:
    before = book.balance
    held = held_for(book, parts, hours=9)
    chance.shuffle(parts)
    # Grants may have expired meanwhile.
    later = NOW + 3 * HOUR
    book.settle(at=later)
    lapsed = before - book.balance
    for batch in [parts] if at_once else [[part] for part in parts]:
        assert capture(book, held, batch, at=later) == 0
    assert before - book.balance - lapsed == total(parts)
    assert held.reserved == 0


@given(books(), PARTS)
def test_a_hold_that_is_released_was_never_there(book: Book, parts: list[Part]) -> None:
    before, available = state(book), book.available
    held = held_for(book, parts)
    assert book.available == available - total(parts)
    assert book.release(held, at=NOW) == total(parts)
    assert state(book) == before


@given(books(), PARTS)
def test_what_is_held_for_is_what_is_charged(book: Book, parts: list[Part]) -> None:
    """Held and captured at once, work is paid by the very grants that would pay it now."""
    held = held_for(book, parts)
    drawn: dict[uuid.UUID | None, Decimal] = {}
    for draw in held.draws:
        drawn[draw.grant_id] = drawn.get(draw.grant_id, Decimal(0)) + draw.amount
    assert capture(book, held, parts) == 0
    assert {entry.grant_id: -entry.amount for entry in book.entries} == drawn
    book.release(held, at=NOW)
    for entry in list(book.entries):
        book.reverse(entry, refund_id=uuid.UUID(int=next(_numbers)), at=NOW)
    book.entries.clear()
    book.debit(parts=parts, reference=uuid.UUID(int=1), at=NOW)
    assert {entry.grant_id: -entry.amount for entry in book.entries} == drawn


@given(books(), AMOUNTS, AMOUNTS)
def test_a_capture_of_less_takes_what_a_debit_of_less_would(
    book: Book, one: Decimal, other: Decimal
) -> None:
    less, more = sorted([one, other])
    held = held_for(book, [Part("tokens", more)])
    capture(book, held, [Part("tokens", less)])
    captured = {entry.grant_id: entry.amount for entry in book.entries}
    book.release(held, at=NOW)
    for entry in list(book.entries):
        book.reverse(entry, refund_id=uuid.UUID(int=next(_numbers)), at=NOW)
    book.entries.clear()
    book.debit(parts=[Part("tokens", less)], reference=uuid.UUID(int=1), at=NOW)
    assert {entry.grant_id: entry.amount for entry in book.entries} == captured


@given(books(), PARTS, PARTS, st.booleans())
def test_nothing_is_created_or_lost_and_the_floor_holds(
    book: Book, parts: list[Part], work: list[Part], overage: bool
) -> None:
    before = book.balance
    others = book.held
    held = held_for(book, parts)
    captured = book.capture(
        held,
        parts=work,
        reference=uuid.UUID(int=1),
        at=NOW,
        final=False,
        shortfall="overage" if overage else "overdraft",
    )
    assert before - book.balance == captured.paid
    assert captured.paid + sum(captured.overage) + sum(captured.uncollected) == total(work)
    assert held.amount == held.captured + held.reserved
    assert book.held == others + held.reserved
    assert book.available >= 0
    assert all(0 <= grant.held <= grant.remaining <= grant.amount for grant in book.grants)
