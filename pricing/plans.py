"""Plans and meters of the catalogue: adding one, and choosing the plan for new customers."""

import datetime as dt
from dataclasses import asdict

from django.db import IntegrityError, transaction

from accounts import tenancy
from accounts.models import Organization
from pricing.models import Meter, Plan, PlanVersion
from pricing.plan_document import MeterTerms


class CodeTaken(Exception):
    """The organization has a plan or a meter with this code."""


class UnknownPlan(LookupError):
    """The organization has no such plan, or the plan no such version."""


def find(*, organization: Organization, code: str) -> Plan:
    """Return a plan by its code. Raises UnknownPlan."""
    plan = None
    if "\0" not in code:  # PostgreSQL keeps no such text and refuses to look for one.
        plan = Plan.objects.for_organization(organization).filter(code=code).first()
    if plan is None:
        raise UnknownPlan(code)
    return plan


def find_version(*, plan: Plan, number: int) -> PlanVersion:
    """Return a public version of a plan by its number. Raises UnknownPlan."""
    rows = plan.versions.select_related("plan", "base_fee_asset", "seat_fee_asset")
    version = rows.filter(number=number, customer=None).first()
    if version is None:
        raise UnknownPlan(plan.code, number)
    return version


def create_plan(
    *, organization: Organization, code: str, name: str, at: dt.datetime, is_default: bool = False
) -> Plan:
    """Add a plan; with `is_default` it is the one for new customers. Raises CodeTaken."""
    with tenancy.transaction_for(organization.id):
        try:
            with transaction.atomic():
                plan = Plan.objects.create(
                    organization=organization, code=code, name=name, created_at=at
                )
        except IntegrityError as error:
            if Plan.objects.filter(organization=organization, code=code).exists():
                raise CodeTaken(code) from error
            raise
        return change_plan(plan=plan, is_default=is_default)


def change_plan(*, plan: Plan, name: str | None = None, is_default: bool | None = None) -> Plan:
    """Rename a plan, or make it the one for new customers, in place of the one that was."""
    with tenancy.transaction_for(plan.organization_id):
        if is_default:
            # Two who choose at once wait here for each other, and the later one is right.
            Organization.objects.select_for_update(no_key=True).get(id=plan.organization_id)
            others = Plan.objects.filter(organization=plan.organization_id, is_default=True)
            others.exclude(id=plan.id).update(is_default=False)
        plan = Plan.objects.select_for_update(no_key=True).get(id=plan.id)
        plan.name = plan.name if name is None else name
        plan.is_default = plan.is_default if is_default is None else is_default
        plan.save(update_fields=["name", "is_default"])
        return plan


def create_meter(*, organization: Organization, terms: MeterTerms, at: dt.datetime) -> Meter:
    """Add a meter. Raises CodeTaken."""
    with tenancy.transaction_for(organization.id):
        try:
            with transaction.atomic():
                return Meter.objects.create(
                    organization=organization, created_at=at, **asdict(terms)
                )
        except IntegrityError as error:
            if Meter.objects.filter(organization=organization, code=terms.code).exists():
                raise CodeTaken(terms.code) from error
            raise
