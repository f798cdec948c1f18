"""The shapes of the accounts API. They check and render; they decide nothing."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts import money
from accounts.burndown import Category
from accounts.models import CreditGrant, Customer, validate_time_zone


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know, so that a typo is never silently ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Check the fields' names, then their values."""
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
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


class MetadataField(serializers.DictField):
    """Up to 50 texts by name, as the integrator likes."""

    child = serializers.CharField(max_length=500, allow_blank=True)

    def to_internal_value(self, data: Any) -> Any:
        """Check number and names, then the texts."""
        metadata = super().to_internal_value(data)
        if len(metadata) > 50:  # noqa: PLR2004
            raise serializers.ValidationError("must have at most 50 entries")
        if any(not 0 < len(name) <= 100 or "\0" in name for name in metadata):  # noqa: PLR2004
            raise serializers.ValidationError("names must have 1 to 100 characters")
        return metadata


class CustomerSerializer(serializers.ModelSerializer[Customer]):
    """A customer as answered."""

    class Meta:
        model = Customer
        fields = ["external_id", "name", "email", "time_zone", "metadata", "created_at"]


class CustomerChange(StrictSerializer):
    """What may change of a customer."""

    name = serializers.CharField(max_length=200, allow_blank=True, required=False)
    email = serializers.EmailField(max_length=254, allow_blank=True, required=False)
    time_zone = serializers.CharField(
        max_length=64, required=False, validators=[validate_time_zone]
    )
    metadata = MetadataField(required=False)


class CustomerCreation(CustomerChange):
    """A new customer."""

    external_id = serializers.RegexField(
        r"\A[^/\x00-\x1f\x7f]+\Z",
        max_length=200,
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


class GrantSerializer(serializers.ModelSerializer[CreditGrant]):
    """A grant as answered."""

    asset = serializers.CharField(source="account.asset.code")
    amount = AmountField()
    remaining = AmountField()

    class Meta:
        model = CreditGrant
        fields = [
            "id", "asset", "amount", "remaining", "category", "priority", "effective_at",
            "expires_at", "meters", "reference", "name", "created_at",
        ]  # fmt: skip


class GrantCreation(StrictSerializer):
    """A new grant."""

    asset = serializers.CharField(max_length=32)
    amount = PositiveAmountField()
    category = serializers.ChoiceField(choices=list(Category), default=Category.PAID)
    priority = serializers.IntegerField(min_value=0, max_value=100, default=50)
    effective_at = serializers.DateTimeField(required=False, allow_null=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    meters = serializers.ListField(child=serializers.CharField(max_length=100), required=False)
    reference = serializers.CharField(
        max_length=200,
        allow_blank=True,
        default="",
        help_text="The payment behind it: a second grant under one reference is refused.",
    )
    name = serializers.CharField(max_length=200, allow_blank=True, default="")
