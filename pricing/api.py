"""The API of plans and subscriptions."""

from typing import Any

from django.db.models import Max, Q
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import pagination
from accounts.api import customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import Problem
from accounts.serializers import StrictSerializer, TextField
from pricing import subscriptions
from pricing.models import Plan, Subscription, VersionState


class PlanSerializer(serializers.ModelSerializer[Plan]):
    """A plan and the number of its newest published version."""

    published_version = serializers.IntegerField(allow_null=True)

    class Meta:
        model = Plan
        fields = ["code", "name", "published_version", "created_at"]


class SubscriptionSerializer(serializers.ModelSerializer[Subscription]):
    """A subscription."""

    customer = serializers.CharField(source="customer.external_id")
    plan = serializers.CharField(source="plan_version.plan.code")
    version = serializers.IntegerField(source="plan_version.number")

    class Meta:
        model = Subscription
        fields = ["id", "customer", "plan", "version", "starts_at", "anchor_date", "ended_at"]


class SubscriptionCreation(StrictSerializer):
    """A new subscription."""

    customer = TextField(max_length=200)
    plan = TextField(max_length=100)


@extend_schema(operation_id="plans_list", summary="List plans", responses=PlanSerializer(many=True))
@pagination.documented
@api_view(["GET", "HEAD"])
@permission_classes([HasScope.of(GET=Scope.READ)])
def plan_list(request: Request) -> Response:
    """List the organization's plans."""
    published = Q(versions__state=VersionState.PUBLISHED)
    plans = Plan.objects.for_organization(organization_of(request)).annotate(
        published_version=Max("versions__number", filter=published)
    )
    return pagination.page(request, plans, PlanSerializer)


@extend_schema(
    methods=["GET"],
    operation_id="subscriptions_list",
    summary="List subscriptions",
    responses=SubscriptionSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="subscriptions_create",
    summary="Put a customer on a plan",
    request=SubscriptionCreation,
    responses={
        201: SubscriptionSerializer,
        409: OpenApiResponse(description="The customer has a live subscription."),
    },
)
@pagination.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([HasScope.of(GET=Scope.READ, POST=Scope.CUSTOMERS_WRITE)])
def subscription_list(request: Request) -> Response:
    """List subscriptions, or put a customer on a plan's newest published version."""
    organization = organization_of(request)
    if request.method != "POST":
        rows = Subscription.objects.for_organization(organization)
        return pagination.page(
            request, rows.select_related("customer", "plan_version__plan"), SubscriptionSerializer
        )
    form = SubscriptionCreation(data=request.data)
    form.is_valid(raise_exception=True)
    return _subscribe(request, form.validated_data)


def _subscribe(request: Request, wanted: dict[str, Any]) -> Response:
    customer = customer_or_404(request, wanted["customer"])
    plan = Plan.objects.filter(organization=organization_of(request), code=wanted["plan"]).first()
    try:
        if plan is None:
            raise subscriptions.NothingPublished
        now = timezone.now()
        version = subscriptions.newest_version(plan, at=now)
        subscription = subscriptions.subscribe(customer=customer, plan_version=version, at=now)
    except subscriptions.NothingPublished as error:
        reason = "is not a plan with a published version"
        raise Problem(
            422, "invalid", "The request is not valid.", errors=[("plan", reason)]
        ) from error
    except subscriptions.AlreadySubscribed as error:
        raise Problem(409, "conflict", "The customer has a live subscription.") from error
    return Response(SubscriptionSerializer(subscription).data, status=201)
