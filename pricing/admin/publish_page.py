"""The page that asks before it publishes: what changes, whom it moves, and what is wrong."""

import datetime as dt
from collections.abc import Iterator, Sequence

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from pricing import cost_guard, publication
from pricing.admin import comparisons
from pricing.admin.publish_form import PublishForm
from pricing.admin.version_pages import VersionPage
from pricing.models import PlanVersion, Settle, Subscription
from pricing.publication import Affected, Migration, Problem


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
