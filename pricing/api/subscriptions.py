"""The API of subscriptions."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import idempotency, pagination
from accounts.api import customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import Problem
from pricing import coupons, plans, private_versions, subscriptions
from pricing.api import problem_fields
from pricing.api.serializers import SubscriptionCreation, SubscriptionSerializer
from pricing.models import Coupon, Subscription


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
@idempotency.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([HasScope.of(GET=Scope.READ, POST=Scope.CUSTOMERS_WRITE)])
@idempotency.idempotent
def subscription_list(request: Request) -> Response:
    """List subscriptions, or put a customer on a plan's newest version in effect."""
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
    now = timezone.now()
    try:
        plan = plans.find(organization=organization_of(request), code=wanted["plan"])
        subscription = subscriptions.subscribe(
            customer=customer,
            plan_version=subscriptions.newest_version(plan, at=now),
            at=now,
            seats=wanted.get("seats", 1),
            coupon=_coupon(request, wanted.get("coupon")),
        )
    except (plans.UnknownPlan, subscriptions.NothingPublished) as error:
        reason = "is not a plan with a published version"
        raise problem_fields.invalid([("plan", reason)]) from error
    except coupons.UnknownCoupon as error:
        reason = "is not a coupon of your organization"
        raise problem_fields.invalid([("coupon", reason)]) from error
    except coupons.NotRedeemable as error:
        raise problem_fields.invalid([("coupon", str(error))]) from error
    except private_versions.OverrideRefused as error:
        reason = f"the customer's overrides do not fit it: {error}"
        raise problem_fields.invalid([("plan", reason)]) from error
    except subscriptions.AlreadySubscribed as error:
        raise Problem(409, "conflict", "The customer has a live subscription.") from error
    return Response(SubscriptionSerializer(subscription).data, status=201)


def _coupon(request: Request, code: str | None) -> Coupon | None:
    if code is None:
        return None
    return coupons.find(organization=organization_of(request), code=code)
