"""Customers of the organization."""

import json
import zoneinfo
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest

from accounts import exact_json
from accounts.models import Customer, validate_external_id
from accounts.tenant_admin import TenantForm, TenantModelAdmin


class MetadataDecoder(json.JSONDecoder):
    """Refuses as a mistake what the plain decoder fails on: endless digits, endless depth."""

    def decode(self, s: str, *args: Any) -> Any:
        """Read JSON. Raises JSONDecodeError."""
        try:
            exact_json.decode(s.encode())
        except (exact_json.JSONInvalid, UnicodeEncodeError) as error:
            raise json.JSONDecodeError(str(error), s, 0) from error
        return super().decode(s, *args)


class CustomerForm(TenantForm):
    """What is known of a customer."""

    metadata = forms.JSONField(required=False, initial=dict, decoder=MetadataDecoder)
    time_zone = forms.ChoiceField(
        choices=[(zone, zone) for zone in sorted(zoneinfo.available_timezones())],
        initial="UTC",
        help_text="Billing periods begin and end at midnight here.",
    )

    class Meta:
        model = Customer
        fields = ["external_id", "name", "email", "time_zone", "metadata"]
        error_messages = {
            NON_FIELD_ERRORS: {"unique_together": "Another customer has this external ID."}
        }

    def clean_external_id(self) -> str:
        """Refuse an id by which the API could not name the customer."""
        external_id: str = self.cleaned_data["external_id"]
        validate_external_id(external_id)
        return external_id

    def clean_metadata(self) -> dict[str, Any]:
        """Refuse what the database cannot keep."""
        metadata = self.cleaned_data["metadata"] or {}
        if not isinstance(metadata, dict):
            raise ValidationError("This must be one JSON object.")
        try:
            exact_json.check_storable(metadata)
        except exact_json.JSONInvalid as error:
            raise ValidationError(f"This {error}.") from error
        return metadata


@admin.register(Customer)
class CustomerAdmin(TenantModelAdmin):
    """Customers, by the integrator's own id for them, which never changes."""

    form = CustomerForm
    fields = ["external_id", "name", "email", "time_zone", "metadata"]
    list_display = ["external_id", "name", "email", "time_zone", "created_at"]
    search_fields = ["external_id", "name", "email"]
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep the id by which events name the customer."""
        return ["external_id"] if obj else []
