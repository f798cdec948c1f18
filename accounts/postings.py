"""How books are read under lock and written back: one statement each, whatever their number."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

from django.db import connection, transaction
from django.db.models import Q

from accounts import hold_rows, set_statements
from accounts.books import Book
from accounts.burndown import Category, GrantState
from accounts.models import CreditAccount, CreditGrant
from accounts.money import ZERO
from accounts.reservations import HoldState

_MOMENTS = ("posted_at", "expired_at", "voided_at")
_GRANT_STATE = (
    "id", "amount", "remaining", "held", "priority", "effective_at", "expires_at", "series",
    "rollover_limit", "carried",
)  # fmt: skip


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
    accounts = (
        CreditAccount.objects.for_organization(organization_id)
        .filter(id__in=account_ids)
        .order_by("id")
    )
    if lock:
        accounts = accounts.select_for_update(no_key=True)
    with nullcontext() if lock else _one_moment():
        rows = list(accounts.values_list("id", "balance", "held", "floor", "version"))
        ids = [row[0] for row in rows]
        grants = _read_grants(organization_id, ids, at=at, also=grant_ids)
        holds: dict[uuid.UUID, dict[uuid.UUID, HoldState]] = {}
        if hold_references or sweep or (hold_references is not None and any(r[2] for r in rows)):
            holds = hold_rows.read(
                organization_id=organization_id,
                account_ids=ids,
                references=hold_references or (),
                at=at,
            )
    return {
        account_id: Book(
            account_id=account_id,
            organization_id=organization_id,
            balance=balance,
            held=held,
            floor=floor,
            version=version,
            grants=grants[account_id],
            holds=holds.get(account_id, {}),
        )
        for account_id, balance, held, floor, version in rows
    }


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


def _read_grants(
    organization_id: uuid.UUID,
    account_ids: Sequence[uuid.UUID],
    *,
    at: dt.datetime,
    also: Collection[uuid.UUID],
) -> dict[uuid.UUID, list[GrantState]]:
    unfinished = (
        Q(remaining__gt=0)
        | Q(posted_at=None, voided_at=None)
        | Q(expires_at__lte=at, expired_at=None, voided_at=None)
        | Q(id__in=also)
    )
    rows = (
        CreditGrant.objects.for_organization(organization_id)
        .filter(unfinished, account_id__in=account_ids)
        .order_by()
        .values_list("account_id", "category", "meters", *_MOMENTS, *_GRANT_STATE)
    )
    grants: dict[uuid.UUID, list[GrantState]] = defaultdict(list)
    for account_id, category, meters, posted_at, expired_at, voided_at, *state in rows:
        grants[account_id].append(
            GrantState(
                category=Category(category),
                posted=posted_at is not None,
                expired=expired_at is not None,
                voided=voided_at is not None,
                meters=frozenset(meters),
                **dict(zip(_GRANT_STATE, state, strict=True)),
            )
        )
    return grants


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
