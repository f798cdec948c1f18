"""Holds: reserving credit for work to come, taking it when the work is done, giving it back."""

import datetime as dt
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from accounts import identifiers, money, tenancy
from accounts.books import Book, Part
from accounts.ledger.locks import lock_books, post
from accounts.ledger.usage import refuse_known
from accounts.models import CreditAccount
from accounts.reservations import Captured, HoldState


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOrder:
    """A hold to be made; `reference` is its owner's, and unique in the account."""

    account_id: uuid.UUID
    reference: uuid.UUID
    parts: Sequence[Part]
    expires_at: dt.datetime
    on_expiry: str = "release"
    overage_allowed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOrder:
    """A capture to be made for one event, `reference`, out of the hold of `hold_reference`."""

    account_id: uuid.UUID
    hold_reference: uuid.UUID
    reference: uuid.UUID
    parts: Sequence[Part]
    final: bool = True
    shortfall: str = "block"


def hold(
    *,
    account: CreditAccount,
    reference: uuid.UUID,
    parts: Sequence[Part],
    expires_at: dt.datetime,
    at: dt.datetime,
    on_expiry: str = "release",
    overage_allowed: bool = False,
) -> HoldState:
    """Reserve credit; the single form of `hold_all`."""
    order = HoldOrder(
        account_id=account.id,
        reference=reference,
        parts=parts,
        expires_at=expires_at,
        on_expiry=on_expiry,
        overage_allowed=overage_allowed,
    )
    return hold_all(organization_id=account.organization_id, orders=[order], at=at)[0]


def hold_all(
    *, organization_id: uuid.UUID, orders: Sequence[HoldOrder], at: dt.datetime
) -> list[HoldState]:
    """Reserve credit of accounts of one organization, all or none.

    Raises InsufficientCredit for the first that cannot be reserved beside those before it,
    DuplicateReference, UnknownAccount, and ValueError for a time that is over.
    """
    with _locked(organization_id, [order.account_id for order in orders], at=at) as books:
        return [
            books[order.account_id].hold(
                parts=order.parts,
                hold_id=identifiers.new_id(),
                reference=order.reference,
                expires_at=order.expires_at,
                at=at,
                on_expiry=order.on_expiry,
                overage_allowed=order.overage_allowed,
            )
            for order in orders
        ]


def extend(
    *,
    account: CreditAccount,
    reference: uuid.UUID,
    at: dt.datetime,
    parts: Sequence[Part] = (),
    expires_at: dt.datetime | None = None,
    overage_allowed: bool = False,
) -> HoldState:
    """Reserve more for a hold, or for longer, all or nothing.

    Raises InsufficientCredit, UnknownHold and HoldEnded.
    """
    with _held(account, reference, at=at) as (book, held):
        book.extend(
            held, parts=parts, expires_at=expires_at, at=at, overage_allowed=overage_allowed
        )
    return held


def report(
    *, account: CreditAccount, reference: uuid.UUID, amount: Decimal, at: dt.datetime
) -> HoldState:
    """Note how far the work of a hold has come, in all. Raises UnknownHold and HoldEnded."""
    with _held(account, reference, at=at) as (book, held):
        book.report(held, money.parse(amount))
    return held


def capture(
    *,
    account: CreditAccount,
    hold_reference: uuid.UUID,
    reference: uuid.UUID,
    parts: Sequence[Part],
    at: dt.datetime,
    final: bool = True,
    shortfall: str = "block",
) -> Captured:
    """Take what the work of one event came to; the single form of `capture_all`."""
    order = CaptureOrder(
        account_id=account.id,
        hold_reference=hold_reference,
        reference=reference,
        parts=parts,
        final=final,
        shortfall=shortfall,
    )
    return capture_all(organization_id=account.organization_id, orders=[order], at=at)[0]


def capture_all(
    *, organization_id: uuid.UUID, orders: Sequence[CaptureOrder], at: dt.datetime
) -> list[Captured]:
    """Take what the work of events came to, in the order given, all or none.

    Raises UnknownHold, HoldEnded, DuplicateReference for an event charged before, UnknownAccount.
    """
    accounts = [order.account_id for order in orders]
    holds = [order.hold_reference for order in orders]
    with _locked(organization_id, accounts, holds=holds, at=at) as books:
        refuse_known(
            [(order.account_id, order.reference) for order in orders],
            organization_id=organization_id,
        )
        return [
            books[order.account_id].capture(
                books[order.account_id].find_hold(order.hold_reference),
                parts=order.parts,
                reference=order.reference,
                at=at,
                final=order.final,
                shortfall=order.shortfall,
            )
            for order in orders
        ]


def release(*, account: CreditAccount, reference: uuid.UUID, at: dt.datetime) -> HoldState:
    """Give back what is left of a hold and end it. Raises UnknownHold and HoldEnded."""
    with _held(account, reference, at=at) as (book, held):
        book.release(held, at=at)
    return held


@contextmanager
def _held(
    account: CreditAccount, reference: uuid.UUID, *, at: dt.datetime
) -> Iterator[tuple[Book, HoldState]]:
    with _locked(account.organization_id, [account.id], holds=[reference], at=at) as books:
        book = books[account.id]
        yield book, book.find_hold(reference)


@contextmanager
def _locked(
    organization_id: uuid.UUID,
    account_ids: Collection[uuid.UUID],
    *,
    at: dt.datetime,
    holds: Collection[uuid.UUID] = (),
) -> Iterator[dict[uuid.UUID, Book]]:
    """Lock accounts, their books settled, and write what the block does to them."""
    with tenancy.transaction_for(organization_id):
        books = lock_books(
            organization_id=organization_id,
            account_ids=account_ids,
            at=at,
            hold_references=holds,
        )
        yield books
        post(books.values(), at=at)
