"""The admin site: who comes in, and in which organization they sit."""

import functools
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.auth.views import PasswordResetConfirmView, redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, resolve_url
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import tenancy
from accounts.models import User
from accounts.tenant_admin import action_log, seats

type View = Callable[..., HttpResponseBase]

# Pages that are about the person or about organizations as such, not about one organization.
_WITHOUT_ORGANIZATION = {
    "choose_organization",
    "jsi18n",
    "logout",
    "password_change",
    "password_change_done",
    "accounts_organization_add",
}
_CHOICES_SHOWN = 50


class TenantAdminSite(admin.AdminSite):
    """Django admin for members of organizations and for platform staff.

    Every page except a few about the person is about the one organization chosen, and runs in a
    transaction that acts for it.
    """

    site_header = "Drawdown"
    site_title = "Drawdown"
    index_title = "Administration"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        # Deleting is done one by one, where the page can say what stands in the way.
        self.disable_action("delete_selected")

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in platform staff and members of any organization, as long as they are active."""
        user = request.user
        if not isinstance(user, User):
            return False
        if seats.seat_of(request) is not None:
            return True
        return user.is_active and (user.is_superuser or seats.organizations_open_to(user).exists())

    def login(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Send people to the one login page of the product; turn away those who may not enter."""
        following = request.GET.get("next", "")
        if not request.user.is_authenticated:
            return redirect_to_login(following or reverse("admin:index"), settings.LOGIN_URL)
        if not self.has_permission(request):
            raise PermissionDenied("the admin is for members of an organization")
        return HttpResponseRedirect(_safe(following, request) or reverse("admin:index"))

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Wrap a view of the admin: access first, then the organization, then the view."""
        return super().admin_view(self._seated(view), cacheable)

    def _seated(self, view: View) -> View:
        @functools.wraps(view)
        def seated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            _check_parameters(request)
            seat = seats.seat_of(request)
            if seat is None:
                if _url_name(request) not in _WITHOUT_ORGANIZATION:
                    return redirect_to_login(
                        request.get_full_path(), reverse("admin:choose_organization")
                    )
                with transaction.atomic():
                    return _rendered(view(request, *args, **kwargs))
            if _is_of_another_organization(request, seat):
                return self._refuse_stale_form(request)
            with tenancy.transaction_for(seat.organization.id):
                return _rendered(view(request, *args, **kwargs))

        return seated

    def _refuse_stale_form(self, request: HttpRequest) -> HttpResponse:
        context = {**self.each_context(request), "title": "You switched organizations"}
        return TemplateResponse(request, "admin/stale_form.html", context, status=409)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """Add the choice of an organization, and drop the page that opens any row by its id."""
        urls = [url for url in super().get_urls() if getattr(url, "name", None) != "view_on_site"]
        choose = path(
            "organization/",
            self.admin_view(self.choose_organization),
            name="choose_organization",
        )
        invitation = path(
            "invitation/<uidb64>/<token>/", self.accept_invitation, name="accept_invitation"
        )
        return [choose, invitation, *urls]

    def choose_organization(self, request: HttpRequest) -> HttpResponse:
        """Show the organizations open to the person, or sit down in the one they picked."""
        user = request.user
        if not isinstance(user, User):
            raise Http404
        open_to_user = seats.organizations_open_to(user)
        following = _safe(request.POST.get("next") or request.GET.get("next", ""), request)
        if request.method == "POST":
            slug = request.POST.get("organization", "")
            seats.take(request, get_object_or_404(open_to_user, slug=slug))
            return HttpResponseRedirect(following or reverse("admin:index"))
        search = request.GET.get("q", "").strip()
        found = open_to_user.filter(Q(name__icontains=search) | Q(slug__icontains=search))
        context = {
            **self.each_context(request),
            "title": "Choose an organization",
            "organizations": found[:_CHOICES_SHOWN],
            "has_more": found[_CHOICES_SHOWN : _CHOICES_SHOWN + 1].exists(),
            "may_add": user.is_superuser,
            "search": search,
            "next": following,
        }
        request.current_app = self.name
        return TemplateResponse(request, "admin/choose_organization.html", context)

    def accept_invitation(self, request: HttpRequest, uidb64: str, token: str) -> HttpResponseBase:
        """Let somebody who was invited by mail choose a first password."""
        view = PasswordResetConfirmView.as_view(
            template_name="admin/accept_invitation.html",
            success_url=resolve_url(settings.LOGIN_URL),
            title="Choose a password",
            extra_context=self.each_context(request),
        )
        return view(request, uidb64=uidb64, token=token)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the organization to every page, and whether there is another one to switch to."""
        context = super().each_context(request)
        seat = seats.seat_of(request)
        user = request.user
        return {
            **context,
            "organization": seat.organization if seat else None,
            "may_switch": isinstance(user, User) and _has_choice(user),
        }

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """Return the log of the organization for "recent actions"."""
        return action_log.entries(request)


def _has_choice(user: User) -> bool:
    return user.is_superuser or seats.organizations_open_to(user)[1:2].exists()


def _check_parameters(request: HttpRequest) -> None:
    """Raise BadRequest for parameters that no page of ours sends and Django stumbles over."""
    for parameters in (request.GET, request.POST):
        texts = [text for _, values in parameters.lists() for text in values]
        if any("\0" in text for text in texts) or parameters.get(TO_FIELD_VAR) == "":
            raise BadRequest("a parameter cannot be read")


def _is_of_another_organization(request: HttpRequest, seat: seats.Seat) -> bool:
    """Whether a form was opened in one organization and sent after switching to another."""
    if request.method != "POST":
        return False
    opened_in = request.POST.get("_organization")
    return opened_in is not None and opened_in != str(seat.organization.id)


def _url_name(request: HttpRequest) -> str | None:
    return request.resolver_match.url_name if request.resolver_match else None


def _rendered(response: HttpResponseBase) -> HttpResponseBase:
    # A template reads rows while it renders, so that must happen inside the transaction too.
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    return response


def _safe(address: str, request: HttpRequest) -> str:
    allowed = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return address if allowed else ""
