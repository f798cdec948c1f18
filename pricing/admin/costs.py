"""Admin pages of costs: in which asset they are kept, and what vendors charge."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts import exact_json
from accounts.tenant_admin import TenantForm, TenantModelAdmin
from pricing import cost_rates, price_form, price_words
from pricing.models import CostPolicy, CostRate
from pricing.price_form import PriceInvalid
from pricing.price_words import Words

_ROWS_SHOWN = 500


class CostPolicyForm(TenantForm):
    """In which asset costs are kept, and how strict the organization is about them."""

    class Meta:
        model = CostPolicy
        fields = ["asset", "refuse_below_cost"]


@admin.register(CostPolicy)
class CostPolicyAdmin(TenantModelAdmin):
    """The organization's one cost policy. Its asset stays once rates are written in it."""

    form = CostPolicyForm
    deletable = False
    list_display = ["asset", "refuse_below_cost"]
    list_select_related = ["asset"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let whoever may edit add the first, and nobody a second."""
        return super().has_add_permission(request) and not self.get_queryset(request).exists()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep the asset that rates were written in."""
        if obj is None:
            return []
        rates: QuerySet[CostRate] = CostRate.objects.for_organization(obj.organization_id)
        return ["asset"] if rates.exists() else []


class DefinitionField(forms.CharField):
    """A price in its JSON form, every digit kept."""

    widget = forms.Textarea(attrs={"rows": 12, "class": "lines", "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        """Read what was typed. Raises ValidationError."""
        text = super().to_python(value)
        if not text:
            return None
        try:
            read = exact_json.decode(text.encode())
            exact_json.check_storable(read)
        except (exact_json.JSONInvalid, UnicodeEncodeError) as error:
            raise ValidationError(f"This is no JSON that can be kept: {error}.") from error
        return read


class CostRateForm(TenantForm):
    """What a vendor charges from a moment on."""

    definition = DefinitionField(
        help_text=format_html(
            "The JSON form of a price, in the asset of the cost policy. For example {}",
            '{"charge_model": "per_unit", "unit_amount": "3", "unit_size": "1000000"}',
        )
    )

    class Meta:
        model = CostRate
        fields = ["vendor", "meter", "name", "effective_from", "definition"]

    def clean(self) -> dict[str, Any]:
        """Say next to each field what keeps the rate from being written."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        asked = ("meter", "vendor", "definition", "effective_from")
        if self.errors or not cleaned.keys() >= set(asked):
            return cleaned
        terms = {name: cleaned[name] for name in asked}
        for field, reason in cost_rates.mistakes(**terms, at=timezone.now()):
            name, _, part = field.partition(".")
            said = f"{part} {reason}" if part else f"{reason[0].upper()}{reason[1:]}"
            self.add_error(name if name in self.fields else None, f"{said}.")
        return cleaned


@admin.register(CostRate)
class CostRateAdmin(TenantModelAdmin):
    """What vendors charge. A rate is added and never changed; one still to come may be deleted."""

    form = CostRateForm
    autocomplete_fields = ["meter"]
    list_display = ["vendor", "meter", "effective_from", "is_in_force", "name"]
    list_filter = ["vendor"]
    list_select_related = ["meter"]
    search_fields = ["vendor", "name", "meter__code", "meter__name"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask for the definition; show what it says as a table."""
        asked = ["vendor", "meter", "name", "effective_from"]
        return [*asked, "created_at", "amounts"] if obj else [*asked, "definition"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show what is not a column."""
        return ["created_at", "amounts"] if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes a rate."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may edit may withdraw a rate that is still to come."""
        return super().has_delete_permission(request, obj) and (
            obj is None or obj.effective_from > timezone.now()
        )

    def save_model(
        self,
        request: HttpRequest,
        obj: CostRate,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Write the rate through the domain."""
        made = cost_rates.add_rate(
            meter=obj.meter,
            vendor=obj.vendor,
            name=obj.name,
            effective_from=obj.effective_from,
            definition=obj.definition,
            at=timezone.now(),
        )
        obj.pk = made.pk
        obj.refresh_from_db()

    @admin.display(description="In force", boolean=True)
    def is_in_force(self, rate: CostRate) -> bool:
        """Whether its time has come; a later rate may have replaced it."""
        return rate.effective_from <= timezone.now()

    @admin.display(description="Charges")
    def amounts(self, rate: CostRate) -> SafeString:
        """Return what it says in words, a row for each cell of a matrix."""
        try:
            terms = price_form.parse_definition(rate.definition)
        except PriceInvalid as error:
            return format_html("<p>{}</p>", str(error))
        policy = cost_rates.policy_of(rate.organization_id)
        asset = policy.asset if policy else None
        words = Words(
            asset=asset.code if asset else "", scale=asset.scale if asset else 0,
            unit=rate.meter.unit,
        )  # fmt: skip
        rows = list(price_words.describe(terms, words))
        table = format_html_join(
            "", '<tr><th scope="row">{}</th><td>{}</td></tr>', rows[:_ROWS_SHOWN]
        )
        more = len(rows) - _ROWS_SHOWN
        return format_html(
            '<table class="cost-cells"><thead><tr><th scope="col">Events with</th>'
            '<th scope="col">Cost</th></tr></thead><tbody>{}</tbody></table>{}',
            table,
            f"and {more} more" if more > 0 else "",
        )
