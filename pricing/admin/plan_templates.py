"""Plans from templates: a page of published price lists, each one button away from a draft."""

from collections.abc import Sequence
from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.tenant_admin import TenantModelAdmin, taken_seat
from pricing import plan_import, templates_catalog
from pricing.models import Plan
from pricing.plan_form import PlanInvalid
from pricing.templates_catalog import Template


class Card(NamedTuple):
    """A template, and the plan of the organization that has its code already."""

    template: Template
    plan: Plan | None


class PlanTemplatesAdmin(TenantModelAdmin):
    """What the admin of plans adds to offer templates: a page, and a button that leads to it."""

    change_list_template = "admin/pricing/plan_templates/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the page of templates."""
        templates = path(
            "templates/",
            self.admin_site.admin_view(self.choose_template),
            name="pricing_plan_templates",
        )
        return [templates, *super().get_urls()]

    def choose_template(self, request: HttpRequest) -> HttpResponse:
        """Show the templates, or make a draft of the one that was chosen."""
        if request.method != "POST":
            return self._templates_page(request)
        if not self.has_add_permission(request):
            raise PermissionDenied("plans may not be added")
        try:
            template = templates_catalog.find(request.POST.get("template", ""))
        except templates_catalog.TemplateUnknown:
            return self._templates_page(request, problems=["There is no such template."])
        return self._create(request, template)

    def _create(self, request: HttpRequest, template: Template) -> HttpResponse:
        try:
            draft = plan_import.import_plan(
                organization=taken_seat(request).organization,
                document=template.plan,
                at=timezone.now(),
            )
        except PlanInvalid as invalid:
            problems = [f"{error.field} {error.reason}" for error in invalid.errors]
            return self._templates_page(request, template=template, problems=problems)
        except plan_import.DraftExists:
            problems = ["The plan has a draft already: publish it or throw it away first."]
            return self._templates_page(request, template=template, problems=problems)
        self.log_addition(request, draft, [{"added": {"name": "template", "object": template.id}}])
        self.message_user(request, f"{draft} is a draft with the prices of {template.title}.")
        return HttpResponseRedirect(reverse("admin:pricing_planversion_change", args=[draft.id]))

    def _templates_page(
        self,
        request: HttpRequest,
        *,
        template: Template | None = None,
        problems: Sequence[str] = (),
    ) -> HttpResponse:
        """Show all templates; `problems` say why a plan could not be made of `template`."""
        found = Plan.objects.for_organization(taken_seat(request).organization)
        plans = {plan.code: plan for plan in found}
        templates = templates_catalog.all_templates()
        context = {
            **self.admin_site.each_context(request),
            "title": "Create a plan from a template",
            "opts": self.opts,
            "cards": [Card(each, plans.get(each.plan["code"])) for each in templates],
            "refused": template,
            "problems": problems,
            "may_add": self.has_add_permission(request),
        }
        return TemplateResponse(request, "admin/pricing/plan_templates/list.html", context)
