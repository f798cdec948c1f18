"""What is scarce is given once, and what is one stays one, however many ask at the same moment."""

import pytest

from accounts.models import CreditAccount
from pricing import coupons, plan_import, plans, publication, subscriptions
from pricing.coupons import NotRedeemable
from pricing.models import CouponRedemption, Meter, Plan, PlanVersion, ScheduledChange
from pricing.plan_import import DraftExists
from tests.clock import NOW
from tests.factories import (
    CouponFactory,
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    SubscriptionFactory,
)
from tests.pricing.plan_documents import full_plan
from tests.races.crowds import crowd_of
from tests.worlds import open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = 6


def test_the_last_coupons_are_redeemed_by_as_many() -> None:
    coupon = CouponFactory.create(max_redemptions=2)
    crowd = [
        SubscriptionFactory.create(customer__organization=coupon.organization) for _ in range(CROWD)
    ]

    def redeem(number: int) -> bool:
        try:
            coupons.redeem(coupon=coupon, subscription=crowd[number], at=NOW)
        except NotRedeemable:
            return False
        return True

    with crowd_of(CROWD) as people:
        assert sum(people.at_once(redeem)) == 2
    assert CouponRedemption.objects.count() == 2


def test_of_plans_made_the_one_for_new_customers_at_once_one_is() -> None:
    organization = OrganizationFactory.create()
    made = [PlanFactory.create(organization=organization) for _ in range(CROWD)]
    with crowd_of(CROWD) as people:
        people.at_once(lambda number: plans.change_plan(plan=made[number], is_default=True))
    assert Plan.objects.filter(is_default=True).count() == 1


def test_a_plan_imported_by_many_is_imported_once() -> None:
    organization = OrganizationFactory.create()

    def import_it(_: int) -> bool:
        try:
            plan_import.import_plan(organization=organization, document=full_plan(), at=NOW)
        except DraftExists:
            return False
        return True

    with crowd_of(CROWD) as people:
        assert sum(people.at_once(import_it)) == 1
    assert (Plan.objects.count(), PlanVersion.objects.count(), Meter.objects.count()) == (1, 1, 1)


def test_customers_are_taken_on_while_a_version_is_published() -> None:
    world = open_video_world()
    plan = plans.change_plan(plan=world.plan_version.plan, is_default=True)
    draft = publication.open_draft(plan=plan, at=NOW)

    def act(number: int) -> None:
        if number == 0:
            publication.publish(version=draft, by=None, at=NOW, migrate="all")
        else:
            subscriptions.take_on(
                organization=world.organization, external_id=f"new-{number}", at=NOW
            )

    with crowd_of(CROWD) as people:
        people.at_once(act)
    assert CreditAccount.objects.count() == CROWD
    assert ScheduledChange.objects.filter(customer=world.customer).count() == 1


def test_one_customer_is_subscribed_once_by_many() -> None:
    world = open_video_world()
    customer = CustomerFactory.create(organization=world.organization)

    def subscribe(_: int) -> bool:
        try:
            subscriptions.subscribe(customer=customer, plan_version=world.plan_version, at=NOW)
        except subscriptions.AlreadySubscribed:
            return False
        return True

    with crowd_of(CROWD) as people:
        assert sum(people.at_once(subscribe)) == 1
