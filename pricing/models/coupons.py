"""Coupons: a discount on what is billed, and who has redeemed which."""

import pgtrigger
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import AmountField, Asset, TenantModel, guards
from pricing.models.subscriptions import Subscription

coupon_code_validator = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z",
    "use letters, digits, dots, dashes and underscores, for example LAUNCH25",
)


class Duration(models.TextChoices):
    """For how long a redeemed coupon counts."""

    ONCE = "once", "The next bill"
    PERIODS = "periods", "A number of bills"
    FOREVER = "forever", "Every bill"


class Coupon(TenantModel):
    """A discount, as a percentage or as an amount of one asset, never both.

    Its terms never change; until when and how often it may be redeemed do.
    """

    code = models.CharField(max_length=100, validators=[coupon_code_validator])
    name = models.CharField(max_length=200, blank=True)
    percent = AmountField(default=0, help_text="Percent off; 0 for an amount.")
    amount = AmountField(default=0, help_text="Amount off; 0 for a percentage.")
    asset = models.ForeignKey(
        Asset, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    duration = models.CharField(max_length=16, choices=Duration, default=Duration.ONCE)
    duration_periods = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)]
    )
    redeemable_until = models.DateTimeField(null=True, blank=True)
    max_redemptions = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)]
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "code"],
                name="coupon_code_once_per_organization",
                violation_error_message="Another coupon has this code.",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="coupon_of_tenant"),
            models.CheckConstraint(
                condition=Q(percent__gt=0, percent__lte=100, amount=0, asset=None)
                | Q(percent=0, amount__gt=0, asset__isnull=False),
                name="coupon_is_a_percentage_or_an_amount",
                violation_error_message="Give up to 100 percent off, or an amount of an asset.",
            ),
            models.CheckConstraint(
                condition=Q(duration__in=[Duration.ONCE, Duration.FOREVER], duration_periods=None)
                | Q(
                    duration=Duration.PERIODS,
                    duration_periods__isnull=False,
                    duration_periods__gte=1,
                ),
                name="coupon_duration_is_complete",
                violation_error_message="Say for how many periods, or leave them empty.",
            ),
            models.CheckConstraint(
                condition=Q(max_redemptions=None) | Q(max_redemptions__gte=1),
                name="coupon_can_be_redeemed",
            ),
            guards.not_nan("percent", "amount", name="coupon_amounts_are_numbers"),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="coupon_terms_are_fixed",
                fields=[
                    "organization",
                    "code",
                    "percent",
                    "amount",
                    "asset",
                    "duration",
                    "duration_periods",
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def periods(self) -> int | None:
        """How many bills it counts on; None for every one."""
        match self.duration:
            case Duration.ONCE:
                return 1
            case Duration.PERIODS:
                return self.duration_periods
            case _:
                return None


class CouponRedemption(TenantModel):
    """A coupon on a subscription, and on how many of its bills it has counted."""

    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="redemptions"
    )
    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="redemptions")
    redeemed_at = models.DateTimeField()
    periods_used = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["redeemed_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "subscription", "coupon"],
                name="coupon_once_per_subscription",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="redemption_of_tenant"),
        ]
        triggers = [
            *guards.never_deleted("coupon redemption"),
            pgtrigger.ReadOnly(
                name="redemption_is_fixed",
                fields=["organization", "subscription", "coupon", "redeemed_at"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.coupon} for {self.subscription}"
