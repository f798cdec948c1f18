"""The page that asks before it publishes: what changes, who is on the plan, and what is wrong."""

from collections.abc import Sequence

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from pricing import publication
from pricing.admin import comparisons
from pricing.admin.version_pages import VersionPage
from pricing.models import PlanVersion, Subscription


def show(page: VersionPage) -> HttpResponse:
    """Show what publishing the draft would mean; do it when that is confirmed."""
    page.require_edit()
    if page.request.method != "POST":
        return _render(page, publication.check(page.version))
    try:
        published = publication.publish(
            version=page.version, by=_person(page.request), at=timezone.now()
        )
    except publication.PublicationRefused as refusal:
        return _render(page, refusal.problems)
    page.admin.log_change(page.request, published, "state")
    page.admin.message_user(page.request, f"{published} is published and will never change.")
    return HttpResponseRedirect(reverse("admin:pricing_planversion_change", args=[published.id]))


def _render(page: VersionPage, problems: Sequence[publication.Problem]) -> HttpResponse:
    previous = publication.newest_published(page.version.plan)
    groups = comparisons.differences(previous, page.version)
    return page.render(
        "publish",
        "Publish",
        previous=previous,
        problems=problems,
        groups=groups,
        counted=comparisons.counted(groups),
        **subscription_counts(page.version),
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
