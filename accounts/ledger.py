"""The ledger: the only door through which a balance changes.

Every verb opens a transaction, locks the accounts it is about (sorted, in one statement), books
first what time alone has brought (grants that became effective and, unless the verb only gives
credit, grants that expired), then does its work and writes everything as sets. Callers that need
several verbs in one transaction, such as ingestion, use `lock_books` and `post` themselves.

The ledger does not know what an event or an invoice is: `reference` is opaque to it.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from django.db import IntegrityError

from accounts import identifiers, money, postings, tenancy
from accounts.books import Book, Debit, EntryState, InsufficientCredit, NotReversible, Part
from accounts.burndown import Category, GrantState
from accounts.models import Asset, CreditAccount, CreditGrant, Customer, EntryKind, LedgerEntry

__all__ = ["Debit", "InsufficientCredit", "NotReversible", "Part"]


class DuplicateReference(Exception):
    """The reference was used before: an event debited twice, or a payment granted twice."""


class AlreadyReversed(NotReversible):
    """The entry was reversed before."""


class UnknownAccount(LookupError):
    """No such account in this organization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account holds, in its asset: available = posted - held - floor."""

    posted: Decimal
    held: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantOrder:
    """A grant to be made; `amount` in the account's asset, above zero."""

    account_id: uuid.UUID
    amount: Decimal
    category: Category
    priority: int = 50
    effective_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    meters: Collection[str] = ()
    reference: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebitOrder:
    """A debit to be made for one event; all of its parts or none."""

    account_id: uuid.UUID
    reference: uuid.UUID
    parts: Sequence[Part]
    overage_allowed: bool = False


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
    *, organization_id: uuid.UUID, account_ids: Collection[uuid.UUID], at: dt.datetime
) -> dict[uuid.UUID, Book]:
    """Return the books of these accounts as of `at`, without locking: to ask, never to post."""
    books = postings.read_books(
        organization_id=organization_id, account_ids=account_ids, at=at, lock=False
    )
    for book in books.values():
        book.settle(at=at)
    return books


def lock_books(
    *,
    organization_id: uuid.UUID,
    account_ids: Collection[uuid.UUID],
    at: dt.datetime,
    grant_ids: Collection[uuid.UUID] = (),
) -> dict[uuid.UUID, Book]:
    """Lock these accounts and return their books, settled up to `at`.

    Raises TransactionManagementError outside a transaction, UnknownAccount for a foreign id.
    """
    books = _lock(
        organization_id=organization_id, account_ids=account_ids, at=at, grant_ids=grant_ids
    )
    for book in books.values():
        book.settle(at=at)
    return books


def _lock(
    *,
    organization_id: uuid.UUID,
    account_ids: Collection[uuid.UUID],
    at: dt.datetime,
    grant_ids: Collection[uuid.UUID] = (),
) -> dict[uuid.UUID, Book]:
    """Lock these accounts and return their books with what has become effective, not what expired.

    A verb that only gives credit leaves expiries to be booked by those who watch a balance fall:
    booked in passing, a fall would be seen by nobody.
    """
    books = postings.read_books(
        organization_id=organization_id,
        account_ids=account_ids,
        at=at,
        lock=True,
        grant_ids=grant_ids,
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


def grant_credit(
    *,
    account: CreditAccount,
    amount: Decimal,
    category: Category,
    at: dt.datetime,
    priority: int = 50,
    effective_at: dt.datetime | None = None,
    expires_at: dt.datetime | None = None,
    meters: Collection[str] = (),
    reference: str = "",
    name: str = "",
) -> CreditGrant:
    """Give credit; the single form of `grant_credit_all`."""
    order = GrantOrder(
        account_id=account.id,
        amount=amount,
        category=category,
        priority=priority,
        effective_at=effective_at,
        expires_at=expires_at,
        meters=meters,
        reference=reference,
        name=name,
    )
    return grant_credit_all(organization_id=account.organization_id, orders=[order], at=at)[0]


def grant_credit_all(
    *, organization_id: uuid.UUID, orders: Sequence[GrantOrder], at: dt.datetime
) -> list[CreditGrant]:
    """Give credit to accounts of one organization, all or none.

    A grant effective later enters the balance when its time has come. One that is effective first
    pays what the account owes. Raises money.AmountInvalid, ValueError for terms that cannot hold,
    UnknownAccount, and DuplicateReference when a non-empty `reference` was granted before.
    """
    states = [_grant_state(order, at=at) for order in orders]
    with tenancy.transaction_for(organization_id):
        books = _lock(
            organization_id=organization_id,
            account_ids={order.account_id for order in orders},
            at=at,
        )
        for order, state in zip(orders, states, strict=True):
            books[order.account_id].add_grant(state, at=at)
        post(books.values(), at=at)
        grants = CreditGrant.objects.in_bulk([state.id for state in states])
    return [grants[state.id] for state in states]


def _grant_state(order: GrantOrder, *, at: dt.datetime) -> GrantState:
    amount = money.parse(order.amount)
    effective_at = order.effective_at or at
    if amount <= 0:
        raise money.AmountInvalid("must be above zero")
    if not 0 <= order.priority <= 100:  # noqa: PLR2004
        raise ValueError("priority must be between 0 and 100")
    if order.expires_at is not None and order.expires_at <= max(effective_at, at):
        raise ValueError("expires_at must be later than effective_at and than now")
    return GrantState(
        id=identifiers.new_id(),
        amount=amount,
        remaining=money.ZERO,
        category=Category(order.category),
        priority=order.priority,
        effective_at=effective_at,
        expires_at=order.expires_at,
        meters=frozenset(order.meters),
        posted=False,
        reference=order.reference,
        name=order.name,
    )


def debit(
    *,
    account: CreditAccount,
    reference: uuid.UUID,
    parts: Sequence[Part],
    at: dt.datetime,
    overage_allowed: bool = False,
) -> Debit:
    """Take credit for one event. Raises InsufficientCredit and DuplicateReference."""
    order = DebitOrder(
        account_id=account.id, reference=reference, parts=parts, overage_allowed=overage_allowed
    )
    [result] = debit_all(organization_id=account.organization_id, orders=[order], at=at)
    if isinstance(result, InsufficientCredit):
        raise result
    return result


def debit_all(
    *, organization_id: uuid.UUID, orders: Sequence[DebitOrder], at: dt.datetime
) -> list[Debit | InsufficientCredit]:
    """Take credit for many events in the order given, in one transaction.

    Each order stands alone: one that cannot be paid is answered with InsufficientCredit in its
    place and the others go on. Raises DuplicateReference, then nothing of the set was written.
    """
    results: list[Debit | InsufficientCredit] = []
    with tenancy.transaction_for(organization_id):
        books = lock_books(
            organization_id=organization_id,
            account_ids={order.account_id for order in orders},
            at=at,
        )
        _refuse_known(orders, organization_id=organization_id)
        for order in orders:
            try:
                result: Debit | InsufficientCredit = books[order.account_id].debit(
                    parts=order.parts,
                    reference=order.reference,
                    at=at,
                    overage_allowed=order.overage_allowed,
                )
            except InsufficientCredit as refusal:
                result = refusal
            results.append(result)
        post(books.values(), at=at)
    return results


def _refuse_known(orders: Sequence[DebitOrder], *, organization_id: uuid.UUID) -> None:
    """Raise DuplicateReference for an event debited before, or twice in this set.

    The database refuses that for one grant only: a second debit might draw on another.
    """
    asked = {(order.account_id, order.reference) for order in orders}
    known = LedgerEntry.objects.filter(
        organization=organization_id,
        account__in={account_id for account_id, _ in asked},
        reference__in={reference for _, reference in asked},
        kind=EntryKind.USAGE,
    ).values_list("account_id", "reference")
    if len(asked) < len(orders) or not asked.isdisjoint(known):
        raise DuplicateReference


def expire(
    *, organization_id: uuid.UUID, account_ids: Collection[uuid.UUID], at: dt.datetime
) -> int:
    """Book what time has brought to these accounts; returns how many entries that made."""
    with tenancy.transaction_for(organization_id):
        books = lock_books(organization_id=organization_id, account_ids=account_ids, at=at)
        entries = sum(len(book.entries) for book in books.values())
        post(books.values(), at=at)
    return entries


def reverse(*, entry: LedgerEntry, at: dt.datetime) -> None:
    """Undo one usage entry; the single form of `reverse_all`."""
    reverse_all(
        account_id=entry.account_id,
        organization_id=entry.organization_id,
        versions=[entry.account_version],
        at=at,
    )


def reverse_all(
    *,
    organization_id: uuid.UUID,
    account_id: uuid.UUID,
    versions: Sequence[int],
    at: dt.datetime,
) -> None:
    """Undo usage entries of one account by new entries, all or none, each once.

    Credit returns to the grant that paid; what returns to an expired grant expires with it.
    Raises NotReversible (AlreadyReversed) and UnknownAccount.
    """
    with tenancy.transaction_for(organization_id):
        entries = _read_entries(organization_id, account_id, versions)
        books = _lock(
            organization_id=organization_id,
            account_ids=[account_id],
            at=at,
            grant_ids=[entry.grant_id for entry in entries if entry.grant_id],
        )
        book = books[account_id]
        for entry in entries:
            book.reverse(entry, refund_id=identifiers.new_id(), at=at)
        post([book], at=at)


def _read_entries(
    organization_id: uuid.UUID, account_id: uuid.UUID, versions: Sequence[int]
) -> list[EntryState]:
    rows = LedgerEntry.objects.filter(
        organization=organization_id, account=account_id, account_version__in=versions
    ).values_list(*EntryState._fields)
    if len(rows) != len(versions):
        raise NotReversible("no such entry, or one entry named twice")
    return [EntryState(*row) for row in rows]


_CONFLICTS = {
    "one_usage_entry_per_event_and_grant": DuplicateReference,
    "one_grant_per_payment": DuplicateReference,
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
