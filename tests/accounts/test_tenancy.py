"""Whose rows a transaction is about."""

import pytest
from django.db import connection, transaction

from accounts import tenancy
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db


def tenant() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('drawdown.organization', true)")
        (setting,) = cursor.fetchone()
    return str(setting)


def test_a_transaction_acts_for_one_organization_to_its_end() -> None:
    organization = OrganizationFactory.create()
    with tenancy.transaction_for(organization.id):
        assert tenant() == str(organization.id)
        transaction.set_rollback(True)
    assert tenant() != str(organization.id)


def test_a_person_sees_their_organizations_by_name() -> None:
    person = UserFactory.create()
    for name in ("Zebra", "Aardvark"):
        MembershipFactory.create(user=person, organization__name=name)
    MembershipFactory.create(organization__name="Foreign")
    names = [membership.organization.name for membership in tenancy.memberships_of(person)]
    assert names == ["Aardvark", "Zebra"]


def test_one_who_may_not_sign_in_has_no_place() -> None:
    membership = MembershipFactory.create(user__is_active=False)
    assert not tenancy.memberships_of(membership.user).exists()
