"""Periods take the version that is due when they begin; what was rated before stays as it was."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from metering import billing_periods, plan_changes
from metering.models import BillingPeriod, RatedEvent, UsageTotal
from pricing import publication
from pricing.models import PlanVersion, Price, ScheduledChange, ShortfallPolicy, Subscription
from pricing.plan_document import PriceRow
from tests.clock import DAY, NOW, SINCE
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db

APRIL = dt.datetime(2025, 4, 1, tzinfo=dt.UTC)
CHEAP = {"charge_model": "per_unit", "unit_amount": "0.25"}


def publish_cheaper(video: VideoWorld, *, at: dt.datetime = NOW, **how: Any) -> PlanVersion:
    draft = publication.open_draft(plan=video.plan_version.plan, at=at)
    for name, value in how.pop("terms", {}).items():
        setattr(draft, name, value)
    draft.save()
    Price.objects.filter(plan_version=draft).update(definition=CHEAP)
    return publication.publish(version=draft, by=None, at=at, **how)


def override(video: VideoWorld) -> bool:
    price = PriceRow(meter="video_minutes", asset="USD", settle="on_event", definition=CHEAP)
    return plan_changes.override_prices(
        customer=video.customer, plan=video.plan_version.plan, prices=[price], at=NOW
    )


def amounts() -> list[Decimal]:
    rated = RatedEvent.objects.order_by("event_key")
    return sorted(rated.values_list("amount", flat=True), reverse=True)


class TestScheduledChanges:
    def test_an_open_period_keeps_its_version(self, video: VideoWorld) -> None:
        video.record(video.event())
        publish_cheaper(video, migrate="all")
        video.record(video.event(), at=NOW + DAY)
        assert amounts() == [Decimal(1), Decimal(1)]

    def test_the_next_period_has_the_new_one(self, video: VideoWorld) -> None:
        video.record(video.event())
        second = publish_cheaper(video, migrate="all")
        before = list(RatedEvent.objects.values())
        video.record(video.event(), at=APRIL)
        assert amounts() == [Decimal(1), Decimal("0.25")]
        assert [row for row in RatedEvent.objects.values() if row in before] == before
        versions = BillingPeriod.objects.order_by("starts_at").values_list(
            "plan_version", flat=True
        )
        assert list(versions) == [video.plan_version.pk, second.pk]
        change = ScheduledChange.objects.get()
        assert change.applied_at == APRIL
        assert Subscription.objects.get().plan_version == second

    def test_a_moment_inside_a_period_waits_for_the_one_after(self, video: VideoWorld) -> None:
        publish_cheaper(video, migrate="all", effective_from=APRIL + DAY)
        video.record(video.event(), at=APRIL)
        video.record(video.event(), at=APRIL + 30 * DAY)
        assert amounts() == [Decimal(1), Decimal("0.25")]

    def test_the_calendar_applies_it_without_an_event(self, video: VideoWorld) -> None:
        video.record(video.event())
        second = publish_cheaper(video, migrate="all")
        billing_periods.close_if_due(BillingPeriod.objects.get(), at=APRIL)
        assert BillingPeriod.objects.get(closed_at=None).plan_version == second

    def test_what_was_due_before_the_newest_is_forgotten(self, video: VideoWorld) -> None:
        video.record(video.event())
        publish_cheaper(video, migrate="all")
        third = publish_cheaper(video, at=NOW + DAY, migrate="all")
        video.record(video.event(), at=APRIL)
        assert ScheduledChange.objects.get().plan_version == third

    def test_with_another_interval_periods_are_counted_anew(self, video: VideoWorld) -> None:
        video.record(video.event())
        publish_cheaper(video, migrate="all", terms={"billing_interval": "year"})
        video.record(video.event(), at=APRIL + 9 * DAY)
        period = BillingPeriod.objects.get(closed_at=None)
        assert (period.starts_at, period.ends_at) == (APRIL, APRIL.replace(year=2026))
        assert Subscription.objects.get().anchor_date == APRIL.date()


class TestOverrides:
    def test_wait_once_something_was_used(self, video: VideoWorld) -> None:
        video.record(video.event())
        assert override(video)
        video.record(video.event(), at=NOW + DAY)
        assert amounts() == [Decimal(1), Decimal(1)]
        video.record(video.event(), at=APRIL)
        assert amounts() == [Decimal(1), Decimal(1), Decimal("0.25")]

    def test_count_at_once_in_a_period_without_use(self, video: VideoWorld) -> None:
        subscription = Subscription.objects.select_related("customer", "plan_version").get()
        billing_periods.open_periods([subscription], at=NOW)
        override(video)
        video.record(video.event())
        assert amounts() == [Decimal("0.25")]
        assert BillingPeriod.objects.get().plan_version.customer == video.customer

    def test_count_at_once_when_no_period_was_opened_yet(self, video: VideoWorld) -> None:
        override(video)
        video.record(video.event(), at=NOW + DAY)
        assert amounts() == [Decimal("0.25")]

    def test_are_agreed_with_customers_who_are_on_no_plan(self, video: VideoWorld) -> None:
        Subscription.objects.update(ended_at=SINCE)
        assert override(video)
        assert not BillingPeriod.objects.exists()
        assert not UsageTotal.objects.exists()


class TestCreditLines:
    OVERDRAFT = {
        "shortfall_policy": ShortfallPolicy.OVERDRAFT,
        "overdraft_limit": Decimal(50),
    }

    def test_a_version_that_allows_an_overdraft_draws_the_line(self) -> None:
        world = open_video_world(credit="0")
        publish_cheaper(world, migrate="all", terms=self.OVERDRAFT)
        period = Subscription.objects.select_related("customer", "plan_version").get()
        billing_periods.open_periods([period], at=APRIL)
        [outcome] = world.record(world.event(), at=APRIL)
        assert outcome.status == "recorded"
        assert world.balance(at=APRIL) == Decimal("-0.25")

    def test_a_version_that_blocks_takes_the_line_back(self) -> None:
        world = open_video_world(credit="1", policy=ShortfallPolicy.OVERDRAFT, overdraft_limit="50")
        blocking = {"shortfall_policy": ShortfallPolicy.BLOCK, "overdraft_limit": Decimal(0)}
        publish_cheaper(world, migrate="all", terms=blocking)
        outcomes = [world.record(world.event(), at=APRIL)[0].status for _ in range(5)]
        assert outcomes == ["recorded"] * 4 + ["blocked"]

    def test_a_version_that_blocks_lets_nobody_owe_more(self) -> None:
        world = open_video_world(credit="0", policy=ShortfallPolicy.OVERDRAFT, overdraft_limit="50")
        world.record(world.minutes_of("fast", "20"))
        blocking = {"shortfall_policy": ShortfallPolicy.BLOCK, "overdraft_limit": Decimal(0)}
        publish_cheaper(world, migrate="all", terms=blocking)
        [outcome] = world.record(world.event(), at=APRIL)
        assert outcome.status == "blocked"
        assert world.balance(at=APRIL) == -20
