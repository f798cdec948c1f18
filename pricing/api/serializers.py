"""The shapes of the catalogue, as answered and as documented.

Plans, prices and meters are read by `pricing.plan_form`; here they are for the documentation.
"""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts import money
from accounts.serializers import (
    AmountField,
    PositiveAmountField,
    StrictSerializer,
    TextField,
    TimestampField,
    WholeNumberField,
)
from pricing import plan_export
from pricing.models import (
    Coupon,
    Duration,
    Meter,
    Plan,
    PlanVersion,
    Subscription,
    code_validator,
    coupon_code_validator,
)
from pricing.models.plans import SEATS_MAX

COUNT_MAX = 1_000_000_000
HUNDRED = Decimal(100)


class FlagField(serializers.BooleanField):
    """True or false, written as such: neither a text nor a number."""

    def to_internal_value(self, data: Any) -> bool:
        """Read a JSON boolean and nothing else."""
        if not isinstance(data, bool):
            raise serializers.ValidationError("must be true or false")
        return data


class MeterSchema(serializers.Serializer[Any]):
    """A meter, as sent."""

    code = serializers.CharField(max_length=100)
    name = serializers.CharField(max_length=200, required=False)
    unit = serializers.CharField(max_length=50, required=False)
    event_type = serializers.CharField(max_length=200)
    aggregation = serializers.CharField(required=False, help_text="sum, unless told otherwise.")
    quantity_property = serializers.CharField(max_length=100, required=False)
    expression = serializers.CharField(required=False)
    filters = serializers.DictField(required=False)
    weighted_by = serializers.CharField(required=False)


class MeterSerializer(serializers.ModelSerializer[Meter]):
    """A meter."""

    filters = serializers.DictField()
    expression = serializers.CharField()

    class Meta:
        model = Meter
        fields = [
            "code", "name", "unit", "event_type", "aggregation", "quantity_property", "expression",
            "filters", "weighted_by", "created_at",
        ]  # fmt: skip


class PlanSerializer(serializers.ModelSerializer[Plan]):
    """A plan and the number of its newest published version."""

    published_version = serializers.IntegerField(allow_null=True)

    class Meta:
        model = Plan
        fields = ["code", "name", "is_default", "published_version", "created_at"]


class PlanChange(StrictSerializer):
    """What may change of a plan."""

    name = TextField(max_length=200, required=False)
    is_default = FlagField(required=False, help_text="New customers are put on this plan.")


class PlanCreation(PlanChange):
    """A new plan; its prices come with its versions."""

    code = TextField(max_length=100, validators=[code_validator])
    name = TextField(max_length=200)


class AssetSchema(serializers.Serializer[Any]):
    """An asset a plan needs."""

    code = serializers.CharField(max_length=32)
    name = serializers.CharField(max_length=100, required=False)
    scale = serializers.IntegerField(min_value=0, max_value=money.PLACES)
    is_currency = serializers.BooleanField(required=False)


class FeeSchema(serializers.Serializer[Any]):
    """A base fee of each period."""

    amount = AmountField()
    asset = serializers.CharField(max_length=32)
    timing = serializers.CharField(required=False, help_text="advance or arrears.")


class SeatsSchema(FeeSchema):
    """A fee of each period for each seat that is not included."""

    included = serializers.IntegerField(min_value=0, required=False)


class CreditSchema(serializers.Serializer[Any]):
    """Credit that comes with the plan."""

    asset = serializers.CharField(max_length=32)
    amount = AmountField()
    every = serializers.CharField(required=False, help_text="period, day, week or month.")
    per_seat = serializers.BooleanField(required=False)
    expires = serializers.CharField(required=False, help_text="period_end, never or after_days.")
    expires_after_days = serializers.IntegerField(required=False, allow_null=True)
    rollover_limit = serializers.CharField(
        required=False, allow_null=True, help_text="An amount, unlimited, or null for none."
    )
    limit_per_month = AmountField(required=False, allow_null=True)
    priority = serializers.IntegerField(min_value=0, max_value=100, required=False)
    meters = serializers.ListField(child=serializers.CharField(), required=False)


class PlanDocumentSchema(serializers.Serializer[Any]):
    """A plan, as sent and as answered. A price holds `meter`, `asset`, `settle`, and its terms."""

    code = serializers.CharField(max_length=100, required=False)
    name = serializers.CharField(max_length=200, required=False)
    billing_interval = serializers.CharField(required=False)
    shortfall_policy = serializers.CharField(required=False)
    overdraft_limit = AmountField(required=False)
    effective_from = serializers.DateTimeField(required=False, allow_null=True)
    trial_days = serializers.IntegerField(min_value=0, required=False)
    base_fee = FeeSchema(required=False, allow_null=True)
    seats = SeatsSchema(required=False, allow_null=True)
    included_credits = CreditSchema(many=True, required=False)
    entitlements = serializers.ListField(child=serializers.DictField(), required=False)
    assets = AssetSchema(many=True, required=False)
    meters = MeterSchema(many=True, required=False)
    prices = serializers.ListField(child=serializers.DictField())


class VersionSerializer(serializers.ModelSerializer[PlanVersion]):
    """A version of a plan."""

    plan = serializers.CharField(source="plan.code")
    state = serializers.CharField(help_text="draft or published.")

    class Meta:
        model = PlanVersion
        fields = [
            "id", "plan", "number", "state", "effective_from", "created_at", "published_at",
        ]  # fmt: skip


class VersionDetailSerializer(VersionSerializer):
    """A version of a plan with all it says."""

    document = serializers.SerializerMethodField()

    class Meta(VersionSerializer.Meta):
        fields = [*VersionSerializer.Meta.fields, "document"]

    @extend_schema_field(PlanDocumentSchema)
    def get_document(self, version: PlanVersion) -> dict[str, Any]:
        """Return the plan's JSON, ready to be sent again."""
        return plan_export.write(version)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "enum": ["new", "all"]},
            {"type": "array", "items": {"type": "string"}},
        ]
    }
)
class MigrateField(serializers.Field[Any, Any, Any, Any]):
    """Who gets a version beside new customers: `new`, `all`, or a list of external ids."""

    def to_internal_value(self, data: Any) -> Any:
        """Read one of the two words, or a list of texts."""
        if data in ("new", "all"):
            return data
        if not isinstance(data, list) or not all(isinstance(each, str) for each in data):
            raise serializers.ValidationError("must be new, all, or a list of external ids")
        return data


class PublicationOrder(StrictSerializer):
    """From when on a version counts, and for whom."""

    migrate = MigrateField(required=False, default="new")
    effective_from = TimestampField(required=False, allow_null=True)


class OverrideSchema(serializers.Serializer[Any]):
    """The prices agreed with a customer on one plan."""

    plan = serializers.CharField(max_length=100)
    prices = serializers.ListField(child=serializers.DictField())


class OverridesSerializer(serializers.Serializer[Any]):
    """All prices agreed with a customer."""

    customer = serializers.CharField()
    overrides = OverrideSchema(many=True)


class EntitlementsSerializer(serializers.Serializer[Any]):
    """What a customer may do; nothing, and no plan, without a subscription."""

    customer = serializers.CharField()
    subscription = serializers.UUIDField(allow_null=True)
    plan = serializers.CharField(allow_null=True)
    version = serializers.IntegerField(allow_null=True)
    entitlements = serializers.ListField(child=serializers.DictField())


class SubscriptionSerializer(serializers.ModelSerializer[Subscription]):
    """A subscription."""

    customer = serializers.CharField(source="customer.external_id")
    plan = serializers.CharField(source="plan_version.plan.code")
    version = serializers.IntegerField(source="plan_version.number")

    class Meta:
        model = Subscription
        fields = [
            "id", "customer", "plan", "version", "seats", "starts_at", "anchor_date",
            "trial_ends_at", "ended_at",
        ]  # fmt: skip


class SubscriptionCreation(StrictSerializer):
    """A new subscription."""

    customer = TextField(max_length=200)
    plan = TextField(max_length=100)
    seats = WholeNumberField(min_value=1, max_value=SEATS_MAX, required=False)
    coupon = TextField(max_length=100, required=False)


class CouponSerializer(serializers.ModelSerializer[Coupon]):
    """A coupon: `percent` or `amount` is zero."""

    percent = AmountField()
    amount = AmountField()
    asset = serializers.CharField(source="asset.code", allow_null=True, default=None)
    redemptions = serializers.IntegerField(source="redemptions_made", default=0)

    class Meta:
        model = Coupon
        fields = [
            "code", "name", "percent", "amount", "asset", "duration", "duration_periods",
            "redeemable_until", "max_redemptions", "redemptions", "created_at",
        ]  # fmt: skip


class CouponCreation(StrictSerializer):
    """A new coupon: up to 100 percent off, or an amount of an asset."""

    code = TextField(max_length=100, validators=[coupon_code_validator])
    name = TextField(max_length=200, allow_blank=True, required=False)
    percent = PositiveAmountField(required=False)
    amount = PositiveAmountField(required=False)
    asset = TextField(max_length=32, required=False)
    duration = serializers.ChoiceField(choices=Duration.choices, required=False)
    duration_periods = WholeNumberField(min_value=1, max_value=COUNT_MAX, required=False)
    redeemable_until = TimestampField(required=False, allow_null=True)
    max_redemptions = WholeNumberField(min_value=1, max_value=COUNT_MAX, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check which fields go together."""
        if ("percent" in attrs) == ("amount" in attrs):
            raise _wrong("percent", "give a percentage or an amount, one of the two")
        if attrs.get("percent", HUNDRED) > HUNDRED:
            raise _wrong("percent", "must be at most 100")
        if ("amount" in attrs) != ("asset" in attrs):
            raise _wrong("asset", "goes with an amount")
        if (attrs.get("duration") == Duration.PERIODS) != ("duration_periods" in attrs):
            raise _wrong("duration_periods", "goes with duration: periods")
        return attrs


def _wrong(field: str, reason: str) -> serializers.ValidationError:
    return serializers.ValidationError({field: [reason]})
