"""Billing periods as rows, and the running totals of what was used in each."""

import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Func, Q

from accounts.models import AmountField, Customer, TenantModel, guards
from pricing.models import PlanVersion, Price, Subscription


class BillingPeriod(TenantModel):
    """The half-open time [starts_at, ends_at) that one bill of a subscription covers."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="periods")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    plan_version = models.ForeignKey(
        PlanVersion,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="What the period is priced by, also when the subscription has moved on.",
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    invoiced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-starts_at"]
        indexes = [
            models.Index(fields=["ends_at"], condition=Q(closed_at=None), name="period_due"),
            models.Index(
                fields=["closed_at"], condition=Q(invoiced_at=None), name="period_to_invoice"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "subscription"],
                condition=Q(closed_at=None),
                name="one_open_period_per_subscription",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="period_of_tenant"),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="period_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(invoiced_at=None) | Q(closed_at__isnull=False),
                name="period_closed_before_invoiced",
            ),
            ExclusionConstraint(
                name="periods_do_not_overlap",
                expressions=[
                    ("organization", RangeOperators.EQUAL),
                    ("subscription", RangeOperators.EQUAL),
                    (
                        Func("starts_at", "ends_at", function="TSTZRANGE"),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
        ]
        triggers = [
            *guards.never_deleted("period"),
            pgtrigger.Trigger(
                name="period_closes_once",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                func="""
                IF (OLD.closed_at IS NOT NULL AND NEW.closed_at IS DISTINCT FROM OLD.closed_at)
                    OR NEW.starts_at <> OLD.starts_at OR NEW.ends_at <> OLD.ends_at
                    OR NEW.subscription_id <> OLD.subscription_id
                    OR NEW.customer_id <> OLD.customer_id
                    OR (NEW.plan_version_id <> OLD.plan_version_id AND (
                        OLD.closed_at IS NOT NULL OR EXISTS (
                            SELECT FROM metering_usagetotal total WHERE total.period_id = OLD.id
                        )
                    )) THEN
                    RAISE EXCEPTION
                    'a billing period closes once and keeps its bounds and, once used, its prices'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d} to {self.ends_at:%Y-%m-%d}"


def _totals_stay_open(operation: pgtrigger.Operation, *, name: str, over: str) -> pgtrigger.Trigger:
    """Refuse totals of a period that is `over`, or of another tenant's period or price."""
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=operation,
        referencing=pgtrigger.Referencing(new="changed"),
        func=f"""
        IF EXISTS (
            SELECT FROM changed
            LEFT JOIN metering_billingperiod period ON period.id = changed.period_id
            LEFT JOIN pricing_price price ON price.id = changed.price_id
            WHERE period.{over} IS NOT NULL
                OR period.organization_id IS DISTINCT FROM changed.organization_id
                OR price.organization_id IS DISTINCT FROM changed.organization_id
        ) THEN
            RAISE EXCEPTION 'usage is totalled in an open period of its own tenant'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NULL;
        """,  # noqa: S608
    )


class UsageTotal(TenantModel):
    """What one price has charged in one period, by matrix cell, kept current by every event."""

    period = models.ForeignKey(
        BillingPeriod,
        on_delete=models.PROTECT,
        related_name="totals",
        db_constraint=False,
        db_index=False,
    )
    price = models.ForeignKey(
        Price, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    cell = models.TextField(blank=True)
    quantity = AmountField(default=0, help_text="The meter's running total, in raw units.")
    billable = AmountField(default=0, help_text="The part of it that is not included.")
    metered_amount = AmountField(
        default=0, help_text="What it costs before commitments and maximums, also if not charged."
    )
    amount = AmountField(default=0, help_text="What its events were charged.")
    overage = AmountField(default=0, help_text="The part of the amount no credit has paid.")
    uncollected = AmountField(default=0, help_text="The part of the amount that nobody pays.")
    events = models.BigIntegerField(default=0)
    latest_at = models.DateTimeField(
        null=True, blank=True, help_text="When the newest of its events occurred."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "period", "price", "cell"],
                name="usage_total_once_per_cell",
            ),
            guards.not_nan(
                "quantity",
                "billable",
                "metered_amount",
                "amount",
                "overage",
                "uncollected",
                name="total_amounts_are_numbers",
            ),
        ]
        triggers = [
            *guards.never_deleted("usage total"),
            _totals_stay_open(
                pgtrigger.Insert, name="usage_total_of_an_open_period", over="closed_at"
            ),
            # An event may be voided between the close and the invoice, which then leaves it out.
            _totals_stay_open(
                pgtrigger.Update, name="usage_total_moves_until_invoiced", over="invoiced_at"
            ),
            pgtrigger.Protect(
                name="usage_total_keeps_its_place",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("organization", "period", "price", "cell"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity:f} for {self.amount:f}"
