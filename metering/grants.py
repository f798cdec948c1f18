"""Grants as their owners ask about them: what paid what, and taking back what is left.

The books know references only; here it is known that they are events, billing periods, or holds
that ended unclaimed.
"""

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from accounts import ledger, tenancy
from accounts.models import CreditGrant, EntryKind, Hold, HoldDraw, HoldState, LedgerEntry
from metering import alerts
from metering.models import BillingPeriod, Event


def void(*, grant: CreditGrant, at: dt.datetime, reason: str = "") -> int:
    """Take back what is left of a grant, but for what open holds need; returns how many alerts
    that fired. Raises ledger.NotVoidable for a grant that was voided before or has expired.
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


def entries_of(grant: CreditGrant) -> QuerySet[LedgerEntry]:
    """Return what happened to a grant, and the part of it that paid what was owed when it came."""
    own = Q(grant=grant) | Q(grant=None, kind=EntryKind.GRANT, reference=grant.id)
    return LedgerEntry.objects.filter(
        own, organization=grant.organization_id, account=grant.account_id
    )


def draws_on(grant: CreditGrant) -> QuerySet[HoldDraw]:
    """Return what open holds reserve on a grant, with the holds."""
    draws = HoldDraw.objects.for_organization(grant.organization_id).filter(
        grant=grant, amount__gt=0, hold__state=HoldState.OPEN, hold__account=grant.account_id
    )
    return draws.select_related("hold").order_by("hold__created_at", "hold", "meter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What an entry was for: one of the three, or none of them."""

    event: Event | None = None
    period_id: uuid.UUID | None = None
    authorization_id: uuid.UUID | None = None


def causes_of(entries: Collection[LedgerEntry]) -> dict[uuid.UUID, Cause]:
    """Return what caused these entries of one account, by their references."""
    if not entries:
        return {}
    first = next(iter(entries))
    organization_id = first.organization_id
    asked = {entry.reference for entry in entries}
    holds = Hold.objects.filter(
        organization=organization_id, account=first.account_id, reference__in=asked
    )
    causes = {
        reference: Cause(authorization_id=reference)
        for reference in holds.values_list("reference", flat=True)
    }
    periods = BillingPeriod.objects.filter(organization=organization_id, id__in=asked)
    causes |= {
        period_id: Cause(period_id=period_id) for period_id in periods.values_list("id", flat=True)
    }
    events = Event.objects.filter(organization=organization_id, key__in=asked)
    # Once events tell out of which authorization they were captured, that is a cause as well.
    causes |= {
        event.key: Cause(event=event, authorization_id=getattr(event, "authorization", None))
        for event in events
    }
    return causes
