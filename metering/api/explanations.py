"""The shape of an explained event: prices, tiers, grants, ledger entries, caps."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.serializers import AmountField
from metering.api.serializers import EventSerializer, StepSerializer
from metering.explanations import Explanation, PriceWorking
from metering.models import Event
from pricing.rating import write_steps


class RatedSerializer(serializers.Serializer[Any]):
    """What one price made of an event, with the working."""

    price = serializers.UUIDField(source="rated.price_id")
    plan = serializers.CharField(source="rated.price.plan_version.plan.code")
    version = serializers.IntegerField(source="rated.price.plan_version.number")
    plan_version = serializers.CharField(source="rated.price.plan_version")
    meter = serializers.CharField(source="rated.price.meter.code")
    asset = serializers.CharField(source="rated.price.asset.code")
    where = serializers.CharField(help_text="Which cell of the price applied, in words.")
    quantity = AmountField(source="rated.quantity")
    included = AmountField(help_text="The part of the quantity that the plan includes.")
    metered = AmountField(
        allow_null=True, help_text="What the rest costs; null where only the close knows."
    )
    is_due_at_close = serializers.BooleanField(help_text="Charged when the period ends.")
    amount = AmountField(source="rated.amount")
    overage = AmountField(source="rated.overage")
    uncollected = AmountField(source="rated.uncollected")
    working = serializers.DictField(
        source="rated.working", help_text="Where the period stood before the event."
    )
    steps = serializers.SerializerMethodField(help_text="The amount, tier by tier.")

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, working: PriceWorking) -> list[dict[str, str]]:
        """Return how the amount came about."""
        return write_steps(working.steps)


class PaymentSerializer(serializers.Serializer[Any]):
    """What one grant paid of an event; without a grant it went below zero."""

    asset = serializers.CharField(source="asset.code")
    grant = serializers.UUIDField(source="grant.id", default=None, allow_null=True)
    name = serializers.CharField(source="grant.title", default="")
    category = serializers.CharField(source="grant.category", default="")
    amount = AmountField()
    returned = AmountField(help_text="What of it was given back since.")


class LedgerLineSerializer(serializers.Serializer[Any]):
    """One entry an event made in a ledger."""

    asset = serializers.CharField(source="account.asset.code")
    account_version = serializers.IntegerField()
    kind = serializers.CharField()
    amount = AmountField()
    balance_after = AmountField()
    grant = serializers.UUIDField(source="grant_id", allow_null=True)
    reverses_version = serializers.IntegerField(
        allow_null=True, help_text="The entry that it takes back."
    )
    at = serializers.DateTimeField()


class CountedSerializer(serializers.Serializer[Any]):
    """What an event added to one count of a spend cap."""

    cap = serializers.UUIDField(source="cap.id")
    name = serializers.CharField(source="cap")
    window = serializers.CharField(source="cap.window")
    bucket = serializers.CharField(help_text="Of the property; empty when the cap has none.")
    window_starts_at = serializers.DateTimeField()
    amount = AmountField()


class EventCostSerializer(serializers.Serializer[Any]):
    """What vendors took for an event, by the code of the meter."""

    asset = serializers.CharField(source="cost_asset.code")
    amount = AmountField(source="cost_amount")
    parts = serializers.DictField(source="cost_parts", child=serializers.CharField())


class EventDetailSerializer(EventSerializer):
    """A stored event, explained: prices, working, grants drawn. The view passes `explanation`.

    Its cost is for the organization's own eyes: other keys than those with the scope `admin` end up
    in programs that show customers what they used.
    """

    rated = serializers.SerializerMethodField()
    paid_by = serializers.SerializerMethodField()
    ledger = serializers.SerializerMethodField()
    counted = serializers.SerializerMethodField(help_text="Spend caps it was counted by.")
    cost = serializers.SerializerMethodField(
        help_text="Null when it is not known, and for keys without the scope admin."
    )

    class Meta(EventSerializer.Meta):
        fields = [
            *EventSerializer.Meta.fields, "rated", "paid_by", "ledger", "counted", "cost",
        ]  # fmt: skip

    @property
    def _explanation(self) -> Explanation:
        explanation: Explanation = self.context["explanation"]
        return explanation

    @extend_schema_field(EventCostSerializer(allow_null=True))
    def get_cost(self, event: Event) -> Any:
        """Return what vendors took for it; the view says in the context whether to."""
        if event.cost_asset_id is None or not self.context["shows_cost"]:
            return None
        return EventCostSerializer(event).data

    @extend_schema_field(RatedSerializer(many=True))
    def get_rated(self, event: Event) -> Any:
        """Return what each price made of it."""
        return RatedSerializer(self._explanation.prices, many=True).data

    @extend_schema_field(PaymentSerializer(many=True))
    def get_paid_by(self, event: Event) -> Any:
        """Return which grants paid."""
        return PaymentSerializer(self._explanation.payments, many=True).data

    @extend_schema_field(LedgerLineSerializer(many=True))
    def get_ledger(self, event: Event) -> Any:
        """Return the ledger entries it made."""
        return LedgerLineSerializer(self._explanation.entries, many=True).data

    @extend_schema_field(CountedSerializer(many=True))
    def get_counted(self, event: Event) -> Any:
        """Return the caps it was counted by."""
        return CountedSerializer(self._explanation.counted, many=True).data
