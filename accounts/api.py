"""The API of customers and their balances."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import customers, ledger, money
from accounts.authentication import HasScope, organization_of
from accounts.models import Asset, CreditAccount, Customer, Scope
from accounts.problems import Problem
from accounts.serializers import (
    CustomerBalanceSerializer,
    CustomerChange,
    CustomerSerializer,
)

_READ_AND_WRITE = HasScope.of(GET=Scope.READ, PATCH=Scope.CUSTOMERS_WRITE)


def customer_or_404(request: Request, external_id: str) -> Customer:
    """Return the tenant's customer; one of another tenant is as unknown as none."""
    organization = organization_of(request)
    try:
        return customers.find(organization_id=organization.id, external_id=external_id)
    except customers.UnknownCustomer as error:
        raise unknown_customer() from error


def unknown_customer() -> Problem:
    """Say that the address is that of no customer."""
    return Problem(404, "not_found", "There is no customer with this external id.")


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
    balances = balances_of(organization_of(request).id, {external_id}, at=timezone.now())
    if external_id not in balances:
        raise unknown_customer()
    return Response(balances[external_id])


def balances_of(
    organization_id: uuid.UUID, external_ids: Collection[str], *, at: dt.datetime
) -> dict[str, dict[str, Any]]:
    """Return what those of these customers that there are hold, as it is answered."""
    found = customers.find_all(organization_id=organization_id, external_ids=external_ids)
    accounts = list(
        CreditAccount.objects.for_organization(organization_id)
        .filter(customer__in=found.values())
        .select_related("asset")
        .order_by("asset")
    )
    balances = ledger.read_balances(accounts, at=at)
    rows: dict[uuid.UUID, list[dict[str, str]]] = defaultdict(list)
    for account in accounts:
        balance = balances[account.id]
        rows[account.customer_id].append(
            {
                "asset": account.asset.code,
                "posted": money.to_wire(balance.posted),
                "held": money.to_wire(balance.held),
                "available": money.to_wire(balance.available),
            }
        )
    moment = at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return {
        name: {"customer": name, "at": moment, "balances": rows[customer.id]}
        for name, customer in found.items()
    }
