"""Who may see which page.

A customer's page is open to the customer's own people, to the members of the organization that
bills the customer, and to the platform's staff. To everybody else it does not exist: a foreign id
and an unknown one are answered alike.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate

from django.contrib.auth.views import redirect_to_login
from django.db.models import Exists, OuterRef, Q
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from accounts import tenancy
from accounts.models import (
    EDITING_ROLES,
    Customer,
    Membership,
    Organization,
    PortalMembership,
    User,
)


class PageRequest(HttpRequest):
    """A request of somebody who has signed in."""

    user: User
    htmx: HtmxDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A page that is somebody's own, offered at the front door."""

    title: str
    subtitle: str
    url: str


def sign_in_required[**P](
    view: Callable[Concatenate[PageRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Send people who are not signed in to the login page, also from a fragment that polls."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)  # type: ignore[arg-type]
        login = redirect_to_login(request.get_full_path())
        # A fragment must not be replaced by the login page that a plain redirect would lead to.
        is_fragment = request.headers.get("HX-Request") == "true"
        return HttpResponseClientRedirect(login.url) if is_fragment else login

    return guarded


def find_organization(user: User, *, slug: str) -> Organization:
    """Return the organization if `user` works there or for the platform; else raise Http404."""
    organizations = Organization.objects.filter(slug=slug)
    if not user.is_superuser:
        organizations = organizations.filter(
            Exists(Membership.objects.filter(organization=OuterRef("pk"), user=user))
        )
    organization = organizations.first()
    if organization is None:
        raise Http404
    return organization


def may_act(user: User, organization: Organization) -> bool:
    """Whether `user` decides things there, and does not only look."""
    if user.is_superuser:
        return True
    memberships = Membership.objects.for_organization(organization)
    return memberships.filter(user=user, role__in=EDITING_ROLES).exists()


def find_customer(user: User, *, customer_id: uuid.UUID) -> tuple[Customer, bool]:
    """Return the customer, and whether `user` looks from the seller's side; else raise Http404."""
    is_member = Exists(Membership.objects.filter(organization=OuterRef("organization"), user=user))
    is_own = Exists(
        PortalMembership.objects.filter(
            organization=OuterRef("organization"), customer=OuterRef("pk"), user=user
        )
    )
    customers = Customer.objects.select_related("organization").annotate(is_member=is_member)
    if not user.is_superuser:
        customers = customers.filter(Q(is_member=True) | is_own)
    customer = customers.filter(pk=customer_id).first()
    if customer is None:
        raise Http404
    return customer, user.is_superuser or customer.is_member


def may_change(user: User, customer: Customer, *, is_operator: bool) -> bool:
    """Whether `user`, who may see the customer's page, may set limits and stop usage there.

    The customer's own people may; from the seller's side those who may edit, not analysts.
    """
    if user.is_superuser or not is_operator:
        return True
    return Membership.objects.filter(
        organization=customer.organization_id, user=user, role__in=EDITING_ROLES
    ).exists()


def destinations(user: User) -> list[Destination]:
    """Return the pages `user` came for: organizations to run, then customers they belong to."""
    if user.is_superuser:
        return [_organization(organization) for organization in Organization.objects.all()]
    memberships = tenancy.memberships_of(user)
    portals = (
        PortalMembership.objects.filter(user=user)
        .select_related("customer__organization")
        .order_by("customer__name", "customer__external_id")
    )
    return [
        *(_organization(membership.organization) for membership in memberships),
        *(_customer(portal.customer) for portal in portals),
    ]


def _organization(organization: Organization) -> Destination:
    url = reverse("customer-list", args=[organization.slug])
    return Destination(title=organization.name, subtitle="Customers and balances", url=url)


def _customer(customer: Customer) -> Destination:
    url = reverse("customer", args=[customer.id])
    return Destination(
        title=str(customer), subtitle=f"Billed by {customer.organization.name}", url=url
    )
