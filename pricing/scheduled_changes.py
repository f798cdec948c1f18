"""Scheduled changes: the plan version a subscription gets with a period that begins later.

A change waits until a billing period begins at or after its moment. Nothing that was rated before
is touched by it, because the period that is open keeps the version it began with.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Mapping
from zoneinfo import ZoneInfo

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, UUIDField, Value
from django.db.models.functions import Coalesce, Least

from accounts import credit_lines, ledger
from accounts.models import CreditAccount
from pricing import versions
from pricing.models import IncludedCredit, Plan, PlanVersion, ScheduledChange, Subscription

type Pending = Mapping[uuid.UUID, Collection[ScheduledChange]]
"""Changes that wait, by subscription id."""


def subscriptions_on(plan: Plan, *, at: dt.datetime) -> QuerySet[Subscription]:
    """Return the live subscriptions that will be on a version of the plan at `at`."""
    waiting = ScheduledChange.objects.filter(
        organization=OuterRef("organization"),
        subscription=OuterRef("pk"),
        applied_at=None,
        effective_at__lte=at,
    ).order_by("-effective_at")
    return (
        Subscription.objects.for_organization(plan.organization_id)
        .filter(ended_at=None)
        .annotate(
            plan_then=Coalesce(
                Subquery(waiting.values("plan_version__plan")[:1]),
                F("plan_version__plan"),
                output_field=UUIDField(),
            )
        )
        .filter(plan_then=plan.id)
    )


def schedule(
    *,
    versions_by_subscription: Mapping[Subscription, PlanVersion],
    effective_at: dt.datetime,
    at: dt.datetime,
) -> list[ScheduledChange]:
    """Give each subscription its version with the first period from `effective_at` on.

    Takes the place of what waits for the same moment, and of versions of the same plan that wait
    for a later one. Opens the accounts that the new versions need. All are of one organization.
    """
    subscriptions = list(versions_by_subscription)
    if not subscriptions:
        return []
    organization_id = subscriptions[0].organization_id
    plans = {version.plan_id for version in versions_by_subscription.values()}
    ScheduledChange.objects.filter(
        Q(effective_at=effective_at)
        | Q(effective_at__gt=effective_at, plan_version__plan__in=plans),
        organization=organization_id,
        subscription__in=subscriptions,
        applied_at=None,
    ).delete()
    _open_accounts(versions_by_subscription)
    _recount_credits(versions_by_subscription, at=at)
    return ScheduledChange.objects.bulk_create(
        ScheduledChange(
            organization_id=organization_id,
            subscription=subscription,
            customer_id=subscription.customer_id,
            plan_version=version,
            effective_at=effective_at,
            created_at=at,
        )
        for subscription, version in versions_by_subscription.items()
    )


def _recount_credits(
    versions_by_subscription: Mapping[Subscription, PlanVersion], *, at: dt.datetime
) -> None:
    """Have `pricing.recurring_grants` look again at what credits come, where any come."""
    subscriptions = [each.id for each in versions_by_subscription]
    giving = set(
        IncludedCredit.objects.filter(
            plan_version__in=set(versions_by_subscription.values())
        ).values_list("plan_version", flat=True)
    )
    begins_to_come = [
        subscription.id
        for subscription, version in versions_by_subscription.items()
        if version.id in giving
    ]
    Subscription.objects.filter(
        Q(included_until__isnull=False) | Q(id__in=begins_to_come), id__in=subscriptions
    ).update(included_until=Least(Coalesce("included_until", Value(at)), Value(at)))


def _open_accounts(versions_by_subscription: Mapping[Subscription, PlanVersion]) -> None:
    assets = {
        version: list(versions.assets_of(version))
        for version in set(versions_by_subscription.values())
    }
    customers = [subscription.customer_id for subscription in versions_by_subscription]
    open_now = set(
        CreditAccount.objects.filter(customer__in=customers).values_list("customer", "asset")
    )
    for subscription, version in versions_by_subscription.items():
        for asset in assets[version]:
            if (subscription.customer_id, asset.id) not in open_now:
                ledger.open_account(
                    customer=subscription.customer, asset=asset, floor=version.floor
                )


def pending(subscriptions: Collection[Subscription]) -> Pending:
    """Return the changes that wait for these subscriptions, in one query."""
    waiting: dict[uuid.UUID, list[ScheduledChange]] = {}
    if not subscriptions:
        return waiting
    rows = ScheduledChange.objects.filter(
        organization__in={each.organization_id for each in subscriptions},
        subscription__in=subscriptions,
        applied_at=None,
    )
    for change in rows.select_related("plan_version").order_by("effective_at"):
        waiting.setdefault(change.subscription_id, []).append(change)
    return waiting


def version_for_next_period(
    subscription: Subscription, *, starts_at: dt.datetime, waiting: Pending | None = None
) -> PlanVersion:
    """Return the version that a period of the subscription beginning at `starts_at` is priced by.

    Pass `waiting` when the pending changes were read already.
    """
    if waiting is None:
        waiting = pending([subscription])
    due = _due(waiting.get(subscription.id, ()), starts_at)
    return due[-1].plan_version if due else subscription.plan_version


def _due(changes: Iterable[ScheduledChange], starts_at: dt.datetime) -> list[ScheduledChange]:
    return [change for change in changes if change.effective_at <= starts_at]


def apply(
    subscription: Subscription,
    *,
    starts_at: dt.datetime,
    waiting: Pending | None = None,
) -> bool:
    """Put the subscription on the version of the period that begins at `starts_at`.

    Returns whether that changed anything; what was due before the newest due change never was in
    force and is forgotten. With another billing interval, periods are counted anew from the day
    on which this one begins. The caller holds the locks of the customer's accounts.
    """
    if waiting is None:
        waiting = pending([subscription])
    due = _due(waiting.get(subscription.id, ()), starts_at)
    if not due:
        return False
    *passed, change = due
    ScheduledChange.objects.filter(id__in=[each.id for each in passed], applied_at=None).delete()
    change.applied_at = starts_at
    change.save(update_fields=["applied_at"])
    if change.plan_version.billing_interval != subscription.plan_version.billing_interval:
        zone = ZoneInfo(subscription.customer.time_zone)
        subscription.anchor_date = starts_at.astimezone(zone).date()
    credit_lines.move_floor(
        customer=subscription.customer,
        assets=versions.assets_of(change.plan_version),
        floor=change.plan_version.floor,
    )
    subscription.plan_version = change.plan_version
    subscription.save(update_fields=["plan_version", "anchor_date"])
    return True
