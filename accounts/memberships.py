"""Memberships: who belongs to an organization, and who may say so.

An organization always keeps at least one owner, and only an owner makes or unmakes owners.
"""

from accounts.models import Membership, Role, User


class MembershipRefused(Exception):
    """The place may not be given or taken like that; the message says why, for people."""


def find_or_create_person(email: str) -> User:
    """Return the person with this address.

    Somebody new cannot sign in until they choose a password, to which only mail sent to that very
    address leads: whoever names an address must not come to own it.
    """
    person = User.objects.filter(email=email.strip().lower()).first()
    return person or User.objects.create_user(email)


def is_last_owner(membership: Membership) -> bool:
    """Whether the organization would have no owner without this place."""
    others = Membership.objects.for_organization(membership.organization_id).filter(role=Role.OWNER)
    return membership.role == Role.OWNER and not others.exclude(id=membership.id).exists()


def check_change(*, membership: Membership, to: Role | None, by_owner: bool) -> None:
    """Raise MembershipRefused unless the place may get the role `to` (None: be taken away).

    `membership` holds the role as it is now. The owners stay locked until the transaction ends, so
    two owners who leave at the same moment cannot both be let go.
    """
    owners = Membership.objects.for_organization(membership.organization_id).filter(role=Role.OWNER)
    list(owners.order_by("id").select_for_update().values_list("id"))
    if to != membership.role and Role.OWNER in (to, membership.role) and not by_owner:
        raise MembershipRefused("Only an owner makes or unmakes owners.")
    if to != Role.OWNER and is_last_owner(membership):
        raise MembershipRefused("An organization needs at least one owner.")
