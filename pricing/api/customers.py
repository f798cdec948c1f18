"""The API of taking customers on, and of what they may do."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import customers, idempotency, pagination
from accounts.api import customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Customer, Scope
from accounts.problems import Problem
from accounts.serializers import CustomerCreation, CustomerSerializer
from pricing import plan_export, subscriptions
from pricing.api.serializers import EntitlementsSerializer


@extend_schema(
    methods=["GET"],
    operation_id="customers_list",
    summary="List customers",
    responses=CustomerSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="customers_create",
    summary="Create a customer",
    description="The customer is put on the plan for new customers, when there is one.",
    request=CustomerCreation,
    responses={201: CustomerSerializer, 409: OpenApiResponse(description="It exists.")},
)
@pagination.documented
@idempotency.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([HasScope.of(GET=Scope.READ, POST=Scope.CUSTOMERS_WRITE)])
@idempotency.idempotent
def customer_list(request: Request) -> Response:
    """List the organization's customers, newest first, or take one on."""
    organization = organization_of(request)
    if request.method != "POST":
        return pagination.page(
            request, Customer.objects.for_organization(organization), CustomerSerializer
        )
    form = CustomerCreation(data=request.data)
    form.is_valid(raise_exception=True)
    try:
        customer = subscriptions.take_on(
            organization=organization, at=timezone.now(), **form.validated_data
        )
    except customers.CustomerExists as error:
        raise Problem(409, "conflict", "A customer with this external id exists.") from error
    return Response(CustomerSerializer(customer).data, status=201)


@extend_schema(
    operation_id="entitlements_get",
    summary="What a customer may do",
    responses=EntitlementsSerializer,
)
@api_view(["GET", "HEAD"])
@permission_classes([HasScope.of(GET=Scope.READ)])
def entitlement_list(request: Request, external_id: str) -> Response:
    """Return the features of the customer's plan; none without a subscription."""
    customer = customer_or_404(request, external_id)
    subscription = subscriptions.live(customer)
    version = subscription.plan_version if subscription else None
    answer = {
        "customer": customer.external_id,
        "subscription": subscription.id if subscription else None,
        "plan": version.plan.code if version else None,
        "version": version.number if version else None,
        "entitlements": plan_export.entitlements(version) if version else [],
    }
    return Response(EntitlementsSerializer(answer).data)
