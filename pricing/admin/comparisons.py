"""Two versions of a plan side by side: what was added, taken away or changed, price by price."""

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.tenant_admin import TenantModelAdmin
from pricing import version_changes
from pricing.models import Plan, PlanVersion
from pricing.version_changes import Change

_AMOUNT = re.compile(r"([\d,]+(?:\.\d+)?)(?= )")
TERMS = "Terms of the plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One line of a comparison, and the word that says what kind it is."""

    subject: str
    before: str
    after: str

    @property
    def kind(self) -> str:
        """Return the word."""
        if not self.before:
            return "added"
        return "changed" if self.after else "removed"

    @property
    def by_how_much(self) -> str:
        """Return how much dearer or cheaper it became; "" when that is no single number."""
        before, after = _AMOUNT.findall(self.before), _AMOUNT.findall(self.after)
        if len(before) != len(after) or not before:
            return ""
        if _AMOUNT.sub("", self.before) != _AMOUNT.sub("", self.after):
            return ""
        pairs = {(b, a) for b, a in zip(before, after, strict=True) if b != a}
        if len(pairs) != 1:
            return ""
        ((old, new),) = pairs
        return _share(Decimal(old.replace(",", "")), Decimal(new.replace(",", "")))


def _share(old: Decimal, new: Decimal) -> str:
    if not old:
        return ""
    share = (abs(new - old) * 100 / old).quantize(Decimal("0.1")).normalize()
    return f"{share:f} % {'more' if new > old else 'less'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The differences of one price, or of the terms around all prices."""

    title: str
    differences: Sequence[Difference]


def differences(before: PlanVersion | None, after: PlanVersion) -> list[Group]:
    """Return what `after` changes, grouped by price; everything is added without a `before`."""
    return group(version_changes.compare(before, after))


def group(changes: Iterable[Change]) -> list[Group]:
    """Group changes by what they are about."""
    groups: dict[str, list[Difference]] = {}
    for change in changes:
        price, comma, cell = change.subject.partition(", ")
        of_price = bool(comma) or " in " in price
        title, subject = (price, cell or "price") if of_price else (TERMS, change.subject)
        groups.setdefault(title, []).append(
            Difference(subject=subject, before=change.before, after=change.after)
        )
    return [Group(title=title, differences=each) for title, each in groups.items()]


def counted(groups: Iterable[Group]) -> str:
    """Say how many differences of each kind there are, for example `3 changed, 1 added`."""
    kinds = [each.kind for group in groups for each in group.differences]
    counts = [(kinds.count(kind), kind) for kind in ("changed", "added", "removed")]
    return ", ".join(f"{count} {kind}" for count, kind in counts if count)


def show(admin: TenantModelAdmin, request: HttpRequest, plan: Plan) -> HttpResponse:
    """Show two versions of a plan side by side: those asked for, or the two newest."""
    versions = list(plan.versions.order_by("-number"))
    after = _asked(request, "after", versions) or (versions[0] if versions else None)
    older = [each for each in versions if after and each.number < after.number]
    before = _asked(request, "before", versions) or (older[0] if older else None)
    groups = differences(before, after) if after else []
    context = {
        **admin.admin_site.each_context(request),
        "title": f"Compare versions: {plan}",
        "opts": admin.opts,
        "plan": plan,
        "versions": versions,
        "before": before,
        "after": after,
        "version": after,
        "groups": groups,
        "counted": counted(groups),
    }
    return TemplateResponse(request, "admin/pricing/plan/compare.html", context)


def _asked(request: HttpRequest, name: str, versions: Sequence[PlanVersion]) -> PlanVersion | None:
    try:
        asked = uuid.UUID(request.GET.get(name, ""))
    except ValueError:
        return None
    return next((each for each in versions if each.id == asked), None)
