"""Grants as their owners ask about them: what paid what, what is reserved, and taking one back."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from accounts import ledger, tenancy
from accounts.models import CreditGrant, EntryKind, HoldDraw, HoldState, LedgerEntry
from metering import alerts, statements


def void(*, grant: CreditGrant, at: dt.datetime, reason: str = "") -> int:
    """Take back what is left of a grant, but for what open holds need; it lapses with them.

    Returns how many alerts that fired. Raises ledger.NotVoidable for a grant that was voided
    before or has expired.
    """
    with tenancy.transaction_for(grant.organization_id):
        books = ledger.lock_books(
            organization_id=grant.organization_id,
            account_ids=[grant.account_id],
            grant_ids=[grant.id],
            at=at,
        )
        book = books[grant.account_id]
        book.void(book.grant_of(grant.id), at=at, reason=reason)
        firings = alerts.decide(books.values(), organization_id=grant.organization_id, at=at)
        ledger.post(books.values(), at=at)
    return firings


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of what happened to a grant; the next goes on before entry `following`, if any."""

    lines: Sequence[statements.Line]
    following: int | None


def read_page(grant: CreditGrant, *, before: int | None = None, limit: int) -> Page:
    """Return what happened to a grant, newest first, `limit` entries or what is left before one.

    With it comes the part of the grant that paid what was owed, which belongs to no grant. `grant`
    needs its account with the asset.
    """
    own = Q(grant=grant) | Q(grant=None, kind=EntryKind.GRANT, reference=grant.id)
    entries = LedgerEntry.objects.filter(
        own, organization=grant.organization_id, account=grant.account_id
    )
    if before is not None:
        entries = entries.filter(account_version__lt=before)
    found = list(entries.order_by("-account_version")[: limit + 1])
    shown = found[:limit]
    return Page(
        lines=statements.lines_of([(grant.account, entry) for entry in shown]),
        following=shown[-1].account_version if len(found) > limit else None,
    )


def draws_on(grant: CreditGrant) -> list[HoldDraw]:
    """Return what open holds reserve on a grant, with their holds, the oldest first."""
    draws = HoldDraw.objects.for_organization(grant.organization_id).filter(
        grant=grant,
        amount__gt=0,
        hold__organization=grant.organization_id,
        hold__account=grant.account_id,
        hold__state=HoldState.OPEN,
    )
    return list(draws.select_related("hold").order_by("hold__created_at", "hold", "meter"))
