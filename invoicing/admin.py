"""Admin pages of invoices, which are looked at here and written by the calendar."""

from django.contrib import admin

from accounts import money
from accounts.tenant_admin import ReadOnlyAdmin, ReadOnlyTenantInline
from invoicing.models import Invoice, InvoiceLine


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


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """Invoices and their lines."""

    fields = ["customer", "period", "asset", "state", "due", "created_at", "finalized_at"]
    list_display = ["display_number", "customer", "asset", "due", "state", "finalized_at"]
    list_filter = ["state", "asset"]
    list_select_related = ["customer", "asset"]
    search_fields = ["customer__external_id", "customer__name"]
    inlines = [LineInline]
    show_full_result_count = False

    @admin.display(description="Number", ordering="number")
    def display_number(self, invoice: Invoice) -> str:
        """Return the number as printed."""
        return invoice.display_number

    @admin.display(description="Due", ordering="total")
    def due(self, invoice: Invoice) -> str:
        """Return the total for people."""
        return money.to_display(invoice.total, scale=invoice.asset.scale)
