"""Plan versions as rows: which one is in effect, numbering the next, copying one, freezing it.

Every published version holds from a moment on: when it was published, or when it says, whichever
is later. At any moment the newest version that holds by then is in effect, so that a mistake, also
one that lies ahead, is mended by publishing another version.
"""

import datetime as dt

from django.db.models import Max, Model, Q, QuerySet

from accounts.models import Asset, User
from pricing.models import Plan, PlanVersion, VersionState

# What a copy has of its own; every other field is a term, and copied.
_OF_ONE_VERSION = {
    "id", "organization", "plan", "number", "state", "effective_from", "customer", "based_on",
    "created_at", "published_at", "published_by",
}  # fmt: skip
_OF_ONE_CHILD = {"id", "plan_version"}


def published(plan: Plan) -> QuerySet[PlanVersion]:
    """Return the plan's published versions that are for everybody, newest first."""
    public = plan.versions.filter(state=VersionState.PUBLISHED, customer=None)
    return public.order_by("-number")


def in_effect(plan: Plan, *, at: dt.datetime) -> PlanVersion | None:
    """Return the public version that a customer who subscribes at `at` gets, if there is one."""
    holds = Q(effective_from=None) | Q(effective_from__lte=at)
    return published(plan).filter(holds, published_at__lte=at).first()


def next_number(plan: Plan) -> int:
    """Return the number of the plan's next version. The caller holds the lock of the plan."""
    last = plan.versions.aggregate(last=Max("number"))["last"]
    return (last or 0) + 1


def lock_plan(plan: Plan) -> None:
    """Let whoever numbers a version of this plan wait until the transaction ends."""
    Plan.objects.select_for_update(no_key=True).get(id=plan.id)


def copy_terms(version: PlanVersion, *, to: PlanVersion) -> None:
    """Give a version that is not saved yet the terms of another."""
    for field in PlanVersion._meta.concrete_fields:
        if field.name not in _OF_ONE_VERSION:
            setattr(to, field.attname, getattr(version, field.attname))


def copy_children(version: PlanVersion, *, to: PlanVersion) -> None:
    """Copy everything that hangs on a version: prices, included credits, entitlements."""
    _copy_rows(version.prices.all(), to=to)
    _copy_rows(version.included_credits.all(), to=to)
    _copy_rows(version.entitlements.all(), to=to)


def _copy_rows[Row: Model](rows: QuerySet[Row], *, to: PlanVersion) -> None:
    fields = [f.attname for f in rows.model._meta.concrete_fields if f.name not in _OF_ONE_CHILD]
    rows.model._default_manager.bulk_create(
        rows.model(plan_version=to, **{name: getattr(row, name) for name in fields}) for row in rows
    )


def freeze(version: PlanVersion, *, by: User | None, at: dt.datetime) -> None:
    """Publish a version that was checked. From now on the database refuses every change of it."""
    version.state = VersionState.PUBLISHED
    version.published_at = at
    version.published_by = by
    version.save(update_fields=["state", "published_at", "published_by", "effective_from"])


def assets_of(version: PlanVersion) -> QuerySet[Asset]:
    """Return every asset in which the version charges or gives something."""
    fees = {version.base_fee_asset_id, version.seat_fee_asset_id} - {None}
    return Asset.objects.filter(
        Q(id__in=version.prices.values("asset"))
        | Q(id__in=version.included_credits.values("asset"))
        | Q(id__in=fees),
        organization=version.organization_id,
    )
