"""Invoices and their gapless numbers. A finalized invoice never changes again."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import AmountField, Asset, Customer, TenantModel, guards
from metering.models import BillingPeriod
from pricing.models import Price


class NumberSeries(TenantModel):
    """The counter behind invoice numbers: a row, so that a rollback gives its number back."""

    prefix = models.CharField(max_length=20, default="INV")
    last_number = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "prefix"], name="one_counter_per_series"
            ),
            models.CheckConstraint(condition=Q(last_number__gte=0), name="counter_not_negative"),
        ]
        triggers = [
            *guards.never_deleted("number series"),
            pgtrigger.Trigger(
                name="counter_moves_by_one",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                func="""
                IF NEW.last_number <> OLD.last_number + 1 THEN
                    RAISE EXCEPTION 'an invoice counter moves by one'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix} {self.last_number}"


class InvoiceState(models.TextChoices):
    """Being built, or frozen."""

    DRAFT = "draft", "Draft"
    FINALIZED = "finalized", "Finalized"


class Invoice(TenantModel):
    """What one customer owes for one period in one currency."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="invoices")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="invoices")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=16, choices=InvoiceState, default=InvoiceState.DRAFT)
    series = models.CharField(max_length=20, default="INV")
    number = models.BigIntegerField(null=True, blank=True)
    subtotal = AmountField(default=0)
    total = AmountField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finalized_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "period", "asset"], name="one_live_invoice_per_period"
            ),
            models.UniqueConstraint(
                fields=["organization", "series", "number"],
                condition=Q(number__isnull=False),
                name="invoice_number_once_per_series",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="invoice_of_tenant"),
            models.CheckConstraint(
                condition=Q(state=InvoiceState.DRAFT, number=None, finalized_at=None)
                | Q(
                    state=InvoiceState.FINALIZED,
                    number__isnull=False,
                    finalized_at__isnull=False,
                ),
                name="numbered_when_not_draft",
            ),
            guards.not_nan("subtotal", "total", name="invoice_amounts_are_numbers"),
        ]
        triggers = [
            guards.never_truncated("invoice"),
            pgtrigger.Protect(
                name="final_invoice_is_frozen",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=~pgtrigger.Q(old__state=InvoiceState.DRAFT),
            ),
            pgtrigger.Trigger(
                name="subtotal_is_the_sum_of_lines",
                operation=pgtrigger.Insert | pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.Q(new__state=InvoiceState.FINALIZED),
                func="""
                IF NEW.subtotal <> (
                    SELECT coalesce(sum(line.amount), 0) FROM invoicing_invoiceline line
                    WHERE line.invoice_id = NEW.id
                ) THEN
                    RAISE EXCEPTION 'the subtotal of an invoice is the sum of its lines'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return self.display_number

    @property
    def display_number(self) -> str:
        """Return the number as printed, for example INV-000042, or "Draft"."""
        return "Draft" if self.number is None else f"{self.series}-{self.number:06d}"


class InvoiceLine(TenantModel):
    """One line: usage at one price, what credit paid of it, what nobody pays, and what is due."""

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    price = models.ForeignKey(Price, on_delete=models.PROTECT, null=True, related_name="+")
    description = models.CharField(max_length=300)
    quantity = AmountField()
    usage_amount = AmountField(help_text="What the usage cost, in full precision.")
    credits_applied = AmountField(help_text="What prepaid credit paid of it, in full precision.")
    uncollected = AmountField(
        default=0, help_text="What of it neither credit paid nor anybody is asked for."
    )
    amount = AmountField(help_text="What is due, rounded once to the minor unit.")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "invoice", "position"], name="line_position_once"
            ),
            guards.not_nan(
                "quantity",
                "usage_amount",
                "credits_applied",
                "uncollected",
                "amount",
                name="line_amounts_are_numbers",
            ),
        ]
        triggers = [
            guards.never_truncated("invoice line"),
            *guards.frozen_unless_draft(
                "final_line",
                table="invoicing_invoice",
                parent="invoice",
                message="lines of a final invoice never change",
            ),
        ]

    def __str__(self) -> str:
        return self.description
