"""The margins page: what events earned and cost, for a person to look at."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts import money
from accounts.models import Asset
from accounts.tenant_admin import taken_seat
from metering import margins
from metering.margins import Figures, NoCostAsset, Report, ReportInvalid, TooManyRows

DAYS_SHOWN = 30
ROWS_SHOWN = 500
_GROUPINGS = {
    "model": "Model",
    "customer": "Customer",
    "day": "Day",
    "meter": "Meter",
    "customer,model": "Customer and model",
    "model,meter": "Model and meter",
    "day,model": "Day and model",
    "day,customer": "Day and customer",
}


class MarginForm(forms.Form):
    """Which days, and by what."""

    start = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="Through", widget=forms.DateInput(attrs={"type": "date"}))
    by = forms.ChoiceField(label="By", choices=list(_GROUPINGS.items()))

    def clean(self) -> dict[str, Any]:
        """Refuse days that are no range, or a longer one than is added up."""
        cleaned: dict[str, Any] = super().clean() or {}
        if {"start", "last"} <= cleaned.keys():
            days = (cleaned["last"] - cleaned["start"]).days + 1
            if not 0 < days <= margins.DAYS_MAX:
                raise ValidationError(f"Choose 1 to {margins.DAYS_MAX} days.")
            if cleaned["last"] == dt.date.max:
                raise ValidationError("Choose days that come to an end.")
        return cleaned


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row as a person reads it."""

    names: Sequence[str]
    events: int
    revenue: str
    cost: str
    margin: str
    percent: str
    is_loss: bool
    unknown: str


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Show the margins of the organization the person sits in."""
    form = MarginForm(_asked(request))
    context |= {"title": "Margins", "form": form}
    if form.is_valid():
        context |= _report_context(request, form)
    return TemplateResponse(request, "admin/metering/margins.html", context)


def _asked(request: HttpRequest) -> dict[str, Any]:
    """Return what was asked for, by default the last days by model."""
    today = timezone.now().astimezone(dt.UTC).date()
    usual = {"start": today - dt.timedelta(days=DAYS_SHOWN - 1), "last": today, "by": "model"}
    return usual | {name: request.GET[name] for name in usual if name in request.GET}


def _report_context(request: HttpRequest, form: MarginForm) -> dict[str, Any]:
    asked = form.cleaned_data
    try:
        report = margins.report(
            organization_id=taken_seat(request).organization.id,
            start=asked["start"],
            end=asked["last"] + dt.timedelta(days=1),
            group_by=asked["by"].split(","),
        )
    except NoCostAsset:
        return {"has_no_policy": True}
    except TooManyRows:
        form.add_error(None, "That makes too many rows; choose fewer days.")
        return {}
    except ReportInvalid as error:
        form.add_error(None, f"{error.field} {error.reason}")
        return {}
    return _shown(report)


def _shown(report: Report) -> dict[str, Any]:
    scale = report.asset.scale
    rows = report.rows
    if report.group_by[0] != "day":
        rows = sorted(rows, key=lambda row: row.figures.margin)
    return {
        "report": report,
        "headings": [name.capitalize() for name in report.group_by],
        "lines": [_line(_names(row.group), row.figures, report.asset) for row in rows[:ROWS_SHOWN]],
        "total": _line([], report.total, report.asset),
        "hidden": max(len(rows) - ROWS_SHOWN, 0),
        "others": [
            (_names(other.group), other.events, other.asset, money.to_wire(other.revenue))
            for other in report.other_revenue[:ROWS_SHOWN]
        ],
        "elsewhere_cost": _amount(report.total.elsewhere_cost, scale),
    }


def _names(group: margins.Group) -> list[str]:
    return ["none" if value is None else value for value in group.values()]


def _line(names: Sequence[str], figures: Figures, asset: Asset) -> Line:
    scale = asset.scale
    percent = figures.margin_percent
    unknown = figures.unknown_cost_events
    return Line(
        names=names,
        events=figures.events,
        revenue=_amount(figures.revenue, scale),
        cost=_amount(figures.cost, scale),
        margin=_amount(figures.margin, scale),
        percent="–" if percent is None else f"{_amount(percent, 2)} %",
        is_loss=figures.is_loss,
        unknown=f"{unknown} for {_amount(figures.unknown_cost_revenue, scale)}" if unknown else "",
    )


def _amount(amount: Decimal, scale: int) -> str:
    return money.to_display(amount, scale=scale)
