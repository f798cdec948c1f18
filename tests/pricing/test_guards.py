"""What the database refuses of what is sold, typed by hand at a prompt."""

import datetime as dt
from decimal import Decimal

import pytest

from pricing.models import Plan, PlanVersion, Price
from tests.clock import DAY, NOW, SINCE
from tests.factories import (
    MeterFactory,
    PlanFactory,
    PlanVersionFactory,
    PriceFactory,
    SubscriptionFactory,
)
from tests.guarded_tables import refused, run
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


class TestPublished:
    @pytest.mark.parametrize(
        "change",
        [
            "definition = '{}'",
            "settle = 'at_close'",
            "meter_id = gen_random_uuid()",
            "plan_version_id = gen_random_uuid()",
        ],
    )
    def test_a_price_never_changes(self, video: VideoWorld, change: str) -> None:
        with refused("prices of a published plan version never change"):
            run(f"UPDATE pricing_price SET {change}")

    @pytest.mark.parametrize(
        "change",
        [
            "code = 'other'",
            "event_type = 'other'",
            "filters = '{\"a\": 1}'",
            "quantity_property = 'other'",
            "aggregation = 'count', quantity_property = ''",
        ],
    )
    def test_what_it_counts_never_changes(self, video: VideoWorld, change: str) -> None:
        with refused("what a published price counts never changes"):
            run(f"UPDATE pricing_meter SET {change}")

    def test_a_meter_on_sale_may_be_renamed(self, video: VideoWorld) -> None:
        run("UPDATE pricing_meter SET name = 'Minutes of video', unit = 'minute'")

    def test_a_price_is_not_removed(self, video: VideoWorld) -> None:
        with refused("prices of a published plan version never change"):
            run("DELETE FROM pricing_price")

    def test_a_price_is_not_added(self, video: VideoWorld) -> None:
        with refused("prices of a published plan version never change"):
            PriceFactory.create(plan_version=video.plan_version)

    def test_a_drafts_price_does_not_move_in(self, video: VideoWorld) -> None:
        price = PriceFactory.create(
            plan_version__plan=PlanFactory.create(organization=video.organization)
        )
        with refused("prices of a published plan version never change"):
            Price.objects.filter(id=price.id).update(plan_version=video.plan_version)

    @pytest.mark.parametrize(
        "change",
        ["state = 'draft', published_at = NULL", "shortfall_policy = 'overage'", "number = 7"],
    )
    def test_a_version_never_changes(self, video: VideoWorld, change: str) -> None:
        with refused("Cannot update"):
            run(f"UPDATE pricing_planversion SET {change}")

    def test_a_version_is_never_deleted(self, video: VideoWorld) -> None:
        with refused("Cannot update or delete|foreign key"):
            run("DELETE FROM pricing_planversion")

    @pytest.mark.parametrize("table", ["pricing_planversion", "pricing_price"])
    def test_tables_are_never_emptied(self, table: str) -> None:
        with refused("never truncated"):
            run(f"TRUNCATE {table} CASCADE")

    def test_a_draft_may_change_and_go(self) -> None:
        price = PriceFactory.create()
        Price.objects.update(definition={"charge_model": "per_unit", "unit_amount": "9"})
        PlanVersion.objects.update(billing_interval="year")
        price.plan_version.delete()
        assert not Price.objects.exists()


class TestPlans:
    def test_a_code_is_used_once_in_an_organization(self) -> None:
        plan = PlanFactory.create(code="pro")
        PlanFactory.create(code="pro")
        with refused("plan_code_once_per_organization"):
            PlanFactory.create(code="pro", organization=plan.organization)

    def test_a_plan_has_one_draft(self) -> None:
        draft = PlanVersionFactory.create()
        with refused("one_draft_per_plan"):
            PlanVersionFactory.create(plan=draft.plan, number=2)

    def test_version_numbers_are_given_once(self) -> None:
        version = PlanVersionFactory.create(published=True)
        with refused("version_number_once_per_plan"):
            PlanVersionFactory.create(plan=version.plan)

    def test_a_version_is_dated_when_it_is_published(self) -> None:
        with refused("version_published_when_dated"):
            PlanVersionFactory.create(state="published")
        with refused("version_published_when_dated"):
            PlanVersionFactory.create(published_at=NOW)

    @pytest.mark.parametrize(("limit", "policy"), [(1, "block"), (1, "overage"), (-1, "overdraft")])
    def test_only_an_overdraft_has_a_limit(self, limit: int, policy: str) -> None:
        with refused("overdraft_limit_goes_with_overdraft"):
            PlanVersionFactory.create(overdraft_limit=Decimal(limit), shortfall_policy=policy)

    def test_a_meter_is_priced_once_in_an_asset(self) -> None:
        price = PriceFactory.create()
        with refused("one_price_per_meter_and_asset"):
            PriceFactory.create(
                plan_version=price.plan_version, meter=price.meter, asset=price.asset
            )


class TestMeters:
    def test_a_code_is_used_once_in_an_organization(self) -> None:
        meter = MeterFactory.create(code="tokens")
        MeterFactory.create(code="tokens")
        with refused("meter_code_once_per_organization"):
            MeterFactory.create(code="tokens", organization=meter.organization)

    def test_a_sum_needs_a_property_and_a_count_has_none(self) -> None:
        with refused("meter_counts_or_measures_one_value"):
            MeterFactory.create(quantity_property="")
        with refused("meter_counts_or_measures_one_value"):
            MeterFactory.create(aggregation="count")


class TestSubscriptions:
    def test_a_customer_has_one_live_subscription(self) -> None:
        subscription = SubscriptionFactory.create()
        with refused("one_live_subscription_per_customer"):
            SubscriptionFactory.create(customer=subscription.customer)

    def test_an_ended_one_makes_room(self) -> None:
        ended = SubscriptionFactory.create(ended=True)
        assert SubscriptionFactory.create(customer=ended.customer, starts_at=NOW).ended_at is None

    def test_a_draft_is_not_sold(self) -> None:
        draft = PlanVersionFactory.create()
        with refused("needs a published plan version"):
            SubscriptionFactory.create(
                plan_version=draft, customer__organization=draft.organization
            )

    @pytest.mark.parametrize("early", [DAY, dt.timedelta(microseconds=1)])
    def test_it_ends_after_it_starts(self, early: dt.timedelta) -> None:
        with refused("subscription_ends_after_start"):
            SubscriptionFactory.create(ended_at=SINCE - early)


def test_plans_in_use_are_not_deleted(video: VideoWorld) -> None:
    with refused("foreign key|Cannot delete"):
        run("DELETE FROM pricing_plan")
    assert Plan.objects.exists()
