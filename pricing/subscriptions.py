"""Subscriptions: putting a customer on a plan version."""

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from accounts import ledger, money, tenancy
from accounts.models import Asset, Customer
from pricing import publication
from pricing.models import Plan, PlanVersion, ShortfallPolicy, Subscription


class AlreadySubscribed(Exception):
    """The customer has a live subscription."""


class NothingPublished(LookupError):
    """The plan has no published version."""


def newest_version(plan: Plan) -> PlanVersion:
    """Return the plan's newest published version. Raises NothingPublished."""
    version = publication.newest_published(plan)
    if version is None:
        raise NothingPublished(plan.code)
    return version


def subscribe(*, customer: Customer, plan_version: PlanVersion, at: dt.datetime) -> Subscription:
    """Put the customer on a published version from `at` on.

    Opens an account in each asset the version charges in, with the version's overdraft limit as
    its floor. Billing periods are counted from the day of sign-up in the customer's time zone.
    Raises AlreadySubscribed.
    """
    overdraft = plan_version.shortfall_policy == ShortfallPolicy.OVERDRAFT
    floor = -plan_version.overdraft_limit if overdraft else money.ZERO
    with tenancy.transaction_for(customer.organization_id):
        for asset in Asset.objects.filter(
            organization=customer.organization_id,
            id__in=plan_version.prices.values("asset"),
        ):
            ledger.open_account(customer=customer, asset=asset, floor=floor)
        try:
            with transaction.atomic():
                return Subscription.objects.create(
                    organization_id=customer.organization_id,
                    customer=customer,
                    plan_version=plan_version,
                    starts_at=at,
                    anchor_date=at.astimezone(ZoneInfo(customer.time_zone)).date(),
                )
        except IntegrityError as error:
            diagnosis = getattr(error.__cause__, "diag", None)
            if getattr(diagnosis, "constraint_name", "") == "one_live_subscription_per_customer":
                raise AlreadySubscribed(str(customer)) from error
            raise
