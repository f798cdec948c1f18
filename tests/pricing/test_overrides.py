"""Prices agreed with one customer."""

from typing import Any

import pytest

from pricing import overrides, publication, subscriptions
from pricing.models import PlanVersion, Price, PriceOverride, ScheduledChange, Subscription
from pricing.plan_document import PriceRow
from pricing.plan_form import PlanInvalid
from tests.clock import DAY, NOW
from tests.factories import CustomerFactory, EntitlementFactory, PlanVersionFactory
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


def row(unit_amount: str = "0.25", **changes: Any) -> PriceRow:
    terms: dict[str, Any] = {
        "meter": "video_minutes",
        "asset": "USD",
        "settle": "on_event",
        "definition": {"charge_model": "per_unit", "unit_amount": unit_amount},
    }
    return PriceRow(**{**terms, **changes})


def replace(video: VideoWorld, *prices: PriceRow, **how: Any) -> bool:
    return overrides.replace(
        customer=video.customer, plan=video.plan_version.plan, prices=prices, at=NOW, **how
    )


def unit_amount(version: PlanVersion) -> Any:
    return Price.objects.get(plan_version=version).definition.get("unit_amount")


class TestReplace:
    def test_waits_for_the_next_period(self, video: VideoWorld) -> None:
        assert replace(video, row())
        change = ScheduledChange.objects.get()
        assert change.effective_at == NOW
        private = change.plan_version
        assert (private.customer, private.based_on) == (video.customer, video.plan_version)
        assert unit_amount(private) == "0.25"
        assert Subscription.objects.get().plan_version == video.plan_version

    def test_counts_at_once_when_nothing_was_used(self, video: VideoWorld) -> None:
        replace(video, row(), at_once=True)
        private = Subscription.objects.get().plan_version
        assert unit_amount(private) == "0.25"
        assert not ScheduledChange.objects.exists()

    def test_copies_everything_else(self, video: VideoWorld) -> None:
        draft = publication.open_draft(plan=video.plan_version.plan, at=NOW)
        EntitlementFactory.create(plan_version=draft, feature="sso")
        draft.trial_days = 5
        draft.save()
        base = publication.publish(version=draft, by=None, at=NOW)
        Subscription.objects.update(plan_version=base)
        replace(video, row(), at_once=True)
        private = Subscription.objects.get().plan_version
        assert private.trial_days == 5
        assert private.entitlements.get().feature == "sso"

    def test_the_same_again_changes_nothing(self, video: VideoWorld) -> None:
        replace(video, row())
        assert not replace(video, row())
        assert PlanVersion.objects.count() == 2

    def test_nothing_leads_back_to_the_plan(self, video: VideoWorld) -> None:
        replace(video, row(), at_once=True)
        assert replace(video)
        assert ScheduledChange.objects.get().plan_version == video.plan_version
        assert not PriceOverride.objects.exists()

    def test_another_one_is_based_on_the_public_version(self, video: VideoWorld) -> None:
        replace(video, row("0.25"), at_once=True)
        replace(video, row("0.20"))
        change = ScheduledChange.objects.get()
        assert change.plan_version.based_on == video.plan_version
        assert unit_amount(change.plan_version) == "0.20"

    def test_goes_along_with_every_move_ahead(self, video: VideoWorld) -> None:
        draft = publication.open_draft(plan=video.plan_version.plan, at=NOW)
        second = publication.publish(
            version=draft, by=None, at=NOW, migrate="all", effective_from=NOW + DAY
        )
        replace(video, row())
        waiting = ScheduledChange.objects.all()
        assert [(each.effective_at, each.plan_version.based_on) for each in waiting] == [
            (NOW, video.plan_version),
            (NOW + DAY, second),
        ]
        replace(video, row("0.1"), at_once=True)
        assert [unit_amount(each.plan_version) for each in waiting.all()] == ["0.1", "0.1"]

    def test_is_agreed_before_there_is_a_subscription(self, video: VideoWorld) -> None:
        customer = CustomerFactory.create(organization=video.organization)
        plan = video.plan_version.plan
        overrides.replace(customer=customer, plan=plan, prices=[row()], at=NOW)
        subscription = subscriptions.subscribe(
            customer=customer, plan_version=video.plan_version, at=NOW
        )
        assert subscription.plan_version.customer == customer
        assert unit_amount(subscription.plan_version) == "0.25"

    def test_leaves_a_subscription_to_another_plan_alone(self, video: VideoWorld) -> None:
        elsewhere = PlanVersionFactory.create(plan__organization=video.organization, published=True)
        Subscription.objects.update(plan_version=elsewhere)
        replace(video, row())
        replace(video, row("0.1"), at_once=True)
        assert not ScheduledChange.objects.exists()
        assert Subscription.objects.get().plan_version == elsewhere


class TestRefusals:
    @pytest.mark.parametrize(
        "change", [{"meter": "unknown"}, {"asset": "EUR"}], ids=["meter", "asset"]
    )
    def test_what_the_plan_does_not_price(self, video: VideoWorld, change: dict[str, Any]) -> None:
        with pytest.raises(PlanInvalid) as invalid:
            replace(video, row(**change))
        assert [error.field for error in invalid.value.errors] == ["prices[0].meter"]

    def test_what_could_not_be_published(self, video: VideoWorld) -> None:
        steps = {"charge_model": "stairstep", "tiers": [{"up_to": None, "flat_amount": "5"}]}
        with pytest.raises(PlanInvalid) as invalid:
            replace(video, row(definition=steps))
        assert [error.field for error in invalid.value.errors] == ["prices[0].settle"]
        assert not PriceOverride.objects.exists()
        assert PlanVersion.objects.count() == 1
