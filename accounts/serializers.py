"""The shapes of the accounts API. They check and render; they decide nothing."""

import datetime as dt
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts import money, timestamps
from accounts.burndown import Category
from accounts.models import CreditGrant, Customer, validate_external_id, validate_time_zone

UNKNOWN_FIELDS_NAMED = 20
METERS_MAX = 100
METADATA_ENTRIES_MAX = 50
METADATA_NAME_LENGTH_MAX = 100


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know, so that a typo is never silently ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Check the fields' names, then their values."""
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))[:UNKNOWN_FIELDS_NAMED]
            if unknown:
                raise serializers.ValidationError(
                    {name[:100]: ["is not a field of this request"] for name in unknown}
                )
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "format": "decimal", "example": "12.50"})
class AmountField(serializers.Field[Decimal, Any, str, Any]):
    """An exact decimal, written as a string."""

    def to_internal_value(self, data: Any) -> Decimal:
        """Read a string or a JSON number, which arrives digit for digit."""
        try:
            return money.parse(data)
        except money.AmountInvalid as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: Decimal) -> str:
        """Write plain digits."""
        return money.to_wire(value)


class PositiveAmountField(AmountField):
    """An exact decimal above zero."""

    def to_internal_value(self, data: Any) -> Decimal:
        """Read the amount and refuse zero and below."""
        amount = super().to_internal_value(data)
        if amount <= 0:
            raise serializers.ValidationError("must be above zero")
        return amount


class TextField(serializers.CharField):
    """A text, taken letter for letter: a number is no text, and outer spaces stay."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Read a JSON string and nothing else."""
        if not isinstance(data, str):
            raise serializers.ValidationError("must be a text")
        return super().to_internal_value(data)


class WholeNumberField(serializers.IntegerField):
    """A whole number, written as one: neither a text nor `1.0` nor `true`."""

    def to_internal_value(self, data: Any) -> int:
        """Read a JSON integer and nothing else."""
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("must be a whole number")
        return super().to_internal_value(data)


@extend_schema_field(OpenApiTypes.DATETIME)
class TimestampField(serializers.Field[dt.datetime, Any, Any, Any]):
    """A moment, in RFC 3339 with an offset; see `accounts.timestamps`."""

    def to_internal_value(self, data: Any) -> dt.datetime:
        """Read the text; one without an offset could mean any of 38 moments and is refused."""
        try:
            return timestamps.parse(data)
        except timestamps.TimestampInvalid as error:
            raise serializers.ValidationError(str(error)) from error


class MetadataField(serializers.DictField):
    """Up to 50 texts by name, as the integrator likes."""

    child = TextField(max_length=500, allow_blank=True)

    def to_internal_value(self, data: Any) -> Any:
        """Check their number, the texts, and their names."""
        if isinstance(data, dict) and len(data) > METADATA_ENTRIES_MAX:
            raise serializers.ValidationError(f"must have at most {METADATA_ENTRIES_MAX} entries")
        metadata = super().to_internal_value(data)
        if any(not _is_metadata_name(name) for name in metadata):
            reason = f"names must have 1 to {METADATA_NAME_LENGTH_MAX} characters, none of them NUL"
            raise serializers.ValidationError(reason)
        return metadata


def _is_metadata_name(name: str) -> bool:
    return 0 < len(name) <= METADATA_NAME_LENGTH_MAX and "\0" not in name


class CustomerSerializer(serializers.ModelSerializer[Customer]):
    """A customer as answered."""

    class Meta:
        model = Customer
        fields = [
            "external_id", "name", "email", "time_zone", "metadata", "usage_stopped_at",
            "created_at",
        ]  # fmt: skip


class CustomerChange(StrictSerializer):
    """What may change of a customer."""

    name = TextField(max_length=200, allow_blank=True, required=False)
    email = serializers.EmailField(max_length=254, allow_blank=True, required=False)
    time_zone = TextField(max_length=64, required=False, validators=[validate_time_zone])
    metadata = MetadataField(required=False)


class CustomerCreation(CustomerChange):
    """A new customer."""

    external_id = TextField(
        max_length=200,
        validators=[validate_external_id],
        help_text="Your own id; any text without a slash or control characters.",
    )


class BalanceSerializer(serializers.Serializer[Any]):
    """What a customer holds in one asset: available = posted - held - floor."""

    asset = serializers.CharField()
    posted = AmountField()
    held = AmountField()
    available = AmountField()


class CustomerBalanceSerializer(serializers.Serializer[Any]):
    """All balances of a customer."""

    customer = serializers.CharField()
    at = serializers.DateTimeField()
    balances = BalanceSerializer(many=True)


class CostBasisSerializer(StrictSerializer):
    """What was paid for a grant: an amount of a currency."""

    amount = PositiveAmountField()
    asset = TextField(max_length=32)


class GrantSerializer(serializers.ModelSerializer[CreditGrant]):
    """A grant as answered.

    Of one whose rest rolls over, `rollover_limit` is the most it takes over of those before it,
    null for all, and `carried` how much of it was carried over, last time.
    """

    asset = serializers.CharField(source="account.asset.code")
    amount = AmountField()
    remaining = AmountField()
    held = AmountField(help_text="What open holds reserve of what remains.")
    rolls_over = serializers.SerializerMethodField()
    rollover_limit = AmountField(allow_null=True)
    carried = AmountField(allow_null=True)
    cost_basis = serializers.SerializerMethodField()

    class Meta:
        model = CreditGrant
        fields = [
            "id", "asset", "amount", "remaining", "held", "category", "priority", "effective_at",
            "expires_at", "posted_at", "expired_at", "voided_at", "void_reason", "meters",
            "rolls_over", "rollover_limit", "carried", "cost_basis", "reference", "name",
            "created_at",
        ]  # fmt: skip

    def get_rolls_over(self, grant: CreditGrant) -> bool:
        """Whether the next one of its kind takes over what is left of it."""
        return grant.series is not None

    @extend_schema_field(CostBasisSerializer(allow_null=True))
    def get_cost_basis(self, grant: CreditGrant) -> dict[str, str] | None:
        """Return what was paid for it, where that is known."""
        asset = grant.cost_basis_asset
        if asset is None:
            return None
        return {"amount": money.to_wire(grant.cost_basis_amount), "asset": asset.code}


class GrantCreation(StrictSerializer):
    """A new grant."""

    asset = TextField(max_length=32)
    amount = PositiveAmountField()
    category = serializers.ChoiceField(choices=list(Category), default=Category.PAID)
    priority = WholeNumberField(min_value=0, max_value=100, default=50)
    effective_at = TimestampField(required=False, allow_null=True)
    expires_at = TimestampField(required=False, allow_null=True)
    meters = serializers.ListField(
        child=TextField(max_length=100),
        max_length=METERS_MAX,
        required=False,
        help_text="Codes of the only meters it pays for; all of them unless told.",
    )
    reference = TextField(
        max_length=200,
        allow_blank=True,
        default="",
        help_text="The payment behind it: a second grant under one reference is refused.",
    )
    name = TextField(max_length=200, allow_blank=True, default="")
    cost_basis = CostBasisSerializer(
        required=False, allow_null=True, help_text="What was paid for it; of paid credit only."
    )

    def validate_reference(self, reference: str) -> str:
        """Keep the names of what plans include."""
        if reference.startswith("included:"):
            raise serializers.ValidationError("must not begin with included:")
        return reference
