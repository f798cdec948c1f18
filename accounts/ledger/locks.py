"""Books under lock: read, settled, and written back as sets."""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from django.db import IntegrityError

from accounts import postings
from accounts.books import Book, NotReversible
from accounts.postings import Owned


class DuplicateReference(Exception):
    """The reference was used before: an event, a payment, or a hold of this account."""


class AlreadyReversed(NotReversible):
    """The entry was reversed before."""


class UnknownAccount(LookupError):
    """No such account in this organization."""


def lock_books(
    *,
    organization_id: uuid.UUID,
    account_ids: Collection[uuid.UUID],
    at: dt.datetime,
    grant_ids: Collection[uuid.UUID] = (),
    hold_references: Collection[uuid.UUID] = (),
    sweep: bool = False,
) -> dict[uuid.UUID, Book]:
    """Lock these accounts and return their books, settled up to `at`.

    `grant_ids` and `hold_references` are read though they may be used up or ended. With `sweep`
    even holds that reserve nothing end when their time is over, which otherwise waits.
    Raises TransactionManagementError outside a transaction, UnknownAccount for a foreign id.
    """
    books = postings.read_books(
        organization_id=organization_id,
        account_ids=account_ids,
        at=at,
        lock=True,
        grant_ids=grant_ids,
        hold_references=hold_references,
        sweep=sweep,
    )
    if len(books) != len(set(account_ids)):
        raise UnknownAccount
    for book in books.values():
        book.settle(at=at)
    return books


def lock_books_of(
    *,
    organization_id: uuid.UUID,
    customers: Collection[str],
    at: dt.datetime,
    hold_references: Collection[uuid.UUID] = (),
) -> list[Owned]:
    """Lock all accounts of these customers, given by external id, and return their books, settled.

    Customers nobody knows are left out. `hold_references` as for `lock_books`.
    Raises TransactionManagementError outside a transaction.
    """
    owned = postings.read_books_of(
        organization_id=organization_id,
        customers=customers,
        at=at,
        lock=True,
        hold_references=hold_references,
    )
    for each in owned:
        each.book.settle(at=at)
    return owned


def lock_to_give(
    *,
    organization_id: uuid.UUID,
    account_ids: Collection[uuid.UUID],
    at: dt.datetime,
    grant_ids: Collection[uuid.UUID] = (),
) -> dict[uuid.UUID, Book]:
    """Lock these accounts and return their books with what has become effective, not what expired.

    A verb that only gives credit leaves ends to be booked by those who watch a balance fall:
    booked in passing, a fall would be seen by nobody.
    """
    books = postings.read_books(
        organization_id=organization_id,
        account_ids=account_ids,
        at=at,
        lock=True,
        grant_ids=grant_ids,
        hold_references=None,
    )
    if len(books) != len(set(account_ids)):
        raise UnknownAccount
    for book in books.values():
        book.post_due(at=at)
    return books


def post(books: Iterable[Book], *, at: dt.datetime) -> None:
    """Write what was entered in locked books. Raises DuplicateReference."""
    with _named_conflicts():
        postings.write_books(books, at=at)


_CONFLICTS = {
    "one_usage_entry_per_event_and_grant": DuplicateReference,
    "one_grant_per_payment": DuplicateReference,
    "hold_once_per_reference": DuplicateReference,
    "one_reversal_per_entry": AlreadyReversed,
}


@contextmanager
def _named_conflicts() -> Iterator[None]:
    """Turn the database's refusal of a duplicate into the ledger's own word for it."""
    try:
        yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        named = _CONFLICTS.get(getattr(diagnosis, "constraint_name", None) or "")
        if named is None:
            raise
        raise named(str(error)) from error
