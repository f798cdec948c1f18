"""Statements: what was entered in one account over a span of time, read for people.

A ledger is append-only, and its entries are numbered, so a span of time becomes a range of
numbers: from the first entry at or after its start, up to the last one before its end. The entries
of a span have no gaps, whatever is entered meanwhile; spans that follow each other share none; and

    closing = opening + the sum of the entries

Only what is booked is here: a grant whose time has come is entered with the account's next change.
"""

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.db.models import QuerySet

from accounts import tenancy
from accounts.models import CreditAccount, LedgerEntry
from accounts.money import ZERO

BATCH_SIZE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The entries `first` to `last` of an account, by number; none when `last` comes before.

    `opening` is the balance before the first, `closing` the one after the last.
    """

    account: CreditAccount
    first: int
    last: int
    opening: Decimal
    closing: Decimal

    @property
    def is_empty(self) -> bool:
        """Whether nothing was entered in it."""
        return self.last < self.first


def read_span(
    account: CreditAccount, *, since: dt.datetime | None = None, until: dt.datetime | None = None
) -> Span:
    """Return what was entered from `since` on and before `until`; None leaves that side open.

    `account` must have been read just now, since its version bounds the span.
    """
    first = _first_at(account, since) if since is not None else 1
    last = _first_at(account, until) - 1 if until is not None else account.version
    return Span(
        account=account,
        first=first,
        last=last,
        opening=_balance_after(account, first - 1),
        closing=_balance_after(account, max(last, first - 1)),
    )


def _first_at(account: CreditAccount, moment: dt.datetime) -> int:
    """Return the number of the first entry at or after `moment`; one past the newest if none is.

    Entries stand in the order of time, so it is found by halving, not by reading. Clocks of two
    servers may lie a little apart; then it is one of the places where time passes `moment`.
    """
    if not account.version:
        return 1
    with connection.cursor() as cursor:
        cursor.execute(
            _FIRST_AT,
            {
                "organization": account.organization_id,
                "account": account.id,
                "moment": moment,
                "step": 1 << (account.version.bit_length() - 1),
                "newest": account.version,
            },
        )
        row: tuple[int] = cursor.fetchone()
    return row[0]


# Adds to a position that is before the moment, step by step, each half as long as the last.
_FIRST_AT = """
WITH RECURSIVE search (position, step) AS (
    SELECT 0::bigint, %(step)s::bigint
    UNION ALL
    SELECT CASE WHEN entry.at < %(moment)s THEN position + step ELSE position END, step / 2
    FROM search
    LEFT JOIN accounts_ledgerentry entry
        ON entry.organization_id = %(organization)s
        AND entry.account_id = %(account)s
        AND entry.account_version = position + step
        AND entry.account_version <= %(newest)s
    WHERE step > 0
)
SELECT position + 1 FROM search WHERE step = 0
"""


def _balance_after(account: CreditAccount, version: int) -> Decimal:
    if not version:
        return ZERO
    if version == account.version:
        return account.balance
    return _all_entries(account).get(account_version=version).balance_after


def _all_entries(account: CreditAccount) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(organization=account.organization_id, account=account)


def read_entries(
    span: Span, *, kinds: Collection[str] = (), before: int | None = None, limit: int
) -> list[LedgerEntry]:
    """Return the newest entries of a span first, at most `limit`; `before` is a number to go on at.

    With `kinds` only entries of these kinds.
    """
    last = span.last if before is None else min(span.last, before - 1)
    found = _of_kinds(span, kinds).filter(account_version__lte=last)
    return list(found.order_by("-account_version")[:limit])


def batches(span: Span, *, kinds: Collection[str] = ()) -> Iterator[list[LedgerEntry]]:
    """Yield all entries of a span, the oldest first, never more than BATCH_SIZE at once.

    Each batch has a transaction of its own. Entries never change, so together they are still the
    span as it was when it was read, and nobody waits for a slow reader.
    """
    following = span.first
    while following <= span.last:
        with tenancy.transaction_for(span.account.organization_id):
            rows = _of_kinds(span, kinds).filter(account_version__gte=following)
            batch = list(rows.order_by("account_version")[:BATCH_SIZE])
        if batch:
            yield batch
        if len(batch) < BATCH_SIZE:
            return
        following = batch[-1].account_version + 1


def _of_kinds(span: Span, kinds: Collection[str]) -> QuerySet[LedgerEntry]:
    rows = _all_entries(span.account).filter(
        account_version__gte=span.first, account_version__lte=span.last
    )
    return rows.filter(kind__in=kinds) if kinds else rows
