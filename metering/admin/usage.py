"""Admin pages of usage: spend alerts are set here, the rest is looked at."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import ActionLocation
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from accounts import money
from accounts.tenant_admin import ReadOnlyAdmin, TenantModelAdmin
from metering import dead_letters, tasks
from metering.admin import margins
from metering.models import AlertFiring, BillingPeriod, DeadLetter, SpendAlert
from metering.outcomes import Status


@admin.register(SpendAlert)
class SpendAlertAdmin(TenantModelAdmin):
    """Thresholds on balances. One that has fired is switched off instead of deleted."""

    list_display = ["account", "threshold_amount", "is_active", "created_at"]
    list_filter = ["is_active"]
    list_select_related = ["account__customer", "account__asset"]
    search_fields = ["account__customer__external_id", "account__customer__name"]
    autocomplete_fields = ["account"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show an amount to people who cannot type one."""
        may_type = self.has_change_permission(request, obj)
        return ["account", "threshold" if may_type else "threshold_amount", "is_active"]

    @admin.display(description="Below", ordering="threshold")
    def threshold_amount(self, alert: SpendAlert) -> str:
        """Return the threshold for people."""
        return money.to_display(alert.threshold, scale=alert.account.asset.scale)


@admin.register(AlertFiring)
class AlertFiringAdmin(ReadOnlyAdmin):
    """Crossings, and whether their mail was delivered."""

    fields = [
        "account",
        "alert",
        "balance_amount",
        "fired_at",
        "delivered_at",
        "attempts",
        "last_error",
    ]
    list_display = ["account", "balance_amount", "fired_at", "delivered_at", "attempts"]
    list_select_related = ["account__customer", "account__asset", "alert"]
    search_fields = ["account__customer__external_id", "account__customer__name"]
    show_full_result_count = False

    @admin.display(description="Balance", ordering="balance")
    def balance_amount(self, firing: AlertFiring) -> str:
        """Return the balance right after the crossing."""
        return money.to_display(firing.balance, scale=firing.account.asset.scale)


@admin.register(BillingPeriod)
class BillingPeriodAdmin(ReadOnlyAdmin):
    """Periods, open and closed, and beside them what their events earned."""

    fields = ["customer", "subscription", "starts_at", "ends_at", "closed_at", "invoiced_at"]
    list_display = ["customer", "starts_at", "ends_at", "closed_at", "invoiced_at"]
    list_select_related = ["customer"]
    search_fields = ["customer__external_id", "customer__name"]
    show_full_result_count = False

    def get_urls(self) -> list[URLPattern]:
        """Add the margins, which are of no single row."""
        view = self.admin_site.admin_view(self.margins)
        return [path("margins/", view, name="metering_margins"), *super().get_urls()]

    def margins(self, request: HttpRequest) -> HttpResponse:
        """Show what events earned and cost."""
        return margins.page(request, self.admin_site.each_context(request))


@admin.action(
    description="Record once more",
    description_plural="Record selected events once more",
    permissions=["replay"],
    location=[ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM],
)
def replay(
    model_admin: "DeadLetterAdmin", request: HttpRequest, queryset: QuerySet[DeadLetter]
) -> None:
    """Record the chosen events, now that the plan or the customer is right."""
    for letter in queryset.order_by("received_at")[: dead_letters.AT_ONCE_MAX]:
        replayed = dead_letters.replay(
            organization_id=letter.organization_id, letter_id=letter.id, at=timezone.now()
        )
        if replayed.firings:
            tasks.wake_delivery()
        [outcome] = replayed.outcomes
        if outcome.status in (Status.RECORDED, Status.REPLAYED):
            model_admin.log_change(request, letter, "resolved at")
            model_admin.message_user(request, f"{letter.external_id} is recorded.")
        else:
            text = f"{letter.external_id}: {outcome.detail}"
            model_admin.message_user(request, text, level=messages.WARNING)


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    """Events that could not be priced, with the reason."""

    actions = [replay]

    fields = [
        "external_id",
        "source",
        "type",
        "customer_external_id",
        "occurred_at",
        "received_at",
        "is_backfill",
        "properties",
        "reason",
        "detail",
        "resolved_at",
    ]
    list_display = [
        "external_id",
        "type",
        "customer_external_id",
        "reason",
        "received_at",
        "resolved_at",
    ]
    list_filter = ["reason"]
    search_fields = ["external_id", "customer_external_id"]
    show_full_result_count = False

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Owners, admins and platform staff may have an event recorded."""
        return self._may_edit(request)
