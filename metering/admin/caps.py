"""Admin page of spend caps: set one, move its limit, or lift it; and see what its window holds."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts.tenant_admin import TenantForm, TenantModelAdmin
from metering import cap_words, caps
from metering.models import SpendCap
from metering.spend_caps import Window

_TERMS = [
    "customer", "name", "owner", "window", "limit", "asset", "meter", "property_name",
    "property_value",
]  # fmt: skip


class SpendCapForm(TenantForm):
    """A cap; of one that exists only its name, its limit and whether it holds."""

    class Meta:
        model = SpendCap
        fields = [*_TERMS, "is_active"]

    def clean_limit(self) -> Decimal:
        """Refuse a limit below zero."""
        limit: Decimal = self.cleaned_data["limit"]
        if limit < 0:
            raise ValidationError("This must be zero or more.")
        return limit


def _holds(cap: SpendCap) -> Iterator[str]:
    states = caps.states(customer=cap.customer, at=timezone.now())
    state = next(each for each in states if each.cap.id == cap.id)
    for use in state.uses:
        value = f"{use.value}: " if use.value else ""
        yield f"{value}{cap_words.amount(cap, use.used)}, {use.percent}%"
    if state.hidden:
        yield f"and {state.hidden} more values of {cap.property_name}"
    if not state.uses:
        yield "Nothing yet."


@admin.register(SpendCap)
class SpendCapAdmin(TenantModelAdmin):
    """Limits on what a customer may use in a window. One is lifted instead of deleted."""

    form = SpendCapForm
    deletable = False
    autocomplete_fields = ["customer"]
    list_display = ["customer", "says", "name", "owner", "is_active", "created_at"]
    list_filter = ["is_active", "owner", "window"]
    list_select_related = ["customer", "asset", "meter"]
    search_fields = ["customer__external_id", "customer__name", "name"]
    ordering = ["-created_at"]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the caps with what they are written in."""
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask for a new cap's terms; of an old one show them, and what its window holds."""
        if obj is None:
            return _TERMS
        return ["customer", "says", "owner", "name", "limit", "is_active", "holds", "created_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep what the counts of a cap depend on."""
        return ["customer", "says", "owner", "holds", "created_at"] if obj else []

    @admin.display(description="Limits", ordering="limit")
    def says(self, cap: SpendCap) -> str:
        """Return the cap in words."""
        return cap_words.sentence(cap)

    @admin.display(description="Used in this window")
    def holds(self, cap: SpendCap) -> str | SafeString:
        """Return what the current window holds, the fullest counts first."""
        if not cap.is_active:
            return "Nothing is counted while it is lifted."
        if cap.window == Window.REQUEST:
            return "Each request is looked at on its own."
        return format_html_join("", "<div>{}</div>", ((line,) for line in _holds(cap)))

    def save_model(
        self,
        request: HttpRequest,
        obj: SpendCap,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Set or change the cap through the domain."""
        if change:
            caps.change_cap(obj, limit=obj.limit, is_active=obj.is_active, name=obj.name)
            return
        terms = {name: getattr(obj, name) for name in _TERMS}
        made = caps.set_cap(**terms, at=timezone.now())
        obj.pk = made.pk
        obj.refresh_from_db()
