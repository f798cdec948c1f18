"""The API of seats."""

import uuid

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import idempotency
from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import Problem
from accounts.serializers import StrictSerializer, WholeNumberField
from invoicing import seats
from pricing.api.serializers import SubscriptionSerializer
from pricing.models import Subscription
from pricing.models.plans import SEATS_MAX


class SeatsWanted(StrictSerializer):
    """How many seats a subscription has from now on."""

    seats = WholeNumberField(min_value=1, max_value=SEATS_MAX)


@extend_schema(
    operation_id="subscriptions_seats",
    summary="Change the seats of a subscription",
    description="The next invoice makes up for it by the day.",
    request=SeatsWanted,
    responses={
        200: SubscriptionSerializer,
        409: OpenApiResponse(description="The subscription has ended."),
    },
)
@idempotency.documented
@api_view(["POST"])
@permission_classes([HasScope.of(POST=Scope.CUSTOMERS_WRITE)])
@idempotency.idempotent
def subscription_seats(request: Request, subscription_id: uuid.UUID) -> Response:
    """Give a subscription so many seats from now on."""
    rows = Subscription.objects.for_organization(organization_of(request))
    subscription = rows.filter(id=subscription_id).first()
    if subscription is None:
        raise Problem(404, "not_found", "There is no subscription with this id.")
    form = SeatsWanted(data=request.data)
    form.is_valid(raise_exception=True)
    try:
        seats.change_seats(
            subscription=subscription, seats=form.validated_data["seats"], at=timezone.now()
        )
    except seats.SeatsRefused as error:
        raise Problem(409, "conflict", f"Nothing was changed: {error}.") from error
    rows = rows.select_related("customer", "plan_version__plan")
    return Response(SubscriptionSerializer(rows.get(id=subscription_id)).data)
