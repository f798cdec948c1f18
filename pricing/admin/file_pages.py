"""Versions as files: taken away as CSV or JSON, edited, and brought back into a draft."""

import json

from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone

from pricing import plan_export, plan_form, plan_import
from pricing.admin import price_csv, price_files, price_imports
from pricing.admin.file_forms import PriceFileForm
from pricing.admin.text_tables import Mistake, TableInvalid
from pricing.admin.version_pages import VersionPage
from pricing.models import Price


def show(page: VersionPage) -> HttpResponse:
    """Offer the files of a version, and take one into a draft."""
    form = PriceFileForm()
    if page.request.method == "POST":
        page.require_edit()
        form = PriceFileForm(page.request.POST, page.request.FILES)
        if form.is_valid() and _import(page, form):
            return HttpResponseRedirect(page.request.get_full_path())
    return page.render("files", "Import and export", form=form, prices=page.version.prices.count())


def _import(page: VersionPage, form: PriceFileForm) -> bool:
    """Write the file into the draft; whether that could be done, else the form says why not."""
    try:
        document = price_files.read(form.cleaned_data["content"])
        if isinstance(document, dict):
            if document.get("code") != page.version.plan.code:
                reason = f"The file is of the plan “{document.get('code')}”, not of this one."
                raise TableInvalid([Mistake(reason)])
            plan_import.import_plan(
                organization=page.version.organization,
                document=document,
                at=timezone.now(),
                replace_draft=True,
            )
            said = "The plan in the file is the draft now."
        else:
            stored = list(page.version.prices.select_related("meter", "asset"))
            removing = stored if form.cleaned_data["replace_all"] else []
            written = price_imports.write(page.version, document, removing=removing)
            said = f"The file is imported. Prices: {written}."
    except TableInvalid as invalid:
        form.refuse(invalid.mistakes)
        return False
    except plan_form.PlanInvalid as invalid:
        form.refuse([f"{field} {reason}." for field, reason in invalid.errors])
        return False
    page.admin.log_change(page.request, page.version, "prices")
    page.admin.message_user(page.request, said)
    return True


def export_csv(page: VersionPage) -> HttpResponse:
    """Return the prices as CSV."""
    rows = [
        (price.meter.code, price.asset.code, price.settle, price.definition)
        for price in _prices(page)
    ]
    # The mark at the beginning tells spreadsheets that the text is UTF-8.
    text = "\N{BYTE ORDER MARK}" + price_csv.write(rows)
    return _download(page, text, "text/csv; charset=utf-8", "csv")


def export_json(page: VersionPage) -> HttpResponse:
    """Return the whole version as JSON, with the assets and meters it needs."""
    text = json.dumps(plan_export.write(page.version), indent=2, ensure_ascii=False)
    return _download(page, text, "application/json", "json")


def _prices(page: VersionPage) -> list[Price]:
    return list(page.version.prices.select_related("meter", "asset"))


def _download(page: VersionPage, text: str, content_type: str, suffix: str) -> HttpResponse:
    name = f"{page.version.plan.code}-v{page.version.number}.{suffix}"
    return HttpResponse(
        text,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
