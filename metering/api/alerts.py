"""The API of spend alerts."""

from django.db import IntegrityError, transaction
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import ledger, pagination
from accounts.api import asset_or_422, customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import Problem
from metering.api.serializers import AlertCreation, AlertSerializer
from metering.models import SpendAlert


@extend_schema(
    methods=["GET"],
    operation_id="alerts_list",
    summary="List a customer's spend alerts",
    responses=AlertSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="alerts_create",
    summary="Warn when a balance falls below a threshold",
    request=AlertCreation,
    responses={201: AlertSerializer, 409: OpenApiResponse(description="It exists.")},
)
@pagination.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([HasScope.of(GET=Scope.READ, POST=Scope.CUSTOMERS_WRITE)])
def alert_list(request: Request, external_id: str) -> Response:
    """List or create spend alerts of a customer."""
    customer = customer_or_404(request, external_id)
    if request.method != "POST":
        alerts = SpendAlert.objects.filter(account__customer=customer)
        return pagination.page(request, alerts.select_related("account__asset"), AlertSerializer)
    form = AlertCreation(data=request.data)
    form.is_valid(raise_exception=True)
    asset = asset_or_422(request, form.validated_data["asset"])
    account = ledger.open_account(customer=customer, asset=asset)
    try:
        with transaction.atomic():
            alert = SpendAlert.objects.create(
                organization=organization_of(request),
                account=account,
                threshold=form.validated_data["threshold"],
            )
    except IntegrityError as error:
        raise Problem(409, "conflict", "An alert with this threshold exists.") from error
    return Response(AlertSerializer(alert).data, status=201)
