"""The API of quotes: what events would cost, answered without a trace."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import money
from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import CONTENT_TYPE, body
from accounts.serializers import AmountField, StrictSerializer, TextField
from metering import event_drafts, quoting
from metering.api.serializers import (
    ChargeSerializer,
    EventDraftSchema,
    RefusalReasonSerializer,
    StepSerializer,
    charges_as_answered,
)
from metering.quoting import Quote, QuotedEvent, QuoteStatus

_UNPROCESSABLE = 422


class QuestionSchema(EventDraftSchema):
    """An event that is asked about. Parsed by `metering.event_drafts`."""

    id = serializers.CharField(max_length=200, required=False, help_text="Not looked at.")
    customer = serializers.CharField(
        max_length=200, required=False, help_text="The quote's customer, or left out."
    )


@extend_schema_field(QuestionSchema)
class AsSent(serializers.Field[Any, Any, Any, Any]):
    """Whatever was sent; each event is checked, and answered, on its own."""

    def to_internal_value(self, data: Any) -> Any:
        """Return it."""
        return data


class QuoteRequest(StrictSerializer):
    """One event, or several in the order in which they would come."""

    customer = TextField(max_length=200, help_text="The customer's external id.")
    event = AsSent(required=False, allow_null=True)
    events = serializers.ListField(
        child=AsSent(allow_null=True),
        required=False,
        min_length=1,
        max_length=settings.EVENTS_PER_QUOTE_MAX,
    )

    def validate(self, attrs: Any) -> Any:
        """Take one of the two forms."""
        if ("event" in attrs) == ("events" in attrs):
            raise serializers.ValidationError({"events": ["give events, or one event"]})
        return attrs


class QuotedPriceSerializer(serializers.Serializer[Any]):
    """What one price would make of an event."""

    price = serializers.UUIDField()
    meter = serializers.CharField()
    asset = serializers.CharField()
    cell = serializers.CharField(help_text="Which matrix cell would apply.")
    settles = serializers.ChoiceField(choices=["on_event", "at_close"])
    quantity = AmountField(help_text="What the event adds to the meter, in raw units.")
    billable = AmountField(help_text="The part of it that is not included.")
    metered = AmountField(help_text="What that costs before commitments and maximums.")
    amount = AmountField(help_text="What the event is charged; 0 when the price settles at close.")
    overage = AmountField()
    steps = StepSerializer(many=True)


class DrawSerializer(serializers.Serializer[Any]):
    """What one grant would pay, or, without a grant, what would go below zero."""

    grant = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()
    category = serializers.CharField()
    asset = serializers.CharField()
    amount = AmountField()
    expires_at = serializers.DateTimeField(allow_null=True)


class QuotedEventSerializer(serializers.Serializer[Any]):
    """The answer for one event."""

    id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=[str(status) for status in QuoteStatus])
    charges = ChargeSerializer(many=True, help_text="As recording would answer them.")
    prices = QuotedPriceSerializer(many=True)
    draws = DrawSerializer(many=True, help_text="The grants that would pay, in burn order.")
    blocked_by = RefusalReasonSerializer(allow_null=True, help_text="What stands in the way first.")
    refusals = RefusalReasonSerializer(many=True)
    reason = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)
    errors = serializers.ListField(  # type: ignore[assignment]
        child=serializers.DictField(), required=False
    )


class QuoteTotalSerializer(serializers.Serializer[Any]):
    """All events in one asset."""

    asset = serializers.CharField()
    amount = AmountField(help_text="What would be charged.")
    overage = AmountField(help_text="The part no credit would pay.")
    refused = AmountField(help_text="What the blocked events would cost beside it.")
    balance = AmountField(help_text="What would be left.")
    available = AmountField()


class QuoteSerializer(serializers.Serializer[Any]):
    """What events would cost, in the order asked."""

    customer = serializers.CharField()
    at = serializers.DateTimeField()
    blocked = serializers.BooleanField(help_text="Whether some event could not be paid.")
    totals = QuoteTotalSerializer(many=True)
    events = QuotedEventSerializer(many=True)


@extend_schema(
    operation_id="quotes_create",
    summary="Ask what events would cost, and what would pay",
    request=QuoteRequest,
    responses={200: QuoteSerializer},
)
@api_view(["POST"])
@permission_classes([HasScope.of(POST=Scope.READ)])
def quotes(request: Request) -> Response:
    """Price events as they would be priced now. Nothing is held and nothing is stored."""
    form = QuoteRequest(data=request.data)
    form.is_valid(raise_exception=True)
    asked = form.validated_data
    now = timezone.now()
    raws = asked["events"] if "events" in asked else [asked["event"]]
    quote = quoting.quote_events(
        organization_id=organization_of(request).id,
        drafts=[
            event_drafts.parse_question(raw, customer=asked["customer"], at=now) for raw in raws
        ],
        at=now,
    )
    if "event" in asked and quote.events[0].reason and not quote.is_blocked:
        return _refusal(quote.events[0])
    answer = {"customer": asked["customer"], "at": now, **_rendered(quote)}
    return Response(answer)


def _refusal(event: QuotedEvent) -> Response:
    extra = {"id": event.external_id or None, "event_status": event.status, "reason": event.reason}
    problem = body(_UNPROCESSABLE, event.reason, event.detail, errors=event.errors, **extra)
    return Response(problem, status=_UNPROCESSABLE, content_type=CONTENT_TYPE)


def _rendered(quote: Quote) -> dict[str, Any]:
    totals = [
        {
            "asset": asset,
            "amount": money.to_wire(total.amount),
            "overage": money.to_wire(total.overage),
            "refused": money.to_wire(total.refused),
            "balance": money.to_wire(total.balance),
            "available": money.to_wire(total.available),
        }
        for asset, total in sorted(quote.totals.items())
    ]
    return {
        "blocked": quote.is_blocked,
        "totals": totals,
        "events": [_event(event, quote.names) for event in quote.events],
    }


def _event(event: QuotedEvent, names: Mapping[Any, str]) -> dict[str, Any]:
    rendered = {
        "id": event.external_id or None,
        "status": event.status,
        "charges": charges_as_answered(event.charges),
        "prices": [line.to_wire() for line in event.lines],
        "draws": [
            {
                "grant": draw.grant_id,
                "name": names.get(draw.grant_id, ""),
                "category": draw.category,
                "asset": draw.asset,
                "amount": money.to_wire(draw.amount),
                "expires_at": draw.expires_at,
            }
            for draw in event.draws
        ],
        "blocked_by": event.refusals[0].to_wire() if event.refusals else None,
        "refusals": [refusal.to_wire() for refusal in event.refusals],
    }
    if not event.reason:
        return rendered
    errors = [{"field": field, "reason": reason} for field, reason in event.errors]
    return rendered | {"reason": event.reason, "detail": event.detail, "errors": errors}
