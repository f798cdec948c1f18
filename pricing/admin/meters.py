"""Meters of the organization."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.tenant_admin import TenantForm, TenantModelAdmin
from pricing.admin.property_lines import PlainPropertyLinesField
from pricing.models import Meter, Price, VersionState


class MeterForm(TenantForm):
    """What a meter counts."""

    filters = PlainPropertyLinesField(
        label="Only events with",
        required=False,
        help_text="One property on each line, for example status = ok. Empty for every event.",
    )

    class Meta:
        model = Meter
        fields = [
            "code",
            "name",
            "unit",
            "event_type",
            "filters",
            "aggregation",
            "quantity_property",
        ]


@admin.register(Meter)
class MeterAdmin(TenantModelAdmin):
    """Meters. What a published price counts is part of the price and stays as it is."""

    form = MeterForm
    fieldsets = [
        (None, {"fields": ["code", "name", "unit"]}),
        (
            "What it counts",
            {"fields": ["event_type", "filters", "aggregation", "quantity_property"]},
        ),
    ]
    list_display = ["code", "name", "event_type", "aggregation", "quantity_property", "unit"]
    search_fields = ["code", "name", "event_type"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep the code, and all of what is counted once a published version prices it."""
        if obj is None:
            return []
        counting = ["event_type", "filters", "aggregation", "quantity_property"]
        return ["code", *counting] if _is_on_sale(obj) else ["code"]


def _is_on_sale(meter: Meter) -> bool:
    return Price.objects.filter(
        organization=meter.organization_id,
        meter=meter,
        plan_version__state=VersionState.PUBLISHED,
    ).exists()
