"""Meters of the organization."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest

from accounts.tenant_admin import TenantForm, TenantModelAdmin
from pricing.admin import filter_lines
from pricing.models import Meter, Price, VersionState

_COUNTING = [
    "event_type",
    "filters",
    "aggregation",
    "quantity_property",
    "expression",
    "weighted_by",
]


class MeterForm(TenantForm):
    """What a meter counts."""

    filters = filter_lines.FilterLinesField(
        label="Only events with",
        required=False,
        help_text=(
            "One condition on each line; an event counts when all hold. For example: status = ok, "
            "or model in opus, haiku, or input_tokens > 200000, or trace exists, or "
            "speed != slow. Empty for every event."
        ),
    )

    class Meta:
        model = Meter
        fields = ["code", "name", "unit", *_COUNTING]
        widgets = {
            "expression": forms.Textarea(
                attrs={"rows": 2, "cols": 60, "class": "lines", "spellcheck": "false"}
            )
        }

    def add_error(self, field: str | None, error: Any) -> None:
        """Add a mistake; one in a field that cannot be edited here is one of the whole form."""
        if field is None and isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            for name, errors in error.error_dict.items():
                is_here = name in self.fields or name == NON_FIELD_ERRORS
                super().add_error(name if is_here else None, errors)
        else:
            super().add_error(field, error)


@admin.register(Meter)
class MeterAdmin(TenantModelAdmin):
    """Meters. What a published price counts is part of the price and stays as it is."""

    form = MeterForm
    list_display = ["code", "name", "event_type", "aggregation", "measured_value", "unit"]
    search_fields = ["code", "name", "event_type"]

    @admin.display(description="Value")
    def measured_value(self, meter: Meter) -> str:
        """Return the property or the expression."""
        return meter.expression or meter.quantity_property

    @admin.display(description="Only events with")
    def conditions(self, meter: Meter) -> str:
        """Return the filters the way they are typed."""
        return filter_lines.render(meter.filters) if meter.filters else "no condition"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Group the fields; filters that cannot be changed are shown as they are typed."""
        is_open = obj is None or (self.has_change_permission(request, obj) and not _is_on_sale(obj))
        counting = [name if is_open or name != "filters" else "conditions" for name in _COUNTING]
        return [
            (None, {"fields": ["code", "name", "unit"]}),
            ("What it counts", {"fields": counting}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep the code, and all of what is counted once a published version prices it."""
        if obj is None:
            return []
        counting = _COUNTING if _is_on_sale(obj) else []
        return ["code", "conditions", *counting]


def _is_on_sale(meter: Meter) -> bool:
    return Price.objects.filter(
        organization=meter.organization_id,
        meter=meter,
        plan_version__state=VersionState.PUBLISHED,
    ).exists()
