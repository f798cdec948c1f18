"""How books are read under lock and written back: one statement each, whatever their number."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from django.db import connection, transaction

from accounts import hold_rows, set_statements
from accounts.books import Book
from accounts.burndown import Category, GrantState
from accounts.models import CreditGrant
from accounts.money import ZERO
from accounts.reservations import HoldState


class Owned(NamedTuple):
    """A book, of which customer it is, and in which asset."""

    customer_id: uuid.UUID
    asset_id: uuid.UUID
    book: Book


def read_books(
    *,
    organization_id: uuid.UUID,
    account_ids: Collection[uuid.UUID],
    at: dt.datetime,
    lock: bool,
    grant_ids: Collection[uuid.UUID] = (),
    hold_references: Collection[uuid.UUID] | None = (),
    sweep: bool = False,
) -> dict[uuid.UUID, Book]:
    """Return the books of these accounts, by account id; foreign or unknown ids are left out.

    With `lock` the account rows are locked until the transaction ends, all in one statement and
    sorted by id, so that two transactions never wait for each other in a circle. Without it,
    accounts and grants are read as of one moment. Grants that are used up are not read, but for
    those in `grant_ids`. Holds are read when their time is over, and whether open or ended when
    they are in `hold_references`; None reads no holds. Where nothing is held and none are asked
    for, only holds of nothing could be over: without `sweep`, that statement is saved.
    """
    _refuse_outside_transaction(lock=lock)
    with nullcontext() if lock else _one_moment():
        rows = set_statements.read(
            _LOCK_BY_ID if lock else _READ_BY_ID,
            organization_id,
            set_statements.array(account_ids),
        )
        owned = _books(
            rows,
            organization_id=organization_id,
            at=at,
            grant_ids=grant_ids,
            hold_references=hold_references,
            sweep=sweep,
        )
    return {each.book.account_id: each.book for each in owned}


def read_books_of(
    *,
    organization_id: uuid.UUID,
    customers: Collection[str],
    at: dt.datetime,
    lock: bool,
    hold_references: Collection[uuid.UUID] = (),
) -> list[Owned]:
    """Return the books of all accounts of these customers, who are given by external id.

    They are locked and read as `read_books` does it.
    """
    _refuse_outside_transaction(lock=lock)
    with nullcontext() if lock else _one_moment():
        rows = set_statements.read(
            _LOCK_BY_CUSTOMER if lock else _READ_BY_CUSTOMER,
            organization_id,
            set_statements.array(customers),
        )
        return _books(rows, organization_id=organization_id, at=at, hold_references=hold_references)


def _refuse_outside_transaction(*, lock: bool) -> None:
    if lock and not connection.in_atomic_block:
        raise transaction.TransactionManagementError("books are locked in a transaction")


@contextmanager
def _one_moment() -> Iterator[None]:
    """Let the reads of the block see one moment, also while somebody books a grant's expiry.

    Inside a transaction they see what that transaction sees, which its caller has chosen.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _books(
    rows: Collection[tuple[Any, ...]],
    *,
    organization_id: uuid.UUID,
    at: dt.datetime,
    grant_ids: Collection[uuid.UUID] = (),
    hold_references: Collection[uuid.UUID] | None = (),
    sweep: bool = False,
) -> list[Owned]:
    """Return the books of these account rows with their grants and holds."""
    account_ids = [row[0] for row in rows]
    grants = _read_grants(organization_id, account_ids, at=at, also=grant_ids)
    holds: dict[uuid.UUID, dict[uuid.UUID, HoldState]] = {}
    if hold_references or sweep or (hold_references is not None and any(row[4] for row in rows)):
        holds = hold_rows.read(
            organization_id=organization_id,
            account_ids=account_ids,
            references=hold_references or (),
            at=at,
        )
    return [
        Owned(
            customer_id,
            asset_id,
            Book(
                account_id=account_id,
                organization_id=organization_id,
                balance=balance,
                held=held,
                floor=floor,
                version=version,
                grants=grants.get(account_id, []),
                holds=holds.get(account_id, {}),
            ),
        )
        for account_id, customer_id, asset_id, balance, held, floor, version in rows
    ]


_ACCOUNT = """
SELECT account.id, account.customer_id, account.asset_id, account.balance, account.held,
    account.floor, account.version
FROM accounts_creditaccount account
"""
_BY_ID = """
WHERE account.organization_id = %s AND account.id = ANY(%s::uuid[])
ORDER BY account.id
"""
_BY_CUSTOMER = """
JOIN accounts_customer customer
    ON customer.organization_id = account.organization_id AND customer.id = account.customer_id
WHERE customer.organization_id = %s AND customer.external_id = ANY(%s::text[])
ORDER BY account.id
"""
_FOR_UPDATE = "FOR NO KEY UPDATE OF account"
_READ_BY_ID = _ACCOUNT + _BY_ID
_LOCK_BY_ID = _READ_BY_ID + _FOR_UPDATE
_READ_BY_CUSTOMER = _ACCOUNT + _BY_CUSTOMER
_LOCK_BY_CUSTOMER = _READ_BY_CUSTOMER + _FOR_UPDATE

_CATEGORIES = {category.value: category for category in Category}
_ANY_METER: frozenset[str] = frozenset()


def _read_grants(
    organization_id: uuid.UUID,
    account_ids: Collection[uuid.UUID],
    *,
    at: dt.datetime,
    also: Collection[uuid.UUID],
) -> dict[uuid.UUID, list[GrantState]]:
    """Return what is unfinished of these accounts' grants, and those in `also`, by account."""
    grants: dict[uuid.UUID, list[GrantState]] = defaultdict(list)
    if not account_ids:
        return grants
    rows = set_statements.read(
        _UNFINISHED_GRANTS,
        organization_id,
        set_statements.array(account_ids),
        at,
        set_statements.array(also),
    )
    for account_id, category, meters, *state in rows:
        grants[account_id].append(_grant_state(category, meters, *state))
    return grants


def _grant_state(category: str, meters: Collection[str], *state: Any) -> GrantState:
    (
        posted, expired, voided, grant_id, amount, remaining, held, priority, effective_at,
        expires_at, series, rollover_limit, carried,
    ) = state  # fmt: skip
    return GrantState(
        id=grant_id,
        amount=amount,
        remaining=remaining,
        category=_CATEGORIES[category],
        priority=priority,
        effective_at=effective_at,
        expires_at=expires_at,
        held=held,
        meters=frozenset(meters) if meters else _ANY_METER,
        posted=posted,
        expired=expired,
        voided=voided,
        series=series,
        rollover_limit=rollover_limit,
        carried=carried,
    )


_UNFINISHED_GRANTS = """
SELECT account_id, category, meters, posted_at IS NOT NULL, expired_at IS NOT NULL,
    voided_at IS NOT NULL, id, amount, remaining, held, priority, effective_at, expires_at,
    series, rollover_limit, carried
FROM accounts_creditgrant
WHERE organization_id = %s AND account_id = ANY(%s::uuid[])
    AND (
        remaining > 0
        OR (posted_at IS NULL AND voided_at IS NULL)
        OR (expires_at <= %s AND expired_at IS NULL AND voided_at IS NULL)
        OR id = ANY(%s::uuid[])
    )
"""


def write_books(books: Iterable[Book], *, at: dt.datetime) -> None:
    """Write what the verbs entered: new grants, entries, what is left of touched grants, holds.

    A trigger on the entries checks that they follow the account's newest one and add up, and
    moves the account to the last of them. The balance covers what is held at every moment, so
    what an account holds falls before the balance does, and rises after it.
    """
    changed = [book for book in books if book.is_changed]
    _insert_grants(changed, at=at)
    _update_held(book for book in changed if book.newly_held_in_all < 0)
    _insert_entries(changed)
    _update_grants(changed, at=at)
    _update_held(book for book in changed if book.newly_held_in_all > 0)
    hold_rows.write(changed, at=at)
    for book in changed:
        book.forget_changes()


def _insert_grants(books: list[Book], *, at: dt.datetime) -> None:
    CreditGrant.objects.bulk_create(
        CreditGrant(
            id=grant.id,
            organization_id=book.organization_id,
            account_id=book.account_id,
            amount=grant.amount,
            remaining=grant.remaining,
            held=grant.held,
            category=grant.category,
            priority=grant.priority,
            effective_at=grant.effective_at,
            expires_at=grant.expires_at,
            posted_at=at if grant.posted else None,
            series=grant.series,
            rollover_limit=grant.rollover_limit,
            carried=grant.carried,
            cost_basis_amount=grant.cost_basis.amount if grant.cost_basis else None,
            cost_basis_asset_id=grant.cost_basis.asset_id if grant.cost_basis else None,
            meters=sorted(grant.meters),
            reference=grant.reference,
            name=grant.name,
            created_at=at,
        )
        for book in books
        for grant in book.created
    )


def _insert_entries(books: list[Book]) -> None:
    rows = [
        (book.organization_id, book.account_id, *entry) for book in books for entry in book.entries
    ]
    set_statements.execute(
        """
            INSERT INTO accounts_ledgerentry (
                organization_id, account_id, account_version, amount, balance_after, kind, contra,
                grant_id, reference, reverses_version, at
            )
            SELECT * FROM unnest(
                %s::uuid[], %s::uuid[], %s::bigint[], %s::numeric[], %s::numeric[], %s::text[],
                %s::text[], %s::uuid[], %s::uuid[], %s::bigint[], %s::timestamptz[]
            )
            """,
        rows,
    )


def _update_held(books: Iterable[Book]) -> None:
    """Move what accounts hold by the difference, which stays true whatever else has moved it."""
    set_statements.execute(
        """
            UPDATE accounts_creditaccount account
            SET held = account.held + changed.newly_held
            FROM unnest(%s::uuid[], %s::numeric[]) AS changed (id, newly_held)
            WHERE account.id = changed.id
            """,
        [(book.account_id, book.newly_held_in_all) for book in books],
    )


def _update_grants(books: list[Book], *, at: dt.datetime) -> None:
    rows = []
    for book in books:
        created = {grant.id for grant in book.created}
        for grant in book.touched.values():
            lapsed = grant.expires_at is not None and grant.expires_at <= at
            if grant.id not in created:
                held = book.newly_held.get(grant.id, ZERO)
            elif lapsed or grant.voided:
                held = ZERO  # Written when it was inserted.
            else:
                continue
            ends = (lapsed and not grant.remaining, grant.voided)
            rolled = (grant.expires_at, grant.carried, grant.void_reason)
            rows.append((grant.id, grant.remaining, held, grant.posted, *ends, *rolled))
    set_statements.execute(
        """
            UPDATE accounts_creditgrant credit
            SET remaining = changed.remaining,
                held = credit.held + changed.newly_held,
                posted_at = CASE WHEN changed.posted
                    THEN coalesce(credit.posted_at, %s) ELSE credit.posted_at END,
                expired_at = CASE WHEN changed.lapsed THEN %s ELSE credit.expired_at END,
                expires_at = changed.expires_at,
                carried = changed.carried,
                void_reason = CASE WHEN changed.voided AND credit.voided_at IS NULL
                    THEN changed.void_reason ELSE credit.void_reason END,
                voided_at = CASE WHEN changed.voided
                    THEN coalesce(credit.voided_at, %s) ELSE credit.voided_at END
            FROM unnest(
                %s::uuid[], %s::numeric[], %s::numeric[], %s::boolean[], %s::boolean[],
                %s::boolean[], %s::timestamptz[], %s::numeric[], %s::text[]
            ) AS changed (
                id, remaining, newly_held, posted, lapsed, voided, expires_at, carried, void_reason
            )
            WHERE credit.id = changed.id
            """,
        rows,
        at,
        at,
        at,
    )
