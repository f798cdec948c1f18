"""The page that asks before it publishes: what changes, whom it moves, and what is wrong."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from accounts.models import Customer, User
from pricing import cost_guard, publication
from pricing.admin import comparisons
from pricing.admin.term_forms import LinesField
from pricing.admin.version_pages import VersionPage
from pricing.models import PlanVersion, Settle, Subscription
from pricing.publication import Affected, Migration, Problem

MIGRATIONS = [
    ("new", "New customers only. Those on the plan stay as they are."),
    ("all", "Everybody on the plan, each with the next billing period."),
    ("some", "New customers, and these of those on the plan:"),
]


class PublishForm(forms.Form):
    """Whom a publication moves, and from when."""

    migrate = forms.ChoiceField(
        label="Who gets it", choices=MIGRATIONS, initial="new", widget=forms.RadioSelect
    )
    customers = forms.MultipleChoiceField(
        label="Customers", required=False, widget=forms.CheckboxSelectMultiple
    )
    others = LinesField(
        label="Other customers", required=False, help_text="Their external IDs, one on each line."
    )
    effective_from = forms.DateTimeField(
        label="Takes effect (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Empty for now. Customers get it with their first billing period from then on.",
    )

    def __init__(self, affected: Affected, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.affected = affected
        customers = self.fields["customers"]
        customers.choices = [(str(each.id), str(each)) for each in affected.customers]  # type: ignore[attr-defined]
        if affected.subscriptions <= len(affected.customers):
            del self.fields["others"]
        for name in ("customers", "others"):
            if name in self.fields:
                # Read by the template, and by the page's script through it.
                self.fields[name].shown_when = "migrate=some"  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Find the customers that were named."""
        cleaned = super().clean() or self.cleaned_data
        cleaned["migration"] = cleaned.get("migrate")
        if cleaned.get("migrate") == "some" and not self.errors:
            cleaned["migration"] = [*self._ticked(), *self._others()]
            if not cleaned["migration"] and not self.errors:
                self.add_error("customers", ValidationError("Choose at least one customer."))
        return cleaned

    def _ticked(self) -> Iterator[Customer]:
        ticked = set(self.cleaned_data.get("customers", ()))
        return (each for each in self.affected.customers if str(each.id) in ticked)

    def _others(self) -> Sequence[Customer]:
        names: list[str] = self.cleaned_data.get("others", [])
        if not names:
            return []
        organization = self.affected.customers[0].organization_id
        found = list(Customer.objects.for_organization(organization).filter(external_id__in=names))
        missing = set(names) - {each.external_id for each in found}
        if missing:
            unknown = ", ".join(sorted(missing))
            self.add_error("others", ValidationError(f"There is no customer {unknown}."))
        return found


def show(page: VersionPage) -> HttpResponse:
    """Show what publishing the draft would mean; do it when that is confirmed."""
    page.require_edit()
    affected = publication.affected(page.version)
    form = PublishForm(affected, initial={"effective_from": page.version.effective_from})
    if page.request.method != "POST":
        return _render(page, form, publication.check(page.version))
    form = PublishForm(affected, page.request.POST)
    if not form.is_valid():
        return _render(page, form, publication.check(page.version))
    try:
        published = publication.publish(
            version=page.version,
            by=_person(page.request),
            at=timezone.now(),
            migrate=form.cleaned_data["migration"],
            effective_from=form.cleaned_data["effective_from"],
        )
    except publication.PublicationRefused as refusal:
        return _render(page, form, refusal.problems)
    page.admin.log_change(page.request, published, "state")
    moved = _moved(form.cleaned_data["migration"], affected)
    said = f"{published} is published and will never change. {moved}"
    page.admin.message_user(page.request, said)
    return HttpResponseRedirect(reverse("admin:pricing_planversion_change", args=[published.id]))


def _moved(migration: Migration, affected: Affected) -> str:
    if migration == "new":
        return ""
    count = affected.subscriptions if migration == "all" else len(migration)
    return f"{count} customer{'s' if count != 1 else ''} will move to it."


def _render(page: VersionPage, form: PublishForm, problems: Sequence[Problem]) -> HttpResponse:
    previous = publication.newest_published(page.version.plan)
    groups = comparisons.differences(previous, page.version)
    affected = form.affected
    return page.render(
        "publish",
        "Publish",
        form=form,
        affected=affected,
        not_shown=affected.subscriptions - len(affected.customers),
        previous=previous,
        problems=problems,
        warnings=list(_warnings(page.version, timezone.now())),
        groups=groups,
        counted=comparisons.counted(groups),
    )


def _warnings(version: PlanVersion, at: dt.datetime) -> Iterator[str]:
    """Yield what does not keep a draft from being published, but may not be meant."""
    for found in cost_guard.findings(version, at):
        yield f"Below cost. {found.meter} in {found.asset}, {found.reason}."
    yield from _settled_late(version)


def _settled_late(version: PlanVersion) -> Iterator[str]:
    late = version.prices.filter(settle=Settle.AT_CLOSE).select_related("meter", "asset")
    names = ", ".join(str(price) for price in late)
    if names:
        yield (
            f"Charged when the period closes, not on each event: {names}. Until then a balance "
            "does not go down for it, and a limit does not stop it."
        )


def subscription_counts(version: PlanVersion) -> dict[str, int]:
    """Return how many customers are on the version, and on others of the same plan."""
    live: QuerySet[Subscription] = Subscription.objects.for_organization(
        version.organization_id
    ).filter(plan_version__plan=version.plan_id, ended_at=None)
    return {
        "subscriptions_here": live.filter(plan_version=version).count(),
        "subscriptions_elsewhere": live.exclude(plan_version=version).count(),
    }


def _person(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None
