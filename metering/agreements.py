"""Agreements: what customers are subscribed to, and the open period that is billed in.

All of it is read by one statement. Only where a period has to be opened or closed, or included
credit is due, are the subscriptions loaded whole; see `metering.billing_periods`.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Collection
from typing import NamedTuple
from zoneinfo import ZoneInfo

from accounts import set_statements
from metering.models import BillingPeriod
from pricing import recurring_grants
from pricing.models import Subscription
from pricing.rating import Span

type ReadPeriods = Callable[..., dict[uuid.UUID, BillingPeriod]]


class OpenPeriod(NamedTuple):
    """The billing period that events go into now, and the version it is priced by."""

    id: uuid.UUID
    span: Span
    plan_version_id: uuid.UUID

    @property
    def starts_at(self) -> dt.datetime:
        """When it began."""
        return self.span.starts_at


class Agreement(NamedTuple):
    """One subscribed customer; `is_stopped` when somebody has stopped its usage."""

    customer_id: uuid.UUID
    external_id: str
    zone: ZoneInfo
    is_stopped: bool
    period: OpenPeriod


class Agreements(NamedTuple):
    """The agreements asked for, and whether reading them has made grants of included credit."""

    found: list[Agreement]
    brought_credit: bool


def read(
    *,
    organization_id: uuid.UUID,
    customer_ids: Collection[uuid.UUID],
    at: dt.datetime,
    read_periods: ReadPeriods,
) -> Agreements:
    """Return what these customers are subscribed to at `at`; the others are left out.

    `read_periods` is `billing_periods.open_periods`, for which the caller holds the locks of the
    customers' accounts, or `billing_periods.foresee_periods`; it is asked for those periods that
    do not stand as they should.
    """
    rows = set_statements.read(_CURRENT, organization_id, set_statements.array(customer_ids), at)
    unsettled = [
        subscription_id
        for subscription_id, *_, included_until, period_id, _, ends_at, _ in rows
        if period_id is None or ends_at <= at or recurring_grants.comes_soon(included_until, at=at)
    ]
    brought_credit = False
    stored: dict[uuid.UUID, BillingPeriod] = {}
    if unsettled:
        subscriptions = (
            Subscription.objects.for_organization(organization_id)
            .filter(id__in=unsettled)
            .select_related("customer", "plan_version")
        )
        brought_credit = any(recurring_grants.is_due(each, at=at) for each in subscriptions)
        stored = read_periods(subscriptions, at=at)
    found = []
    for subscription_id, customer_id, external_id, zone, stopped_at, _, *period in rows:
        open_period = stored.get(subscription_id)
        found.append(
            Agreement(
                customer_id,
                external_id,
                ZoneInfo(zone),
                stopped_at is not None,
                _of_row(*period) if open_period is None else _of_stored(open_period),
            )
        )
    return Agreements(found, brought_credit)


def _of_row(
    period_id: uuid.UUID, starts_at: dt.datetime, ends_at: dt.datetime, version_id: uuid.UUID
) -> OpenPeriod:
    return OpenPeriod(period_id, Span(starts_at, ends_at), version_id)


def _of_stored(period: BillingPeriod) -> OpenPeriod:
    return _of_row(period.id, period.starts_at, period.ends_at, period.plan_version_id)


# The open period is looked up for each subscription: as a join, the planner, whose statistics know
# nothing of periods opened a minute ago, has compared every subscription with every period.
_CURRENT = """
SELECT subscription.id, customer.id, customer.external_id, customer.time_zone,
    customer.usage_stopped_at, subscription.included_until, period.id, period.starts_at,
    period.ends_at, period.plan_version_id
FROM pricing_subscription subscription
JOIN accounts_customer customer ON customer.id = subscription.customer_id
LEFT JOIN LATERAL (
    SELECT * FROM metering_billingperiod period
    WHERE period.organization_id = subscription.organization_id
        AND period.subscription_id = subscription.id
        AND period.closed_at IS NULL
    LIMIT 1
) period ON TRUE
WHERE subscription.organization_id = %s AND subscription.customer_id = ANY(%s::uuid[])
    AND subscription.ended_at IS NULL AND subscription.starts_at <= %s
"""
