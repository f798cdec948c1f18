"""Meters of the organization."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from accounts.tenant_admin import TenantForm, TenantModelAdmin
from pricing.admin import filter_lines
from pricing.models import Aggregation, CostRate, Meter, Price, VersionState

_COUNTING = [
    "event_type",
    "filters",
    "aggregation",
    "quantity_property",
    "expression",
    "weighted_by",
]

_EXAMPLES = [
    "status = ok",
    "speed != slow",
    "model in opus, haiku",
    "input_tokens > 200000",
    "trace exists",
]


class MeterForm(TenantForm):
    """What a meter counts."""

    filters = filter_lines.FilterLinesField(
        label="Only events with",
        required=False,
        help_text=format_html(
            "One condition on each line; an event counts when all hold. Empty for every event. "
            "For example:{}",
            format_html_join("", "<br><code>{}</code>", [[line] for line in _EXAMPLES]),
        ),
    )

    class Meta:
        model = Meter
        fields = ["code", "name", "unit", *_COUNTING]
        widgets = {
            "expression": forms.Textarea(
                attrs={"rows": 2, "cols": 50, "class": "lines", "spellcheck": "false"}
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
    """Meters. What a published price or a cost rate counts is part of it and stays as it is."""

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
        """Group the fields; what cannot be changed is shown without what does not apply."""
        is_open = obj is None or (
            self.has_change_permission(request, obj) and not _is_counted_by(obj)
        )
        counting = _COUNTING if is_open else _applying(obj)
        return [
            (None, {"fields": ["code", "name", "unit"]}),
            ("What it counts", {"fields": counting}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep the code, and all of what is counted once prices or costs count it."""
        if obj is None:
            return []
        counting = _COUNTING if _is_counted_by(obj) else []
        return ["code", "conditions", *counting]


def _applying(meter: Meter) -> list[str]:
    """Return what the meter makes use of, its filters the way they are typed."""
    used = [name for name in ("quantity_property", "expression") if getattr(meter, name)]
    weighed = ["weighted_by"] if meter.aggregation == Aggregation.WEIGHTED_SUM else []
    return ["event_type", "conditions", "aggregation", *used, *weighed]


def _is_counted_by(meter: Meter) -> bool:
    """Whether a published price or a cost rate counts what the meter does."""
    here = {"organization": meter.organization_id, "meter": meter}
    return (
        Price.objects.filter(**here, plan_version__state=VersionState.PUBLISHED).exists()
        or CostRate.objects.filter(**here).exists()
    )
