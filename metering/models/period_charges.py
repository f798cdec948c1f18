"""What a closed period was charged beside its events, and the values a unique count has met."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.models import AmountField, Organization, TenantModel, guards
from metering.models.billing_periods import BillingPeriod
from pricing.models import Price
from pricing.period_charges import Kind


class PeriodCharge(TenantModel):
    """An amount a price asked for when its period closed. Written once, never changed."""

    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="charges")
    price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=[(kind, kind.title()) for kind in Kind])
    quantity = AmountField(default=0, help_text="In the meter's raw units.")
    amount = AmountField()
    overage = AmountField(default=0, help_text="The part no credit has paid, to be invoiced.")
    working = models.JSONField(default=list, help_text="The amount, tier by tier.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "period", "price", "kind"],
                name="one_period_charge_per_price_and_kind",
            ),
            models.CheckConstraint(
                condition=Q(overage__gte=0, overage__lte=F("amount")),
                name="period_overage_within_amount",
            ),
            guards.not_nan("quantity", "amount", "overage", name="period_charges_are_numbers"),
        ]
        triggers = [
            *guards.append_only("period charge"),
            pgtrigger.Trigger(
                name="period_charge_of_a_closed_period",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                func="""
                IF EXISTS (
                    SELECT FROM metering_billingperiod period
                    WHERE period.id = NEW.period_id
                        AND (period.closed_at IS NULL OR period.invoiced_at IS NOT NULL)
                ) THEN
                    RAISE EXCEPTION 'a period is charged when it is closed and not invoiced yet'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.amount:f}"


class DistinctValue(models.Model):
    """A value that a unique count has met in one period, at one price.

    `value_hash` is made of the matrix cell and the value (see `metering.event_rows`). Rows are
    written by set statements; a trigger checks the set.
    """

    pk = models.CompositePrimaryKey("organization", "period", "price", "value_hash")
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    period = models.ForeignKey(
        BillingPeriod,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    price = models.ForeignKey(
        Price, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    value_hash = models.UUIDField()

    class Meta:
        triggers = [
            pgtrigger.Protect(name="distinct_value_never_updated", operation=pgtrigger.Update),
            guards.never_truncated("distinct value"),
            pgtrigger.Trigger(
                name="distinct_value_forgotten_until_invoiced",
                operation=pgtrigger.Delete,
                when=pgtrigger.Before,
                func="""
                IF EXISTS (
                    SELECT FROM metering_billingperiod period
                    WHERE period.id = OLD.period_id AND period.invoiced_at IS NOT NULL
                ) THEN
                    RAISE EXCEPTION 'what an invoiced period has counted is kept'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN OLD;
                """,
            ),
            pgtrigger.Trigger(
                name="distinct_value_of_an_open_period",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="inserted"),
                func="""
                IF EXISTS (
                    SELECT FROM (
                        SELECT DISTINCT organization_id, period_id, price_id FROM inserted
                    ) met
                    LEFT JOIN metering_billingperiod period ON period.id = met.period_id
                    LEFT JOIN pricing_price price ON price.id = met.price_id
                    WHERE period.closed_at IS NOT NULL
                        OR period.organization_id IS DISTINCT FROM met.organization_id
                        OR price.organization_id IS DISTINCT FROM met.organization_id
                ) THEN
                    RAISE EXCEPTION 'values are counted in an open period of its own tenant'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return str(self.value_hash)
