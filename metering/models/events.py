"""Events as they came, and what each of them cost. Both are kept for ever and never changed."""

import json
from decimal import Decimal

import pgtrigger
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils import timezone

from accounts.models import AmountField, Asset, Customer, Organization, TenantModel, guards
from metering.models.billing_periods import BillingPeriod
from metering.models.corrections import EventVoid
from pricing.models import Price


class ExactDecoder(json.JSONDecoder):
    """Reads JSON numbers as Decimal, so that a property keeps every digit it came with."""

    def __init__(self) -> None:
        super().__init__(parse_float=Decimal)


class EventQuerySet(models.QuerySet["Event"]):
    """Events, by what has become of them."""

    def _voids(self) -> models.Exists:
        return models.Exists(
            EventVoid.objects.filter(
                organization=models.OuterRef("organization"), event_key=models.OuterRef("key")
            )
        )

    def with_voids(self) -> "EventQuerySet":
        """Each with `voided_at`: when it was taken back, or None."""
        voids = EventVoid.objects.filter(
            organization=models.OuterRef("organization"), event_key=models.OuterRef("key")
        )
        return self.annotate(voided_at=models.Subquery(voids.values("voided_at")[:1]))

    def standing(self) -> "EventQuerySet":
        """Only events that were not voided."""
        return self.filter(~self._voids())

    def voided(self) -> "EventQuerySet":
        """Only events that were taken back."""
        return self.filter(self._voids())


def _next_position() -> models.Func:
    """Return the number of a new event. Under its account's lock, it follows the one before."""
    sequence = models.Value("metering_event_position")
    return models.Func(sequence, function="nextval", output_field=models.BigIntegerField())


class Event(models.Model):
    """One thing a customer's software did, exactly as the integrator reported it.

    `key` is the 16-byte identity made of source and id (see `metering.event_drafts`). The row is
    written by set statements, so no foreign key is checked row by row; a trigger checks the set.
    """

    pk = models.CompositePrimaryKey("organization", "key")
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    key = models.UUIDField()
    position = models.BigIntegerField(
        db_default=_next_position(),
        help_text="Rises in the order in which a customer's events were rated.",
    )
    source = models.CharField(max_length=200, blank=True)
    external_id = models.CharField(max_length=200)
    type = models.CharField(max_length=200)
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    period = models.ForeignKey(
        BillingPeriod,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    is_late = models.BooleanField(default=False)
    is_backfill = models.BooleanField(
        default=False, help_text="Old usage, reported late on purpose."
    )
    properties = models.JSONField(decoder=ExactDecoder)
    payload_hash = models.BinaryField(max_length=16)
    charges = models.JSONField(
        help_text="What was answered: asset, amount, overage, balance, available; and what of it "
        "is uncollected, if anything."
    )
    counted = models.JSONField(
        default=list,
        help_text="What it added to spend caps: cap, bucket, window_starts_at, amount.",
    )
    cost_amount = AmountField(  # type: ignore[misc]  # Null together with its asset.
        null=True, help_text="What vendors took for it; null when that was not known."
    )
    cost_asset = models.ForeignKey(
        Asset,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        db_constraint=False,
        db_index=False,
    )
    cost_parts = models.JSONField(null=True, help_text="The cost by the code of the meter.")
    authorization = models.UUIDField(
        null=True,
        # The bare word means something to PostgreSQL.
        db_column="authorization_id",
        help_text="What the event was captured from, when it was.",
    )

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-occurred_at"]
        constraints = [
            guards.not_nan("cost_amount", name="event_cost_is_a_number"),
            models.CheckConstraint(
                condition=models.Q(
                    cost_amount__isnull=True, cost_asset__isnull=True, cost_parts__isnull=True
                )
                # A comparison with null is neither false nor refused, so it is asked for as well.
                | models.Q(
                    cost_amount__isnull=False,
                    cost_amount__gte=0,
                    cost_asset__isnull=False,
                    cost_parts__isnull=False,
                ),
                name="event_cost_is_whole_or_unknown",
            ),
        ]
        indexes = [
            # Without the organization in front, which a customer has only one of: before there are
            # statistics, the planner would take it to look up a key among all of a tenant's.
            models.Index(fields=["customer", "occurred_at"], name="event_by_customer"),
            # Few are late, and they are the only ones their period's bounds do not find.
            models.Index(
                fields=["organization", "period"],
                condition=models.Q(is_late=True),
                name="event_late",
            ),
            models.Index(
                fields=["organization", "authorization"],
                condition=models.Q(authorization__isnull=False),
                name="event_by_authorization",
            ),
            # Positions rise as events are appended, so a few kilobytes find the newest of them.
            BrinIndex(fields=["position"], name="event_by_position"),
        ]
        triggers = [
            *guards.append_only("event"),
            pgtrigger.Trigger(
                name="event_goes_into_an_open_period",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="inserted"),
                func="""
                IF EXISTS (
                    SELECT FROM (
                        SELECT DISTINCT organization_id, customer_id, period_id FROM inserted
                    ) event
                    LEFT JOIN metering_billingperiod period ON period.id = event.period_id
                    WHERE period.id IS NULL
                        OR period.closed_at IS NOT NULL
                        OR period.organization_id <> event.organization_id
                        OR period.customer_id <> event.customer_id
                ) THEN
                    RAISE EXCEPTION 'an event goes into an open period of its own customer'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
                """,
            ),
            pgtrigger.Trigger(
                name="event_costs_in_the_asset_of_its_tenant",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="inserted"),
                func="""
                IF EXISTS (
                    SELECT FROM (
                        SELECT DISTINCT organization_id, cost_asset_id FROM inserted
                        WHERE cost_asset_id IS NOT NULL
                    ) event
                    LEFT JOIN pricing_costpolicy policy
                        ON policy.organization_id = event.organization_id
                        AND policy.asset_id = event.cost_asset_id
                    WHERE policy.id IS NULL
                ) THEN
                    RAISE EXCEPTION 'costs are in the asset of the cost policy of their own tenant'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.external_id}"


class RatedEvent(models.Model):
    """What one event cost at one price, with the working that led there."""

    pk = models.CompositePrimaryKey("organization", "event_key", "price")
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    event_key = models.UUIDField()
    price = models.ForeignKey(
        Price, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    cell = models.TextField(blank=True, help_text="Which matrix cell applied.")
    quantity = AmountField()
    amount = AmountField()
    overage = AmountField(default=0, help_text="The part no credit paid, to be invoiced.")
    uncollected = AmountField(
        default=0, help_text="The part of work captured from an authorization that nobody pays."
    )
    working = models.JSONField()

    class Meta:
        constraints = [
            guards.not_nan(
                "quantity", "amount", "overage", "uncollected", name="rated_amounts_are_numbers"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    overage__gte=0,
                    uncollected__gte=0,
                    amount__gte=models.F("overage") + models.F("uncollected"),
                ),
                name="overage_and_uncollected_within_amount",
            ),
        ]
        triggers = [
            *guards.append_only("rated event"),
            pgtrigger.Trigger(
                name="rated_event_stays_in_its_tenant",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="inserted"),
                func="""
                IF EXISTS (
                    SELECT FROM (SELECT DISTINCT organization_id, price_id FROM inserted) rated
                    LEFT JOIN pricing_price price ON price.id = rated.price_id
                    WHERE price.organization_id IS DISTINCT FROM rated.organization_id
                ) OR EXISTS (
                    -- One look at the index for each: as a join, the planner, who cannot know how
                    -- many were inserted, has read the whole table.
                    SELECT FROM inserted
                    WHERE (
                        SELECT count(*) FROM metering_event event
                        WHERE event.organization_id = inserted.organization_id
                            AND event.key = inserted.event_key
                    ) = 0
                ) THEN
                    RAISE EXCEPTION 'a rated event has an event and a price of its own tenant'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity:f} for {self.amount:f}"


class DeadLetter(TenantModel):
    """An event we could not price, kept whole with the reason so that it can be sent again."""

    key = models.UUIDField()
    source = models.CharField(max_length=200, blank=True)
    external_id = models.CharField(max_length=200)
    type = models.CharField(max_length=200)
    customer_external_id = models.CharField(max_length=200)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    properties = models.JSONField(decoder=ExactDecoder)
    is_backfill = models.BooleanField(default=False)
    payload_hash = models.BinaryField(
        max_length=16,
        null=True,
        help_text="Of what the integrator sent; whoever mends the event keeps it.",
    )
    reason = models.CharField(max_length=50)
    detail = models.CharField(max_length=500)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-received_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "key"], name="one_dead_letter_per_event"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.external_id}: {self.reason}"
