"""How holds and their draws are read with their books and written back with them."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from accounts import identifiers, set_statements
from accounts.books import Book
from accounts.reservations import DrawState, HoldState


def read(
    *,
    organization_id: uuid.UUID,
    account_ids: Collection[uuid.UUID],
    references: Collection[uuid.UUID],
    at: dt.datetime,
) -> dict[uuid.UUID, dict[uuid.UUID, HoldState]]:
    """Return, by account and hold id, open holds whose time is over and those of `references`."""
    rows = set_statements.read(
        _DUE_OR_ASKED_FOR,
        organization_id,
        set_statements.array(account_ids),
        at,
        set_statements.array(references),
    )
    holds: dict[uuid.UUID, dict[uuid.UUID, HoldState]] = defaultdict(dict)
    for account_id, grant_id, meter, reserved, drawn, hold_id, *terms in rows:
        hold = holds[account_id].get(hold_id)
        if hold is None:
            hold = holds[account_id][hold_id] = _hold(hold_id, *terms)
        if reserved is not None:
            hold.draws.append(
                DrawState(grant_id=grant_id, meter=meter, amount=reserved, captured=drawn)
            )
    return holds


def _hold(hold_id: uuid.UUID, *terms: Any) -> HoldState:
    reference, expires_at, on_expiry, amount, captured, reported, state, ended_at = terms
    return HoldState(
        id=hold_id,
        reference=reference,
        expires_at=expires_at,
        on_expiry=on_expiry,
        amount=amount,
        captured=captured,
        reported=reported,
        state=state,
        ended_at=ended_at,
    )


# The indexes begin with the organization, that of draws as well.
_DUE_OR_ASKED_FOR = """
SELECT hold.account_id, draw.grant_id, draw.meter, draw.amount, draw.captured, hold.id,
    hold.reference, hold.expires_at, hold.on_expiry, hold.amount, hold.captured, hold.reported,
    hold.state, hold.ended_at
FROM accounts_hold hold
LEFT JOIN accounts_holddraw draw
    ON draw.organization_id = hold.organization_id AND draw.hold_id = hold.id
WHERE hold.organization_id = %s AND hold.account_id = ANY(%s::uuid[])
    AND ((hold.state = 'open' AND hold.expires_at <= %s) OR hold.reference = ANY(%s::uuid[]))
ORDER BY hold.id, draw.meter
"""


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
