"""The shapes of the invoicing API. They check and render; they decide nothing."""

from typing import Any

from rest_framework import serializers

from accounts.serializers import AmountField, PositiveAmountField, StrictSerializer, TextField
from invoicing import voiding
from invoicing.models import CreditNote, Invoice, InvoiceItem, InvoiceLine, InvoiceTax

DESCRIPTION_LENGTH_MAX = 300


class InvoiceLineSerializer(serializers.ModelSerializer[InvoiceLine]):
    """One line; `amount` is due, rounded once."""

    kind = serializers.CharField(
        help_text="usage, standing, commitment, minimum, base_fee, seats, item, discount, carried"
    )
    quantity = AmountField()
    usage_amount = AmountField()
    credits_applied = AmountField()
    uncollected = AmountField(help_text="What neither credit paid nor anybody is asked for.")
    amount = AmountField()
    note = serializers.CharField(help_text="By which rule the amount came about.")

    class Meta:
        model = InvoiceLine
        fields = [
            "kind", "description", "quantity", "usage_amount", "credits_applied", "uncollected",
            "amount", "note",
        ]  # fmt: skip


class InvoiceTaxSerializer(serializers.ModelSerializer[InvoiceTax]):
    """One tax, on top of the prices or in them."""

    percent = AmountField()
    taxable = AmountField()
    amount = AmountField()

    class Meta:
        model = InvoiceTax
        fields = ["name", "percent", "is_inclusive", "taxable", "amount"]


class InvoiceSerializer(serializers.ModelSerializer[Invoice]):
    """An invoice with its lines: total = subtotal + tax - credits."""

    number = serializers.CharField(source="display_number")
    customer = serializers.CharField(source="customer.external_id")
    asset = serializers.CharField(source="asset.code")
    period_start = serializers.DateTimeField(source="period.starts_at")
    period_end = serializers.DateTimeField(source="period.ends_at")
    subtotal = AmountField()
    tax = AmountField(help_text="What taxes add.")
    credits = AmountField(help_text="What credit has paid, where it counts after tax.")
    total = AmountField()
    replaces = serializers.UUIDField(
        source="replaces_id", allow_null=True, help_text="The voided invoice it stands in for."
    )
    lines = InvoiceLineSerializer(many=True)
    taxes = InvoiceTaxSerializer(many=True)

    class Meta:
        model = Invoice
        fields = [
            "id", "number", "kind", "state", "customer", "asset", "period_start", "period_end",
            "subtotal", "tax", "credits", "total", "finalized_at", "voided_at", "void_reason",
            "replaces", "lines", "taxes",
        ]  # fmt: skip


class DrawnTaxSerializer(serializers.Serializer[Any]):
    """One tax of an invoice to come."""

    name = serializers.CharField(source="tax.name")
    percent = AmountField(source="tax.percent")
    is_inclusive = serializers.BooleanField(source="tax.is_inclusive")
    taxable = AmountField()
    amount = AmountField()


class DrawnInvoiceSerializer(serializers.Serializer[Any]):
    """An invoice to come, in one currency."""

    asset = serializers.CharField()
    subtotal = AmountField()
    tax = AmountField()
    credits = AmountField()
    total = AmountField()
    lines = InvoiceLineSerializer(many=True)
    taxes = DrawnTaxSerializer(many=True)


class UpcomingSerializer(serializers.Serializer[Any]):
    """What a customer would be asked for if the open period ended as it stands."""

    customer = serializers.CharField()
    at = serializers.DateTimeField()
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()
    invoices = DrawnInvoiceSerializer(many=True)


class InvoiceVoiding(StrictSerializer):
    """Why an invoice is taken back, and whether another one takes its place."""

    reason = TextField(max_length=voiding.REASON_LENGTH_MAX, allow_blank=True, default="")
    reissue = serializers.BooleanField(default=False)


class InvoiceItemSerializer(serializers.ModelSerializer[InvoiceItem]):
    """An item, and the invoice that took it up."""

    customer = serializers.CharField(source="customer.external_id")
    asset = serializers.CharField(source="asset.code")
    amount = AmountField()
    invoice = serializers.UUIDField(source="invoice_id", allow_null=True)

    class Meta:
        model = InvoiceItem
        fields = [
            "id", "customer", "asset", "amount", "description", "origin", "invoice", "created_at",
        ]  # fmt: skip


class InvoiceItemCreation(StrictSerializer):
    """A new item."""

    customer = TextField(max_length=200)
    asset = TextField(max_length=32)
    amount = PositiveAmountField()
    description = TextField(max_length=DESCRIPTION_LENGTH_MAX)


class CreditedLineSerializer(serializers.Serializer[Any]):
    """By how much a line is less."""

    description = serializers.CharField()
    amount = serializers.CharField()


class CreditedTaxSerializer(serializers.Serializer[Any]):
    """By how much a tax is less."""

    name = serializers.CharField()
    percent = serializers.CharField()
    amount = serializers.CharField()


class CreditNoteSerializer(serializers.ModelSerializer[CreditNote]):
    """A credit note: what its invoice asks for less."""

    number = serializers.CharField(source="display_number")
    customer = serializers.CharField(source="customer.external_id")
    asset = serializers.CharField(source="asset.code")
    invoice = serializers.UUIDField(source="invoice_id")
    subtotal = AmountField()
    tax = AmountField()
    credits = AmountField()
    total = AmountField()
    lines = CreditedLineSerializer(many=True)
    taxes = CreditedTaxSerializer(many=True)

    class Meta:
        model = CreditNote
        fields = [
            "id", "number", "customer", "invoice", "asset", "subtotal", "tax", "credits", "total",
            "reason", "lines", "taxes", "created_at",
        ]  # fmt: skip


class CreditNoteCreation(StrictSerializer):
    """A new credit note, over an amount that includes taxes."""

    invoice = serializers.UUIDField()
    amount = PositiveAmountField()
    reason = TextField(max_length=500, allow_blank=True, default="")
