"""The API of meters, plans and coupons."""

from typing import Any

from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import pagination
from accounts.api import asset_or_422
from accounts.authentication import HasScope, organization_of
from accounts.models import Organization, Scope
from accounts.problems import Problem
from pricing import coupons, plan_form, plans
from pricing.api import problem_fields
from pricing.api.serializers import (
    CouponCreation,
    CouponSerializer,
    MeterSchema,
    MeterSerializer,
    PlanChange,
    PlanCreation,
    PlanSerializer,
)
from pricing.models import Coupon, Meter, Plan, VersionState

_READ_OR_ADMIN = HasScope.of(GET=Scope.READ, POST=Scope.ADMIN, PATCH=Scope.ADMIN)
_TAKEN = OpenApiResponse(description="The code is taken.")


@extend_schema(
    methods=["GET"],
    operation_id="meters_list",
    summary="List meters",
    responses=MeterSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="meters_create",
    summary="Create a meter",
    request=MeterSchema,
    responses={201: MeterSerializer, 409: _TAKEN},
)
@pagination.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_READ_OR_ADMIN])
def meter_list(request: Request) -> Response:
    """List the organization's meters, newest first, or create one."""
    organization = organization_of(request)
    if request.method != "POST":
        return pagination.page(
            request, Meter.objects.for_organization(organization), MeterSerializer
        )
    try:
        terms = plan_form.read_meter(request.data)
        meter = plans.create_meter(organization=organization, terms=terms, at=timezone.now())
    except plan_form.PlanInvalid as invalid:
        raise problem_fields.invalid(invalid.errors) from invalid
    except plans.CodeTaken as error:
        raise Problem(409, "conflict", "A meter with this code exists.") from error
    return Response(MeterSerializer(meter).data, status=201)


def _plans(organization: Organization) -> QuerySet[Plan]:
    published = Q(versions__state=VersionState.PUBLISHED, versions__customer=None)
    return Plan.objects.for_organization(organization).annotate(
        published_version=Max("versions__number", filter=published)
    )


def _answered(plan: Plan) -> dict[str, Any]:
    return dict(PlanSerializer(_plans(plan.organization).get(id=plan.id)).data)


@extend_schema(
    methods=["GET"],
    operation_id="plans_list",
    summary="List plans",
    responses=PlanSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="plans_create",
    summary="Create a plan",
    request=PlanCreation,
    responses={201: PlanSerializer, 409: _TAKEN},
)
@pagination.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_READ_OR_ADMIN])
def plan_list(request: Request) -> Response:
    """List the organization's plans, newest first, or create one."""
    organization = organization_of(request)
    if request.method != "POST":
        return pagination.page(request, _plans(organization), PlanSerializer)
    form = PlanCreation(data=request.data)
    form.is_valid(raise_exception=True)
    try:
        plan = plans.create_plan(
            organization=organization, at=timezone.now(), **form.validated_data
        )
    except plans.CodeTaken as error:
        raise Problem(409, "conflict", "A plan with this code exists.") from error
    return Response(_answered(plan), status=201)


@extend_schema(
    methods=["GET"], operation_id="plans_get", summary="One plan", responses=PlanSerializer
)
@extend_schema(
    methods=["PATCH"],
    operation_id="plans_change",
    summary="Change a plan",
    request=PlanChange,
    responses=PlanSerializer,
)
@api_view(["GET", "HEAD", "PATCH"])
@permission_classes([_READ_OR_ADMIN])
def plan_detail(request: Request, code: str) -> Response:
    """Read one plan, rename it, or make it the one for new customers."""
    plan = problem_fields.plan_or_404(request, code)
    if request.method == "PATCH":
        form = PlanChange(data=request.data)
        form.is_valid(raise_exception=True)
        plan = plans.change_plan(plan=plan, **form.validated_data)
    return Response(_answered(plan))


@extend_schema(
    methods=["GET"],
    operation_id="coupons_list",
    summary="List coupons",
    responses=CouponSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="coupons_create",
    summary="Create a coupon",
    request=CouponCreation,
    responses={201: CouponSerializer, 409: _TAKEN},
)
@pagination.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_READ_OR_ADMIN])
def coupon_list(request: Request) -> Response:
    """List the organization's coupons, newest first, or create one."""
    organization = organization_of(request)
    rows = Coupon.objects.for_organization(organization).select_related("asset")
    if request.method != "POST":
        counted = rows.annotate(redemptions_made=Count("redemptions"))
        return pagination.page(request, counted, CouponSerializer)
    form = CouponCreation(data=request.data)
    form.is_valid(raise_exception=True)
    terms = dict(form.validated_data)
    if "asset" in terms:
        terms["asset"] = asset_or_422(request, terms["asset"])
    try:
        coupon = coupons.create_coupon(organization=organization, at=timezone.now(), **terms)
    except coupons.CouponExists as error:
        raise Problem(409, "conflict", "A coupon with this code exists.") from error
    return Response(CouponSerializer(coupon).data, status=201)
