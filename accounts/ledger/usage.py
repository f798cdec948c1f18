"""Usage: events debited and undone, and what time alone takes."""

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from accounts import identifiers, tenancy
from accounts.books import Debit, EntryState, InsufficientCredit, NotReversible, Part
from accounts.ledger.locks import DuplicateReference, lock_books, lock_to_give, post
from accounts.models import CreditAccount, EntryKind, LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DebitOrder:
    """A debit to be made for one event; all of its parts or none."""

    account_id: uuid.UUID
    reference: uuid.UUID
    parts: Sequence[Part]
    overage_allowed: bool = False


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
        refuse_known(
            [(order.account_id, order.reference) for order in orders],
            organization_id=organization_id,
        )
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


def refuse_known(
    events: Sequence[tuple[uuid.UUID, uuid.UUID]], *, organization_id: uuid.UUID
) -> None:
    """Raise DuplicateReference for an event (account, reference) charged before, or named twice.

    The database refuses that for one grant only: a second debit might draw on another.
    """
    asked = set(events)
    known = LedgerEntry.objects.filter(
        organization=organization_id,
        account__in={account_id for account_id, _ in asked},
        reference__in={reference for _, reference in asked},
        kind=EntryKind.USAGE,
    ).values_list("account_id", "reference")
    if len(asked) < len(events) or not asked.isdisjoint(known):
        raise DuplicateReference


def expire(
    *, organization_id: uuid.UUID, account_ids: Collection[uuid.UUID], at: dt.datetime
) -> int:
    """Book what time has brought to these accounts; returns how many entries and holds' ends."""
    with tenancy.transaction_for(organization_id):
        books = lock_books(
            organization_id=organization_id, account_ids=account_ids, at=at, sweep=True
        )
        booked = sum(len(book.entries) + len(book.touched_holds) for book in books.values())
        post(books.values(), at=at)
    return booked


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
        books = lock_to_give(
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
