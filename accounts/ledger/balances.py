"""Opening accounts, and reading what they hold without a lock."""

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from accounts import money, postings
from accounts.books import Book
from accounts.models import Asset, CreditAccount, Customer
from accounts.postings import Owned


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account holds, in its asset: available = posted - held - floor."""

    posted: Decimal
    held: Decimal
    available: Decimal


def open_account(*, customer: Customer, asset: Asset, floor: Decimal = money.ZERO) -> CreditAccount:
    """Return the customer's account in `asset`, opened with `floor` (zero or less) if new."""
    account, _ = CreditAccount.objects.get_or_create(
        organization_id=customer.organization_id,
        customer=customer,
        asset=asset,
        defaults={"floor": floor},
    )
    return account


def read_balance(account: CreditAccount, *, at: dt.datetime) -> Balance:
    """Return the balance at `at` without locking.

    Grants that became effective or expired, but were not booked yet, are already counted.
    """
    return read_balances([account], at=at)[account.id]


def read_balances(
    accounts: Collection[CreditAccount], *, at: dt.datetime
) -> dict[uuid.UUID, Balance]:
    """Return the balances of several accounts of one organization, by account id."""
    if not accounts:
        return {}
    books = read_books(
        organization_id=next(iter(accounts)).organization_id,
        account_ids=[account.id for account in accounts],
        at=at,
    )
    return {
        book.account_id: Balance(posted=book.balance, held=book.held, available=book.available)
        for book in books.values()
    }


def read_books(
    *,
    organization_id: uuid.UUID,
    account_ids: Collection[uuid.UUID],
    at: dt.datetime,
    hold_references: Collection[uuid.UUID] = (),
) -> dict[uuid.UUID, Book]:
    """Return the books of these accounts as of `at`, without locking: to ask, never to post.

    `hold_references` are read though they may have ended.
    """
    books = postings.read_books(
        organization_id=organization_id,
        account_ids=account_ids,
        at=at,
        lock=False,
        hold_references=hold_references,
    )
    for book in books.values():
        book.settle(at=at)
    return books


def read_books_of(
    *, organization_id: uuid.UUID, customers: Collection[str], at: dt.datetime
) -> list[Owned]:
    """Return the books of these customers, given by external id, as `read_books` does."""
    owned = postings.read_books_of(
        organization_id=organization_id, customers=customers, at=at, lock=False
    )
    for each in owned:
        each.book.settle(at=at)
    return owned
