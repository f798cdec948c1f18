"""Prices agreed with one customer, in the same form as the prices of a plan."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.tenant_admin import TenantModelAdmin
from pricing import overrides, plan_form
from pricing.admin import price_checks
from pricing.admin.price_forms import PriceForm
from pricing.models import PriceOverride
from pricing.plan_document import PriceRow


class PriceOverrideForm(PriceForm):
    """A price, the customer it is agreed with, and the plan it stands in."""

    class Meta:
        model = PriceOverride
        fields = ["customer", "plan", "meter", "asset", "settle"]
        labels = {"settle": "Charged"}

    def clean(self) -> dict[str, Any]:
        """Ask the domain whether it takes the price, and say its refusal here."""
        cleaned = super().clean()
        if not self.errors and self._is_there_already(cleaned):
            self.add_error(None, "This customer has a price of its own for that already.")
        if not self.errors:
            try:
                with transaction.atomic():
                    self.agree()
                    transaction.set_rollback(True)
            except plan_form.PlanInvalid as invalid:
                for field, reason in invalid.errors:
                    self.add_error(None, f"{field.partition('.')[2] or field}: {reason}.")
        return cleaned

    def _is_there_already(self, cleaned: dict[str, Any]) -> bool:
        same = {name: cleaned[name] for name in ("plan", "meter", "asset")}
        agreed = overrides.of_customer(cleaned["customer"]).filter(**same)
        return bool(agreed.exclude(pk=self.instance.pk).exists())

    def agree(self) -> None:
        """Make the price the customer's, beside the others it has on the plan."""
        chosen = {**self.cleaned_data, "definition": self.instance.definition}
        row = PriceRow(
            meter=chosen["meter"].code,
            asset=chosen["asset"].code,
            settle=chosen["settle"],
            definition=chosen["definition"],
        )
        others = rows_of(self.instance, customer=chosen["customer"], plan=chosen["plan"])
        overrides.replace(
            customer=chosen["customer"],
            plan=chosen["plan"],
            prices=[*others, row],
            at=timezone.now(),
        )


def rows_of(without: PriceOverride, *, customer: Any, plan: Any) -> list[PriceRow]:
    """Return what the customer has agreed on the plan, but for one override."""
    return [
        PriceRow(
            meter=each.meter.code,
            asset=each.asset.code,
            settle=each.settle,
            definition=each.definition,
        )
        for each in overrides.of_customer(customer).filter(plan=plan).exclude(pk=without.pk)
    ]


@admin.register(PriceOverride)
class PriceOverrideAdmin(TenantModelAdmin):
    """Prices of single customers. They are charged from the customer's next period on."""

    form = PriceOverrideForm
    change_form_template = "admin/pricing/priceoverride/change_form.html"
    autocomplete_fields = ["customer"]
    list_display = ["customer", "plan", "meter", "asset", "what_it_charges"]
    list_select_related = ["customer", "plan", "meter", "asset"]
    list_filter = ["plan"]
    search_fields = ["customer__external_id", "customer__name"]

    @admin.display(description="Charges")
    def what_it_charges(self, override: PriceOverride) -> str:
        """Return the price in one line."""
        return price_checks.summary(override)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask for whom it is; the price has a form of its own below, or is said in words."""
        asked = ["customer", "plan", "meter", "asset", "settle"]
        return asked if self.has_change_permission(request, obj) else [*asked, "what_it_charges"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show the price in words."""
        return ["what_it_charges"]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Leave out what would go on with a row that a change has replaced."""
        context |= {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(
        self,
        request: HttpRequest,
        obj: PriceOverride,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Agree the price through the domain, which writes the customer's prices anew."""
        form.agree()
        made = overrides.of_customer(obj.customer).get(
            plan=obj.plan_id, meter=obj.meter_id, asset=obj.asset_id
        )
        obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: PriceOverride) -> None:
        """Let the customer pay what everybody does again."""
        overrides.replace(
            customer=obj.customer,
            plan=obj.plan,
            prices=rows_of(obj, customer=obj.customer, plan=obj.plan),
            at=timezone.now(),
        )
