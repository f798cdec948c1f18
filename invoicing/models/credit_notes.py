"""Credit notes, and the voided events whose difference to an invoice was made up for."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import AmountField, Asset, Customer, TenantModel, guards
from invoicing.models.invoices import Invoice, InvoiceItem
from metering.models import EventVoid

CREDIT_NOTE_SERIES = "CN"


class CreditNote(TenantModel):
    """What an invoice asks for less than it said: subtotal + tax - credits. Written once."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    series = models.CharField(max_length=20, default=CREDIT_NOTE_SERIES)
    number = models.BigIntegerField()
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    subtotal = AmountField()
    tax = AmountField(default=0)
    credits = AmountField(default=0, help_text="What credit had paid of it and has given back.")
    total = AmountField()
    lines = models.JSONField(default=list, help_text="Each a description and an amount.")
    taxes = models.JSONField(default=list, help_text="Each a name, a percentage and an amount.")
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["organization", "customer"], name="credit_note_by_customer"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "series", "number"], name="credit_note_number_once"
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="credit_note_of_tenant"),
            models.CheckConstraint(condition=Q(total__gt=0), name="credit_note_above_zero"),
            models.CheckConstraint(
                condition=Q(total=F("subtotal") + F("tax") - F("credits")),
                name="credit_note_adds_up",
            ),
            guards.not_nan(
                "subtotal", "tax", "credits", "total", name="credit_note_amounts_are_numbers"
            ),
        ]
        triggers = [
            *guards.append_only("credit note"),
            pgtrigger.Trigger(
                name="credit_notes_within_their_invoice",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                func="""
                PERFORM FROM invoicing_invoice WHERE id = NEW.invoice_id FOR NO KEY UPDATE;
                IF EXISTS (
                    SELECT FROM invoicing_invoice invoice
                    WHERE invoice.id = NEW.invoice_id AND (
                        invoice.organization_id <> NEW.organization_id
                        OR invoice.customer_id <> NEW.customer_id
                        OR invoice.asset_id <> NEW.asset_id
                    )
                ) THEN
                    RAISE EXCEPTION 'a credit note is of its own tenant, customer and currency'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                IF EXISTS (
                    SELECT FROM invoicing_invoice invoice
                    WHERE invoice.id = NEW.invoice_id
                        AND (invoice.state <> 'finalized' OR invoice.total < NEW.total + (
                                SELECT coalesce(sum(note.total), 0) FROM invoicing_creditnote note
                                WHERE note.invoice_id = invoice.id
                            ))
                ) THEN
                    RAISE EXCEPTION 'credit notes come to no more than their final invoice'
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
        """Return the number as printed, for example CN-000042."""
        return f"{self.series}-{self.number:06d}"


class InvoiceCorrection(TenantModel):
    """A void's difference to an invoice was made up for: by a credit note, or by an item.

    By neither when it made none once everything was rounded. Once, and for good.
    """

    void = models.ForeignKey(EventVoid, on_delete=models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="corrections")
    credit_note = models.ForeignKey(
        CreditNote, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    item = models.ForeignKey(
        InvoiceItem, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "void", "invoice"], name="void_made_up_for_once"
            ),
            models.CheckConstraint(
                condition=Q(credit_note=None) | Q(item=None), name="made_up_for_in_one_way"
            ),
        ]
        triggers = [*guards.append_only("invoice correction")]

    def __str__(self) -> str:
        return f"{self.void} on {self.invoice}"
