"""Subscriptions: people put a customer on a plan, the domain does the rest."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Customer
from accounts.tenant_admin import ReadOnlyAdmin, TenantForm
from pricing import subscriptions
from pricing.models import PlanVersion, Subscription, VersionState


class SubscriptionForm(TenantForm):
    """Which customer goes on which published version, from now on."""

    class Meta:
        model = Subscription
        fields = ["customer", "plan_version"]

    def clean_customer(self) -> Customer:
        """Refuse a customer who is on a plan already."""
        customer: Customer = self.cleaned_data["customer"]
        if Subscription.objects.filter(customer=customer, ended_at=None).exists():
            raise ValidationError("This customer has a live subscription.")
        return customer


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """Who is on which version of which plan. Made here or by the API, never edited."""

    form = SubscriptionForm
    autocomplete_fields = ["customer"]
    list_display = ["customer", "plan_version", "starts_at", "ended_at"]
    list_select_related = ["customer", "plan_version__plan"]
    search_fields = ["customer__external_id", "customer__name"]
    show_full_result_count = False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask for customer and version; show the dates of what exists."""
        asked = ["customer", "plan_version"]
        return [*asked, "starts_at", "anchor_date", "ended_at"] if obj else asked

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Owners, admins and platform staff may subscribe a customer."""
        return self._may_edit(request)

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer published versions only, and none that is one customer's own."""
        if db_field.name == "plan_version":
            kwargs["queryset"] = PlanVersion.objects.filter(
                state=VersionState.PUBLISHED, customer=None
            ).select_related("plan")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(
        self,
        request: HttpRequest,
        obj: Subscription,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Subscribe the customer: accounts are opened, periods are counted from today."""
        made = subscriptions.subscribe(
            customer=obj.customer, plan_version=obj.plan_version, at=timezone.now()
        )
        obj.pk = made.pk
        obj.refresh_from_db()
