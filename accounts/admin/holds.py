"""Holds, which only the ledger makes and ends."""

from django.contrib import admin

from accounts import money
from accounts.models import Hold
from accounts.tenant_admin import ReadOnlyAdmin


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """What is reserved for work to come, and what became of it."""

    fields = [
        "account", "reference", "state", "held_amount", "captured_amount", "reported_amount",
        "on_expiry", "expires_at", "ended_at", "created_at",
    ]  # fmt: skip
    list_display = ["account", "state", "held_amount", "captured_amount", "expires_at"]
    list_filter = ["state"]
    list_select_related = ["account__customer", "account__asset"]
    search_fields = ["account__customer__external_id", "account__customer__name"]
    ordering = ["-created_at"]
    show_full_result_count = False

    @admin.display(description="Held", ordering="amount")
    def held_amount(self, hold: Hold) -> str:
        """Return all that was ever reserved for it."""
        return money.to_display(hold.amount, scale=hold.account.asset.scale)

    @admin.display(description="Captured", ordering="captured")
    def captured_amount(self, hold: Hold) -> str:
        """Return what usage took out of it."""
        return money.to_display(hold.captured, scale=hold.account.asset.scale)

    @admin.display(description="Reported", ordering="reported")
    def reported_amount(self, hold: Hold) -> str:
        """Return how far the work says it has come."""
        return money.to_display(hold.reported, scale=hold.account.asset.scale)
