"""Organizations, and the platform's own list of people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.models import Organization, User
from accounts.tenant_admin import LoggedAdmin, seat_of, take

if TYPE_CHECKING:
    # The classes take type parameters only in their stubs.
    _UserAdmin = UserAdmin[User]
    _CreationForm = AdminUserCreationForm[User]
    _ChangeForm = UserChangeForm[User]
else:
    _UserAdmin = UserAdmin
    _CreationForm = AdminUserCreationForm
    _ChangeForm = UserChangeForm

# Roles belong to a place in an organization; nobody is given rights by groups.
admin.site.unregister(Group)


@admin.register(Organization)
class OrganizationAdmin(LoggedAdmin):
    """Members rename their own organization; platform staff see all and add new ones."""

    fields = ["name", "slug"]
    list_display = ["name", "slug", "created_at"]
    search_fields = ["name", "slug"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        """Return the organization of the request; all of them for platform staff."""
        organizations = Organization.objects.all()
        if request.user.is_superuser:
            return organizations
        seat = seat_of(request)
        return organizations.filter(id=seat.organization.id) if seat else organizations.none()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the model on the index page."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see a row may look at it; which rows is for `get_queryset` to say."""
        return request.user.is_superuser or seat_of(request) is not None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Owners and admins rename their organization."""
        seat = seat_of(request)
        return request.user.is_superuser or (seat is not None and seat.may_edit)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Platform staff only."""
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: its books stay."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep the slug of an organization that exists, because addresses are made of it."""
        return ["slug"] if obj else []

    def get_prepopulated_fields(
        self,
        request: HttpRequest,
        obj: Any = None,
    ) -> dict[str, Sequence[str]]:
        """Suggest a slug for a new organization."""
        return {} if obj else {"slug": ["name"]}

    def response_add(
        self,
        request: HttpRequest,
        obj: Organization,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Sit down in the new organization, which has nobody in it yet."""
        take(request, obj)
        self.message_user(request, f"{obj} was added. Its first member should be an owner.")
        return HttpResponseRedirect(reverse("admin:accounts_membership_add"))


class PersonCreationForm(_CreationForm):
    """A new person, known by an e-mail address."""

    class Meta:
        model = User
        fields = ["email", "name"]

    def clean_email(self) -> str:
        """Keep addresses in lower case, as sign-in expects them."""
        return str(self.cleaned_data["email"]).lower()


class PersonChangeForm(_ChangeForm):
    """A person as the platform's staff see them."""

    class Meta:
        model = User
        fields = ["email", "name", "password", "is_active", "is_superuser"]
        labels = {"is_superuser": "Platform staff"}
        help_texts = {
            "is_active": "Whether the person may sign in. People are never deleted.",
            "is_superuser": "May enter every organization, add new ones and manage people.",
        }

    def clean_email(self) -> str:
        """Keep addresses in lower case, as sign-in expects them."""
        return str(self.cleaned_data["email"]).lower()


@admin.register(User)
class PersonAdmin(LoggedAdmin, _UserAdmin):
    """Everybody who can sign in. Rights are Django's own, which only platform staff have here."""

    form = PersonChangeForm
    add_form = PersonCreationForm
    fieldsets = [
        (None, {"fields": ["email", "name", "password"]}),
        ("Access", {"fields": ["is_active", "is_superuser"]}),
    ]
    add_fieldsets = (
        (None, {"fields": ["email", "name", "usable_password", "password1", "password2"]}),
    )
    list_display = ["email", "name", "is_active", "is_superuser", "last_login"]
    list_filter = ["is_active", "is_superuser"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    filter_horizontal = []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: what a person published keeps their name."""
        return False
