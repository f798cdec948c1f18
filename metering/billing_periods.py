"""Billing periods: opening the one an event belongs to, and closing the one whose time is over.

A period is closed by whoever comes first under the lock of the customer's accounts: the calendar,
or an event that finds its period over. Closing only flips the row; the invoice is built after.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import copy
from zoneinfo import ZoneInfo

from django.db.models import Max

from accounts import identifiers, ledger, tenancy
from accounts.models import CreditAccount
from accounts.periods import BillingCalendar, Interval
from metering.models import BillingPeriod
from pricing import recurring_grants, scheduled_changes
from pricing.models import Subscription


def open_periods(
    subscriptions: Collection[Subscription], *, at: dt.datetime
) -> dict[uuid.UUID, BillingPeriod]:
    """Return the open period around `at` of each subscription, by subscription id.

    Closes the periods that ended at or before `at` and opens the ones that follow. The caller
    holds the locks of the customers' accounts. Subscriptions need customer and plan_version. When
    one was due for included credits (`recurring_grants.is_due`), they are granted, and books that
    the caller had read before are to be read anew.
    """
    current, over = _stored_open(subscriptions, at=at)
    _close(over, at=at)
    opened = BillingPeriod.objects.bulk_create(
        _following(subscriptions, current, at=at, begin=_begin_period)
    )
    for subscription in subscriptions:
        if recurring_grants.is_due(subscription, at=at):
            recurring_grants.bring(subscription, at=at)
    return current | {period.subscription_id: period for period in opened}


def foresee_periods(
    subscriptions: Collection[Subscription], *, at: dt.datetime
) -> dict[uuid.UUID, BillingPeriod]:
    """Return what `open_periods` would, and leave the database as it is.

    A period that would have to be opened is not stored.
    """
    current, _ = _stored_open(subscriptions, at=at)
    opened = _following(subscriptions, current, at=at, begin=_foresee_period)
    return current | {period.subscription_id: period for period in opened}


def _stored_open(
    subscriptions: Collection[Subscription], *, at: dt.datetime
) -> tuple[dict[uuid.UUID, BillingPeriod], list[BillingPeriod]]:
    """Return the open periods around `at` by subscription id, and those whose time is over."""
    stored = BillingPeriod.objects.filter(
        organization__in={each.organization_id for each in subscriptions},
        subscription__in=subscriptions,
        closed_at=None,
    )
    current, over = {}, []
    for period in stored:
        if period.ends_at <= at:
            over.append(period)
        else:
            current[period.subscription_id] = period
    return current, over


def _following(
    subscriptions: Collection[Subscription],
    current: Mapping[uuid.UUID, BillingPeriod],
    *,
    at: dt.datetime,
    begin: Callable[..., BillingPeriod],
) -> list[BillingPeriod]:
    """Return the periods, not stored yet, of the subscriptions that have no current one."""
    missing = [each for each in subscriptions if each.id not in current]
    ends = _last_ends(missing)
    waiting = scheduled_changes.pending(missing)
    return [begin(each, after=ends.get(each.id), at=at, waiting=waiting) for each in missing]


def _close(periods: Iterable[BillingPeriod], *, at: dt.datetime) -> None:
    ids = [period.id for period in periods]
    if ids:
        BillingPeriod.objects.filter(id__in=ids, closed_at=None).update(closed_at=at)


def _last_ends(subscriptions: Collection[Subscription]) -> dict[uuid.UUID, dt.datetime]:
    """Return when the newest period of each subscription ended; none for its first."""
    if not subscriptions:
        return {}
    ends = BillingPeriod.objects.filter(
        organization__in={each.organization_id for each in subscriptions},
        subscription__in=subscriptions,
    ).values_list("subscription")
    return dict(ends.order_by().annotate(Max("ends_at")))


def _begin_period(
    subscription: Subscription,
    *,
    after: dt.datetime | None,
    at: dt.datetime,
    waiting: scheduled_changes.Pending,
) -> BillingPeriod:
    """Return the next period, having put the subscription on the version it is priced by."""
    period = _next_period(subscription, after=after, at=at)
    if scheduled_changes.apply(subscription, starts_at=period.starts_at, waiting=waiting):
        # The version may have another interval, and then the period another end.
        period = _next_period(subscription, after=after, at=at)
    return period


def _foresee_period(
    subscription: Subscription,
    *,
    after: dt.datetime | None,
    at: dt.datetime,
    waiting: scheduled_changes.Pending,
) -> BillingPeriod:
    """Return what `_begin_period` would, and change no subscription for it."""
    period = _next_period(subscription, after=after, at=at)
    version = scheduled_changes.version_for_next_period(
        subscription, starts_at=period.starts_at, waiting=waiting
    )
    if version.billing_interval != subscription.plan_version.billing_interval:
        zone = ZoneInfo(subscription.customer.time_zone)
        then = copy(subscription)
        then.plan_version = version
        then.anchor_date = period.starts_at.astimezone(zone).date()
        period.ends_at = _next_period(then, after=after, at=at).ends_at
    period.plan_version = version
    return period


def _next_period(
    subscription: Subscription, *, after: dt.datetime | None, at: dt.datetime
) -> BillingPeriod:
    """Return the period around `at`, begun no earlier than the one before it has ended.

    A customer who moved to another time zone has other midnights from then on: the first period
    there may be some hours shorter, or begin some hours later, but never overlaps the last.
    """
    calendar = BillingCalendar(
        anchor=subscription.anchor_date,
        interval=Interval(subscription.plan_version.billing_interval),
        zone=ZoneInfo(subscription.customer.time_zone),
    )
    period = calendar.period_containing(max(at, after) if after else at)
    return BillingPeriod(
        id=identifiers.new_id(),
        organization_id=subscription.organization_id,
        subscription=subscription,
        customer_id=subscription.customer_id,
        plan_version_id=subscription.plan_version_id,
        starts_at=max(period.start, after) if after else period.start,
        ends_at=period.end,
    )


def close_if_due(period: BillingPeriod, *, at: dt.datetime) -> bool:
    """Close one period that ended at or before `at` and open the next; True if this call did."""
    with tenancy.transaction_for(period.organization_id):
        account_ids = CreditAccount.objects.filter(
            organization=period.organization_id, customer=period.customer_id
        ).values_list("id", flat=True)
        ledger.lock_books(
            organization_id=period.organization_id, account_ids=list(account_ids), at=at
        )
        still_open = (
            BillingPeriod.objects.select_for_update(no_key=True, of=("self",))
            .select_related("subscription__customer", "subscription__plan_version")
            .filter(id=period.id, closed_at=None, ends_at__lte=at)
            .first()
        )
        if still_open is None:
            return False
        if still_open.subscription.ended_at is None:
            open_periods([still_open.subscription], at=at)
        else:
            _close([still_open], at=at)
    return True
