"""What the pages of one plan version share: whose version it is, and what may be done with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from pricing.models import PlanVersion

if TYPE_CHECKING:
    from accounts.tenant_admin import TenantModelAdmin


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """A page about a version, asked for by somebody who may see it."""

    admin: "TenantModelAdmin"
    request: HttpRequest
    version: PlanVersion

    @property
    def may_edit(self) -> bool:
        """Whether whoever asks may change the version as it is now."""
        return self.admin.has_change_permission(self.request, self.version)

    def require_edit(self) -> None:
        """Raise PermissionDenied unless the version may be changed."""
        if not self.may_edit:
            raise PermissionDenied(f"{self.version} may not be changed")

    def render(self, template: str, title: str, **context: Any) -> HttpResponse:
        """Return the page."""
        return TemplateResponse(
            self.request,
            f"admin/pricing/planversion/{template}.html",
            {
                **self.admin.admin_site.each_context(self.request),
                "opts": self.admin.opts,
                "version": self.version,
                "may_edit": self.may_edit,
                "title": f"{title}: {self.version}",
                **context,
            },
        )


type View = Callable[[VersionPage], HttpResponse]
