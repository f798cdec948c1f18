"""Coupons: making one, redeeming it for a subscription, and counting the bills it was on."""

import datetime as dt
from collections.abc import Collection
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F

from accounts import money, tenancy
from accounts.models import Asset, Organization
from pricing.discounts import Discount
from pricing.models import Coupon, CouponRedemption, Duration, Subscription


class CouponExists(Exception):
    """The organization has a coupon with this code."""


class UnknownCoupon(LookupError):
    """The organization has no such coupon."""


class NotRedeemable(Exception):
    """The coupon cannot be redeemed, now or by this subscription; the message says why."""


def create_coupon(
    *,
    organization: Organization,
    code: str,
    at: dt.datetime,
    name: str = "",
    percent: Decimal = money.ZERO,
    amount: Decimal = money.ZERO,
    asset: Asset | None = None,
    duration: Duration = Duration.ONCE,
    duration_periods: int | None = None,
    redeemable_until: dt.datetime | None = None,
    max_redemptions: int | None = None,
) -> Coupon:
    """Make a coupon: up to 100 `percent` off, or an `amount` of an `asset`. Raises CouponExists."""
    with tenancy.transaction_for(organization.id):
        try:
            with transaction.atomic():
                return Coupon.objects.create(
                    organization=organization,
                    code=code,
                    name=name,
                    percent=percent,
                    amount=amount,
                    asset=asset,
                    duration=duration,
                    duration_periods=duration_periods,
                    redeemable_until=redeemable_until,
                    max_redemptions=max_redemptions,
                    created_at=at,
                )
        except IntegrityError as error:
            if Coupon.objects.filter(organization=organization, code=code).exists():
                raise CouponExists(code) from error
            raise


def find(*, organization: Organization, code: str) -> Coupon:
    """Return a coupon by its code. Raises UnknownCoupon."""
    coupon = None
    if "\0" not in code:  # PostgreSQL keeps no such text and refuses to look for one.
        coupon = Coupon.objects.for_organization(organization).filter(code=code).first()
    if coupon is None:
        raise UnknownCoupon(code)
    return coupon


def redeem(*, coupon: Coupon, subscription: Subscription, at: dt.datetime) -> CouponRedemption:
    """Put a coupon on a subscription, for the bills to come. Raises NotRedeemable."""
    with tenancy.transaction_for(coupon.organization_id):
        # Two who redeem the last one at once wait here for each other.
        coupon = Coupon.objects.select_for_update(no_key=True).get(id=coupon.id)
        if coupon.redeemable_until is not None and coupon.redeemable_until <= at:
            raise NotRedeemable("can no longer be redeemed")
        limit = coupon.max_redemptions
        if limit is not None and coupon.redemptions.count() >= limit:
            raise NotRedeemable("was redeemed as often as it may be")
        redemption, is_new = CouponRedemption.objects.get_or_create(
            organization_id=coupon.organization_id,
            subscription=subscription,
            coupon=coupon,
            defaults={"redeemed_at": at},
        )
        if not is_new:
            raise NotRedeemable("was redeemed for this subscription before")
        return redemption


def active(subscription: Subscription) -> list[CouponRedemption]:
    """Return the redemptions that count on the subscription's next bill, oldest first."""
    redemptions = CouponRedemption.objects.filter(
        organization=subscription.organization_id, subscription=subscription
    ).select_related("coupon__asset")
    return [
        each
        for each in redemptions.order_by("redeemed_at", "id")
        if each.coupon.periods is None or each.periods_used < each.coupon.periods
    ]


def discount_of(redemption: CouponRedemption) -> Discount:
    """Return what a redeemed coupon takes off, for `pricing.discounts`."""
    coupon = redemption.coupon
    return Discount(
        code=coupon.code,
        percent=coupon.percent,
        amount=coupon.amount,
        asset=coupon.asset.code if coupon.asset else "",
    )


def count_bill(redemptions: Collection[CouponRedemption]) -> None:
    """Note that redemptions counted on one more bill, in the transaction that makes the bill."""
    CouponRedemption.objects.filter(id__in=[each.id for each in redemptions]).update(
        periods_used=F("periods_used") + 1
    )
