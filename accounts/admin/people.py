"""Members of the organization, and the people of its customers."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import memberships
from accounts.admin import invitations
from accounts.models import Membership, PortalMembership, Role
from accounts.tenant_admin import TenantForm, TenantModelAdmin, taken_seat

ADDRESS_HELP = "Whoever has no account yet gets a mail to choose a password."


class MembershipForm(TenantForm):
    """A member's role; for a new member also the e-mail address."""

    email = forms.EmailField(label="E-mail", help_text=ADDRESS_HELP)

    class Meta:
        model = Membership
        fields = ["role"]

    def clean_email(self) -> str:
        """Refuse the address of somebody who is a member already."""
        email = str(self.cleaned_data["email"]).lower()
        members = Membership.objects.for_organization(self.seat.organization)
        if members.filter(user__email=email).exists():
            raise ValidationError("This person is a member already.")
        return email

    def clean(self) -> dict[str, Any]:
        """Keep the rules about owners."""
        cleaned = super().clean() or self.cleaned_data
        if "role" in cleaned:
            try:
                memberships.check_change(
                    membership=self.instance,
                    to=Role(cleaned["role"]),
                    by_owner=self.seat.may_own,
                )
            except memberships.MembershipRefused as refusal:
                self.add_error("role", str(refusal))
        return cleaned


class PersonShown:
    """Shows a person by the address they sign in with, without a link to the platform's list."""

    @admin.display(description="Person", ordering="user__email")
    def person(self, row: Membership | PortalMembership) -> str:
        """Return the address."""
        return row.user.email

    @admin.display(description="Has signed in", boolean=True)
    def has_signed_in(self, row: Membership | PortalMembership) -> bool:
        """Whether the person came at least once."""
        return row.user.last_login is not None


@admin.action(description="Send the invitation again", permissions=["add"])
def send_again(
    model_admin: TenantModelAdmin, request: HttpRequest, queryset: QuerySet[Any]
) -> None:
    """Mail those who were chosen once more."""
    for row in queryset.select_related("user"):
        invitations.invite(request, person=row.user, to=str(taken_seat(request).organization))


@admin.register(Membership)
class MembershipAdmin(PersonShown, TenantModelAdmin):
    """Members and their roles. The last owner can neither leave nor step down."""

    form = MembershipForm
    list_display = ["person", "role", "has_signed_in", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user"]
    search_fields = ["user__email"]
    actions = [send_again]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask for the address of a new member only."""
        return ["person", "role"] if obj else ["email", "role"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep the person of a place."""
        return ["person", "email"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only owners take an owner's place away, and never the last one."""
        if obj is None or not super().has_delete_permission(request, obj):
            return super().has_delete_permission(request, obj)
        may_unmake = taken_seat(request).may_own or obj.role != Role.OWNER
        return may_unmake and not memberships.is_last_owner(obj)

    def save_model(
        self,
        request: HttpRequest,
        obj: Membership,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Give the place, and tell a new member."""
        if change:
            obj.save()
            return
        obj.user = memberships.find_or_create_person(form.cleaned_data["email"])
        obj.save()
        invitations.invite(request, person=obj.user, to=str(obj.organization))

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """Take the place away."""
        try:
            memberships.check_change(membership=obj, to=None, by_owner=taken_seat(request).may_own)
        except memberships.MembershipRefused as refusal:
            raise PermissionDenied(str(refusal)) from refusal
        obj.delete()


class PortalMembershipForm(TenantForm):
    """A customer and the address of a person who may see their page."""

    email = forms.EmailField(label="E-mail", help_text=ADDRESS_HELP)

    class Meta:
        model = PortalMembership
        fields = ["customer"]

    def clean(self) -> dict[str, Any]:
        """Refuse a second place for the same person."""
        cleaned = super().clean() or self.cleaned_data
        people = PortalMembership.objects.for_organization(self.seat.organization).filter(
            customer=cleaned.get("customer"), user__email=str(cleaned.get("email")).lower()
        )
        if people.exists():
            self.add_error("email", "This person sees that customer's page already.")
        return cleaned


@admin.register(PortalMembership)
class PortalMembershipAdmin(PersonShown, TenantModelAdmin):
    """People of customers. A place is given or taken away, never changed."""

    form = PortalMembershipForm
    list_display = ["person", "customer", "has_signed_in", "created_at"]
    list_select_related = ["user", "customer"]
    search_fields = ["user__email", "customer__external_id", "customer__name"]
    autocomplete_fields = ["customer"]
    actions = [send_again]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask for an address, show a person."""
        return ["customer", "person", "created_at"] if obj else ["customer", "email"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: there is nothing to change in a place."""
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: PortalMembership,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Give the place and tell the person."""
        obj.user = memberships.find_or_create_person(form.cleaned_data["email"])
        obj.save()
        invitations.invite(request, person=obj.user, to=str(obj.organization))
