"""The shapes of the API of authorizations, as sent, as answered and as documented."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import OnExpiry
from accounts.serializers import AmountField, StrictSerializer, TextField, WholeNumberField
from metering.api.quotes import AsSent, DrawSerializer, QuotedPriceSerializer
from metering.api.serializers import EventDraftSchema, OutcomeSerializer
from metering.authorization_statements import STATES, Described
from metering.models import Authorization
from pricing.api.serializers import FlagField

ITEMS_MAX = 1_000
SECONDS_DEFAULT = 600
SECONDS_MAX = 86_400


class CapturedEventSchema(EventDraftSchema):
    """An event of the authorized work. Parsed by `metering.event_drafts`."""

    customer = serializers.CharField(
        max_length=200, required=False, help_text="The authorization's, or left out."
    )


@extend_schema_field(CapturedEventSchema)
class _EventAsSent(AsSent):
    """Whatever was sent; checked on its own."""


def _items(*, required: bool) -> serializers.ListField:
    return serializers.ListField(
        child=AsSent(allow_null=True),
        required=required,
        min_length=1,
        max_length=ITEMS_MAX,
        help_text="The events the work is expected to bring. They need no id yet.",
    )


def _seconds(**terms: Any) -> WholeNumberField:
    return WholeNumberField(min_value=1, max_value=SECONDS_MAX, **terms)


class AuthorizationRequest(StrictSerializer):
    """Work that is asked about, as the events it will bring."""

    customer = TextField(max_length=200, help_text="The customer's external id.")
    items = _items(required=True)
    expires_in = _seconds(default=SECONDS_DEFAULT, help_text="Seconds from now.")
    on_expiry = serializers.ChoiceField(
        choices=OnExpiry.choices,
        default=OnExpiry.RELEASE,
        error_messages={"invalid_choice": f"must be one of {', '.join(OnExpiry.values)}"},
        help_text="What becomes of what is held when nobody claims it in time.",
    )


class ExtensionRequest(StrictSerializer):
    """More work, or more time, or both."""

    items = _items(required=False)
    expires_in = _seconds(
        required=False,
        help_text="Seconds from now, at most until 24 hours after it was made. Never shortens it.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for something."""
        if not attrs:
            raise serializers.ValidationError({"items": ["give items, expires_in, or both"]})
        return attrs


class CaptureRequest(StrictSerializer):
    """What the work has come to."""

    events = serializers.ListField(
        child=_EventAsSent(allow_null=True),
        default=list,
        max_length=settings.EVENTS_PER_REQUEST_MAX,
        help_text="Real events, each under its own id. None of them: what is held is given back.",
    )
    final = FlagField(
        default=True, help_text="Whether that was all, so that the rest is given back."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for something."""
        if not attrs["events"] and not attrs["final"]:
            raise serializers.ValidationError({"events": ["give events, or make it final"]})
        return attrs


class ReportRequest(StrictSerializer):
    """How far the work has come, in all."""

    amounts = serializers.DictField(
        child=AmountField(), required=False, help_text="By asset: what it has come to so far."
    )
    items = _items(required=False)

    def validate_amounts(self, amounts: dict[str, Decimal]) -> dict[str, Decimal]:
        """Refuse amounts below zero."""
        below = {name[:100]: ["must be zero or more"] for name in amounts if amounts[name] < 0}
        if below:
            raise serializers.ValidationError(below)
        return amounts

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take one of the two forms."""
        if len(attrs) != 1:
            raise serializers.ValidationError({"amounts": ["give amounts, or items to price"]})
        return attrs


class AuthorizationSerializer(serializers.ModelSerializer[Authorization]):
    """An authorization in a list; the view passes the moment in the context."""

    customer = serializers.CharField(source="customer.external_id")
    state = serializers.SerializerMethodField()
    quote = serializers.DictField(child=serializers.CharField())
    ended_at = serializers.SerializerMethodField()

    class Meta:
        model = Authorization
        fields = [
            "id", "state", "customer", "quote", "created_at", "expires_at", "ended_at",
            "on_expiry",
        ]  # fmt: skip

    @extend_schema_field(serializers.ChoiceField(choices=STATES))
    def get_state(self, authorization: Authorization) -> str:
        """Return the state at the moment of the request."""
        return authorization.state_at(self.context["at"])

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_ended_at(self, authorization: Authorization) -> Any:
        """Return when somebody, or time, has ended it."""
        ended_at = authorization.end_by(self.context["at"])
        return serializers.DateTimeField().to_representation(ended_at) if ended_at else None


class AuthorizedPriceSerializer(QuotedPriceSerializer):
    """What one price makes of an item, tier by tier."""

    overage = None  # type: ignore[assignment]  # Known only of the whole.


class AuthorizedItemSerializer(serializers.Serializer[Any]):
    """An event of the expected work."""

    id = serializers.CharField(allow_null=True)
    type = serializers.CharField()
    prices = AuthorizedPriceSerializer(many=True)


def _by_asset(help_text: str) -> serializers.DictField:
    return serializers.DictField(child=AmountField(), help_text=help_text)


class AuthorizationDetailSerializer(serializers.Serializer[Described]):
    """An authorization as it stands; amounts by asset."""

    id = serializers.UUIDField(source="row.id")
    state = serializers.ChoiceField(choices=STATES)
    customer = serializers.CharField(source="row.customer.external_id")
    quote = serializers.DictField(
        source="row.quote",
        child=serializers.CharField(),
        help_text="What the work is expected to cost.",
    )
    held = _by_asset("What is reserved for it now; less than the quote when the plan invoices it.")
    captured = _by_asset("What usage has taken out of what was held.")
    reported = _by_asset("How far the work says it has come.")
    pays = serializers.SerializerMethodField(
        help_text="The grants it is reserved on, in burn order; last the credit line, as null."
    )
    items = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="row.created_at")
    expires_at = serializers.DateTimeField(source="row.expires_at")
    ended_at = serializers.DateTimeField(allow_null=True)
    on_expiry = serializers.ChoiceField(source="row.on_expiry", choices=OnExpiry.choices)

    @extend_schema_field(AuthorizedItemSerializer(many=True))
    def get_items(self, described: Described) -> Any:
        """Return the expected events as they were priced, which is how they are stored."""
        return described.row.items

    @extend_schema_field(DrawSerializer(many=True))
    def get_pays(self, described: Described) -> Any:
        """Return what lies where."""
        pays = [
            {
                "grant": draw.grant_id,
                "name": described.names.get(draw.grant_id, "") if draw.grant_id else "",
                "category": draw.category,
                "asset": draw.asset,
                "amount": draw.amount,
                "expires_at": draw.expires_at,
            }
            for draw in described.pays
        ]
        return DrawSerializer(pays, many=True).data


class CapturedSerializer(AuthorizationDetailSerializer):
    """The authorization after a capture, and what became of each event, in the order sent."""

    results = OutcomeSerializer(many=True)
    counts = serializers.DictField(child=serializers.IntegerField())
