"""Private versions: a public plan version with the prices agreed with one customer in it.

A private version is published like any other, and like any other never changes. It differs from
the public version it is based on in nothing but the prices that the customer's overrides name.
"""

import datetime as dt
import uuid
from collections.abc import Collection

from django.db.models import QuerySet

from accounts.models import Customer
from pricing import plan_checks, versions
from pricing.models import PlanVersion, Price, PriceOverride
from pricing.plan_checks import Problem


class OverrideRefused(Exception):
    """The overrides of a customer do not fit a version of the plan; `problems` says why."""

    def __init__(self, customer_id: uuid.UUID, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.reason}" for problem in problems))
        self.customer_id = customer_id
        self.problems = problems


def version_for(*, customer: Customer, base: PlanVersion, at: dt.datetime) -> PlanVersion:
    """Return the version that the customer gets in place of the public version `base`.

    That is `base` itself unless it charges something the customer has an override of. Raises
    OverrideRefused. The caller holds the lock of the plan.
    """
    return versions_for(base=base, customer_ids=[customer.id], at=at).get(customer.id, base)


def versions_for(
    *, base: PlanVersion, customer_ids: Collection[uuid.UUID], at: dt.datetime
) -> dict[uuid.UUID, PlanVersion]:
    """Return new private versions based on `base`, by customer id; customers without overrides
    are left out. Raises OverrideRefused. The caller holds the lock of the plan.
    """
    overrides: dict[uuid.UUID, list[PriceOverride]] = {}
    stored: QuerySet[PriceOverride] = PriceOverride.objects.filter(
        organization=base.organization_id, plan=base.plan_id, customer__in=customer_ids
    )
    for override in stored:
        overrides.setdefault(override.customer_id, []).append(override)
    priced = set(base.prices.values_list("meter", "asset"))
    return {
        customer_id: _derived(base, customer_id, agreed, at=at)
        for customer_id, agreed in overrides.items()
        if any((each.meter_id, each.asset_id) in priced for each in agreed)
    }


def _derived(
    base: PlanVersion,
    customer_id: uuid.UUID,
    overrides: Collection[PriceOverride],
    *,
    at: dt.datetime,
) -> PlanVersion:
    version = PlanVersion(
        organization_id=base.organization_id,
        plan=base.plan,
        number=versions.next_number(base.plan),
        customer_id=customer_id,
        based_on=base,
        created_at=at,
    )
    versions.copy_terms(base, to=version)
    version.save(force_insert=True)
    versions.copy_children(base, to=version)
    for override in overrides:
        Price.objects.filter(
            plan_version=version, meter=override.meter_id, asset=override.asset_id
        ).update(settle=override.settle, definition=override.definition)
    problems = plan_checks.check(version)
    if problems:
        raise OverrideRefused(customer_id, problems)
    versions.freeze(version, by=None, at=at)
    return version
