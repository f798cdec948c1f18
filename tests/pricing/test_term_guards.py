"""What the database refuses of terms, coupons, private versions and scheduled changes."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import models

from pricing.models import (
    Coupon,
    Entitlement,
    EntitlementKind,
    IncludedCredit,
    Plan,
    PlanVersion,
    VersionState,
)
from tests.clock import DAY, NOW
from tests.factories import (
    AssetFactory,
    CouponFactory,
    CouponRedemptionFactory,
    CustomerFactory,
    EntitlementFactory,
    IncludedCreditFactory,
    MeterFactory,
    PlanFactory,
    PlanVersionFactory,
    ScheduledChangeFactory,
    SubscriptionFactory,
)
from tests.guarded_tables import refused, run

pytestmark = pytest.mark.django_db

CHILDREN = pytest.mark.parametrize(
    ("factory", "message"),
    [
        (IncludedCreditFactory, "included credits of a published plan version never change"),
        (EntitlementFactory, "entitlements of a published plan version never change"),
    ],
)


class TestChildren:
    @CHILDREN
    def test_of_a_published_version_stay_as_they_are(self, factory: Any, message: str) -> None:
        row: models.Model = factory.create()
        version: PlanVersion = row.plan_version  # type: ignore[attr-defined]
        version.state, version.published_at = VersionState.PUBLISHED, NOW
        version.save()
        table = row._meta.db_table
        for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}"):
            with refused(message):
                run(statement)
        with refused(message):
            factory.create(plan_version=version)

    @pytest.mark.parametrize(
        "fields",
        [
            {"amount": Decimal(0)},
            {"amount": Decimal(-1)},
            {"every": "hour"},
            {"expires": "soon"},
            {"expires": "after_days"},
            {"expires": "never", "expires_after_days": 3},
            {"rollover": "limited"},
            {"rollover": "none", "rollover_limit": Decimal(1)},
            {"limit_per_month": Decimal(-1)},
            {"priority": 101},
        ],
    )
    def test_an_included_credit_makes_sense(self, fields: dict[str, Any]) -> None:
        with refused("check constraint"):
            IncludedCreditFactory.create(**fields)
        assert not IncludedCredit.objects.exists()

    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            (EntitlementKind.BOOLEAN, {"value": "x"}),
            (EntitlementKind.STATIC, {"enabled": False}),
            (EntitlementKind.VALUES, {"property_name": "model"}),
            (EntitlementKind.VALUES, {"allowed_values": ["opus"]}),
            (EntitlementKind.METERED, {"limit_per_period": Decimal(3)}),
            (EntitlementKind.METERED, {"metered": True, "limit_per_period": Decimal(-1)}),
            ("odd", {}),
        ],
    )
    def test_an_entitlement_says_what_its_kind_needs(
        self, kind: str, fields: dict[str, Any]
    ) -> None:
        version = PlanVersionFactory.create()
        if fields.pop("metered", False):
            fields["meter"] = MeterFactory.create(organization=version.organization)
        with refused("entitlement_says_what_its_kind_needs"):
            EntitlementFactory.create(plan_version=version, kind=kind, **fields)

    def test_every_kind_of_entitlement_can_be_stored(self) -> None:
        version = PlanVersionFactory.create()
        meter = MeterFactory.create(organization=version.organization)
        for kind, fields in (
            (EntitlementKind.BOOLEAN, {"enabled": False}),
            (EntitlementKind.STATIC, {"value": "200000"}),
            (EntitlementKind.VALUES, {"property_name": "model", "allowed_values": ["opus"]}),
            (EntitlementKind.METERED, {"meter": meter, "limit_per_period": Decimal(300)}),
        ):
            EntitlementFactory.create(plan_version=version, kind=kind, **fields)
        assert Entitlement.objects.count() == 4


class TestFees:
    @pytest.mark.parametrize("fee", ["base_fee", "seat_fee"])
    def test_a_fee_is_an_amount_of_an_asset(self, fee: str) -> None:
        with refused(f"{fee}_names_its_asset"):
            PlanVersionFactory.create(**{f"{fee}_amount": Decimal(1)})
        version = PlanVersionFactory.create()
        usd = AssetFactory.create(organization=version.organization)
        with refused(f"{fee}_names_its_asset"):
            PlanVersion.objects.update(**{f"{fee}_amount": Decimal(-1), f"{fee}_asset": usd})

    def test_a_fee_is_due_at_a_known_time(self) -> None:
        with refused("fee_timing_known"):
            PlanVersionFactory.create(base_fee_timing="whenever")


class TestDefaultPlan:
    def test_there_is_at_most_one(self) -> None:
        plan = PlanFactory.create(is_default=True)
        with refused("one_default_plan_per_organization"):
            PlanFactory.create(organization=plan.organization, is_default=True)
        PlanFactory.create(is_default=True)
        assert Plan.objects.filter(is_default=True).count() == 2


class TestPrivateVersions:
    def test_stand_beside_an_open_draft(self) -> None:
        draft = PlanVersionFactory.create()
        customer = CustomerFactory.create(organization=draft.organization)
        private = {"plan": draft.plan, "customer": customer, "based_on": draft}
        PlanVersionFactory.create(**private, number=2)
        with refused("one_draft_per_plan"):
            PlanVersionFactory.create(plan=draft.plan, number=3)

    def test_are_based_on_another(self) -> None:
        customer = CustomerFactory.create()
        with refused("private_version_is_based_on_another"):
            PlanVersionFactory.create(plan__organization=customer.organization, customer=customer)

    def test_are_for_their_customer_only(self) -> None:
        base = PlanVersionFactory.create(published=True)
        theirs = CustomerFactory.create(organization=base.organization)
        private = PlanVersionFactory.create(
            plan=base.plan, number=2, customer=theirs, based_on=base, published=True
        )
        SubscriptionFactory.create(customer=theirs, plan_version=private)
        other = CustomerFactory.create(organization=base.organization)
        with refused("a subscription needs a published plan version"):
            SubscriptionFactory.create(customer=other, plan_version=private)


class TestScheduledChanges:
    def test_one_is_pending_for_each_moment(self) -> None:
        change = ScheduledChangeFactory.create()
        with refused("one_pending_change_per_moment"):
            ScheduledChangeFactory.create(subscription=change.subscription)
        ScheduledChangeFactory.create(subscription=change.subscription, effective_at=NOW + 2 * DAY)

    def test_go_to_published_versions_only(self) -> None:
        subscription = SubscriptionFactory.create()
        draft = PlanVersionFactory.create(plan__organization=subscription.organization)
        with refused("a subscription needs a published plan version"):
            ScheduledChangeFactory.create(subscription=subscription, plan_version=draft)

    def test_are_applied_once_and_not_before_they_are_due(self) -> None:
        change = ScheduledChangeFactory.create()
        change.applied_at = NOW
        with refused("change_applied_when_due"):
            change.save()
        change.applied_at = NOW + DAY
        change.save()
        with refused("Cannot update or delete"):
            change.delete()


class TestCoupons:
    @pytest.mark.parametrize(
        "fields",
        [
            {"percent": Decimal(101)},
            {"percent": Decimal(-1)},
            {"percent": Decimal(0)},
            {"amount": Decimal(5)},
            {"percent": Decimal(0), "amount": Decimal(5)},
            {"duration": "periods"},
            {"duration": "once", "duration_periods": 3},
            {"duration": "periods", "duration_periods": 0},
            {"max_redemptions": 0},
        ],
    )
    def test_make_sense(self, fields: dict[str, Any]) -> None:
        with refused("check constraint"):
            CouponFactory.create(**fields)

    def test_keep_their_terms(self) -> None:
        coupon = CouponFactory.create()
        Coupon.objects.update(max_redemptions=3, redeemable_until=NOW)
        with refused("Cannot update|read-only|readonly"):
            Coupon.objects.update(percent=Decimal(50))
        assert coupon.periods == 1

    def test_are_redeemed_once_by_each(self) -> None:
        redemption = CouponRedemptionFactory.create()
        with refused("coupon_once_per_subscription"):
            CouponRedemptionFactory.create(
                subscription=redemption.subscription, coupon=redemption.coupon
            )
        with refused("Cannot delete"):
            redemption.delete()
