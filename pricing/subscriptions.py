"""Subscriptions: putting a customer on a plan version, and taking on a customer with one."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from accounts import credit_lines, customers, ledger, tenancy
from accounts.models import Customer, Organization
from pricing import coupons, private_versions, recurring_grants, versions
from pricing.models import Coupon, Plan, PlanVersion, Subscription


class AlreadySubscribed(Exception):
    """The customer has a live subscription."""


class NothingPublished(LookupError):
    """No published version of the plan is in effect."""


def newest_version(plan: Plan, *, at: dt.datetime) -> PlanVersion:
    """Return the newest version of the plan in effect at `at`. Raises NothingPublished."""
    version = versions.in_effect(plan, at=at)
    if version is None:
        raise NothingPublished(plan.code)
    return version


def live(customer: Customer) -> Subscription | None:
    """Return the customer's subscription that has not ended, with its version and plan."""
    rows = Subscription.objects.filter(
        organization=customer.organization_id, customer=customer, ended_at=None
    )
    return rows.select_related(
        "customer", "plan_version__plan", "plan_version__based_on__plan"
    ).first()


def subscribe(
    *,
    customer: Customer,
    plan_version: PlanVersion,
    at: dt.datetime,
    seats: int = 1,
    coupon: Coupon | None = None,
) -> Subscription:
    """Put the customer on a published version from `at` on.

    A customer with overrides of its prices gets a private version of it. Opens an account in each
    asset of the version, with its overdraft limit as the floor. Billing periods are counted from
    the day of sign-up in the customer's time zone, and so are the days of a trial. What the plan
    includes is there at once. Raises
    AlreadySubscribed, private_versions.OverrideRefused and coupons.NotRedeemable.
    """
    zone = ZoneInfo(customer.time_zone)
    public = plan_version.public
    with tenancy.transaction_for(customer.organization_id):
        # Accounts before the plan, as everywhere. A private version has the assets of the public.
        assets = list(versions.assets_of(public))
        for asset in assets:
            ledger.open_account(customer=customer, asset=asset, floor=public.floor)
        credit_lines.move_floor(customer=customer, assets=assets, floor=public.floor)
        versions.lock_plan(public.plan)
        version = private_versions.version_for(customer=customer, base=public, at=at)
        with _one_at_a_time(customer):
            subscription = Subscription.objects.create(
                organization_id=customer.organization_id,
                customer=customer,
                plan_version=version,
                starts_at=at,
                anchor_date=at.astimezone(zone).date(),
                seats=seats,
                trial_ends_at=_trial_end(version, zone=zone, at=at),
            )
        if coupon is not None:
            coupons.redeem(coupon=coupon, subscription=subscription, at=at)
        recurring_grants.bring(subscription, at=at)
        return subscription


def _trial_end(version: PlanVersion, *, zone: ZoneInfo, at: dt.datetime) -> dt.datetime | None:
    """Return the same time of day, so many of the customer's days later."""
    if not version.trial_days:
        return None
    days = dt.timedelta(days=version.trial_days)
    return (at.astimezone(zone) + days).astimezone(dt.UTC)


@contextmanager
def _one_at_a_time(customer: Customer) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if getattr(diagnosis, "constraint_name", "") == "one_live_subscription_per_customer":
            raise AlreadySubscribed(str(customer)) from error
        raise


def take_on(
    *, organization: Organization, external_id: str, at: dt.datetime, **facts: Any
) -> Customer:
    """Create a customer and put it on the organization's plan for new customers, both or neither.

    Without such a plan, or while no version of it is in effect, the customer has no subscription.
    Raises customers.CustomerExists.
    """
    with tenancy.transaction_for(organization.id):
        customer = customers.create_customer(
            organization=organization, external_id=external_id, at=at, **facts
        )
        plan = Plan.objects.for_organization(organization).filter(is_default=True).first()
        version = versions.in_effect(plan, at=at) if plan else None
        if version is not None:
            subscribe(customer=customer, plan_version=version, at=at)
        return customer
