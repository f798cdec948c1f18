"""The API of invoices: those that were made, the one to come, and taking one back."""

import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import idempotency, pagination
from accounts.api import customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import Problem
from invoicing import invoice_rows, upcoming, voiding
from invoicing.api.serializers import InvoiceSerializer, InvoiceVoiding, UpcomingSerializer
from invoicing.drawing import Drawing
from invoicing.models import Invoice

_READ = HasScope.of(GET=Scope.READ)


def _readable(request: Request) -> Any:
    invoices = Invoice.objects.for_organization(organization_of(request))
    return invoices.select_related("customer", "asset", "period").prefetch_related("lines", "taxes")


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
    invoices = _readable(request)
    external_id = request.query_params.get("customer")
    if external_id is not None:
        invoices = invoices.filter(customer=customer_or_404(request, external_id))
    return pagination.page(request, invoices, InvoiceSerializer)


@extend_schema(operation_id="invoices_get", summary="One invoice", responses=InvoiceSerializer)
@api_view(["GET", "HEAD"])
@permission_classes([_READ])
def invoice_detail(request: Request, invoice_id: uuid.UUID) -> Response:
    """Return one invoice with its lines."""
    invoice = _readable(request).filter(id=invoice_id).first()
    if invoice is None:
        raise _unknown()
    return Response(InvoiceSerializer(invoice).data)


def _unknown() -> Problem:
    return Problem(404, "not_found", "There is no invoice with this id.")


@extend_schema(
    operation_id="invoices_upcoming",
    summary="The invoice to come",
    description="What the customer would be asked for if the open period ended as it stands.",
    parameters=[OpenApiParameter("customer", str, required=True, description="Whose.")],
    responses=UpcomingSerializer,
)
@api_view(["GET", "HEAD"])
@permission_classes([_READ])
def invoice_upcoming(request: Request) -> Response:
    """Preview a customer's next invoices; changes nothing."""
    external_id = request.query_params.get("customer")
    if external_id is None:
        errors = [("customer", "is needed")]
        raise Problem(422, "invalid", "The request is not valid.", errors=errors)
    customer = customer_or_404(request, external_id)
    now = timezone.now()
    try:
        found = upcoming.preview(customer=customer, at=now)
    except upcoming.NotSubscribed as error:
        raise Problem(404, "not_found", "The customer has no subscription.") from error
    answer = {
        "customer": customer.external_id,
        "at": now,
        "period_start": found.period.starts_at,
        "period_end": found.period.ends_at,
        "invoices": [_drawn(each) for each in found.drawings],
    }
    return Response(UpcomingSerializer(answer).data)


def _drawn(drawing: Drawing) -> dict[str, Any]:
    reckoned = drawing.reckoned
    return {
        "asset": drawing.asset.code,
        "subtotal": reckoned.subtotal,
        "tax": reckoned.tax,
        "credits": reckoned.credits,
        "total": reckoned.total,
        "lines": [*reckoned.lines, *reckoned.taken],
        "taxes": reckoned.taxes,
    }


@extend_schema(
    operation_id="invoices_void",
    summary="Take an invoice back",
    description="With `reissue` another one takes its place, with taxes as they are now, and is "
    "answered; the number of the one taken back stays taken.",
    request=InvoiceVoiding,
    responses={
        200: InvoiceSerializer,
        409: OpenApiResponse(description="It is a draft, or was voided or corrected before."),
    },
)
@idempotency.documented
@api_view(["POST"])
@permission_classes([HasScope.of(POST=Scope.ADMIN)])
@idempotency.idempotent
def invoice_void(request: Request, invoice_id: uuid.UUID) -> Response:
    """Void a final invoice."""
    form = InvoiceVoiding(data=request.data)
    form.is_valid(raise_exception=True)
    try:
        invoice = voiding.void_invoice(
            organization=organization_of(request),
            invoice_id=invoice_id,
            at=timezone.now(),
            **form.validated_data,
        )
    except invoice_rows.UnknownInvoice as error:
        raise _unknown() from error
    except voiding.NotVoidable as error:
        raise Problem(409, "conflict", f"It cannot be voided: {error}.") from error
    return Response(InvoiceSerializer(_readable(request).get(id=invoice.id)).data)
