"""Sweeping: booking what time brings to accounts at rest, with the alerts that follow from it."""

import datetime as dt
import uuid
from collections import defaultdict

from django.db.models import Q

from accounts import ledger, parking, tenancy
from accounts.models import CreditGrant
from metering import alerts

ACCOUNTS_PER_TRANSACTION = 500


def settle_due_grants(*, at: dt.datetime) -> int:
    """Book every grant that became effective or expired by `at`; returns how many entries.

    Raises ExceptionGroup, after all the others, for accounts that could not be settled.
    """
    due = CreditGrant.objects.filter(
        Q(posted_at=None, effective_at__lte=at) | Q(expired_at=None, expires_at__lte=at)
    ).values_list("organization_id", "account_id")
    by_organization: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    for organization_id, account_id in due.order_by().distinct():
        by_organization[organization_id].add(account_id)
    chunks = [
        (organization_id, sorted(account_ids)[start : start + ACCOUNTS_PER_TRANSACTION])
        for organization_id, account_ids in by_organization.items()
        for start in range(0, len(account_ids), ACCOUNTS_PER_TRANSACTION)
    ]
    return parking.serve_each(chunks, lambda chunk: _settle(chunk[0], chunk[1], at=at))


def _settle(organization_id: uuid.UUID, account_ids: list[uuid.UUID], *, at: dt.datetime) -> int:
    with tenancy.transaction_for(organization_id):
        books = ledger.lock_books(organization_id=organization_id, account_ids=account_ids, at=at)
        entries = sum(len(book.entries) for book in books.values())
        alerts.decide(books.values(), organization_id=organization_id, at=at)
        ledger.post(books.values(), at=at)
    return entries
