"""The API of costs, for the organization's own eyes: only keys that may do everything see it."""

import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import pagination
from accounts.api import asset_or_422
from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import Problem
from accounts.serializers import StrictSerializer, TextField, TimestampField
from pricing import cost_rates
from pricing.cost_rates import CostAssetFixed, CostRateInvalid, InForce
from pricing.models import CostPolicy, CostRate, Meter

_ADMIN = HasScope.of(GET=Scope.ADMIN, POST=Scope.ADMIN, PUT=Scope.ADMIN, DELETE=Scope.ADMIN)


class CostPolicySerializer(serializers.ModelSerializer[CostPolicy]):
    """In which asset costs are kept, and whether prices below cost are refused."""

    asset = serializers.CharField(source="asset.code")

    class Meta:
        model = CostPolicy
        fields = ["asset", "refuse_below_cost"]


class CostPolicyTerms(StrictSerializer):
    """A cost policy, as wanted."""

    asset = TextField(max_length=32)
    refuse_below_cost = serializers.BooleanField(default=False)


class CostRateSerializer(serializers.ModelSerializer[CostRate]):
    """A cost rate; `definition` is written like that of a price."""

    meter = serializers.CharField(source="meter.code")
    definition = serializers.DictField()

    class Meta:
        model = CostRate
        fields = ["id", "vendor", "meter", "name", "effective_from", "definition", "created_at"]


class CostRateCreation(StrictSerializer):
    """A new cost rate."""

    meter = TextField(max_length=100)
    vendor = TextField(max_length=100)
    name = TextField(max_length=200, allow_blank=True, default="")
    effective_from = TimestampField(required=False, help_text="Default: now.")
    definition = serializers.DictField(
        help_text="A price, in the asset of the cost policy, without terms of a period."
    )


@extend_schema(
    methods=["GET"],
    operation_id="cost_policy_get",
    summary="In which asset costs are kept",
    responses=CostPolicySerializer,
)
@extend_schema(
    methods=["PUT"],
    operation_id="cost_policy_set",
    summary="Say in which asset costs are kept",
    request=CostPolicyTerms,
    responses={
        200: CostPolicySerializer,
        409: OpenApiResponse(description="Costs were written in another asset."),
    },
)
@api_view(["GET", "HEAD", "PUT"])
@permission_classes([_ADMIN])
def cost_policy(request: Request) -> Response:
    """Read or set the organization's cost policy."""
    if request.method == "PUT":
        form = CostPolicyTerms(data=request.data)
        form.is_valid(raise_exception=True)
        asset = asset_or_422(request, form.validated_data["asset"])
        strict = form.validated_data["refuse_below_cost"]
        try:
            policy = cost_rates.set_policy(asset=asset, refuse_below_cost=strict)
        except CostAssetFixed as error:
            detail = "Cost rates were written in another asset, so costs stay in it."
            raise Problem(409, "conflict", detail) from error
        return Response(CostPolicySerializer(policy).data)
    found = cost_rates.policy_of(organization_of(request).id)
    if found is None:
        raise Problem(404, "not_found", "The organization has no cost policy.")
    return Response(CostPolicySerializer(found).data)


@extend_schema(
    methods=["GET"],
    operation_id="cost_rates_list",
    summary="List what vendors charge",
    responses=CostRateSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="cost_rates_create",
    summary="Write what a vendor charges from a moment on",
    request=CostRateCreation,
    responses={201: CostRateSerializer},
)
@pagination.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_ADMIN])
def cost_rate_list(request: Request) -> Response:
    """List the organization's cost rates, newest first, or add one."""
    organization = organization_of(request)
    if request.method != "POST":
        rates = CostRate.objects.for_organization(organization).select_related("meter")
        return pagination.page(request, rates, CostRateSerializer)
    form = CostRateCreation(data=request.data)
    form.is_valid(raise_exception=True)
    now = timezone.now()
    terms: dict[str, Any] = {"effective_from": now, **form.validated_data}
    code = terms.pop("meter")
    meter = Meter.objects.for_organization(organization).filter(code=code).first()
    if meter is None:
        raise _invalid([("meter", "is not a meter of your organization")])
    try:
        rate = cost_rates.add_rate(meter=meter, at=now, **terms)
    except CostRateInvalid as error:
        raise _invalid([(each.field, each.reason) for each in error.errors]) from error
    return Response(CostRateSerializer(rate).data, status=201)


@extend_schema(
    methods=["GET"],
    operation_id="cost_rates_get",
    summary="One cost rate",
    responses=CostRateSerializer,
)
@extend_schema(
    methods=["DELETE"],
    operation_id="cost_rates_withdraw",
    summary="Withdraw a cost rate that is still to come",
    responses={
        204: OpenApiResponse(description="It is gone."),
        409: OpenApiResponse(description="It came into force and stays."),
    },
)
@api_view(["GET", "HEAD", "DELETE"])
@permission_classes([_ADMIN])
def cost_rate_detail(request: Request, rate_id: uuid.UUID) -> Response:
    """Read or withdraw one cost rate."""
    rates = CostRate.objects.for_organization(organization_of(request)).select_related("meter")
    rate = rates.filter(id=rate_id).first()
    if rate is None:
        raise Problem(404, "not_found", "There is no cost rate with this id.")
    if request.method != "DELETE":
        return Response(CostRateSerializer(rate).data)
    try:
        cost_rates.withdraw_rate(rate, at=timezone.now())
    except InForce as error:
        detail = "The rate came into force and stays; add a later one."
        raise Problem(409, "conflict", detail) from error
    return Response(status=204)


def _invalid(errors: list[tuple[str, str]]) -> Problem:
    return Problem(422, "invalid", "The request is not valid.", errors=errors)
