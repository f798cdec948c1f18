"""Corrections: events taken back, and what that has changed in the totals of their periods.

Nothing that was recorded is changed. A void is a row beside its event, and what the event and the
re-rating of what followed it add up to is a row for each total it has moved.
"""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import AmountField, Customer, TenantModel, TenantQuerySet, guards
from metering.models.billing_periods import BillingPeriod
from pricing.models import Price
from pricing.period_charges import Kind


class EventVoid(TenantModel):
    """An event was taken back: everything is as if it had never been there. Once, and for good.

    Its id is the reference of what the ledger charges for the usage of others that became dearer.
    """

    event_key = models.UUIDField()
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="+", help_text="Whose event it was."
    )
    voided_at = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=500, blank=True)
    replacement_key = models.UUIDField(
        null=True, blank=True, help_text="The event that was recorded in its place."
    )
    effects = models.JSONField(
        default=list,
        help_text="What was answered: asset, returned, charged, overage, balance, available.",
    )

    class Meta:
        ordering = ["-voided_at"]
        indexes = [
            models.Index(fields=["organization", "customer"], name="void_by_customer"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="void_of_tenant"),
            models.UniqueConstraint(
                fields=["organization", "event_key"], name="one_void_per_event"
            ),
            models.CheckConstraint(
                condition=Q(replacement_key=None) | ~Q(replacement_key=models.F("event_key")),
                name="void_replaced_by_another_event",
            ),
        ]
        triggers = [
            *guards.append_only("event void"),
            pgtrigger.Trigger(
                name="void_of_an_event_of_its_customer",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                func="""
                IF NOT EXISTS (
                    SELECT FROM metering_event event
                    WHERE event.organization_id = NEW.organization_id
                        AND event.key = NEW.event_key AND event.customer_id = NEW.customer_id
                ) THEN
                    RAISE EXCEPTION 'an event is voided in its own tenant, as of its own customer'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"void of {self.event_key}"


class AdjustmentQuerySet(TenantQuerySet["Adjustment"]):
    """Adjustments, by what has become of them."""

    def waiting_for_credit_note(self) -> "AdjustmentQuerySet":
        """Only those that make a difference to an invoice that was made before them.

        What is due changes by the overage; the rest of the amount moved between the customer's
        credit and the usage it paid for.
        """
        return self.filter(
            Q(amount__lt=0) | Q(amount__gt=0) | Q(overage__lt=0) | Q(overage__gt=0),
            is_after_invoice=True,
            price__asset__is_currency=True,
        )


class Adjustment(TenantModel):
    """What a void adds, mostly below zero, to one total of a period. Written once.

    Of usage by matrix cell, or with a `kind` of what the period's close has charged. Until the
    period is invoiced the usage total moves with it; after that the total stands still, and this
    row is all there is of the difference.
    """

    void = models.ForeignKey(EventVoid, on_delete=models.PROTECT, related_name="adjustments")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="adjustments")
    price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(
        max_length=16,
        blank=True,
        choices=[(kind, kind.title()) for kind in Kind],
        help_text="Of a charge of the close; empty for what events were charged.",
    )
    cell = models.TextField(blank=True)
    is_after_invoice = models.BooleanField(
        default=False, help_text="The period was invoiced before; a credit note makes up for it."
    )
    events = models.BigIntegerField(default=0)
    quantity = AmountField(default=0)
    billable = AmountField(default=0)
    metered_amount = AmountField(default=0)
    amount = AmountField(default=0)
    overage = AmountField(default=0)
    uncollected = AmountField(default=0)

    objects = AdjustmentQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "void", "price", "kind", "cell"],
                name="one_adjustment_per_total",
            ),
            models.CheckConstraint(
                condition=Q(kind="") | Q(is_after_invoice=True, cell=""),
                name="adjustment_of_a_close_comes_after_it",
            ),
            guards.not_nan(
                "quantity",
                "billable",
                "metered_amount",
                "amount",
                "overage",
                "uncollected",
                name="adjustments_are_numbers",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "period"], name="adjustment_by_period"),
        ]
        triggers = [
            *guards.append_only("adjustment"),
            pgtrigger.Trigger(
                name="adjustment_fits_its_period",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                func="""
                IF EXISTS (
                    SELECT FROM metering_billingperiod period
                    WHERE period.id = NEW.period_id
                        AND (period.invoiced_at IS NOT NULL) <> NEW.is_after_invoice
                ) THEN
                    RAISE EXCEPTION 'an adjustment says whether its period was invoiced before it'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount:+f} by {self.void}"
