"""The API of spend caps and of the switch that stops all usage of a customer."""

import datetime as dt
import uuid
from functools import partial
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import customers, pagination
from accounts.api import asset_or_422, customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Customer, Scope
from accounts.problems import Problem
from accounts.serializers import CustomerSerializer
from metering import caps
from metering.api.serializers import CapCreation, CapSerializer
from metering.models import SpendCap
from pricing.models import Meter

_PERMISSION = HasScope.of(GET=Scope.READ, POST=Scope.CUSTOMERS_WRITE, DELETE=Scope.CUSTOMERS_WRITE)


@extend_schema(
    methods=["GET"],
    operation_id="caps_list",
    summary="List a customer's spend caps in force",
    responses=CapSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="caps_create",
    summary="Limit what a customer may use in a window",
    request=CapCreation,
    responses={201: CapSerializer},
)
@pagination.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_PERMISSION])
def cap_list(request: Request, external_id: str) -> Response:
    """List the caps of a customer with what their windows hold, or set one."""
    customer = customer_or_404(request, external_id)
    now = timezone.now()
    if request.method != "POST":
        rows = SpendCap.objects.filter(customer=customer, is_active=True)
        return pagination.page(
            request, rows.select_related("asset", "meter"), _serializer(customer, at=now)
        )
    form = CapCreation(data=request.data)
    form.is_valid(raise_exception=True)
    terms = dict(form.validated_data)
    asset, meter = terms.pop("asset", None), terms.pop("meter", None)
    cap = caps.set_cap(
        customer=customer,
        asset=asset_or_422(request, asset) if asset else None,
        meter=_meter_or_422(request, meter) if meter else None,
        at=now,
        **terms,
    )
    return Response(_serializer(customer, at=now)(cap).data, status=201)


def _serializer(customer: Customer, *, at: dt.datetime) -> Any:
    """Return what renders caps of this customer with the state of their windows."""
    return partial(CapSerializer, context={"used": caps.used_now(customer=customer, at=at)})


def _meter_or_422(request: Request, code: str) -> Meter:
    meter = Meter.objects.filter(organization=organization_of(request), code=code).first()
    if meter is None:
        reason = "is not a meter of your organization"
        raise Problem(422, "invalid", "The request is not valid.", errors=[("meter", reason)])
    return meter


@extend_schema(
    operation_id="caps_remove",
    summary="Lift a spend cap",
    responses={204: OpenApiResponse(description="It is lifted.")},
)
@api_view(["DELETE"])
@permission_classes([_PERMISSION])
def cap_detail(request: Request, external_id: str, cap_id: uuid.UUID) -> Response:
    """Lift one cap of a customer."""
    customer = customer_or_404(request, external_id)
    cap = SpendCap.objects.filter(customer=customer, id=cap_id, is_active=True).first()
    if cap is None:
        raise Problem(404, "not_found", "This customer has no such cap in force.")
    caps.lift_cap(cap)
    return Response(status=204)


@extend_schema(
    operation_id="customers_stop",
    summary="Let a customer use nothing new",
    request=None,
    responses=CustomerSerializer,
)
@api_view(["POST"])
@permission_classes([_PERMISSION])
def stop_usage(request: Request, external_id: str) -> Response:
    """Refuse new authorizations, and events that need credit, from now on."""
    customer = customer_or_404(request, external_id)
    stopped = customers.stop_usage(customer=customer, at=timezone.now())
    return Response(CustomerSerializer(stopped).data)


@extend_schema(
    operation_id="customers_resume",
    summary="Let a customer use things again",
    request=None,
    responses=CustomerSerializer,
)
@api_view(["POST"])
@permission_classes([_PERMISSION])
def resume_usage(request: Request, external_id: str) -> Response:
    """Take the stop back."""
    customer = customers.resume_usage(customer=customer_or_404(request, external_id))
    return Response(CustomerSerializer(customer).data)
