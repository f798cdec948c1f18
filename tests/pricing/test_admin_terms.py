"""Terms of a draft beside its prices, coupons, and prices agreed with one customer."""

from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client

from pricing.models import Coupon, CouponRedemption, PlanVersion, PriceOverride
from tests.accounts.admin_worlds import page
from tests.factories import CouponFactory, MeterFactory, SubscriptionFactory
from tests.pricing.editor_forms import BLANK, edit, price_fields, rows_of, typed
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


def send(browser: Client, draft: PlanVersion, more: dict[str, Any]) -> Any:
    return edit(browser, draft, typed(price_fields(0, draft.prices.get()), saved=1, more=more))


class TestFees:
    def test_fees_are_typed_and_kept(
        self, video: VideoWorld, browser: Client, draft: PlanVersion
    ) -> None:
        fees = {
            "base_fee_amount": "20", "base_fee_asset": video.usd.pk, "base_fee_timing": "arrears",
            "seat_fee_amount": "15", "seat_fee_asset": video.usd.pk, "included_seats": "1",
            "trial_days": "14",
        }  # fmt: skip
        assert send(browser, draft, fees).status_code == HTTPStatus.FOUND
        draft.refresh_from_db()
        assert (draft.base_fee_amount, draft.base_fee_asset) == (Decimal(20), video.usd)
        assert (draft.seat_fee_amount, draft.included_seats, draft.trial_days) == (
            Decimal(15),
            1,
            14,
        )

    def test_a_fee_needs_its_asset(self, browser: Client, draft: PlanVersion) -> None:
        response = send(browser, draft, {"base_fee_amount": "20"})
        assert b"Say which asset the fee is in." in response.content

    def test_no_amount_is_no_fee(
        self, video: VideoWorld, browser: Client, draft: PlanVersion
    ) -> None:
        send(browser, draft, {"base_fee_asset": video.usd.pk})
        draft.refresh_from_db()
        assert draft.base_fee_asset is None

    def test_a_limit_without_overdraft_means_nothing(
        self, browser: Client, draft: PlanVersion
    ) -> None:
        send(browser, draft, {"overdraft_limit": "nonsense"})
        draft.refresh_from_db()
        assert draft.overdraft_limit == 0


class TestCredits:
    def credit(self, video: VideoWorld, **typed: Any) -> dict[str, Any]:
        row = {
            "amount": "500", "asset": video.usd.pk, "every": "month", "expires": "after_days",
            "expires_after_days": "30", "rollover": "none", "rollover_limit": "7",
            "limit_per_month": "0", "priority": "50", **typed,
        }  # fmt: skip
        return rows_of("included_credits", row)

    def test_credit_is_added(self, video: VideoWorld, browser: Client, draft: PlanVersion) -> None:
        send(browser, draft, self.credit(video, meters=["video_minutes"]))
        credit = draft.included_credits.get()
        assert (credit.amount, credit.expires_after_days) == (Decimal(500), 30)
        assert credit.meters == ["video_minutes"]
        # A limit means something only where something is left to roll over.
        assert credit.rollover_limit == 0

    def test_an_unknown_meter_is_refused(
        self, video: VideoWorld, browser: Client, draft: PlanVersion
    ) -> None:
        response = send(browser, draft, self.credit(video, meters=["nothing"]))
        assert b"Select a valid choice. nothing" in response.content

    def test_days_are_asked_for(
        self, video: VideoWorld, browser: Client, draft: PlanVersion
    ) -> None:
        response = send(browser, draft, self.credit(video, expires_after_days=""))
        assert b"Say after how many days it expires" in response.content


class TestEntitlements:
    @pytest.mark.parametrize(
        ("row", "said"),
        [
            ({"kind": "boolean", "enabled": "on"}, {"enabled": True}),
            ({"kind": "static", "value": "200000"}, {"value": "200000"}),
            (
                {"kind": "values", "property_name": "model", "allowed_values": "opus\n\nhaiku"},
                {"property_name": "model", "allowed_values": ["opus", "haiku"]},
            ),
            # What another kind asks for is ignored.
            (
                {"kind": "boolean", "value": "x", "limit_per_period": "abc"},
                {"enabled": False, "value": ""},
            ),
        ],
    )
    def test_each_kind_keeps_what_it_asks_for(
        self, row: dict[str, Any], said: dict[str, Any], browser: Client, draft: PlanVersion
    ) -> None:
        send(browser, draft, rows_of("entitlements", {"feature": "f", **row}))
        entitlement = draft.entitlements.get()
        assert {name: getattr(entitlement, name) for name in said} == said

    def test_a_limit_of_a_meter(
        self, video: VideoWorld, browser: Client, draft: PlanVersion
    ) -> None:
        row = {"feature": "video", "kind": "metered", "meter": video.minutes.pk}
        send(browser, draft, rows_of("entitlements", {**row, "limit_per_period": "300"}))
        assert draft.entitlements.get().limit_per_period == 300

    @pytest.mark.parametrize("kind", ["static", "values", "metered"])
    def test_what_a_kind_needs_is_asked_for(
        self, kind: str, browser: Client, draft: PlanVersion
    ) -> None:
        response = send(browser, draft, rows_of("entitlements", {"feature": "f", "kind": kind}))
        assert b"This field is required." in response.content
        assert not draft.entitlements.exists()


class TestCoupons:
    def test_a_percentage(self, browser: Client) -> None:
        coupon = {"code": "HALF", "off": "percent", "percent": "50", "duration": "once"}
        browser.post(page(Coupon, "add"), {**coupon, "amount": "3", "duration_periods": "2"})
        made = Coupon.objects.get(code="HALF")
        assert (made.percent, made.amount, made.asset, made.duration_periods) == (
            Decimal(50), Decimal(0), None, None,
        )  # fmt: skip

    def test_an_amount_for_some_bills(self, video: VideoWorld, browser: Client) -> None:
        coupon = {
            "code": "TEN", "off": "amount", "amount": "10", "asset": video.usd.pk,
            "duration": "periods", "duration_periods": "3",
        }  # fmt: skip
        browser.post(page(Coupon, "add"), coupon)
        made = Coupon.objects.get(code="TEN")
        assert (made.amount, made.asset, made.periods) == (Decimal(10), video.usd, 3)

    def test_a_coupon_that_takes_nothing_off_is_refused(self, browser: Client) -> None:
        coupon = {"code": "NIL", "off": "amount", "amount": "0", "duration": "once"}
        response = browser.post(page(Coupon, "add"), coupon)
        assert b"Give up to 100 percent off, or an amount of an asset." in response.content

    def test_terms_stay_and_offers_change(self, video: VideoWorld, browser: Client) -> None:
        coupon = CouponFactory.create(organization=video.organization)
        change = {"name": "New name", "percent": "99", "max_redemptions": "5"}
        browser.post(page(Coupon, "change", coupon.pk), change)
        coupon.refresh_from_db()
        assert (coupon.name, coupon.percent, coupon.max_redemptions) == (
            "New name", Decimal(25), 5,
        )  # fmt: skip

    def test_one_is_redeemed_once(self, video: VideoWorld, browser: Client) -> None:
        coupon = CouponFactory.create(organization=video.organization)
        subscription = video.customer.subscriptions.get()
        asked = {"coupon": coupon.pk, "subscription": subscription.pk}
        browser.post(page(CouponRedemption, "add"), asked)
        assert CouponRedemption.objects.get().subscription == subscription
        again = browser.post(page(CouponRedemption, "add"), asked)
        assert b"This coupon was redeemed for this subscription before." in again.content

    def test_a_strangers_subscription_gets_none(self, video: VideoWorld, browser: Client) -> None:
        coupon = CouponFactory.create(organization=video.organization)
        asked = {"coupon": coupon.pk, "subscription": SubscriptionFactory.create().pk}
        browser.post(page(CouponRedemption, "add"), asked)
        assert not CouponRedemption.objects.exists()


class TestOverrides:
    def agree(self, video: VideoWorld, browser: Client, *, to: str = "", **typed: Any) -> Any:
        fields = {
            **BLANK, "customer": video.customer.pk, "plan": video.plan_version.plan_id,
            "meter": video.minutes.pk, "asset": video.usd.pk, "unit_amount": "0.10", **typed,
        }  # fmt: skip
        return browser.post(to or page(PriceOverride, "add"), fields)

    def test_a_price_is_agreed_changed_and_given_up(
        self, video: VideoWorld, browser: Client
    ) -> None:
        assert self.agree(video, browser).status_code == HTTPStatus.FOUND
        override = PriceOverride.objects.get()
        assert override.definition["unit_amount"] == "0.10"
        self.agree(
            video, browser, to=page(PriceOverride, "change", override.pk), unit_amount="0.20"
        )
        override = PriceOverride.objects.get()
        assert Decimal(override.definition["unit_amount"]) == Decimal("0.20")
        browser.post(page(PriceOverride, "delete", override.pk), {"post": "yes"})
        assert not PriceOverride.objects.exists()

    @pytest.mark.parametrize(
        ("typed", "error"),
        [
            ({"unit_amount": "abc"}, "This must be a number such as 12.50."),
            ({"customer": ""}, "This field is required."),
        ],
    )
    def test_mistakes_stand_next_to_their_field(
        self, typed: dict[str, Any], error: str, video: VideoWorld, browser: Client
    ) -> None:
        assert error in self.agree(video, browser, **typed).content.decode()
        assert not PriceOverride.objects.exists()

    def test_only_what_the_plan_prices_is_agreed(self, video: VideoWorld, browser: Client) -> None:
        other = MeterFactory.create(organization=video.organization, code="other")
        response = self.agree(video, browser, meter=other.pk)
        assert b"the plan has no price for it in USD" in response.content

    def test_a_price_is_agreed_once(self, video: VideoWorld, browser: Client) -> None:
        self.agree(video, browser)
        response = self.agree(video, browser)
        assert b"This customer has a price of its own for that already." in response.content
        assert PriceOverride.objects.count() == 1
