"""Putting a customer on a plan version."""

import datetime as dt
from decimal import Decimal

import pytest

from accounts import customers
from accounts.models import CreditAccount
from pricing import subscriptions
from pricing.models import ShortfallPolicy
from pricing.subscriptions import AlreadySubscribed, NothingPublished
from tests.clock import NOW
from tests.factories import CustomerFactory, PlanFactory, PlanVersionFactory
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


def test_an_account_is_opened_in_each_asset_of_the_plan(video: VideoWorld) -> None:
    customer = CustomerFactory.create(organization=video.organization)
    subscriptions.subscribe(customer=customer, plan_version=video.plan_version, at=NOW)
    account = CreditAccount.objects.get(customer=customer)
    assert account.asset == video.usd
    assert account.floor == 0


def test_the_overdraft_of_the_plan_is_the_floor_of_the_account() -> None:
    world = open_video_world(policy=ShortfallPolicy.OVERDRAFT, overdraft_limit="25")
    assert world.account.floor == Decimal(-25)


def test_periods_count_from_the_customers_own_day(video: VideoWorld) -> None:
    customer = CustomerFactory.create(organization=video.organization, time_zone="Pacific/Auckland")
    subscription = subscriptions.subscribe(
        customer=customer, plan_version=video.plan_version, at=NOW
    )
    assert subscription.anchor_date == dt.date(2025, 3, 11)


def test_a_customer_subscribes_once_at_a_time(video: VideoWorld) -> None:
    with pytest.raises(AlreadySubscribed):
        subscriptions.subscribe(customer=video.customer, plan_version=video.plan_version, at=NOW)


def test_the_newest_published_version_is_sold(video: VideoWorld) -> None:
    plan = video.plan_version.plan
    PlanVersionFactory.create(plan=plan, number=3)
    newest = PlanVersionFactory.create(plan=plan, number=2, published=True)
    assert subscriptions.newest_version(plan, at=NOW) == newest


def test_a_plan_without_a_published_version_is_not_sold() -> None:
    with pytest.raises(NothingPublished):
        subscriptions.newest_version(PlanFactory.create(), at=NOW)


def test_a_trial_lasts_so_many_days_of_the_customer(video: VideoWorld) -> None:
    version = PlanVersionFactory.create(
        plan__organization=video.organization, published=True, trial_days=20
    )
    customer = CustomerFactory.create(organization=video.organization, time_zone="Europe/Berlin")
    subscription = subscriptions.subscribe(customer=customer, plan_version=version, at=NOW)
    # The clocks go forward on 30 March: the same time of day comes an hour earlier.
    assert subscription.trial_ends_at == NOW + dt.timedelta(days=20, hours=-1)


def test_a_private_version_is_offered_to_nobody_else(video: VideoWorld) -> None:
    private = PlanVersionFactory.create(
        plan=video.plan_version.plan,
        number=2,
        customer=video.customer,
        based_on=video.plan_version,
        published=True,
    )
    customer = CustomerFactory.create(organization=video.organization)
    subscription = subscriptions.subscribe(customer=customer, plan_version=private, at=NOW)
    assert subscription.plan_version == video.plan_version


def test_a_customer_is_taken_on_with_a_plan_or_not_at_all(video: VideoWorld) -> None:
    plan = video.plan_version.plan
    plan.is_default = True
    plan.save()
    taken_on = subscriptions.take_on(
        organization=video.organization, external_id="new", at=NOW, name="New"
    )
    live = subscriptions.live(taken_on)
    assert live is not None
    assert live.plan_version == video.plan_version
    with pytest.raises(customers.CustomerExists):
        subscriptions.take_on(organization=video.organization, external_id="new", at=NOW)
