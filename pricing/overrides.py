"""Overrides: what one customer pays for single meters of a plan, instead of what the plan says.

Overrides are agreed for a plan, whichever version of it the customer is on, and also before there
is a subscription. They are charged by private versions (`pricing.private_versions`), with the next
billing period; what was rated before stays as it was.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from django.db.models import QuerySet

from accounts import exact_json, tenancy
from accounts.models import Asset, Customer
from pricing import private_versions, scheduled_changes, subscriptions, versions
from pricing.field_errors import FieldError
from pricing.models import Meter, Plan, PriceOverride, Subscription
from pricing.plan_checks import Problem
from pricing.plan_document import PriceRow
from pricing.plan_form import PlanInvalid
from pricing.private_versions import OverrideRefused


def of_customer(customer: Customer) -> QuerySet[PriceOverride]:
    """Return the customer's overrides, with what it takes to write them."""
    rows = PriceOverride.objects.filter(
        organization=customer.organization_id, customer=customer
    ).select_related("plan", "meter", "asset")
    return rows.order_by("plan__code", "meter__code", "asset__code")


def replace(
    *,
    customer: Customer,
    plan: Plan,
    prices: Sequence[PriceRow],
    at: dt.datetime,
    at_once: bool = False,
) -> bool:
    """Make `prices` the customer's overrides on the plan, in place of all it had there.

    A customer on the plan gets them with the next period that begins at or after `at`, and with
    every version of the plan it is to move to; `at_once`, when nothing was used in the open period,
    the subscription itself changes as well. Returns whether anything changed. Raises
    plan_form.PlanInvalid naming the prices that are wrong, and then nothing changed.
    """
    with tenancy.transaction_for(customer.organization_id):
        versions.lock_plan(plan)
        wanted = _Resolution(plan).rows(prices)
        stored = PriceOverride.objects.filter(
            organization=customer.organization_id, customer=customer, plan=plan
        )
        if _said(stored) == _said(wanted):
            return False
        stored.delete()
        for override in wanted:
            override.customer = customer
            override.created_at = at
        PriceOverride.objects.bulk_create(wanted)
        subscription = subscriptions.live(customer)
        try:
            if subscription is not None:
                _reprice(subscription, plan, at=at, at_once=at_once)
        except OverrideRefused as refusal:
            raise PlanInvalid(_named(refusal.problems, prices)) from refusal
        return True


def _said(overrides: Iterable[PriceOverride]) -> set[tuple[object, ...]]:
    return {
        (each.meter_id, each.asset_id, each.settle, exact_json.encode(each.definition))
        for each in overrides
    }


class _Resolution:
    """Finds what prices name by code, in the plan's own organization."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        here = {"organization": plan.organization_id}
        self.meters = {meter.code: meter for meter in Meter.objects.filter(**here)}
        self.assets = {asset.code: asset for asset in Asset.objects.filter(**here)}
        published = versions.published(plan)
        self.priced = set(published.values_list("prices__meter", "prices__asset"))

    def rows(self, prices: Sequence[PriceRow]) -> list[PriceOverride]:
        """Return rows that are not stored yet. Raises PlanInvalid."""
        errors: list[FieldError] = []
        found = []
        for number, price in enumerate(prices):
            meter, asset = self.meters.get(price.meter), self.assets.get(price.asset)
            if meter is None or asset is None or (meter.id, asset.id) not in self.priced:
                reason = f"the plan has no price for it in {price.asset}"
                errors.append(FieldError(f"prices[{number}].meter", reason))
                continue
            found.append(
                PriceOverride(
                    organization_id=self.plan.organization_id,
                    plan=self.plan,
                    meter=meter,
                    asset=asset,
                    settle=price.settle,
                    definition=price.definition,
                )
            )
        if errors:
            raise PlanInvalid(errors)
        return found


def _reprice(subscription: Subscription, plan: Plan, *, at: dt.datetime, at_once: bool) -> None:
    """Give the subscription new private versions, now or next and for each move ahead."""
    customer = subscription.customer
    waiting = scheduled_changes.pending([subscription])
    moves = [
        (change.effective_at, change.plan_version.public)
        for change in waiting.get(subscription.id, ())
    ]
    current = subscription.plan_version.public
    if at_once and current.plan_id == plan.id:
        subscription.plan_version = private_versions.version_for(
            customer=customer, base=current, at=at
        )
        subscription.save(update_fields=["plan_version"])
    elif not at_once:
        due = scheduled_changes.version_for_next_period(subscription, starts_at=at, waiting=waiting)
        moves = [(at, due.public), *(move for move in moves if move[0] > at)]
    for moment, public in moves:
        if public.plan_id == plan.id:
            version = private_versions.version_for(customer=customer, base=public, at=at)
            scheduled_changes.schedule(
                versions_by_subscription={subscription: version}, effective_at=moment, at=at
            )


def _named(problems: Iterable[Problem], prices: Sequence[PriceRow]) -> list[FieldError]:
    """Return problems of a private version under the places of the prices as they were sent."""
    places = {
        f"prices[{price.meter}, {price.asset}]": f"prices[{number}]"
        for number, price in enumerate(prices)
    }
    errors = []
    for problem in problems:
        head, separator, rest = problem.field.partition("]")
        place = places.get(f"{head}{separator}")
        errors.append(FieldError(f"{place}{rest}" if place else problem.field, problem.reason))
    return errors
