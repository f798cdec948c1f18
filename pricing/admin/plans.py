"""Plans: a name, and its versions one under the other."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.tenant_admin import ReadOnlyTenantInline
from pricing import publication
from pricing.admin import comparisons, plan_file_page
from pricing.admin.plan_templates import PlanTemplatesAdmin
from pricing.models import Plan, PlanVersion, VersionState


class VersionInline(ReadOnlyTenantInline):
    """The versions of a plan, newest first, each with a link to its own page."""

    model = PlanVersion
    fields = ["state", "private_to", "published_at", "publisher", "subscriptions"]
    ordering = ["-number"]
    show_change_link = True
    verbose_name_plural = "versions"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PlanVersion]:
        """Count the customers on each version along the way."""
        versions: QuerySet[PlanVersion] = super().get_queryset(request)
        return versions.select_related("published_by", "customer").annotate(
            subscription_count=Count("subscriptions", filter=Q(subscriptions__ended_at=None))
        )

    @admin.display(description="For")
    def private_to(self, version: PlanVersion) -> str:
        """Return the customer of a version with prices agreed with one."""
        return str(version.customer or "everybody")

    @admin.display(description="Published by")
    def publisher(self, version: PlanVersion) -> str:
        """Return the address of who pressed the button."""
        return str(version.published_by or "—")

    @admin.display(description="Live subscriptions")
    def subscriptions(self, version: PlanVersion) -> int:
        """Return how many customers are on the version now."""
        return int(version.subscription_count)  # type: ignore[attr-defined]


@admin.register(Plan)
class PlanAdmin(PlanTemplatesAdmin):
    """Plans. A new one starts with a first draft."""

    fields = ["code", "name", "is_default"]
    list_display = ["code", "name", "created_at"]
    search_fields = ["code", "name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep the code by which the API names the plan."""
        return ["code"] if obj else []

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Show versions of a plan that exists."""
        return [VersionInline] if obj else []

    def get_urls(self) -> list[URLPattern]:
        """Add the button that opens a draft, and the page that compares versions."""
        draft = path(
            "<uuid:plan_id>/draft/",
            self.admin_site.admin_view(self.open_draft),
            name="pricing_plan_open_draft",
        )
        compare = path(
            "<uuid:plan_id>/compare/",
            self.admin_site.admin_view(self.compare),
            name="pricing_plan_compare",
        )
        from_file = path(
            "import/", self.admin_site.admin_view(self.import_plan), name="pricing_plan_import"
        )
        return [draft, compare, from_file, *super().get_urls()]

    def import_plan(self, request: HttpRequest) -> HttpResponse:
        """Make a plan of a file."""
        return plan_file_page.show(self, request)

    def compare(self, request: HttpRequest, plan_id: str) -> HttpResponse:
        """Show two versions of the plan side by side."""
        plan = get_object_or_404(self.get_queryset(request), id=plan_id)
        return comparisons.show(self, request, plan)

    def open_draft(self, request: HttpRequest, plan_id: str) -> HttpResponse:
        """Go to the plan's draft, opened if there was none."""
        plan = get_object_or_404(self.get_queryset(request), id=plan_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.require_change(request, plan)
        draft = publication.open_draft(plan=plan, at=timezone.now())
        return HttpResponseRedirect(reverse("admin:pricing_planversion_change", args=[draft.id]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Lead to the draft when there is one, and on to it after adding a plan."""
        plan = kwargs.get("obj")
        context["draft"] = (
            plan and plan.versions.filter(state=VersionState.DRAFT, customer=None).first()
        )
        context["show_save_and_add_another"] = False
        return super().render_change_form(request, context, *args, **kwargs)

    def response_add(
        self,
        request: HttpRequest,
        obj: Plan,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Go on to the prices of a new plan."""
        draft = publication.open_draft(plan=obj, at=timezone.now())
        self.message_user(request, f"{obj} was added. Now say what it charges.")
        return HttpResponseRedirect(reverse("admin:pricing_planversion_change", args=[draft.id]))
