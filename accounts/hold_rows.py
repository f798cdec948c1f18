"""How holds and their draws are read with their books and written back with them."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence

from django.db.models import FilteredRelation, Q

from accounts import identifiers, set_statements
from accounts.books import Book
from accounts.models import Hold
from accounts.models import HoldState as State
from accounts.reservations import DrawState, HoldState

_HOLD = (
    "account_id", "id", "reference", "expires_at", "on_expiry", "amount", "captured", "reported",
    "state", "ended_at",
)  # fmt: skip
_DRAW = ("grant_id", "meter", "amount", "captured")


def read(
    *,
    organization_id: uuid.UUID,
    account_ids: Collection[uuid.UUID],
    references: Collection[uuid.UUID],
    at: dt.datetime,
) -> dict[uuid.UUID, dict[uuid.UUID, HoldState]]:
    """Return, by account and hold id, open holds whose time is over and those of `references`."""
    asked = Q(state=State.OPEN, expires_at__lte=at)
    if references:
        asked |= Q(reference__in=references)
    rows = (
        Hold.objects.for_organization(organization_id)
        .filter(asked, account_id__in=account_ids)
        # The index of draws begins with their organization.
        .annotate(own=FilteredRelation("draws", condition=Q(draws__organization=organization_id)))
        .order_by("id", "own__meter")
        .values_list(*_HOLD, *(f"own__{name}" for name in _DRAW))
    )
    holds: dict[uuid.UUID, dict[uuid.UUID, HoldState]] = defaultdict(dict)
    for account_id, *row in rows:
        terms = dict(zip(_HOLD[1:], row, strict=False))
        draw = dict(zip(_DRAW, row[-len(_DRAW) :], strict=True))
        hold = holds[account_id].setdefault(terms["id"], HoldState(**terms))
        if draw["amount"] is not None:
            hold.draws.append(DrawState(**draw))
    return holds


def write(books: Sequence[Book], *, at: dt.datetime) -> None:
    """Write new holds, then draws, then what became of holds: draws change while theirs is open."""
    _insert_holds(books, at=at)
    _write_draws(books)
    _update_holds(books)


def _insert_holds(books: Sequence[Book], *, at: dt.datetime) -> None:
    set_statements.execute(
        """
            INSERT INTO accounts_hold (
                id, organization_id, account_id, reference, amount, captured, reported, state,
                on_expiry, expires_at, created_at
            )
            SELECT id, organization_id, account_id, reference, amount, 0, 0, 'open',
                on_expiry, expires_at, %s
            FROM unnest(
                %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::numeric[], %s::text[],
                %s::timestamptz[]
            ) AS made (
                id, organization_id, account_id, reference, amount, on_expiry, expires_at
            )
            """,
        [
            (
                hold.id,
                book.organization_id,
                book.account_id,
                hold.reference,
                hold.amount,
                hold.on_expiry,
                hold.expires_at,
            )
            for book in books
            for hold in book.new_holds.values()
        ],
        at,
    )


def _write_draws(books: Sequence[Book]) -> None:
    set_statements.execute(
        """
            INSERT INTO accounts_holddraw (
                id, organization_id, hold_id, grant_id, meter, amount, captured
            )
            SELECT * FROM unnest(
                %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::numeric[],
                %s::numeric[]
            )
            ON CONFLICT (organization_id, hold_id, grant_id, meter)
            DO UPDATE SET amount = excluded.amount, captured = excluded.captured
            """,
        [
            (
                identifiers.new_id(),
                book.organization_id,
                hold.id,
                draw.grant_id,
                draw.meter,
                draw.amount,
                draw.captured,
            )
            for book in books
            for hold in {**book.new_holds, **book.touched_holds}.values()
            for draw in hold.draws
        ],
    )


def _update_holds(books: Sequence[Book]) -> None:
    set_statements.execute(
        """
            UPDATE accounts_hold hold
            SET amount = changed.amount, captured = changed.captured,
                reported = changed.reported, state = changed.state,
                expires_at = changed.expires_at, ended_at = changed.ended_at
            FROM unnest(
                %s::uuid[], %s::numeric[], %s::numeric[], %s::numeric[], %s::text[],
                %s::timestamptz[], %s::timestamptz[]
            ) AS changed (id, amount, captured, reported, state, expires_at, ended_at)
            WHERE hold.id = changed.id
            """,
        [
            (
                hold.id,
                hold.amount,
                hold.captured,
                hold.reported,
                hold.state,
                hold.expires_at,
                hold.ended_at,
            )
            for book in books
            for hold in book.touched_holds.values()
        ],
    )
