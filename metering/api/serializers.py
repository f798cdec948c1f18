"""The shapes of the events API, as answered and as documented."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.money import to_wire
from accounts.serializers import AmountField, StrictSerializer, TextField
from metering.models import (
    CapOwner,
    DeadLetter,
    Event,
    SpendAlert,
    SpendCap,
)
from metering.refusals import Reason
from metering.spend_caps import Window


class EventDraftSchema(serializers.Serializer[Any]):
    """One event, as sent. Parsed by `metering.event_drafts`; here for the documentation."""

    id = serializers.CharField(
        max_length=200,
        help_text="Yours, unique per source, for ever. A UUIDv7 is the fastest to look up.",
    )
    type = serializers.CharField(max_length=200)
    customer = serializers.CharField(max_length=200, help_text="The customer's external id.")
    timestamp = serializers.DateTimeField(required=False, help_text="Default: time of receipt.")
    properties = serializers.DictField(required=False)
    source = serializers.CharField(max_length=200, required=False)  # type: ignore[assignment]
    backfill = serializers.BooleanField(
        required=False,
        help_text="True for old usage that is reported late on purpose, with its timestamp. It is "
        "charged in the open period like any late event, and shown as a backfill; caps of an hour, "
        "a day or a month that began after it do not count it.",
    )
    authorization = serializers.UUIDField(
        required=False, help_text="Captures the event from what this authorization holds."
    )


class EventBatchSchema(serializers.Serializer[Any]):
    """Many events at once, each answered on its own."""

    events = EventDraftSchema(many=True)


class ChargeSerializer(serializers.Serializer[Any]):
    """What an event cost in one asset, and what was left after it."""

    asset = serializers.CharField()
    amount = AmountField()
    overage = AmountField(help_text="The part no credit paid; it will be invoiced.")
    balance = AmountField()
    available = AmountField()
    uncollected = AmountField(
        required=False,
        help_text="The part that nobody pays: of work that was captured from an authorization and "
        "came to more than the customer had. Only there when it is not 0.",
    )


def charges_as_answered(charges: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return stored charges in the order of their fields, which the database does not keep.

    So an answer read back is the first answer, byte for byte.
    """
    return [
        # Those of an event that has just been charged are in this order already.
        charge
        if tuple(charge) == _CHARGE_FIELDS[:-1]
        else {name: charge[name] for name in _CHARGE_FIELDS if name in charge}
        for charge in charges
    ]


_CHARGE_FIELDS = ("asset", "amount", "overage", "balance", "available", "uncollected")


class RefusalReasonSerializer(serializers.Serializer[Any]):
    """One reason why work may not go ahead; the binding one comes first."""

    reason = serializers.ChoiceField(choices=[str(reason) for reason in Reason])
    detail = serializers.CharField()
    asset = serializers.CharField(required=False)
    limit = serializers.CharField(required=False)
    needed = AmountField(required=False)
    available = AmountField(required=False)
    field = serializers.CharField(required=False, help_text="Which of several events it is about.")


class OutcomeSerializer(serializers.Serializer[Any]):
    """The answer to one event."""

    id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(
        choices=["recorded", "replayed", "blocked", "conflict", "invalid", "unpriced"]
    )
    code = serializers.IntegerField(help_text="The HTTP status this event alone would have had.")
    asset = serializers.CharField(required=False)
    amount = AmountField(required=False)
    overage = AmountField(required=False)
    balance = AmountField(required=False)
    available = AmountField(required=False)
    uncollected = AmountField(required=False)
    charges = ChargeSerializer(many=True, required=False)
    reason = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)
    needed = AmountField(required=False)
    limit = serializers.CharField(
        required=False, help_text="The cap or the feature that stands in the way."
    )
    refusals = RefusalReasonSerializer(many=True, required=False)
    errors = serializers.ListField(  # type: ignore[assignment]
        child=serializers.DictField(), required=False
    )


class BatchOutcomeSerializer(serializers.Serializer[Any]):
    """The answers to a batch, in the order sent."""

    results = OutcomeSerializer(many=True)
    counts = serializers.DictField(child=serializers.IntegerField())


class EventSerializer(serializers.ModelSerializer[Event]):
    """A stored event."""

    id = serializers.CharField(source="external_id")
    customer = serializers.CharField(source="customer.external_id")
    timestamp = serializers.DateTimeField(source="occurred_at")
    late = serializers.BooleanField(source="is_late")
    backfill = serializers.BooleanField(source="is_backfill")
    voided_at = serializers.DateTimeField(
        allow_null=True, read_only=True, help_text="When it was taken back; null while it stands."
    )
    properties = serializers.SerializerMethodField()
    charges = serializers.SerializerMethodField()

    class Meta:
        model = Event
        fields = [
            "id", "source", "type", "customer", "timestamp", "received_at", "late",
            "backfill", "authorization", "voided_at", "properties", "charges",
        ]  # fmt: skip

    def get_properties(self, event: Event) -> dict[str, Any]:
        """Return the properties as they came, digit for digit."""
        return dict(event.properties)

    @extend_schema_field(ChargeSerializer(many=True))
    def get_charges(self, event: Event) -> list[dict[str, str]]:
        """Return what was answered when the event came."""
        return charges_as_answered(event.charges)


class StepSerializer(serializers.Serializer[Any]):
    """A line of a working: so many units at a rate, plus a flat amount."""

    label = serializers.CharField()  # type: ignore[assignment]
    units = AmountField()
    unit_amount = AmountField()
    flat_amount = AmountField()
    amount = AmountField()


class DeadLetterSerializer(serializers.ModelSerializer[DeadLetter]):
    """An event that could not be priced."""

    event = serializers.CharField(source="external_id")
    customer = serializers.CharField(source="customer_external_id")
    timestamp = serializers.DateTimeField(source="occurred_at")
    backfill = serializers.BooleanField(source="is_backfill")
    properties = serializers.SerializerMethodField()

    class Meta:
        model = DeadLetter
        fields = [
            "id", "event", "source", "type", "customer", "timestamp", "backfill", "properties",
            "reason", "detail", "received_at", "resolved_at",
        ]  # fmt: skip

    def get_properties(self, letter: DeadLetter) -> dict[str, Any]:
        """Return the properties as they came."""
        return dict(letter.properties)


class AlertSerializer(serializers.ModelSerializer[SpendAlert]):
    """A spend alert."""

    asset = serializers.CharField(source="account.asset.code")
    threshold = AmountField()

    class Meta:
        model = SpendAlert
        fields = ["id", "asset", "threshold", "is_active", "created_at"]


class AlertCreation(StrictSerializer):
    """A new spend alert."""

    asset = TextField(max_length=32)
    threshold = AmountField()


class CapCreation(StrictSerializer):
    """A cap to be set."""

    window = serializers.ChoiceField(choices=[str(window) for window in Window])
    limit = AmountField()
    asset = TextField(max_length=32, required=False, help_text="A code; the limit is an amount.")
    meter = TextField(
        max_length=100,
        required=False,
        help_text="A code; the only meter that counts, by its raw units when there is no asset.",
    )
    property_name = TextField(max_length=100, required=False)
    property_value = TextField(max_length=200, required=False)
    owner = serializers.ChoiceField(choices=CapOwner.choices, required=False)
    name = TextField(max_length=200, required=False)

    def validate_limit(self, limit: Decimal) -> Decimal:
        """Refuse a limit below zero."""
        if limit < 0:
            raise serializers.ValidationError("must be zero or more")
        return limit

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a cap that counts nothing, and a value of no property."""
        if "asset" not in attrs and "meter" not in attrs:
            raise serializers.ValidationError({"asset": "give an asset, a meter, or both"})
        if "property_value" in attrs and "property_name" not in attrs:
            raise serializers.ValidationError({"property_name": "is needed with property_value"})
        return attrs


class CapUseSerializer(serializers.Serializer[Any]):
    """What one value of a cap holds in the current window."""

    value = serializers.CharField(help_text="Of the property; empty when the cap has none.")
    used = AmountField()


class CapSerializer(serializers.ModelSerializer[SpendCap]):
    """A cap in force, and what its current window holds."""

    asset = serializers.CharField(source="asset.code", allow_null=True, default=None)
    meter = serializers.CharField(source="meter.code", allow_null=True, default=None)
    limit = AmountField()
    used = serializers.SerializerMethodField()

    class Meta:
        model = SpendCap
        fields = [
            "id", "name", "owner", "window", "limit", "asset", "meter", "property_name",
            "property_value", "created_at", "used",
        ]  # fmt: skip

    @extend_schema_field(CapUseSerializer(many=True))
    def get_used(self, cap: SpendCap) -> list[dict[str, str]]:
        """Return what is used and reserved, by value; the view passes it in the context."""
        held = self.context["used"].get(cap.id, {})
        return [{"value": value, "used": to_wire(total)} for value, total in sorted(held.items())]
