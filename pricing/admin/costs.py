"""Admin pages of costs: in which asset they are kept, and what vendors charge."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.tenant_admin import TenantForm, TenantModelAdmin
from pricing import cost_rates
from pricing.models import CostPolicy, CostRate

_CELLS_SHOWN = 500


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


class CostRateForm(TenantForm):
    """What a vendor charges from a moment on."""

    class Meta:
        model = CostRate
        fields = ["vendor", "meter", "name", "effective_from", "definition"]

    def clean(self) -> dict[str, Any]:
        """Say next to each field what keeps the rate from being written."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        meter, definition = cleaned.get("meter"), cleaned.get("definition")
        if meter is None or definition is None:
            return cleaned
        for field, reason in cost_rates.errors_of_definition(meter, definition):
            if field == "meter":
                self.add_error("meter", f"This meter {reason}.")
            else:
                self.add_error("definition", f"{field}: {reason}.")
        if cost_rates.policy_of(self.seat.organization.id) is None:
            raise ValidationError("Say first, in a cost policy, in which asset costs are kept.")
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
        return [*asked, "written_at", "amounts"] if obj else [*asked, "definition"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show what is not a column."""
        return ["written_at", "amounts"] if obj else []

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

    @admin.display(description="Written")
    def written_at(self, rate: CostRate) -> Any:
        """Return when it was added."""
        return rate.created_at

    @admin.display(description="Charges")
    def amounts(self, rate: CostRate) -> SafeString:
        """Return the terms, and a row for each cell of a matrix."""
        matrix = rate.definition.get("matrix") or {}
        around = {name: value for name, value in rate.definition.items() if name != "matrix"}
        cells = matrix.get("cells", [])
        rows = [
            (_written(cell["match"]) or "every other event", _written(_without_match(cell)))
            for cell in cells[:_CELLS_SHOWN]
        ]
        table = format_html(
            '<table class="cost-cells"><thead><tr><th scope="col">Events with</th>'
            '<th scope="col">Cost</th></tr></thead><tbody>{}</tbody></table>',
            format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', rows),
        )
        more = len(cells) - len(rows)
        return format_html(
            "<p>{}</p>{}{}",
            _written(around),
            table if rows else "",
            f"and {more} more cells" if more > 0 else "",
        )


def _without_match(cell: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in cell.items() if name != "match"}


def _written(terms: Mapping[str, Any]) -> str:
    return ", ".join(_phrases(terms))


_SIGNS = {"gt": ">", "gte": "≥", "lt": "<", "lte": "≤"}


def _phrases(terms: Mapping[str, Any]) -> Iterator[str]:
    for name, value in terms.items():
        if isinstance(value, Mapping):
            bounds = " and ".join(f"{_SIGNS.get(sign, sign)} {n}" for sign, n in value.items())
            yield f"{name.replace('_', ' ')} {bounds}"
        elif value != "*":
            yield f"{name.replace('_', ' ')} {value}"
