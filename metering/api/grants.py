"""The API of grants: giving credit, what became of one grant, and taking it back."""

import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import idempotency, ledger, money, pagination
from accounts.api import asset_or_422, customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Asset, CreditGrant, Customer, Scope
from accounts.problems import Problem
from accounts.serializers import (
    AmountField,
    GrantCreation,
    GrantSerializer,
    StrictSerializer,
    TextField,
)
from metering import grants, tasks
from metering.api.ledger import LedgerEntrySerializer
from pricing.models import Meter

VOID_REASON_LENGTH_MAX = 500
_VERSION_DIGITS = 18
_PERMISSION = HasScope.of(GET=Scope.READ, POST=Scope.CUSTOMERS_WRITE)


class GrantVoiding(StrictSerializer):
    """Why a grant is taken back."""

    reason = TextField(max_length=VOID_REASON_LENGTH_MAX, allow_blank=True, default="")


class GrantHoldSerializer(serializers.Serializer[Any]):
    """What an open hold reserves on a grant for one meter."""

    authorization = serializers.UUIDField(source="hold.reference")
    meter = serializers.CharField()
    amount = AmountField()
    expires_at = serializers.DateTimeField(source="hold.expires_at")


class GrantStatementSerializer(serializers.Serializer[Any]):
    """A grant, what open holds reserve on it, and what happened to it, the newest first."""

    grant = GrantSerializer()
    holds = GrantHoldSerializer(many=True)
    entries = LedgerEntrySerializer(many=True)
    next = serializers.URLField(
        allow_null=True, help_text="The address of the next page of entries, null on the last one."
    )


@extend_schema(
    methods=["GET"],
    operation_id="grants_list",
    summary="List a customer's grants",
    responses=GrantSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="grants_create",
    summary="Give credit",
    request=GrantCreation,
    responses={201: GrantSerializer, 409: OpenApiResponse(description="Granted before.")},
)
@pagination.documented
@idempotency.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def grant_list(request: Request, external_id: str) -> Response:
    """List a customer's grants, newest first, or give credit."""
    customer = customer_or_404(request, external_id)
    if request.method != "POST":
        rows = _readable().filter(account__customer=customer)
        return pagination.page(request, rows, GrantSerializer)
    form = GrantCreation(data=request.data)
    form.is_valid(raise_exception=True)
    return _give(request, customer, dict(form.validated_data))


def _give(request: Request, customer: Customer, terms: dict[str, Any]) -> Response:
    asset = asset_or_422(request, terms.pop("asset"))
    _refuse_unknown_meters(request, terms.get("meters", ()))
    cost_basis = _cost_basis(request, terms.pop("cost_basis", None))
    account = ledger.open_account(customer=customer, asset=asset)
    try:
        grant = ledger.grant_credit(
            account=account, at=timezone.now(), cost_basis=cost_basis, **terms
        )
    except ledger.DuplicateReference as error:
        raise Problem(
            409, "conflict", "A grant with this reference exists; nothing was granted."
        ) from error
    except ledger.CostBasisRefused as error:
        raise _invalid("cost_basis", str(error)) from error
    except ValueError as error:
        field = "amount" if isinstance(error, money.AmountInvalid) else "expires_at"
        raise _invalid(field, str(error)) from error
    return Response(GrantSerializer(_readable().get(id=grant.id)).data, status=201)


def _readable() -> Any:
    return CreditGrant.objects.select_related("account__asset", "cost_basis_asset")


def _invalid(*errors: str) -> Problem:
    field, reason = errors
    return Problem(422, "invalid", "The request is not valid.", errors=[(field, reason)])


def _refuse_unknown_meters(request: Request, codes: list[str]) -> None:
    known = Meter.objects.filter(organization=organization_of(request), code__in=codes)
    unknown = set(codes) - set(known.values_list("code", flat=True))
    for place, code in enumerate(codes):
        if code in unknown:
            raise _invalid(f"meters[{place}]", "is not a meter of your organization")


def _cost_basis(request: Request, asked: dict[str, Any] | None) -> ledger.CostBasis | None:
    if asked is None:
        return None
    known = Asset.objects.filter(organization=organization_of(request), is_currency=True)
    asset = known.filter(code=asked["asset"]).first()
    if asset is None:
        raise _invalid("cost_basis.asset", "is not a currency of your organization")
    return ledger.CostBasis(asked["amount"], asset.id)


def _grant_or_404(request: Request, grant_id: uuid.UUID) -> CreditGrant:
    grant: CreditGrant | None = (
        _readable().filter(organization=organization_of(request), id=grant_id).first()
    )
    if grant is None:
        raise Problem(404, "not_found", "There is no grant with this id.")
    return grant


@extend_schema(
    operation_id="grants_get",
    summary="One grant: what paid what",
    parameters=[
        OpenApiParameter("cursor", str, description="From `next` of the page before."),
        OpenApiParameter("limit", int, description="Entries a page, 50 unless told, up to 500."),
    ],
    responses=GrantStatementSerializer,
)
@api_view(["GET", "HEAD"])
@permission_classes([_PERMISSION])
def grant_detail(request: Request, grant_id: uuid.UUID) -> Response:
    """Return a grant with a page of its ledger entries, each with what caused it."""
    grant = _grant_or_404(request, grant_id)
    page = grants.read_page(grant, before=_before(request), limit=pagination.limit_of(request))
    following = None
    if page.following is not None:
        following = pagination.link_to(request, pagination.cursor_of(str(page.following)))
    answer = {
        "grant": grant,
        "holds": grants.draws_on(grant),
        "entries": page.lines,
        "next": following,
    }
    return Response(GrantStatementSerializer(answer).data)


def _before(request: Request) -> int | None:
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return None
    try:
        text = pagination.text_of(cursor)
    except ValueError as error:
        raise pagination.not_a_cursor() from error
    if not text.isdecimal() or len(text) > _VERSION_DIGITS:
        raise pagination.not_a_cursor()
    return int(text)


@extend_schema(
    operation_id="grants_void",
    summary="Take back what is left of a grant",
    description="What open holds need of it stays until they end, and lapses then.",
    request=GrantVoiding,
    responses={
        200: GrantSerializer,
        409: OpenApiResponse(description="It was voided before, or has expired."),
    },
)
@idempotency.documented
@api_view(["POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def grant_void(request: Request, grant_id: uuid.UUID) -> Response:
    """Void a grant, also one that is still to come."""
    grant = _grant_or_404(request, grant_id)
    form = GrantVoiding(data=request.data)
    form.is_valid(raise_exception=True)
    try:
        firings = grants.void(grant=grant, at=timezone.now(), **form.validated_data)
    except ledger.NotVoidable as error:
        raise Problem(409, "conflict", f"{str(error).capitalize()}.") from error
    if firings:
        tasks.wake_delivery()
    return Response(GrantSerializer(_grant_or_404(request, grant_id)).data)
