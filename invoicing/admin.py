"""Admin pages of invoices, which the calendar writes, and of what they are made by."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import money
from accounts.tenant_admin import (
    ReadOnlyAdmin,
    ReadOnlyTenantInline,
    TenantForm,
    TenantModelAdmin,
    taken_seat,
)
from invoicing import items, vat_ids, voiding
from invoicing.models import (
    CreditNote,
    Invoice,
    InvoiceItem,
    InvoiceLine,
    InvoiceTax,
    InvoicingTerms,
    TaxProfile,
    TaxRate,
)


class LineInline(ReadOnlyTenantInline):
    """The lines of an invoice."""

    model = InvoiceLine
    classes = ["plain-rows"]
    fields = ["description", "quantity_used", "usage", "credits", "uncollected_part", "due"]
    ordering = ["position"]

    @admin.display(description="Quantity")
    def quantity_used(self, line: InvoiceLine) -> str:
        """Return the raw units used."""
        return money.to_display(line.quantity, scale=0)

    @admin.display(description="Usage")
    def usage(self, line: InvoiceLine) -> str:
        """Return what the usage cost."""
        return money.to_display(line.usage_amount, scale=line.invoice.asset.scale)

    @admin.display(description="Paid by credit")
    def credits(self, line: InvoiceLine) -> str:
        """Return what credit paid of it."""
        return money.to_display(line.credits_applied, scale=line.invoice.asset.scale)

    @admin.display(description="Uncollected")
    def uncollected_part(self, line: InvoiceLine) -> str:
        """Return what nobody pays of it."""
        return money.to_display(line.uncollected, scale=line.invoice.asset.scale)

    @admin.display(description="Due")
    def due(self, line: InvoiceLine) -> str:
        """Return the rest."""
        return money.to_display(line.amount, scale=line.invoice.asset.scale)


class TaxInline(ReadOnlyTenantInline):
    """The taxes of an invoice."""

    model = InvoiceTax
    classes = ["plain-rows"]
    fields = ["name", "rate", "on", "comes_to", "is_inclusive"]
    ordering = ["position"]

    @admin.display(description="Percent")
    def rate(self, tax: InvoiceTax) -> str:
        """Return the percentage."""
        return money.to_wire(tax.percent)

    @admin.display(description="Of")
    def on(self, tax: InvoiceTax) -> str:
        """Return the amount it is a percentage of."""
        return money.to_display(tax.taxable, scale=tax.invoice.asset.scale)

    @admin.display(description="Tax")
    def comes_to(self, tax: InvoiceTax) -> str:
        """Return what it comes to."""
        return money.to_display(tax.amount, scale=tax.invoice.asset.scale)


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """Invoices and their lines."""

    fields = [
        "customer", "period", "asset", "kind", "state", "due", "created_at", "finalized_at",
        "voided_at", "void_reason", "replaces",
    ]  # fmt: skip
    list_display = ["display_number", "customer", "asset", "due", "state", "finalized_at"]
    list_filter = ["state", "asset"]
    list_select_related = ["customer", "asset"]
    search_fields = ["customer__external_id", "customer__name"]
    inlines = [LineInline, TaxInline]
    actions = ["void", "reissue"]
    show_full_result_count = False

    @admin.display(description="Number", ordering="number")
    def display_number(self, invoice: Invoice) -> str:
        """Return the number as printed."""
        return invoice.display_number

    @admin.display(description="Due", ordering="total")
    def due(self, invoice: Invoice) -> str:
        """Return the total for people."""
        return money.to_display(invoice.total, scale=invoice.asset.scale)

    def has_void_permission(self, request: HttpRequest) -> bool:
        """Owners, admins and platform staff may take invoices back."""
        return self._may_edit(request)

    @admin.action(description="Void the selected invoices", permissions=["void"])
    def void(self, request: HttpRequest, invoices: QuerySet[Invoice]) -> None:
        """Take invoices back."""
        self._take_back(request, invoices, reissue=False)

    @admin.action(description="Void and write them anew", permissions=["void"])
    def reissue(self, request: HttpRequest, invoices: QuerySet[Invoice]) -> None:
        """Take invoices back and write others in their place, with taxes as they are now."""
        self._take_back(request, invoices, reissue=True)

    def _take_back(
        self, request: HttpRequest, invoices: QuerySet[Invoice], *, reissue: bool
    ) -> None:
        for invoice in invoices:
            try:
                voiding.void_invoice(
                    organization=taken_seat(request).organization,
                    invoice_id=invoice.id,
                    at=timezone.now(),
                    reason=f"By {request.user}",
                    reissue=reissue,
                )
            except voiding.NotVoidable as error:
                text = f"{invoice.display_number} cannot be voided: {error}."
                self.message_user(request, text, messages.ERROR)
            else:
                self.log_change(request, invoice, "voided")
                self.message_user(request, f"{invoice.display_number} was voided.")


@admin.register(CreditNote)
class CreditNoteAdmin(ReadOnlyAdmin):
    """Credit notes. They are given through the API and by corrections."""

    fields = ["customer", "invoice", "asset", "amount", "reason", "lines", "taxes", "created_at"]
    list_display = ["display_number", "invoice", "customer", "asset", "amount", "created_at"]
    list_select_related = ["customer", "asset", "invoice"]
    search_fields = ["customer__external_id", "customer__name"]
    show_full_result_count = False

    @admin.display(description="Number", ordering="number")
    def display_number(self, note: CreditNote) -> str:
        """Return the number as printed."""
        return note.display_number

    @admin.display(description="Amount", ordering="total")
    def amount(self, note: CreditNote) -> str:
        """Return the total for people."""
        return money.to_display(note.total, scale=note.asset.scale)


class ItemForm(TenantForm):
    """An item, checked as the API does."""

    def clean(self) -> dict[str, Any]:
        """Refuse what cannot be invoiced."""
        cleaned: dict[str, Any] = super().clean() or {}
        asset, amount = cleaned.get("asset"), cleaned.get("amount")
        if asset is not None and amount is not None:
            try:
                items.check(asset=asset, amount=amount)
            except items.ItemRefused as error:
                self.add_error(error.field, f"This {error}.")
        return cleaned


@admin.register(InvoiceItem)
class InvoiceItemAdmin(TenantModelAdmin):
    """Items for the next invoices. What was added stays as it is."""

    form = ItemForm
    deletable = False
    fields = ["customer", "asset", "amount", "description"]
    autocomplete_fields = ["customer"]
    list_display = ["description", "customer", "asset", "value", "origin", "invoice"]
    list_select_related = ["customer", "asset", "invoice"]
    search_fields = ["description", "customer__external_id"]
    show_full_result_count = False

    @admin.display(description="Amount", ordering="amount")
    def value(self, item: InvoiceItem) -> str:
        """Return the amount for people."""
        return money.to_display(item.amount, scale=item.asset.scale)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes an item."""
        return False


@admin.register(InvoicingTerms)
class InvoicingTermsAdmin(TenantModelAdmin):
    """How the organization invoices; one row."""

    list_display = ["__str__", "credits_timing", "grace_seconds"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is one set of terms at most."""
        organization = taken_seat(request).organization
        there = InvoicingTerms.objects.for_organization(organization)
        return super().has_add_permission(request) and not there.exists()


@admin.register(TaxRate)
class TaxRateAdmin(TenantModelAdmin):
    """Tax rates. Invoices keep what they said when one is changed."""

    list_display = ["name", "code", "percentage", "is_inclusive", "country", "is_active"]
    search_fields = ["name", "code"]

    @admin.display(description="Percent", ordering="percent")
    def percentage(self, rate: TaxRate) -> str:
        """Return the percentage."""
        return money.to_wire(rate.percent)


class TaxProfileForm(TenantForm):
    """What is known of a customer for tax."""

    def clean_vat_id(self) -> str:
        """Keep a VAT id as it is written in books."""
        text: str = self.cleaned_data["vat_id"]
        try:
            return vat_ids.read(text) if text else ""
        except vat_ids.VatIdInvalid as error:
            raise ValidationError(f"A VAT id {error}.") from error

    def clean_rate_codes(self) -> list[str]:
        """Refuse codes that no tax rate has."""
        codes: list[str] = self.cleaned_data["rate_codes"]
        rates = TaxRate.objects.for_organization(self.seat.organization)
        unknown = set(codes) - set(rates.values_list("code", flat=True))
        if unknown:
            raise ValidationError(f"There is no tax rate {min(unknown)}.")
        return codes


@admin.register(TaxProfile)
class TaxProfileAdmin(TenantModelAdmin):
    """Customers' countries, VAT ids and exemptions."""

    form = TaxProfileForm
    autocomplete_fields = ["customer"]
    list_display = ["customer", "country", "vat_id", "is_exempt"]
    list_select_related = ["customer"]
    search_fields = ["customer__external_id", "customer__name", "vat_id"]
