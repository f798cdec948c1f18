"""The API of invoices."""

import uuid

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import pagination
from accounts.api import customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import Problem
from accounts.serializers import AmountField
from invoicing.models import Invoice, InvoiceLine


class InvoiceLineSerializer(serializers.ModelSerializer[InvoiceLine]):
    """One line; `amount` is due, rounded once."""

    quantity = AmountField()
    usage_amount = AmountField()
    credits_applied = AmountField()
    uncollected = AmountField(help_text="What neither credit paid nor anybody is asked for.")
    amount = AmountField()

    class Meta:
        model = InvoiceLine
        fields = [
            "description", "quantity", "usage_amount", "credits_applied", "uncollected", "amount",
        ]  # fmt: skip


class InvoiceSerializer(serializers.ModelSerializer[Invoice]):
    """An invoice with its lines."""

    number = serializers.CharField(source="display_number")
    customer = serializers.CharField(source="customer.external_id")
    asset = serializers.CharField(source="asset.code")
    period_start = serializers.DateTimeField(source="period.starts_at")
    period_end = serializers.DateTimeField(source="period.ends_at")
    subtotal = AmountField()
    total = AmountField()
    lines = InvoiceLineSerializer(many=True)

    class Meta:
        model = Invoice
        fields = [
            "id", "number", "state", "customer", "asset", "period_start", "period_end", "subtotal",
            "total", "finalized_at", "lines",
        ]  # fmt: skip


_READ = HasScope.of(GET=Scope.READ)


@extend_schema(
    operation_id="invoices_list",
    summary="List invoices",
    parameters=[OpenApiParameter("customer", str, description="Only this customer's.")],
    responses=InvoiceSerializer(many=True),
)
@pagination.documented
@api_view(["GET", "HEAD"])
@permission_classes([_READ])
def invoice_list(request: Request) -> Response:
    """List invoices, newest first."""
    invoices = Invoice.objects.for_organization(organization_of(request)).select_related(
        "customer", "asset", "period"
    )
    external_id = request.query_params.get("customer")
    if external_id is not None:
        invoices = invoices.filter(customer=customer_or_404(request, external_id))
    return pagination.page(request, invoices.prefetch_related("lines"), InvoiceSerializer)


@extend_schema(operation_id="invoices_get", summary="One invoice", responses=InvoiceSerializer)
@api_view(["GET", "HEAD"])
@permission_classes([_READ])
def invoice_detail(request: Request, invoice_id: uuid.UUID) -> Response:
    """Return one invoice with its lines."""
    invoice = (
        Invoice.objects.for_organization(organization_of(request)).filter(id=invoice_id).first()
    )
    if invoice is None:
        raise Problem(404, "not_found", "There is no invoice with this id.")
    return Response(InvoiceSerializer(invoice).data)
