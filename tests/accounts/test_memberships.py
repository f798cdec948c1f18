"""Who belongs to an organization, also when two people decide at the same moment."""

import threading

import pytest
from django.db import connection, transaction

from accounts import memberships
from accounts.memberships import MembershipRefused
from accounts.models import Membership, Role, User
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_a_person_is_found_by_address_in_any_case() -> None:
    person = UserFactory.create(email="ada@example.com")
    assert memberships.find_or_create_person(" Ada@Example.com ") == person


def test_somebody_new_cannot_sign_in_yet() -> None:
    person = memberships.find_or_create_person("New@example.com")
    assert person == User.objects.get(email="new@example.com")
    assert not person.has_usable_password()


def test_the_only_owner_stays_one() -> None:
    owner = MembershipFactory.create()
    for role in (Role.ADMIN, None):
        with pytest.raises(MembershipRefused, match="at least one owner"):
            memberships.check_change(membership=owner, to=role, by_owner=True)


def test_owners_of_other_organizations_do_not_count() -> None:
    owner = MembershipFactory.create()
    MembershipFactory.create(user=owner.user)
    assert memberships.is_last_owner(owner)


def test_what_is_not_about_owners_is_open_to_admins() -> None:
    analyst = MembershipFactory.create(analyst=True)
    for role in (Role.ADMIN, Role.ANALYST, None):
        memberships.check_change(membership=analyst, to=role, by_owner=False)


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_leave_one_behind() -> None:
    organization = OrganizationFactory.create()
    owners = [MembershipFactory.create(organization=organization) for _ in range(2)]
    start, refused = threading.Barrier(2), []

    def leave(owner: Membership) -> None:
        start.wait()
        try:
            with transaction.atomic():
                memberships.check_change(membership=owner, to=None, by_owner=True)
                owner.delete()
        except MembershipRefused as refusal:
            refused.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=[owner]) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert Membership.objects.filter(organization=organization, role=Role.OWNER).count() == 1
