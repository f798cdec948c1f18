"""API keys: issued, shown once, revoked; never edited and never deleted."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import ActionLocation
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts import api_keys
from accounts.models import ApiKey, Scope
from accounts.tenant_admin import TenantForm, TenantModelAdmin


class ApiKeyForm(TenantForm):
    """What a new key is called and what it allows."""

    scopes = forms.MultipleChoiceField(
        label="Allows", choices=Scope, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiKey
        fields = ["name", "scopes"]


@admin.action(
    description="Revoke",
    description_plural="Revoke selected keys",
    permissions=["add"],
    location=[ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM],
)
def revoke(model_admin: "ApiKeyAdmin", request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
    """Close the chosen keys for good."""
    for key in queryset.filter(revoked_at=None):
        api_keys.revoke(key, at=timezone.now())
        model_admin.log_change(request, key, "revoked at")
        model_admin.message_user(request, f"{key} no longer opens anything.")


@admin.register(ApiKey)
class ApiKeyAdmin(TenantModelAdmin):
    """Keys. The secret is on the page that answers the form, and nowhere else ever after."""

    form = ApiKeyForm
    deletable = False
    list_display = ["name", "prefix", "allowed", "is_live", "created_at", "revoked_at"]
    search_fields = ["name", "prefix"]
    actions = [revoke]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask for a new key's name and scopes, show everything but the secret of an old one."""
        shown = ["name", "prefix", "allowed", "is_live", "created_at", "revoked_at"]
        return shown if obj else ["name", "scopes"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: another key is issued instead."""
        return False

    @admin.display(description="Allows")
    def allowed(self, key: ApiKey) -> str:
        """Return the scopes."""
        return ", ".join(key.scopes)

    @admin.display(description="Live", boolean=True)
    def is_live(self, key: ApiKey) -> bool:
        """Whether the key still opens the door."""
        return key.is_live

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer one button, because one page follows: the one with the secret."""
        context["show_save_and_add_another"] = context["show_save_and_continue"] = False
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiKey,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Issue the key; `obj` becomes the issued row and the form remembers the secret."""
        key, secret = api_keys.issue(
            organization=obj.organization, name=obj.name, scopes=form.cleaned_data["scopes"]
        )
        vars(obj).update(vars(key))
        vars(request)["issued_secret"] = secret

    def response_add(
        self,
        request: HttpRequest,
        obj: ApiKey,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Show the secret, in this answer only."""
        context = {
            **self.admin_site.each_context(request),
            "title": "API key issued",
            "opts": self.opts,
            "key": obj,
            "secret": vars(request)["issued_secret"],
        }
        return TemplateResponse(request, "admin/accounts/apikey/issued.html", context)
