"""Admin pages of authorizations, which are made and ended through the API alone."""

from django.contrib import admin

from accounts.tenant_admin import ReadOnlyAdmin
from metering.models import Authorization


@admin.register(Authorization)
class AuthorizationAdmin(ReadOnlyAdmin):
    """What was allowed to go ahead, and what became of it. Its holds bear its id as reference."""

    fields = [
        "id", "customer", "quoted", "ended_as", "ended_at", "on_expiry", "expires_at",
        "created_at",
    ]  # fmt: skip
    list_display = ["created_at", "customer", "quoted", "ended_as", "expires_at"]
    list_filter = ["ended_as", "on_expiry"]
    list_select_related = ["customer"]
    search_fields = ["customer__external_id", "customer__name"]
    ordering = ["-created_at"]
    show_full_result_count = False

    @admin.display(description="Expected to cost")
    def quoted(self, authorization: Authorization) -> str:
        """Return what the work was expected to cost, asset by asset."""
        return ", ".join(f"{amount} {code}" for code, amount in authorization.quote.items())
