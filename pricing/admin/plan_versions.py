"""The plan editor: a draft's terms and prices, what an event would cost, and publication."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts import money
from accounts.models import User
from accounts.tenant_admin import ReadOnlyTenantInline, StackedTenantInline, TenantModelAdmin
from pricing import publication, version_changes
from pricing.admin.previews import SampleEventForm, preview, totals
from pricing.admin.price_forms import PriceForm
from pricing.models import PlanVersion, Price, Subscription


class PriceInline(StackedTenantInline):
    """Prices of a draft, to be edited."""

    model = Price
    form = PriceForm
    template = "admin/pricing/planversion/prices.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Price]:
        """Read meters and assets along, which each price is named by."""
        prices: QuerySet[Price] = super().get_queryset(request)
        return prices.select_related("meter", "asset")

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """Offer an empty price to a draft that has none."""
        return 0 if obj and obj.prices.exists() else 1


class PriceListInline(ReadOnlyTenantInline):
    """Prices to be read: of a published version, or by someone who may not edit."""

    model = Price
    classes = ["plain-rows"]
    fields = ["meter", "asset", "terms"]

    @admin.display(description="Charges")
    def terms(self, price: Price) -> SafeString:
        """Return what the price charges, a line for each cell of a matrix."""
        lines = (
            (f"{cell}: " if cell else "", terms)
            for cell, terms in version_changes.describe_price(price)
        )
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}{}</li>", lines))


@admin.register(PlanVersion)
class PlanVersionAdmin(TenantModelAdmin):
    """Drafts are edited here and published; published versions are read here."""

    list_display = ["__str__", "state", "billing_interval", "shortfall_policy", "published_at"]
    list_filter = ["plan", "state"]
    list_select_related = ["plan"]
    ordering = ["plan__code", "-number"]

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> PlanVersion | None:
        """Return a version, locked when it is about to be changed.

        An edit that waited for a publication then finds the version published, and is refused.
        """
        version = super().get_object(request, object_id, from_field)
        if version is None or request.method != "POST":
            return version
        return PlanVersion.objects.select_for_update().get(id=version.id)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show a published version's history, and amounts to people who cannot type them."""
        if self.has_change_permission(request, obj):
            return ["billing_interval", "shortfall_policy", "overdraft_limit"]
        terms = ["billing_interval", "shortfall_policy", "limit"]
        return terms if obj.is_draft else [*terms, "published_at", "publisher"]

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Edit the prices of a draft, read those of a published version."""
        return [PriceInline if self.has_change_permission(request, obj) else PriceListInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Drafts are opened on the page of their plan."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only drafts change."""
        return super().has_change_permission(request, obj) and (obj is None or obj.is_draft)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only drafts are thrown away."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.is_draft)

    @admin.display(description="Overdraft limit")
    def limit(self, version: PlanVersion) -> str:
        """Return how far below zero a balance may go."""
        return money.to_wire(version.overdraft_limit) if version.overdraft_limit else "—"

    @admin.display(description="Published by")
    def publisher(self, version: PlanVersion) -> str:
        """Return the address of who pressed the button."""
        return str(version.published_by or "—")

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> type[Any]:
        """Return the form of the terms; one that is never saved when a preview was asked for."""
        form = super().get_form(request, obj, change, **kwargs)
        return type("PreviewedForm", (_NeverSaved, form), {}) if _wants_preview(request) else form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the sample event, what it would cost, and who is on the plan's versions."""
        version = kwargs.get("obj")
        if version is not None:
            context.update(_subscription_counts(version))
        if version is not None and self.has_change_permission(request, version):
            sample = SampleEventForm(request.POST if _wants_preview(request) else None)
            context["sample"] = sample
            if sample.is_valid():
                context |= _previewed(sample.cleaned_data, context["inline_admin_formsets"])
        return super().render_change_form(request, context, *args, **kwargs)

    def response_change(self, request: HttpRequest, obj: PlanVersion) -> HttpResponse:
        """Go on to publication when that button saved the draft."""
        if "_review" in request.POST:
            return HttpResponseRedirect(reverse("admin:pricing_planversion_publish", args=[obj.id]))
        return super().response_change(request, obj)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks before it publishes."""
        publish = path(
            "<uuid:version_id>/publish/",
            self.admin_site.admin_view(self.publish),
            name="pricing_planversion_publish",
        )
        return [publish, *super().get_urls()]

    def publish(self, request: HttpRequest, version_id: str) -> HttpResponse:
        """Show what publishing the draft would mean; do it when that is confirmed."""
        version = get_object_or_404(
            self.get_queryset(request).select_related("plan"), id=version_id
        )
        self.require_change(request, version)
        if request.method != "POST":
            return self._publish_page(request, version, publication.check(version))
        try:
            published = publication.publish(version=version, by=_person(request), at=timezone.now())
        except publication.PublicationRefused as refusal:
            return self._publish_page(request, version, refusal.problems)
        self.log_change(request, published, "state")
        self.message_user(request, f"{published} is published and will never change.")
        return HttpResponseRedirect(
            reverse("admin:pricing_planversion_change", args=[published.id])
        )

    def _publish_page(
        self,
        request: HttpRequest,
        version: PlanVersion,
        problems: Sequence[publication.Problem],
    ) -> HttpResponse:
        previous = publication.newest_published(version.plan)
        context = {
            **self.admin_site.each_context(request),
            **_subscription_counts(version),
            "title": f"Publish {version}",
            "opts": self.opts,
            "version": version,
            "previous": previous,
            "problems": problems,
            "changes": version_changes.compare(previous, version),
        }
        return TemplateResponse(request, "admin/pricing/planversion/publish.html", context)


class _NeverSaved:
    """Makes a form show what was typed, with its mistakes, but never counts as ready to save."""

    def is_valid(self) -> bool:
        super().is_valid()  # type: ignore[misc]
        return False


def _person(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _wants_preview(request: HttpRequest) -> bool:
    return request.method == "POST" and "_preview" in request.POST


def _previewed(sample: dict[str, Any], formsets: Sequence[Any]) -> dict[str, Any]:
    """Return the sample's cost at the prices as they were typed; wrong ones are only counted."""
    forms = [form for each in formsets for form in _kept_forms(each.formset)]
    prices = [form.instance for form in forms if form.is_valid()]
    lines = preview(prices, **sample)
    return {
        "preview": lines,
        "preview_totals": totals(lines),
        "left_out": len(forms) - len(prices),
        "previewed": True,
    }


def _kept_forms(formset: Any) -> Iterator[Any]:
    for form in formset.forms:
        is_blank = form.instance._state.adding and not form.has_changed()
        if not is_blank and form not in formset.deleted_forms:
            yield form


def _subscription_counts(version: PlanVersion) -> dict[str, int]:
    live: QuerySet[Subscription] = Subscription.objects.for_organization(
        version.organization_id
    ).filter(plan_version__plan=version.plan_id, ended_at=None)
    return {
        "subscriptions_here": live.filter(plan_version=version).count(),
        "subscriptions_elsewhere": live.exclude(plan_version=version).count(),
    }
