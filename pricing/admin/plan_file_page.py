"""A page that makes a plan of a file: the JSON that a version is exported as."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from accounts.tenant_admin import TenantModelAdmin, taken_seat
from pricing import plan_form, plan_import
from pricing.admin import price_files
from pricing.admin.file_forms import FileForm
from pricing.admin.text_tables import TableInvalid
from pricing.models import PlanVersion


def show(admin: TenantModelAdmin, request: HttpRequest) -> HttpResponse:
    """Ask for a file, or make the plan in it."""
    if not admin.has_add_permission(request):
        raise PermissionDenied("plans may not be added")
    form = FileForm()
    if request.method == "POST":
        form = FileForm(request.POST, request.FILES)
        draft = _imported(request, form) if form.is_valid() else None
        if draft is not None:
            admin.log_addition(request, draft.plan, [{"added": {}}])
            admin.message_user(request, f"{draft.plan} is a draft now.")
            address = reverse("admin:pricing_planversion_change", args=[draft.id])
            return HttpResponseRedirect(address)
    context: dict[str, Any] = {
        **admin.admin_site.each_context(request),
        "title": "Import a plan",
        "opts": admin.opts,
        "form": form,
    }
    return TemplateResponse(request, "admin/pricing/plan/import.html", context)


def _imported(request: HttpRequest, form: FileForm) -> PlanVersion | None:
    """Return the draft that the file became; None if the form says why there is none."""
    try:
        document = price_files.read(form.cleaned_data["content"])
        if isinstance(document, list):
            form.refuse(["These are prices without a plan. Import them into a draft."])
            return None
        return plan_import.import_plan(
            organization=taken_seat(request).organization, document=document, at=timezone.now()
        )
    except TableInvalid as invalid:
        form.refuse(invalid.mistakes)
    except plan_form.PlanInvalid as invalid:
        form.refuse([f"{field} {reason}." for field, reason in invalid.errors])
    except plan_import.DraftExists as exists:
        form.refuse([f"The plan “{exists}” has a draft. Import the file on the draft's own page."])
    return None
