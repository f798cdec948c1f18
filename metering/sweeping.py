"""Sweeping: booking what time brings to accounts at rest, with the alerts that follow from it."""

import datetime as dt
import uuid
from collections import defaultdict

from django.db.models import Q

from accounts import ledger, parking, tenancy
from accounts.models import CreditAccount, CreditGrant, Hold, HoldState
from metering import alerts, cap_reservations
from pricing import recurring_grants

ACCOUNTS_PER_TRANSACTION = 500
SUBSCRIPTIONS_PER_RUN = 1_000


def settle_due_accounts(*, at: dt.datetime) -> int:
    """Book every grant that became effective or expired by `at`, and end every hold that is over.

    Returns how many entries and ends of holds that made. Raises ExceptionGroup, after all the
    others, for accounts that could not be settled.
    """
    grants = CreditGrant.objects.filter(
        Q(posted_at=None, effective_at__lte=at) | Q(expired_at=None, expires_at__lte=at),
        voided_at=None,
    )
    holds = Hold.objects.filter(state=HoldState.OPEN, expires_at__lte=at)
    by_organization: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    for due in (grants, holds):
        accounts = due.order_by().values_list("organization_id", "account_id").distinct()
        for organization_id, account_id in accounts:
            by_organization[organization_id].add(account_id)
    chunks = [
        (organization_id, sorted(account_ids)[start : start + ACCOUNTS_PER_TRANSACTION])
        for organization_id, account_ids in by_organization.items()
        for start in range(0, len(account_ids), ACCOUNTS_PER_TRANSACTION)
    ]
    return parking.serve_each(chunks, lambda chunk: _settle(chunk[0], chunk[1], at=at))


def bring_included_credits(*, at: dt.datetime, limit: int = SUBSCRIPTIONS_PER_RUN) -> int:
    """Grant what plans include a few days before it comes, and withdraw what will not come.

    Returns how many grants were made or withdrawn. Raises ExceptionGroup, after all the others,
    for subscriptions that could not be served.
    """
    waiting = recurring_grants.due(at=at).order_by("included_until")[:limit]
    return parking.serve_each(
        list(waiting.values_list("organization_id", "customer_id", "id")),
        lambda ids: _bring(*ids, at=at),
    )


def _bring(
    organization_id: uuid.UUID,
    customer_id: uuid.UUID,
    subscription_id: uuid.UUID,
    *,
    at: dt.datetime,
) -> int:
    with tenancy.transaction_for(organization_id):
        accounts = CreditAccount.objects.for_organization(organization_id).filter(
            customer=customer_id
        )
        ledger.lock_books(
            organization_id=organization_id,
            account_ids=list(accounts.values_list("id", flat=True)),
            at=at,
        )
        subscription = (
            recurring_grants.due(at=at)
            .filter(organization=organization_id, id=subscription_id)
            .select_related("customer", "plan_version__plan")
            .first()
        )
        return 0 if subscription is None else recurring_grants.bring(subscription, at=at)


def _settle(organization_id: uuid.UUID, account_ids: list[uuid.UUID], *, at: dt.datetime) -> int:
    with tenancy.transaction_for(organization_id):
        books = ledger.lock_books(
            organization_id=organization_id, account_ids=account_ids, at=at, sweep=True
        )
        booked = sum(len(book.entries) + len(book.touched_holds) for book in books.values())
        cap_reservations.clear_expired(books.values(), organization_id=organization_id)
        alerts.decide(books.values(), organization_id=organization_id, at=at)
        ledger.post(books.values(), at=at)
    return booked
