"""Subscriptions, which the domain writes."""

from django.contrib import admin

from accounts.tenant_admin import ReadOnlyAdmin
from pricing.models import Subscription


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """Who is on which version of which plan."""

    fields = ["customer", "plan_version", "starts_at", "anchor_date", "ended_at"]
    list_display = ["customer", "plan_version", "starts_at", "ended_at"]
    list_select_related = ["customer", "plan_version__plan"]
    search_fields = ["customer__external_id", "customer__name"]
    show_full_result_count = False
