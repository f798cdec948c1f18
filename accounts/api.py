"""The API of customers, their balances and their grants."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import customers, idempotency, ledger, money, pagination
from accounts.authentication import HasScope, organization_of
from accounts.models import Asset, CreditAccount, CreditGrant, Customer, Scope
from accounts.problems import Problem
from accounts.serializers import (
    CustomerBalanceSerializer,
    CustomerChange,
    CustomerSerializer,
    GrantCreation,
    GrantSerializer,
)

_READ_AND_WRITE = HasScope.of(
    GET=Scope.READ, POST=Scope.CUSTOMERS_WRITE, PATCH=Scope.CUSTOMERS_WRITE
)


def customer_or_404(request: Request, external_id: str) -> Customer:
    """Return the tenant's customer; one of another tenant is as unknown as none."""
    organization = organization_of(request)
    try:
        return customers.find(organization_id=organization.id, external_id=external_id)
    except customers.UnknownCustomer as error:
        raise Problem(404, "not_found", "There is no customer with this external id.") from error


def asset_or_422(request: Request, code: str) -> Asset:
    """Return the tenant's asset by code."""
    # PostgreSQL keeps no text with a NUL character and refuses to look for one.
    known = Asset.objects.filter(organization=organization_of(request))
    asset = known.filter(code=code).first() if "\0" not in code else None
    if asset is None:
        reason = "is not an asset of your organization"
        raise Problem(422, "invalid", "The request is not valid.", errors=[("asset", reason)])
    return asset


@extend_schema(
    methods=["GET"],
    operation_id="customers_get",
    summary="One customer",
    responses=CustomerSerializer,
)
@extend_schema(
    methods=["PATCH"],
    operation_id="customers_change",
    summary="Change a customer",
    request=CustomerChange,
    responses=CustomerSerializer,
)
@api_view(["GET", "HEAD", "PATCH"])
@permission_classes([_READ_AND_WRITE])
def customer_detail(request: Request, external_id: str) -> Response:
    """Read or change one customer."""
    customer = customer_or_404(request, external_id)
    if request.method == "PATCH":
        form = CustomerChange(data=request.data)
        form.is_valid(raise_exception=True)
        customer = customers.change_customer(customer, **form.validated_data)
    return Response(CustomerSerializer(customer).data)


@extend_schema(
    operation_id="customers_balance",
    summary="A customer's balances",
    responses=CustomerBalanceSerializer,
)
@api_view(["GET", "HEAD"])
@permission_classes([_READ_AND_WRITE])
def customer_balance(request: Request, external_id: str) -> Response:
    """Return what the customer holds in each asset, right now."""
    customer = customer_or_404(request, external_id)
    now = timezone.now()
    accounts = list(
        CreditAccount.objects.filter(customer=customer).select_related("asset").order_by("asset")
    )
    balances = ledger.read_balances(accounts, at=now)
    rows = [
        {
            "asset": account.asset.code,
            "posted": balances[account.id].posted,
            "held": balances[account.id].held,
            "available": balances[account.id].available,
        }
        for account in accounts
    ]
    answer = {"customer": customer.external_id, "at": now, "balances": rows}
    return Response(CustomerBalanceSerializer(answer).data)


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
@permission_classes([_READ_AND_WRITE])
@idempotency.idempotent
def grant_list(request: Request, external_id: str) -> Response:
    """List a customer's grants, newest first, or give credit."""
    customer = customer_or_404(request, external_id)
    if request.method != "POST":
        grants = CreditGrant.objects.filter(account__customer=customer)
        return pagination.page(request, grants.select_related("account__asset"), GrantSerializer)
    form = GrantCreation(data=request.data)
    form.is_valid(raise_exception=True)
    terms = dict(form.validated_data)
    asset = asset_or_422(request, terms.pop("asset"))
    account = ledger.open_account(customer=customer, asset=asset)
    try:
        grant = ledger.grant_credit(account=account, at=timezone.now(), **terms)
    except ledger.DuplicateReference as error:
        raise Problem(
            409, "conflict", "A grant with this reference exists; nothing was granted."
        ) from error
    except ValueError as error:
        field = "amount" if isinstance(error, money.AmountInvalid) else "expires_at"
        raise Problem(
            422, "invalid", "The request is not valid.", errors=[(field, str(error))]
        ) from error
    return Response(GrantSerializer(grant).data, status=201)
