"""What an admin does for one customer by hand: a plan and some credit, through the domain."""

from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import CreditAccount, CreditGrant, Role
from billing_site import self_check
from pricing.models import PlanVersion, Subscription
from tests.accounts.admin_worlds import signed_in
from tests.clock import DAY
from tests.factories import CustomerFactory, MembershipFactory, PlanVersionFactory
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db

SUBSCRIBE = "admin:pricing_subscription_add"
GIVE = "admin:accounts_creditgrant_add"


def _browser(video: VideoWorld, role: Role = Role.ADMIN) -> Client:
    return signed_in(MembershipFactory.create(organization=video.organization, role=role).user)


def _send(browser: Client, form: str, **typed: Any) -> Any:
    return browser.post(reverse(form), typed)


class TestSubscribing:
    def test_a_new_customer_goes_on_a_plan(self, video: VideoWorld) -> None:
        customer = CustomerFactory.create(organization=video.organization)
        answer = _send(
            _browser(video), SUBSCRIBE, customer=customer.id, plan_version=video.plan_version.id
        )
        assert answer.status_code == HTTPStatus.FOUND
        assert Subscription.objects.get(customer=customer).plan_version == video.plan_version
        assert CreditAccount.objects.get(customer=customer).asset == video.usd

    def test_a_customer_has_one_live_subscription(self, video: VideoWorld) -> None:
        answer = _send(
            _browser(video),
            SUBSCRIBE,
            customer=video.customer.id,
            plan_version=video.plan_version.id,
        )
        assert "This customer has a live subscription." in answer.content.decode()

    def test_a_draft_is_not_offered(self, video: VideoWorld) -> None:
        customer = CustomerFactory.create(organization=video.organization)
        draft = PlanVersion.objects.create(
            organization=video.organization, plan=video.plan_version.plan, number=2
        )
        _send(_browser(video), SUBSCRIBE, customer=customer.id, plan_version=draft.id)
        assert not Subscription.objects.filter(customer=customer).exists()

    def test_a_version_of_another_customer_is_not_offered(self, video: VideoWorld) -> None:
        customer = CustomerFactory.create(organization=video.organization)
        private: PlanVersion = PlanVersionFactory.create(
            plan=video.plan_version.plan,
            number=2,
            customer=video.customer,
            based_on=video.plan_version,
            published=True,
        )
        _send(_browser(video), SUBSCRIBE, customer=customer.id, plan_version=private.id)
        assert not Subscription.objects.filter(customer=customer).exists()

    def test_a_stranger_is_not_subscribed(self, video: VideoWorld) -> None:
        other = open_video_world()
        stranger = CustomerFactory.create(organization=other.organization)
        for customer, version in ((stranger, video.plan_version), (stranger, other.plan_version)):
            _send(_browser(video), SUBSCRIBE, customer=customer.id, plan_version=version.id)
        assert not Subscription.objects.filter(customer=stranger).exists()


class TestGivingCredit:
    def test_it_goes_through_the_ledger(self, video: VideoWorld) -> None:
        answer = _send(
            _browser(video), GIVE, account=video.account.id, amount="12.5",
            category="promotional", name="Sorry",
        )  # fmt: skip
        assert answer.status_code == HTTPStatus.FOUND
        assert video.balance(at=timezone.now()) == Decimal("112.5")
        assert CreditGrant.objects.get(name="Sorry").posted_at is not None
        assert self_check.differences() == []

    @pytest.mark.parametrize(
        ("typed", "refusal"),
        [
            ({"amount": "0"}, "This must be above zero."),
            ({"amount": "-1"}, "This must be above zero."),
            (
                {"expires_at_0": "2020-01-01", "expires_at_1": "00:00"},
                "This must be in the future.",
            ),
        ],
    )
    def test_what_makes_no_sense_is_said_beside_the_field(
        self, video: VideoWorld, typed: dict[str, str], refusal: str
    ) -> None:
        answer = _send(
            _browser(video),
            GIVE,
            **{"account": video.account.id, "amount": "1", "category": "paid", **typed},
        )
        assert refusal in answer.content.decode()
        assert video.balance(at=timezone.now()) == Decimal(100)

    def test_it_may_expire(self, video: VideoWorld) -> None:
        end = (timezone.now() + DAY).strftime("%Y-%m-%d")
        _send(
            _browser(video), GIVE, account=video.account.id, amount="1", category="promotional",
            expires_at_0=end, expires_at_1="23:59",
        )  # fmt: skip
        assert CreditGrant.objects.filter(amount=1, expires_at__isnull=False).exists()

    def test_a_strangers_account_is_not_credited(self, video: VideoWorld) -> None:
        other = open_video_world()
        _send(_browser(video), GIVE, account=other.account.id, amount="1", category="paid")
        assert other.balance(at=timezone.now()) == Decimal(100)


@pytest.mark.parametrize("form", [SUBSCRIBE, GIVE])
def test_an_analyst_only_looks(video: VideoWorld, form: str) -> None:
    browser = _browser(video, Role.ANALYST)
    assert browser.get(reverse(form)).status_code == HTTPStatus.FORBIDDEN
    assert _send(browser, form).status_code == HTTPStatus.FORBIDDEN
