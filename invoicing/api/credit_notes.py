"""The API of credit notes, and of items for the next invoice."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import idempotency, pagination
from accounts.api import asset_or_422, customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import Problem
from invoicing import credit_notes, invoice_rows, items
from invoicing.api.serializers import (
    CreditNoteCreation,
    CreditNoteSerializer,
    InvoiceItemCreation,
    InvoiceItemSerializer,
)
from invoicing.models import CreditNote, InvoiceItem

_OF_A_CUSTOMER = OpenApiParameter("customer", str, description="Only this customer's.")
_PERMISSION = HasScope.of(GET=Scope.READ, POST=Scope.ADMIN)


def _of_customer(request: Request, rows: Any) -> Any:
    external_id = request.query_params.get("customer")
    if external_id is None:
        return rows
    return rows.filter(customer=customer_or_404(request, external_id))


def _invalid(field: str, error: Exception | str) -> Problem:
    return Problem(422, "invalid", "The request is not valid.", errors=[(field, str(error))])


@extend_schema(
    methods=["GET"],
    operation_id="credit_notes_list",
    summary="List credit notes",
    parameters=[_OF_A_CUSTOMER],
    responses=CreditNoteSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="credit_notes_create",
    summary="Ask for less than an invoice says",
    description="The amount includes taxes. All notes of an invoice come to no more than it.",
    request=CreditNoteCreation,
    responses={201: CreditNoteSerializer, 422: OpenApiResponse(description="It is too much.")},
)
@pagination.documented
@idempotency.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def credit_note_list(request: Request) -> Response:
    """List credit notes, newest first, or give one."""
    if request.method != "POST":
        rows = CreditNote.objects.for_organization(organization_of(request))
        return pagination.page(
            request,
            _of_customer(request, rows.select_related("customer", "asset")),
            CreditNoteSerializer,
        )
    form = CreditNoteCreation(data=request.data)
    form.is_valid(raise_exception=True)
    wanted = dict(form.validated_data)
    try:
        note = credit_notes.give(
            organization=organization_of(request),
            invoice_id=wanted.pop("invoice"),
            at=timezone.now(),
            **wanted,
        )
    except invoice_rows.UnknownInvoice as error:
        raise _invalid("invoice", "is not an invoice of your organization") from error
    except credit_notes.NoteRefused as error:
        raise _invalid(error.field, error) from error
    return Response(CreditNoteSerializer(note).data, status=201)


@extend_schema(
    methods=["GET"],
    operation_id="invoice_items_list",
    summary="List items of invoices",
    parameters=[_OF_A_CUSTOMER],
    responses=InvoiceItemSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="invoice_items_create",
    summary="Add an item to a customer's next invoice",
    request=InvoiceItemCreation,
    responses={201: InvoiceItemSerializer},
)
@pagination.documented
@idempotency.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def invoice_item_list(request: Request) -> Response:
    """List items, newest first, or add one."""
    if request.method != "POST":
        rows = InvoiceItem.objects.for_organization(organization_of(request))
        return pagination.page(
            request,
            _of_customer(request, rows.select_related("customer", "asset")),
            InvoiceItemSerializer,
        )
    form = InvoiceItemCreation(data=request.data)
    form.is_valid(raise_exception=True)
    wanted = dict(form.validated_data)
    customer = customer_or_404(request, wanted.pop("customer"))
    try:
        item = items.add_item(
            customer=customer,
            asset=asset_or_422(request, wanted.pop("asset")),
            at=timezone.now(),
            **wanted,
        )
    except items.ItemRefused as error:
        raise _invalid(error.field, error) from error
    return Response(InvoiceItemSerializer(item).data, status=201)
