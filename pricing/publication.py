"""Publication: a plan is edited in its one draft, checked, and then frozen for ever.

A published version never changes again, so a mistake in it is corrected by publishing the next
one. It is for new customers from the moment it is effective; those who are on the plan stay on
their version unless the publication moves them, and then they move with their next period.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from django.db.models import Count, QuerySet

from accounts import tenancy
from accounts.models import Customer, User
from pricing import cost_guard, plan_checks, private_versions, scheduled_changes, versions
from pricing.models import Plan, PlanVersion, PriceOverride, Subscription, VersionState
from pricing.plan_checks import Problem, check

__all__ = [
    "CUSTOMERS_SHOWN",
    "Affected",
    "Problem",
    "PublicationRefused",
    "affected",
    "check",
    "newest_published",
    "open_draft",
    "publish",
]

type Migration = Literal["new", "all"] | Collection[Customer]
"""Who gets a version beside new customers: nobody, everybody on the plan, or some of them."""

CUSTOMERS_SHOWN = 100


class PublicationRefused(Exception):
    """The version cannot be published; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.reason}" for problem in problems))
        self.problems = problems


def open_draft(*, plan: Plan, at: dt.datetime) -> PlanVersion:
    """Return the plan's draft.

    When there is none it is created under the next number, with everything the newest published
    version says to start from.
    """
    with tenancy.transaction_for(plan.organization_id):
        # Two people who press the button at once wait here for each other and get the same draft.
        versions.lock_plan(plan)
        draft = plan.versions.filter(state=VersionState.DRAFT, customer=None).first()
        if draft is not None:
            return draft
        newest = newest_published(plan)
        draft = PlanVersion(
            organization_id=plan.organization_id,
            plan=plan,
            number=versions.next_number(plan),
            created_at=at,
        )
        if newest is not None:
            versions.copy_terms(newest, to=draft)
        draft.save(force_insert=True)
        if newest is not None:
            versions.copy_children(newest, to=draft)
        return draft


def newest_published(plan: Plan) -> PlanVersion | None:
    """Return the published version with the highest number, also one that is not effective yet."""
    return versions.published(plan).first()


def publish(
    *,
    version: PlanVersion,
    by: User | None,
    at: dt.datetime,
    migrate: Migration = "new",
    effective_from: dt.datetime | None = None,
) -> PlanVersion:
    """Freeze a draft and put it on sale. Raises PublicationRefused, and then nothing changed.

    Prices below cost are refused when the organization's cost policy says so.

    `effective_from` is when it takes effect, instead of what the draft says; a moment that has
    passed, or none, means now. Customers who are migrated get it with their first billing period
    from then on, those with overrides a private version of it.
    """
    with tenancy.transaction_for(version.organization_id):
        versions.lock_plan(version.plan)
        # What hangs on it is locked as well: an edit still under way is waited for and then
        # checked with the rest, and one that comes later finds the version published.
        version = PlanVersion.objects.select_for_update().get(id=version.id)
        for children in (version.prices, version.included_credits, version.entitlements):
            list(children.select_for_update(of=("self",)).values_list("id"))
        version.effective_from = effective_from or version.effective_from
        problems = plan_checks.check(version)
        problems += [Problem(*each) for each in cost_guard.problems(version, at=at)]
        if problems:
            raise PublicationRefused(problems)
        versions.freeze(version, by=by, at=at)
        if migrate != "new":
            _migrate(version, migrate, at=at)
        return version


def _migrate(version: PlanVersion, migrate: Migration, *, at: dt.datetime) -> None:
    effective_at = max(version.effective_from or at, at)
    moved = scheduled_changes.subscriptions_on(version.plan, at=effective_at)
    if not isinstance(migrate, str):
        moved = moved.filter(customer__in=migrate)
    subscriptions = list(moved.select_related("customer"))
    try:
        private = private_versions.versions_for(
            base=version, customer_ids=[each.customer_id for each in subscriptions], at=at
        )
    except private_versions.OverrideRefused as refusal:
        customer = Customer.objects.get(id=refusal.customer_id)
        problems = [
            Problem(f"overrides[{customer.external_id}].{problem.field}", problem.reason)
            for problem in refusal.problems
        ]
        raise PublicationRefused(problems) from refusal
    scheduled_changes.schedule(
        versions_by_subscription={
            each: private.get(each.customer_id, version) for each in subscriptions
        },
        effective_at=effective_at,
        at=at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Who is on a plan: counts, and the first CUSTOMERS_SHOWN customers by their external id.

    `by_version` counts live subscriptions by the number of their version, private versions under
    the public one they are based on; `with_overrides` of them have prices of their own.
    """

    subscriptions: int
    by_version: dict[int, int]
    with_overrides: int
    customers: list[Customer]


def affected(version: PlanVersion) -> Affected:
    """Return whom a publication of `version` would move, if it moved everybody on the plan."""
    live: QuerySet[Subscription] = Subscription.objects.for_organization(
        version.organization_id
    ).filter(plan_version__plan=version.plan_id, ended_at=None)
    counted: dict[int, int] = {}
    for number, base, count in (
        live.order_by()
        .values_list("plan_version__number", "plan_version__based_on__number")
        .annotate(Count("id"))
    ):
        public = number if base is None else base
        counted[public] = counted.get(public, 0) + count
    overridden = PriceOverride.objects.filter(plan=version.plan_id).values("customer")
    customers = Customer.objects.filter(id__in=live.values("customer")).order_by("external_id")
    return Affected(
        subscriptions=sum(counted.values()),
        by_version=dict(sorted(counted.items())),
        with_overrides=live.filter(customer__in=overridden).count(),
        customers=list(customers[:CUSTOMERS_SHOWN]),
    )
