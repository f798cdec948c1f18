"""Included credit comes once, whoever makes it: workers and events at the same moment."""

import datetime as dt
from decimal import Decimal

import pytest

from accounts import ledger
from accounts.models import CreditGrant
from billing_site import self_check
from metering import sweeping
from pricing import publication, subscriptions
from tests.clock import SINCE
from tests.factories import CustomerFactory, IncludedCreditFactory, PlanVersionFactory, PriceFactory
from tests.races.crowds import crowd_of
from tests.worlds import VIDEO_PRICE, VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

NEXT_MONTH = dt.datetime(2025, 2, 1, 0, 0, 1, tzinfo=dt.UTC)
SIZE = 12


@pytest.fixture
def subscribed() -> VideoWorld:
    """A customer with nothing but 100 USD that come each month."""
    world = open_video_world()
    draft = PlanVersionFactory.create(plan__organization=world.organization)
    PriceFactory.create(
        plan_version=draft, meter=world.minutes, asset=world.usd, definition=VIDEO_PRICE
    )
    IncludedCreditFactory.create(plan_version=draft, asset=world.usd, amount=Decimal(100))
    version = publication.publish(version=draft, by=None, at=SINCE)
    world.customer = CustomerFactory.create(organization=world.organization)
    subscriptions.subscribe(customer=world.customer, plan_version=version, at=SINCE)
    world.account = ledger.open_account(customer=world.customer, asset=world.usd)
    return world


def test_a_month_comes_once(subscribed: VideoWorld) -> None:
    drafts = [subscribed.event(id=f"event-{number}") for number in range(SIZE)]

    def do(number: int) -> None:
        if number % 2:
            sweeping.bring_included_credits(at=NEXT_MONTH)
            sweeping.settle_due_accounts(at=NEXT_MONTH)
        else:
            [outcome] = subscribed.record(drafts[number], at=NEXT_MONTH)
            assert outcome.status == "recorded"

    with crowd_of(SIZE) as crowd:
        crowd.at_once(do)
    grants = CreditGrant.objects.filter(account=subscribed.account)
    assert grants.count() == 2
    assert subscribed.balance(at=NEXT_MONTH) == 100 - SIZE // 2
    assert self_check.differences() == []
