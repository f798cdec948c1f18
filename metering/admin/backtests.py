"""The pages of backtests: asking for one, watching it, and reading what it has found."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from accounts.models import Customer, User
from accounts.tenant_admin import ReadOnlyAdmin, TenantForm
from metering import backtest_reports, backtests, tasks
from metering.backtest_reports import AssetTotal, Figures
from metering.models import BacktestRun, BacktestState
from pricing.models import PlanVersion

LINES_SHOWN = 200
CUSTOMERS_MAX = 1_000
DAYS_OFFERED = 30


class VersionField(forms.ModelChoiceField[PlanVersion]):
    """A choice of versions, told apart by what state they are in."""

    def label_from_instance(self, obj: PlanVersion) -> str:
        """Return the version's name, and that it is a draft if it is."""
        return f"{obj}, draft" if obj.is_draft else str(obj)


class BacktestForm(TenantForm):
    """Which version, on which days of whose past."""

    plan_version = VersionField(
        label="Version",
        queryset=PlanVersion.objects.none(),
        help_text="Its prices are tried. A draft must be ready to be published.",
    )
    start = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(
        label="Through",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="UTC days. An event counts on the day it was received, a fixed amount, a minimum "
        "or usage settled at close on the day its billing period ends.",
    )
    customers = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "lines"}),
        help_text="External IDs, one on each line. Empty for everybody who was on the plan.",
    )
    everyone = forms.BooleanField(
        required=False,
        label="Everybody",
        help_text="Also customers who were on other plans.",
    )

    class Meta:
        model = BacktestRun
        fields = ["plan_version", "everyone"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = PlanVersion.objects.for_organization(self.seat.organization)
        offered = versions.filter(customer=None).select_related("plan")
        field: Any = self.fields["plan_version"]
        field.queryset = offered.order_by("plan__code", "state", "-number")
        today = timezone.now().astimezone(dt.UTC).date()
        self.fields["start"].initial = today - dt.timedelta(days=DAYS_OFFERED)
        self.fields["last"].initial = today

    def clean_plan_version(self) -> PlanVersion:
        """Refuse a draft with its problems."""
        version: PlanVersion = self.cleaned_data["plan_version"]
        try:
            backtests.check(version)
        except backtests.VersionRefused as refusal:
            raise ValidationError(
                [f"{problem.field}: {problem.reason}" for problem in refusal.problems]
            ) from refusal
        except backtests.TooManyRuns as error:
            raise ValidationError("Too many backtests wait already.") from error
        return version

    def clean_customers(self) -> Sequence[Customer]:
        """Find the customers that are named."""
        names = [line.strip() for line in self.cleaned_data["customers"].splitlines()]
        names = [name for name in names if name]
        if len(names) > CUSTOMERS_MAX:
            raise ValidationError(f"Name at most {CUSTOMERS_MAX} customers.")
        customers = Customer.objects.for_organization(self.seat.organization)
        found = list(customers.filter(external_id__in=names))
        missing = sorted(set(names) - {customer.external_id for customer in found})
        if missing:
            raise ValidationError(f"There is no customer {missing[0]}.")
        return found

    def clean(self) -> dict[str, Any]:
        """Refuse days that are no range, and two answers to one question."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if {"start", "last"} <= cleaned.keys():
            if cleaned["last"] < cleaned["start"]:
                self.add_error("last", "Choose a day that is not before the first.")
            elif cleaned["last"] == dt.date.max:
                self.add_error("last", "Choose a day that has another after it.")
        if cleaned.get("everyone") and cleaned.get("customers"):
            self.add_error("everyone", "Name customers, or take everybody.")
        return cleaned


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One asset on the page."""

    total: AssetTotal
    lines: Sequence[tuple[Customer, Figures]]

    @property
    def hidden(self) -> int:
        """How many customers have smaller differences than those shown."""
        return self.total.customers - len(self.lines)


@admin.register(BacktestRun)
class BacktestRunAdmin(ReadOnlyAdmin):
    """Backtests. One is asked for here, done by a worker, and watched here."""

    form = BacktestForm
    fields = ["plan_version", "start", "last", "customers", "everyone"]
    list_display = ["plan_version", "days", "state", "progress", "requested_by", "requested_at"]
    list_display_links = ["plan_version", "days"]
    list_filter = ["state"]
    list_select_related = ["plan_version__plan", "requested_by"]
    show_full_result_count = False

    @admin.display(description="Days", ordering="range_starts_at")
    def days(self, run: BacktestRun) -> str:
        """Return the range as days."""
        first, last = _days(run)
        return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"

    @admin.display(description="Done")
    def progress(self, run: BacktestRun) -> str:
        """Return how far it has come."""
        return f"{backtest_reports.percent_done(run)} %"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Owners, admins and platform staff may ask for one."""
        return self._may_edit(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What is not being worked on may go."""
        if not self._may_edit(request):
            return False
        return obj is None or obj.state != BacktestState.RUNNING

    def save_model(
        self,
        request: HttpRequest,
        obj: BacktestRun,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Write the wish down and wake a worker."""
        asked = form.cleaned_data
        made = backtests.request_backtest(
            plan_version=asked["plan_version"],
            range_starts_at=_midnight(asked["start"]),
            range_ends_at=_midnight(asked["last"] + dt.timedelta(days=1)),
            customers=asked["customers"],
            everyone=asked["everyone"],
            by=request.user if isinstance(request.user, User) else None,
            at=timezone.now(),
        )
        obj.pk = made.pk
        obj.refresh_from_db()

    def response_add(
        self, request: HttpRequest, obj: BacktestRun, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Go on to the page on which it can be watched."""
        transaction.on_commit(tasks.wake_backtests)
        return HttpResponseRedirect(reverse("admin:metering_backtestrun_change", args=[obj.pk]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Leave one button: there is nothing to save and edit further."""
        context |= {
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
            "title": "Ask for a backtest",
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show how far it is and what it has found; only the part that moves when asked again."""
        run = self.get_object(request, unquote(object_id))
        if run is None:
            raise Http404("There is no such backtest.")
        if request.method not in {"GET", "HEAD"} or not self.has_view_permission(request, run):
            raise PermissionDenied("a backtest is only looked at")
        name = "admin/metering/backtestrun/watch.html"
        if request.htmx:  # type: ignore[attr-defined]  # Set by its middleware.
            name += "#live"
        context = {
            **self.admin_site.each_context(request),
            "title": f"Backtest of {run.plan_version}",
            "opts": self.opts,
            "may_add": self.has_add_permission(request),
            "may_delete": self.has_delete_permission(request, run),
            **watched(run),
        }
        return TemplateResponse(request, name, context)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[BacktestRun]:
        """Return the organization's runs with what their pages name."""
        runs: models.QuerySet[BacktestRun] = super().get_queryset(request)
        return runs.select_related("plan_version__plan", "requested_by")


def watched(run: BacktestRun) -> dict[str, Any]:
    """Return what the page shows of a run."""
    results = backtest_reports.largest_differences(run, limit=LINES_SHOWN)
    lines = [(result, backtest_reports.figures_of(result)) for result in results]
    sections = [
        Section(
            total=total,
            lines=[
                (result.customer, figures)
                for result, figures in lines
                if result.asset_id == total.figures.asset.id
            ],
        )
        for total in backtest_reports.totals(run)
    ]
    first, last = _days(run)
    return {
        "run": run,
        "version": run.plan_version,
        "first": first,
        "last": last,
        "named": Customer.objects.filter(organization=run.organization_id, id__in=run.customer_ids)[
            :10
        ],
        "percent": backtest_reports.percent_done(run),
        "sections": sections,
    }


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)


def _days(run: BacktestRun) -> tuple[dt.datetime, dt.datetime]:
    """Return the first and the last moment of a range, which ends before its end."""
    last = run.range_ends_at - dt.timedelta(microseconds=1)
    return run.range_starts_at.astimezone(dt.UTC), last.astimezone(dt.UTC)
