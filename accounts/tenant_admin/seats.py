"""Seats: in which organization a person sits while using the admin, and what they may do there.

The choice of organization is remembered in the session, but what it allows is read again on every
request, so that a role taken away is gone at the next click.
"""

import uuid
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import tenancy
from accounts.models import EDITING_ROLES, Organization, Role, User

_SESSION_KEY = "admin_organization"
_REQUEST_KEY = "admin_seat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A person's place in one organization; `role` is None for platform staff without one."""

    organization: Organization
    role: Role | None
    is_staff: bool

    @property
    def may_edit(self) -> bool:
        """Whether rows may be added, changed and deleted; an analyst only looks."""
        return self.is_staff or self.role in EDITING_ROLES

    @property
    def may_own(self) -> bool:
        """Whether owners may be made and unmade."""
        return self.is_staff or self.role == Role.OWNER


def organizations_open_to(user: User) -> QuerySet[Organization]:
    """Return the organizations the person may choose: all of them for platform staff."""
    if not user.is_active:
        return Organization.objects.none()
    if user.is_superuser:
        return Organization.objects.order_by("name")
    return Organization.objects.filter(
        id__in=tenancy.memberships_of(user).values("organization")
    ).order_by("name")


def take(request: HttpRequest, organization: Organization) -> None:
    """Sit down in `organization` for this request and the following ones."""
    request.session[_SESSION_KEY] = str(organization.id)
    vars(request).pop(_REQUEST_KEY, None)


def seat_of(request: HttpRequest) -> Seat | None:
    """Return where the person sits, or None as long as there is a choice to make."""
    remembered = vars(request)
    if _REQUEST_KEY not in remembered:
        remembered[_REQUEST_KEY] = _find_seat(request)
    seat: Seat | None = remembered[_REQUEST_KEY]
    return seat


def taken_seat(request: HttpRequest) -> Seat:
    """Return where the person sits. Raises PermissionDenied when they sit nowhere."""
    seat = seat_of(request)
    if seat is None:
        raise PermissionDenied("choose an organization first")
    return seat


def _find_seat(request: HttpRequest) -> Seat | None:
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    chosen = _chosen(request)
    places = {place.organization_id: place for place in tenancy.memberships_of(user)}
    if len(places) == 1 and not user.is_superuser:
        # Someone with a single place never has to choose.
        (place,) = places.values()
    elif chosen in places:
        place = places[chosen]
    else:
        return _find_seat_of_staff(user, chosen)
    return Seat(organization=place.organization, role=Role(place.role), is_staff=user.is_superuser)


def _find_seat_of_staff(user: User, chosen: uuid.UUID | None) -> Seat | None:
    if not user.is_superuser or chosen is None:
        return None
    organization = Organization.objects.filter(id=chosen).first()
    if organization is None:
        return None
    return Seat(organization=organization, role=None, is_staff=True)


def _chosen(request: HttpRequest) -> uuid.UUID | None:
    chosen = request.session.get(_SESSION_KEY)
    return uuid.UUID(chosen) if chosen else None
