"""Invoices and their gapless numbers. A finalized invoice never changes again."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import AmountField, Asset, Customer, TenantModel, guards
from invoicing.lines import LineKind
from invoicing.models.terms import CREDITS_TIMINGS
from invoicing.reckoning import CreditsTiming
from metering.models import BillingPeriod
from pricing.models import CouponRedemption, Price


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
    """Being built, frozen, or taken back."""

    DRAFT = "draft", "Draft"
    FINALIZED = "finalized", "Finalized"
    VOID = "void", "Void"


class InvoiceKind(models.TextChoices):
    """What an invoice is made for."""

    PERIOD = "period", "A period that is over"
    OPENING = "opening", "Fees due when a period begins"


# A final invoice changes once more at most: it is taken back, and keeps everything it said.
_FROZEN = """
IF TG_OP = 'DELETE' OR OLD.state = 'void' OR NEW.state <> 'void'
    OR to_jsonb(NEW) - ARRAY['state', 'voided_at', 'void_reason']
        IS DISTINCT FROM to_jsonb(OLD) - ARRAY['state', 'voided_at', 'void_reason'] THEN
    RAISE EXCEPTION 'Cannot update or delete a final invoice'
        USING ERRCODE = 'integrity_constraint_violation';
END IF;
RETURN NEW;
"""

_ADDS_UP = """
IF NEW.subtotal <> (
    SELECT coalesce(sum(line.amount), 0) FROM invoicing_invoiceline line
    WHERE line.invoice_id = NEW.id
) THEN
    RAISE EXCEPTION 'the subtotal of an invoice is the sum of its lines'
        USING ERRCODE = 'integrity_constraint_violation';
END IF;
IF NEW.tax <> (
    SELECT coalesce(sum(tax.amount), 0) FROM invoicing_invoicetax tax
    WHERE tax.invoice_id = NEW.id AND NOT tax.is_inclusive
) THEN
    RAISE EXCEPTION 'the tax of an invoice is the sum of what its taxes add'
        USING ERRCODE = 'integrity_constraint_violation';
END IF;
RETURN NEW;
"""


class Invoice(TenantModel):
    """What one customer owes for one period in one currency: subtotal + tax - credits."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="invoices")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="invoices")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=InvoiceKind, default=InvoiceKind.PERIOD)
    state = models.CharField(max_length=16, choices=InvoiceState, default=InvoiceState.DRAFT)
    series = models.CharField(max_length=20, default="INV")
    number = models.BigIntegerField(null=True, blank=True)
    subtotal = AmountField(default=0, help_text="The sum of the lines.")
    tax = AmountField(default=0, help_text="What taxes add; those in the prices are not in it.")
    credits = AmountField(default=0, help_text="What credit has paid, where it is taxed.")
    total = AmountField(default=0, help_text="What is due.")
    credits_timing = models.CharField(
        max_length=16, choices=CREDITS_TIMINGS, default=CreditsTiming.BEFORE_TAX
    )
    replaces = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaced_by"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finalized_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["organization", "customer"], name="invoice_by_customer"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "period", "asset", "kind"],
                condition=~Q(state=InvoiceState.VOID),
                name="one_live_invoice_per_period",
            ),
            models.UniqueConstraint(
                fields=["organization", "series", "number"],
                condition=Q(number__isnull=False),
                name="invoice_number_once_per_series",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="invoice_of_tenant"),
            models.UniqueConstraint(
                fields=["organization", "replaces"], name="invoice_replaced_once"
            ),
            models.CheckConstraint(
                condition=Q(
                    state=InvoiceState.DRAFT, number=None, finalized_at=None, voided_at=None
                )
                | Q(
                    state=InvoiceState.FINALIZED,
                    number__isnull=False,
                    finalized_at__isnull=False,
                    voided_at=None,
                )
                | Q(
                    state=InvoiceState.VOID,
                    number__isnull=False,
                    finalized_at__isnull=False,
                    voided_at__isnull=False,
                ),
                name="numbered_when_not_draft",
            ),
            models.CheckConstraint(
                condition=Q(state=InvoiceState.DRAFT)
                | Q(total=F("subtotal") + F("tax") - F("credits")),
                name="invoice_total_adds_up",
            ),
            guards.not_nan(
                "subtotal", "tax", "credits", "total", name="invoice_amounts_are_numbers"
            ),
        ]
        triggers = [
            guards.never_truncated("invoice"),
            pgtrigger.Trigger(
                name="final_invoice_is_frozen",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                condition=~pgtrigger.Q(old__state=InvoiceState.DRAFT),
                func=_FROZEN,
            ),
            pgtrigger.Trigger(
                name="subtotal_is_the_sum_of_lines",
                operation=pgtrigger.Insert | pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.Q(new__state=InvoiceState.FINALIZED),
                func=_ADDS_UP,
            ),
        ]

    def __str__(self) -> str:
        return self.display_number

    @property
    def display_number(self) -> str:
        """Return the number as printed, for example INV-000042, or "Draft"."""
        return "Draft" if self.number is None else f"{self.series}-{self.number:06d}"


class ItemOrigin(models.TextChoices):
    """Where an item comes from."""

    OPERATOR = "operator", "Added by the organization"
    CARRIED = "carried", "Carried over from an invoice"
    CORRECTION = "correction", "Usage that became dearer after its invoice"


class InvoiceItem(TenantModel):
    """An amount that the customer's next invoice in its currency takes up, as a line."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    invoice = models.ForeignKey(
        Invoice,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="items",
        help_text="The invoice that has taken it up; empty while it waits.",
    )
    origin = models.CharField(max_length=16, choices=ItemOrigin, default=ItemOrigin.OPERATOR)
    description = models.CharField(max_length=300)
    amount = AmountField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [
            models.Index(
                fields=["organization", "customer"], condition=Q(invoice=None), name="item_waiting"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="item_of_tenant"),
            models.CheckConstraint(
                condition=Q(amount__gt=0) | Q(origin=ItemOrigin.CARRIED, amount__lt=0),
                name="item_above_zero_unless_carried",
            ),
            guards.not_nan("amount", name="item_amount_is_a_number"),
        ]
        triggers = [
            *guards.never_deleted("invoice item"),
            pgtrigger.ReadOnly(
                name="item_is_fixed",
                fields=["organization", "customer", "asset", "origin", "description", "amount"],
            ),
        ]

    def __str__(self) -> str:
        return self.description


class InvoiceLine(TenantModel):
    """One line: usage at one price, a fee, an item, or what a coupon takes off.

    Of usage it says what credit paid, what nobody pays, and what is due.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    kind = models.CharField(
        max_length=16, choices=[(kind, kind.title()) for kind in LineKind], default=LineKind.USAGE
    )
    price = models.ForeignKey(Price, on_delete=models.PROTECT, null=True, related_name="+")
    item = models.ForeignKey(
        InvoiceItem, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    redemption = models.ForeignKey(
        CouponRedemption, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    description = models.CharField(max_length=300)
    quantity = AmountField()
    usage_amount = AmountField(help_text="What the usage cost, in full precision.")
    credits_applied = AmountField(help_text="What prepaid credit paid of it, in full precision.")
    uncollected = AmountField(
        default=0, help_text="What of it neither credit paid nor anybody is asked for."
    )
    amount = AmountField(
        help_text="What is due, rounded once to the minor unit; with credit where that is taxed."
    )
    note = models.CharField(max_length=300, blank=True, help_text="By which rule it came about.")

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


class InvoiceTax(TenantModel):
    """What one tax comes to on an invoice, on top of the prices or in them."""

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="taxes")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=100)
    percent = AmountField()
    is_inclusive = models.BooleanField(default=False)
    taxable = AmountField(help_text="The amount it is a percentage of.")
    amount = AmountField(help_text="Rounded once to the minor unit.")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "invoice", "position"], name="tax_position_once"
            ),
            guards.not_nan("percent", "taxable", "amount", name="taxes_are_numbers"),
        ]
        triggers = [
            guards.never_truncated("invoice tax"),
            *guards.frozen_unless_draft(
                "final_tax",
                table="invoicing_invoice",
                parent="invoice",
                message="taxes of a final invoice never change",
            ),
        ]

    def __str__(self) -> str:
        return self.name
