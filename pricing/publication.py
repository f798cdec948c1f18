"""Publication: a plan is edited in its one draft, checked, and then frozen for ever.

A published version never changes again, so a mistake in it is corrected by publishing the next
one. Customers stay on the version they subscribed to.
"""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from django.db.models import Max, Model, QuerySet

from accounts import tenancy
from accounts.models import User
from pricing import catalog, settling
from pricing.models import Plan, PlanVersion, Price, Settle, ShortfallPolicy, VersionState
from pricing.price_form import PriceInvalid, check_against_meter, parse_definition
from pricing.price_terms import PriceTerms

# What a copy has of its own; every other field is a term, and copied.
_OF_ONE_VERSION = {
    "id", "organization", "plan", "number", "state", "effective_from", "customer", "based_on",
    "created_at", "published_at", "published_by",
}  # fmt: skip
_OF_ONE_CHILD = {"id", "plan_version"}


class Problem(NamedTuple):
    """What keeps a draft from being published, and the field it is in."""

    field: str
    reason: str


class PublicationRefused(Exception):
    """The version cannot be published; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.reason}" for problem in problems))
        self.problems = problems


def open_draft(*, plan: Plan, at: dt.datetime) -> PlanVersion:
    """Return the plan's draft.

    When there is none it is created under the next number, with the terms and prices of the
    newest published version to start from.
    """
    with tenancy.transaction_for(plan.organization_id):
        # Two people who press the button at once wait here for each other and get the same draft.
        Plan.objects.select_for_update(no_key=True).get(id=plan.id)
        draft = plan.versions.filter(state=VersionState.DRAFT).first()
        if draft is not None:
            return draft
        newest = newest_published(plan)
        numbers = plan.versions.aggregate(last=Max("number"))
        draft = PlanVersion(
            organization_id=plan.organization_id,
            plan=plan,
            number=(numbers["last"] or 0) + 1,
            created_at=at,
        )
        if newest is not None:
            _copy_terms(newest, to=draft)
        draft.save(force_insert=True)
        if newest is not None:
            _copy_children(newest, to=draft)
        return draft


def newest_published(plan: Plan) -> PlanVersion | None:
    """Return the public published version with the highest number, if there is one."""
    published = plan.versions.filter(state=VersionState.PUBLISHED, customer=None)
    return published.order_by("-number").first()


def _copy_terms(version: PlanVersion, *, to: PlanVersion) -> None:
    for field in PlanVersion._meta.concrete_fields:
        if field.name not in _OF_ONE_VERSION:
            setattr(to, field.attname, getattr(version, field.attname))


def _copy_children(version: PlanVersion, *, to: PlanVersion) -> None:
    """Copy everything that hangs on a version."""
    _copy_rows(version.prices.all(), to=to)
    _copy_rows(version.included_credits.all(), to=to)
    _copy_rows(version.entitlements.all(), to=to)


def _copy_rows[Row: Model](rows: QuerySet[Row], *, to: PlanVersion) -> None:
    fields = [f.attname for f in rows.model._meta.concrete_fields if f.name not in _OF_ONE_CHILD]
    rows.model._default_manager.bulk_create(
        rows.model(plan_version=to, **{name: getattr(row, name) for name in fields}) for row in rows
    )


def check(version: PlanVersion) -> list[Problem]:
    """Return everything that keeps `version` from being published, as it is stored now."""
    if not version.is_draft:
        return [Problem("state", "this version was published before")]
    problems = list(_problems_of_terms(version))
    prices = list(version.prices.select_related("meter", "asset"))
    if not prices:
        problems.append(Problem("prices", "a plan needs at least one price"))
    for price in prices:
        problems += _problems_of_price(price, version)
    return problems


def _problems_of_terms(version: PlanVersion) -> Iterator[Problem]:
    overdraft = version.shortfall_policy == ShortfallPolicy.OVERDRAFT
    if overdraft and version.overdraft_limit <= 0:
        yield Problem("overdraft_limit", "an overdraft needs a limit above zero")
    if not overdraft and version.overdraft_limit != 0:
        yield Problem("overdraft_limit", "a limit below zero needs the overdraft policy")


def _problems_of_price(price: Price, version: PlanVersion) -> Iterator[Problem]:
    where = f"prices[{price.meter.code}, {price.asset.code}]"
    owners = {price.organization_id, price.meter.organization_id, price.asset.organization_id}
    if owners != {version.organization_id}:
        yield Problem(where, "the price, its meter or its asset belongs to someone else")
    # What credit does not cover is invoiced, and an invoice can only ask for a currency.
    if version.shortfall_policy == ShortfallPolicy.OVERAGE and not price.asset.is_currency:
        yield Problem(f"{where}.asset", f"{price.asset.code} is no currency and cannot be invoiced")
    try:
        terms = parse_definition(price.definition)
    except PriceInvalid as error:
        for field, reason in error.errors:
            yield Problem(f"{where}.{field}", reason)
        return
    for field, reason in check_against_meter(terms, catalog.meter_spec(price)):
        yield Problem(f"{where}.{field}", reason)
    yield from _problems_of_settling(price, terms, where)


def _problems_of_settling(price: Price, terms: PriceTerms, where: str) -> Iterator[Problem]:
    against = settling.reason_against_on_event(price.meter.aggregation, terms)
    if price.settle == Settle.ON_EVENT and against:
        yield Problem(f"{where}.settle", against)
    if not price.asset.is_currency and _asks_at_close(price, terms):
        yield Problem(
            f"{where}.asset",
            f"{price.asset.code} is no currency: what this price asks for when the period closes "
            "(usage settled at close, fixed amounts, minimums, commitments) cannot be invoiced",
        )


def _asks_at_close(price: Price, terms: PriceTerms) -> bool:
    bounds = terms.bounds
    committed = bounds.commitment is not None and bounds.commitment.true_up
    return bool(
        price.settle == Settle.AT_CLOSE or terms.standing_cost or bounds.minimum or committed
    )


def publish(*, version: PlanVersion, by: User | None, at: dt.datetime) -> PlanVersion:
    """Freeze a draft and put it on sale. Raises PublicationRefused, and then nothing changed."""
    with tenancy.transaction_for(version.organization_id):
        # The prices are locked as well: an edit still under way is waited for and then checked
        # with the rest, and one that comes later finds the version published.
        version = PlanVersion.objects.select_for_update().get(id=version.id)
        list(version.prices.select_for_update(of=("self",)).values_list("id"))
        problems = check(version)
        if problems:
            raise PublicationRefused(problems)
        version.state = VersionState.PUBLISHED
        version.published_at = at
        version.published_by = by
        version.save(update_fields=["state", "published_at", "published_by"])
        return version
