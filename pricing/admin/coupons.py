"""Coupons, and which subscription has redeemed which: made here, the domain does the rest."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models, transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts import money
from accounts.tenant_admin import ReadOnlyAdmin, TenantForm, TenantModelAdmin
from pricing import coupons
from pricing.admin.term_forms import ChoosingForm
from pricing.models import Coupon, CouponRedemption, Duration, Subscription

_TERMS = ["code", "off", "percent", "amount", "asset", "duration", "duration_periods"]
_OFFER = ["name", "redeemable_until", "max_redemptions"]


class CouponForm(ChoosingForm):
    """What a coupon takes off, for how long, and who may still redeem it."""

    meaning = {
        "percent": ("off", {"percent"}, money.ZERO),
        "amount": ("off", {"amount"}, money.ZERO),
        "asset": ("off", {"amount"}, None),
        "duration_periods": ("duration", {"periods"}, None),
    }

    off = forms.ChoiceField(
        label="Takes off",
        choices=[("percent", "A percentage"), ("amount", "An amount")],
        initial="percent",
    )

    class Meta:
        model = Coupon
        fields = [*_OFFER, *(name for name in _TERMS if name != "off")]
        labels = {"asset": "In", "duration": "Counts on", "duration_periods": "Number of bills"}
        help_texts = {"percent": "25 for a quarter off.", "amount": ""}


@admin.register(Coupon)
class CouponAdmin(TenantModelAdmin):
    """Coupons. What one takes off stays as it is; until when it may be redeemed can change."""

    form = CouponForm
    change_form_template = "admin/pricing/choosing_form.html"
    list_display = ["code", "name", "takes_off", "duration", "redeemed", "redeemable_until"]
    list_select_related = ["asset"]
    search_fields = ["code", "name"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Coupon]:
        """Count redemptions along the way."""
        coupons_here: models.QuerySet[Coupon] = super().get_queryset(request)
        return coupons_here.annotate(times=models.Count("redemptions")).order_by("code")

    @admin.display(description="Takes off")
    def takes_off(self, coupon: Coupon) -> str:
        """Return the percentage or the amount."""
        if coupon.asset is None:
            return f"{money.to_wire(coupon.percent)} %"
        amount = money.to_display(coupon.amount, scale=coupon.asset.scale)
        return f"{amount} {coupon.asset.code}"

    @admin.display(description="Redeemed")
    def redeemed(self, coupon: Coupon) -> int:
        """Return how often it was redeemed."""
        return int(coupon.times)  # type: ignore[attr-defined]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask for everything of a new coupon; show what an old one takes off."""
        if obj is None:
            return [*_TERMS, *_OFFER]
        periods = ["duration_periods"] if obj.duration == Duration.PERIODS else []
        return ["code", "takes_off", "duration", *periods, *_OFFER, "redeemed"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep the terms of a coupon that exists."""
        fixed = ["code", "takes_off", "duration", "duration_periods", "redeemed"]
        return fixed if obj else []

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> type[Any]:
        """Ask for what may change, and no more, of a coupon that exists."""
        if obj is not None:
            kwargs["form"] = _OfferForm
        return super().get_form(request, obj, change, **kwargs)


class _OfferForm(TenantForm):
    class Meta:
        model = Coupon
        fields = _OFFER


class RedemptionForm(TenantForm):
    """Which coupon goes on which subscription."""

    class Meta:
        model = CouponRedemption
        fields = ["subscription", "coupon"]

    def clean(self) -> dict[str, Any]:
        """Ask the domain whether the coupon may be redeemed, and say its refusal here."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                with transaction.atomic():
                    coupons.redeem(**self._asked())
                    transaction.set_rollback(True)
            except coupons.NotRedeemable as refusal:
                self.add_error("coupon", f"This coupon {refusal}.")
        return cleaned

    def _asked(self) -> dict[str, Any]:
        names = ("subscription", "coupon")
        return {**{name: self.cleaned_data[name] for name in names}, "at": timezone.now()}


@admin.register(CouponRedemption)
class CouponRedemptionAdmin(ReadOnlyAdmin):
    """Redeemed coupons, and on how many bills each has counted."""

    form = RedemptionForm
    autocomplete_fields = ["subscription", "coupon"]
    list_display = ["coupon", "subscription", "redeemed_at", "periods_used"]
    list_select_related = ["coupon", "subscription__customer", "subscription__plan_version__plan"]
    search_fields = ["coupon__code", "subscription__customer__external_id"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask for subscription and coupon; show since when, and on how many bills."""
        asked = ["subscription", "coupon"]
        return [*asked, "redeemed_at", "periods_used"] if obj else asked

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Owners, admins and platform staff may redeem a coupon for a customer."""
        return self._may_edit(request)

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer live subscriptions."""
        if db_field.name == "subscription":
            kwargs["queryset"] = Subscription.objects.filter(ended_at=None)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(
        self,
        request: HttpRequest,
        obj: CouponRedemption,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Redeem the coupon."""
        made = coupons.redeem(coupon=obj.coupon, subscription=obj.subscription, at=timezone.now())
        obj.pk = made.pk
        obj.refresh_from_db()
