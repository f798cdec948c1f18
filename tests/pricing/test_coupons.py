"""Coupons: made once, redeemed within limits, counted bill by bill."""

import datetime as dt
from decimal import Decimal

import pytest

from pricing import coupons
from pricing.coupons import CouponExists, NotRedeemable, UnknownCoupon
from pricing.discounts import Discount
from pricing.models import Coupon, CouponRedemption, Duration
from tests.clock import DAY, NOW
from tests.factories import AssetFactory, CouponFactory, OrganizationFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


def coupon(**fields: object) -> Coupon:
    made: Coupon = CouponFactory.create(**fields)
    return made


def redeem(coupon: Coupon, *, at: dt.datetime = NOW) -> CouponRedemption:
    subscription = SubscriptionFactory.create(customer__organization=coupon.organization)
    return coupons.redeem(coupon=coupon, subscription=subscription, at=at)


class TestMaking:
    def test_is_found_by_its_code_in_its_organization(self) -> None:
        organization = OrganizationFactory.create()
        made = coupons.create_coupon(
            organization=organization, code="LAUNCH", percent=Decimal(25), at=NOW
        )
        assert coupons.find(organization=organization, code="LAUNCH") == made
        for stranger, code in ((OrganizationFactory.create(), "LAUNCH"), (organization, "\0")):
            with pytest.raises(UnknownCoupon):
                coupons.find(organization=stranger, code=code)

    def test_has_a_code_of_its_own(self) -> None:
        first = coupon()
        with pytest.raises(CouponExists):
            coupons.create_coupon(
                organization=first.organization, code=first.code, percent=Decimal(5), at=NOW
            )


class TestRedeeming:
    def test_is_possible_until_a_moment(self) -> None:
        ending = coupon(redeemable_until=NOW)
        redeem(ending, at=NOW - dt.timedelta(microseconds=1))
        with pytest.raises(NotRedeemable, match="no longer"):
            redeem(ending, at=NOW)

    def test_is_possible_so_many_times(self) -> None:
        scarce = coupon(max_redemptions=2)
        redeem(scarce)
        redeem(scarce)
        with pytest.raises(NotRedeemable, match="as often"):
            redeem(scarce)

    def test_happens_once_for_each_subscription(self) -> None:
        redemption = redeem(coupon())
        with pytest.raises(NotRedeemable, match="before"):
            coupons.redeem(coupon=redemption.coupon, subscription=redemption.subscription, at=NOW)


class TestCounting:
    @pytest.mark.parametrize(
        ("duration", "periods", "bills"),
        [(Duration.ONCE, None, 1), (Duration.PERIODS, 3, 3), (Duration.FOREVER, None, 9)],
    )
    def test_lasts_for_its_bills(self, duration: str, periods: int | None, bills: int) -> None:
        redemption = redeem(coupon(duration=duration, duration_periods=periods))
        for _ in range(bills):
            assert coupons.active(redemption.subscription) == [redemption]
            coupons.count_bill(coupons.active(redemption.subscription))
        left = coupons.active(redemption.subscription)
        assert left == ([redemption] if duration == Duration.FOREVER else [])

    def test_the_oldest_counts_first(self) -> None:
        second = redeem(coupon(percent=Decimal(5)), at=NOW + DAY)
        usd = AssetFactory.create(organization=second.organization)
        first = coupons.redeem(
            coupon=coupon(
                organization=second.organization, percent=0, amount=Decimal(9), asset=usd
            ),
            subscription=second.subscription,
            at=NOW,
        )
        assert [coupons.discount_of(each) for each in coupons.active(second.subscription)] == [
            Discount(code=first.coupon.code, amount=Decimal(9), asset="USD"),
            Discount(code=second.coupon.code, percent=Decimal(5)),
        ]
