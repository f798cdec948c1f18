"""The plan editor: a draft's terms and prices, what an event would cost, and publication."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.tenant_admin import StackedTenantInline, TenantModelAdmin
from pricing.admin import (
    comparisons,
    file_pages,
    matrix_table,
    price_checks,
    price_list_page,
    publish_page,
)
from pricing.admin.previews import SampleEventForm, preview, sample_for, totals
from pricing.admin.price_forms import PriceForm
from pricing.admin.publish_page import subscription_counts
from pricing.admin.term_forms import (
    EntitlementForm,
    IncludedCreditForm,
    PlanVersionForm,
    arranged_terms,
)
from pricing.admin.version_pages import VersionPage, View
from pricing.models import Entitlement, IncludedCredit, Meter, PlanVersion, Price


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


class IncludedCreditInline(StackedTenantInline):
    """Credit that comes with a draft, to be edited."""

    model = IncludedCredit
    form = IncludedCreditForm
    template = "admin/pricing/planversion/rows.html"
    extra = 0
    what_for = "Credit that comes with the plan, again and again."


class EntitlementInline(StackedTenantInline):
    """What customers of a draft may do, to be edited."""

    model = Entitlement
    form = EntitlementForm
    template = "admin/pricing/planversion/rows.html"
    extra = 0
    what_for = "What customers may use: models, features, limits."


@admin.register(PlanVersion)
class PlanVersionAdmin(TenantModelAdmin):
    """Drafts are edited here and published; published versions are read here."""

    form = PlanVersionForm
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
        """Ask for the terms of a draft; what is only read is shown in words instead."""
        return PlanVersionForm.Meta.fields if self.has_change_permission(request, obj) else []

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Edit what hangs on a draft."""
        if self.has_change_permission(request, obj):
            return [PriceInline, IncludedCreditInline, EntitlementInline]
        return []

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Drafts are opened on the page of their plan."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only drafts change."""
        return super().has_change_permission(request, obj) and (obj is None or obj.is_draft)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only drafts are thrown away."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.is_draft)

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
        """Add the sample event and what it would cost; answer a script with that alone."""
        version: PlanVersion = kwargs["obj"]
        context.update(subscription_counts(version))
        if self.has_change_permission(request, version):
            context |= _try_out(request, context["inline_admin_formsets"])
            context |= _known_names(version)
            context |= arranged_terms(context["adminform"].form)
        else:
            context["groups"] = comparisons.differences(None, version)
        if _wants_preview(request) and request.headers.get("HX-Request"):
            return TemplateResponse(
                request, "admin/pricing/planversion/change_form.html#preview", context
            )
        return super().render_change_form(request, context, *args, **kwargs)

    def response_change(self, request: HttpRequest, obj: PlanVersion) -> HttpResponse:
        """Go on to publication when that button saved the draft."""
        if "_review" in request.POST:
            return HttpResponseRedirect(reverse("admin:pricing_planversion_publish", args=[obj.id]))
        return super().response_change(request, obj)

    def get_urls(self) -> list[URLPattern]:
        """Add the pages around a version."""
        pages: list[tuple[str, str, View]] = [
            ("publish/", "publish", publish_page.show),
            ("price-list/", "price_list", price_list_page.show),
            ("files/", "files", file_pages.show),
            ("files/prices.csv", "csv", file_pages.export_csv),
            ("files/prices.json", "json", file_pages.export_json),
        ]
        added = [
            path(
                f"<uuid:version_id>/{route}",
                self.admin_site.admin_view(self._page(view)),
                name=f"pricing_planversion_{name}",
            )
            for route, name, view in pages
        ]
        return [*added, *super().get_urls()]

    def _page(self, view: View) -> Callable[[HttpRequest, str], HttpResponse]:
        """Wrap a page about a version: the version is found, and locked if it may be written."""

        def page(request: HttpRequest, version_id: str) -> HttpResponse:
            versions = self.get_queryset(request).select_related("plan")
            if request.method == "POST":
                versions = versions.select_for_update(of=("self",))
            version = get_object_or_404(versions, id=version_id)
            return view(VersionPage(admin=self, request=request, version=version))

        return page


class _NeverSaved:
    """Makes a form show what was typed, with its mistakes, but never counts as ready to save."""

    def is_valid(self) -> bool:
        super().is_valid()  # type: ignore[misc]
        return False


def _wants_preview(request: HttpRequest) -> bool:
    return request.method == "POST" and "_preview" in request.POST


def _try_out(request: HttpRequest, formsets: Sequence[Any]) -> dict[str, Any]:
    """Return the sample event and its cost at the prices as they were typed.

    Prices with a mistake are only counted. A page just opened shows an event that is priced there.
    """
    if _wants_preview(request):
        sample = SampleEventForm(request.POST)
        forms = [form for each in _of_prices(formsets) for form in _kept_forms(each)]
        prices = [form.instance for form in forms if form.is_valid()]
        left_out = len(forms) - len(prices)
    else:
        forms = [form for each in _of_prices(formsets) for form in each.initial_forms]
        prices, left_out = _that_are_prices(form.instance for form in forms), 0
        sample = SampleEventForm(initial=sample_for(prices))
    context: dict[str, Any] = {"sample": sample}
    if sample.is_bound and not sample.is_valid():
        return context
    event = sample.cleaned_data if sample.is_bound else sample.initial
    if not event:
        return context
    lines = preview(prices, **event)
    return context | {
        "preview": lines,
        "preview_totals": totals(lines),
        "left_out": left_out,
        "previewed": True,
    }


def _of_prices(formsets: Sequence[Any]) -> list[Any]:
    return [each.formset for each in formsets if each.formset.model is Price]


def _that_are_prices(prices: Iterable[Price]) -> list[Price]:
    return [price for price in prices if not price_checks.of_price(price)]


def _kept_forms(formset: Any) -> Iterator[Any]:
    for form in formset.forms:
        is_blank = form.instance._state.adding and not form.has_changed()
        # Whether a form is to be deleted is only known once it was validated.
        form.is_valid()
        if not is_blank and not form.cleaned_data.get("DELETE"):
            yield form


def _known_names(version: PlanVersion) -> dict[str, list[str]]:
    """Return names that fields may suggest: properties and event types the organization uses."""
    meters = list(Meter.objects.filter(organization=version.organization_id))
    properties = {
        name
        for price in version.prices.all()
        for each in (price.definition.get("matrix") or {}).get("dimensions", ())
        for name in [matrix_table.name_of(each)]
    } | {name for meter in meters for name in meter.filters}
    return {
        "known_properties": sorted({"model", *properties}),
        "known_event_types": sorted({meter.event_type for meter in meters}),
    }
