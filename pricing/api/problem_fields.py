"""What the domain refuses, as problems that name the fields of the request."""

from collections.abc import Iterable

from rest_framework.request import Request

from accounts.authentication import organization_of
from accounts.problems import Problem
from pricing import plans
from pricing.models import Plan, PlanVersion


def invalid(errors: Iterable[tuple[str, str]]) -> Problem:
    """Return a 422 that names fields and reasons."""
    return Problem(422, "invalid", "The request is not valid.", errors=list(errors))


def plan_or_404(request: Request, code: str) -> Plan:
    """Return the tenant's plan; one of another tenant is as unknown as none."""
    try:
        return plans.find(organization=organization_of(request), code=code)
    except plans.UnknownPlan as error:
        raise Problem(404, "not_found", "There is no plan with this code.") from error


def version_or_404(request: Request, code: str, number: int) -> PlanVersion:
    """Return a version of the tenant's plan."""
    try:
        return plans.find_version(plan=plan_or_404(request, code), number=number)
    except plans.UnknownPlan as error:
        raise Problem(404, "not_found", "The plan has no version of this number.") from error
