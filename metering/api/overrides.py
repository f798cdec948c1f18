"""The API of prices agreed with one customer. It is here because it looks at the open period."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Customer, Scope
from metering import plan_changes
from pricing import overrides, plan_export, plan_form, plans
from pricing.api import problem_fields
from pricing.api.serializers import OverrideSchema, OverridesSerializer


@extend_schema(
    methods=["GET"],
    operation_id="overrides_get",
    summary="The prices agreed with a customer",
    responses=OverridesSerializer,
)
@extend_schema(
    methods=["PUT"],
    operation_id="overrides_replace",
    summary="Agree prices of one plan with a customer",
    description="They count from the next billing period on, and in the open one too while "
    "nothing was used in it. No prices: the customer pays what the plan says.",
    request=OverrideSchema,
    responses=OverridesSerializer,
)
@api_view(["GET", "HEAD", "PUT"])
@permission_classes([HasScope.of(GET=Scope.READ, PUT=Scope.CUSTOMERS_WRITE)])
def override_list(request: Request, external_id: str) -> Response:
    """Read all prices agreed with a customer, or replace those of one plan."""
    customer = customer_or_404(request, external_id)
    if request.method == "PUT":
        _replace(request, customer)
    by_plan: dict[str, list[Any]] = {}
    for override in overrides.of_customer(customer):
        price = plan_form.write_price(plan_export.price_row(override))
        by_plan.setdefault(override.plan.code, []).append(price)
    rows = [{"plan": code, "prices": prices} for code, prices in by_plan.items()]
    answer = {"customer": customer.external_id, "overrides": rows}
    return Response(OverridesSerializer(answer).data)


def _replace(request: Request, customer: Customer) -> None:
    try:
        wanted = plan_form.read_overrides(request.data)
        plan = plans.find(organization=organization_of(request), code=wanted.plan)
        plan_changes.override_prices(
            customer=customer, plan=plan, prices=wanted.prices, at=timezone.now()
        )
    except plan_form.PlanInvalid as invalid:
        raise problem_fields.invalid(invalid.errors) from invalid
    except plans.UnknownPlan as error:
        reason = "is not a plan of your organization"
        raise problem_fields.invalid([("plan", reason)]) from error
