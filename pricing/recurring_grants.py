"""Recurring grants: the included credits of plans, made as grants a few days before they come.

A grant that is made ahead enters the balance by itself when its time has come, before what it
replaces expires. So credit is there in the first second of a month, whoever asks first, and no
balance looks low in between. What a change of plans makes wrong is withdrawn before it comes;
what has come stays until it expires.

Each occurrence comes once for a subscription, whichever versions it moves through: it is known by
the asset, the credit's place among those of the asset, and its local day, all in the reference.
"""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from django.db.models import Q

from accounts import ledger
from accounts.burndown import Category
from accounts.models import CreditGrant
from accounts.models.organizations import TenantQuerySet
from accounts.periods import BillingCalendar, Interval
from pricing import included_schedule, scheduled_changes
from pricing.models import Cadence, Expiry, IncludedCredit, PlanVersion, Rollover, Subscription

AHEAD = dt.timedelta(days=3)
"""How long before they come grants are made: as long as every worker may be away."""

_ZONES_APART = dt.timedelta(days=2)
_WITHDRAWN = "The plan gives something else from then on."


def due(*, at: dt.datetime) -> TenantQuerySet[Subscription]:
    """Return the subscriptions of all organizations that `bring` has something to do for."""
    return Subscription.objects.filter(
        Q(included_until__lte=at + AHEAD) | Q(ended_at__isnull=False, included_until__isnull=False)
    )


def is_due(subscription: Subscription, *, at: dt.datetime) -> bool:
    """Whether `bring` has something to do for this one; asks no database."""
    until = subscription.included_until
    return comes_soon(until, at=at) or (until is not None and subscription.ended_at is not None)


def comes_soon(included_until: dt.datetime | None, *, at: dt.datetime) -> bool:
    """Whether grants are to be made for a subscription that has them until `included_until`."""
    return included_until is not None and included_until <= at + AHEAD


def bring(subscription: Subscription, *, at: dt.datetime) -> int:
    """Make the grants that come soon, and those that time has brought and nobody made.

    What has expired meanwhile is not given any more. Grants that are still to come and that the
    plan does not give any more are withdrawn. Returns how many were made or withdrawn. The caller
    holds the locks of the customer's accounts, and reads books anew that it had read before.
    """
    from_then = subscription.included_until or at
    waiting = _waiting(subscription)
    outlook = _look_ahead(
        subscription,
        since=min([from_then, *(grant.effective_at for grant in waiting)]),
        until=at + AHEAD,
    )
    made = _made(subscription, since=outlook.since - _ZONES_APART)
    keep: set[uuid.UUID] = set()
    orders = []
    for reference, order in outlook.orders.items():
        before = [grant for grant in made if grant.reference.partition("#")[0] == reference]
        current = [grant for grant in before if grant.void_reason != _WITHDRAWN]
        unchanged = [g for g in current if g.posted_at or g.voided_at or _says_the_same(g, order)]
        keep |= {grant.id for grant in unchanged}
        is_over = order.expires_at is not None and order.expires_at <= at
        if not unchanged and not is_over:
            again = f"#{len(before) + 1}" if before else ""
            orders.append(replace(order, reference=reference + again))
    wrong = [grant.id for grant in waiting if grant.id not in keep]
    ledger.withdraw(
        organization_id=subscription.organization_id, grant_ids=wrong, at=at, reason=_WITHDRAWN
    )
    if orders:
        ledger.grant_credit_all(organization_id=subscription.organization_id, orders=orders, at=at)
    subscription.included_until = outlook.goes_on_at
    subscription.save(update_fields=["included_until"])
    return len(orders) + len(wrong)


def _waiting(subscription: Subscription) -> list[CreditGrant]:
    return list(_of(subscription).filter(posted_at=None, voided_at=None))


def _made(subscription: Subscription, *, since: dt.datetime) -> list[CreditGrant]:
    return list(_of(subscription).filter(effective_at__gte=since))


def _of(subscription: Subscription) -> TenantQuerySet[CreditGrant]:
    return CreditGrant.objects.for_organization(subscription.organization_id).filter(
        account__customer=subscription.customer_id,
        reference__startswith=f"included:{subscription.id}:",
    )


def _says_the_same(grant: CreditGrant, order: ledger.GrantOrder) -> bool:
    return (
        grant.account_id == order.account_id
        and grant.amount == order.amount
        and grant.priority == order.priority
        and (grant.effective_at, grant.expires_at) == (order.effective_at, order.expires_at)
        and sorted(grant.meters) == sorted(order.meters)
        and (grant.series, grant.rollover_limit) == (order.series, order.rollover_limit)
    )


# What is to come.


@dataclass(kw_only=True)
class _Outlook:
    """What comes from `since` on, by reference, and when there will be more to make."""

    since: dt.datetime
    orders: dict[str, ledger.GrantOrder] = field(default_factory=dict)
    goes_on_at: dt.datetime | None = None

    def goes_on(self, at: dt.datetime) -> None:
        self.goes_on_at = at if self.goes_on_at is None else min(self.goes_on_at, at)


@dataclass(frozen=True, kw_only=True)
class _Stretch:
    """How long a subscription is on a version; to `ends_at`, or for good."""

    version: PlanVersion
    billing: BillingCalendar
    starts_at: dt.datetime
    ends_at: dt.datetime | None


def _look_ahead(subscription: Subscription, *, since: dt.datetime, until: dt.datetime) -> _Outlook:
    outlook = _Outlook(since=since)
    for stretch in _stretches(subscription, since=since):
        if stretch.starts_at >= until:
            outlook.goes_on(stretch.starts_at)
            break
        place: Counter[str] = Counter()
        for credit in stretch.version.included_credits.select_related("asset"):
            code = credit.asset.code
            slot = f"included:{subscription.id}:{code}:{place[code]}"
            series = uuid.uuid5(subscription.id, f"{credit.asset_id} {place[code]}")
            place[code] += 1
            account = ledger.open_account(customer=subscription.customer, asset=credit.asset)
            for each in included_schedule.occurrences(
                _terms(credit, subscription),
                billing=stretch.billing,
                since=stretch.starts_at,
                begins_at=subscription.starts_at,
            ):
                if stretch.ends_at is not None and each.effective_at >= stretch.ends_at:
                    break
                if each.effective_at >= until:
                    outlook.goes_on(each.effective_at)
                    break
                outlook.orders[f"{slot}:{each.day}"] = _order(
                    credit, subscription, each, account_id=account.id, series=series
                )
    return outlook


def _terms(credit: IncludedCredit, subscription: Subscription) -> included_schedule.Terms:
    seats = subscription.seats if credit.per_seat else 1
    return included_schedule.Terms(
        amount=credit.amount * seats,
        every=None if credit.every == Cadence.PERIOD else Interval(credit.every),
        after_days=credit.expires_after_days,
        never=credit.expires == Expiry.NEVER,
        limit_per_month=credit.limit_per_month * seats,
    )


def _order(
    credit: IncludedCredit,
    subscription: Subscription,
    occurrence: included_schedule.Occurrence,
    *,
    account_id: uuid.UUID,
    series: uuid.UUID,
) -> ledger.GrantOrder:
    seats = subscription.seats if credit.per_seat else 1
    rolls_over = credit.rollover != Rollover.NONE and credit.expires == Expiry.PERIOD_END
    limit = credit.rollover_limit * seats if credit.rollover == Rollover.LIMITED else None
    return ledger.GrantOrder(
        account_id=account_id,
        amount=occurrence.amount,
        category=Category.INCLUDED,
        priority=credit.priority,
        effective_at=occurrence.effective_at,
        expires_at=occurrence.expires_at,
        meters=credit.meters,
        name=f"Included in {credit.plan_version.plan.name}"[:200],
        series=series if rolls_over else None,
        rollover_limit=limit if rolls_over else None,
    )


def _stretches(subscription: Subscription, *, since: dt.datetime) -> Iterator[_Stretch]:
    """Yield which version the subscription is on from `since`, and to which it is to move when.

    A change is applied by the first billing period that begins after it was agreed and wanted.
    """
    zone = ZoneInfo(subscription.customer.time_zone)
    version = subscription.plan_version
    billing = BillingCalendar(subscription.anchor_date, Interval(version.billing_interval), zone)
    starts_at = since
    waiting = scheduled_changes.pending([subscription]).get(subscription.id, ())
    for change in () if subscription.ended_at else waiting:
        moment = max(change.effective_at, change.created_at)
        period = billing.period_containing(moment)
        moves_at = period.start if period.start >= moment else period.end
        if moves_at > starts_at:
            yield _Stretch(version=version, billing=billing, starts_at=starts_at, ends_at=moves_at)
            starts_at = moves_at
        if change.plan_version.billing_interval != version.billing_interval:
            anchor = moves_at.astimezone(zone).date()
            interval = Interval(change.plan_version.billing_interval)
            billing = BillingCalendar(anchor, interval, zone)
        version = change.plan_version
    yield _Stretch(
        version=version, billing=billing, starts_at=starts_at, ends_at=subscription.ended_at
    )
