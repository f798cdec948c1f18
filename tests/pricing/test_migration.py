"""Publishing for a date, and for those who are on the plan already."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import CreditAccount
from pricing import publication, scheduled_changes, subscriptions
from pricing.models import PlanVersion, Price, ScheduledChange, Subscription
from pricing.publication import PublicationRefused
from tests.clock import DAY, NOW
from tests.factories import (
    AssetFactory,
    PlanVersionFactory,
    PriceFactory,
    PriceOverrideFactory,
    ScheduledChangeFactory,
)
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


def publish_next(video: VideoWorld, *, at: dt.datetime = NOW, **how: Any) -> PlanVersion:
    draft = publication.open_draft(plan=video.plan_version.plan, at=at)
    return publication.publish(version=draft, by=None, at=at, **how)


def pending(video: VideoWorld) -> list[tuple[PlanVersion, dt.datetime]]:
    waiting = ScheduledChange.objects.filter(customer=video.customer, applied_at=None)
    return [(change.plan_version, change.effective_at) for change in waiting]


def version_at(video: VideoWorld, starts_at: dt.datetime) -> PlanVersion:
    return scheduled_changes.version_for_next_period(
        Subscription.objects.get(customer=video.customer), starts_at=starts_at
    )


class TestEffectiveFrom:
    def test_a_version_is_sold_from_its_moment_on(self, video: VideoWorld) -> None:
        plan = video.plan_version.plan
        second = publish_next(video, effective_from=NOW + DAY)
        before = NOW + DAY - dt.timedelta(microseconds=1)
        assert subscriptions.newest_version(plan, at=before) == video.plan_version
        assert subscriptions.newest_version(plan, at=NOW + DAY) == second
        assert publication.newest_published(plan) == second

    def test_what_a_draft_says_counts_unless_told_otherwise(self, video: VideoWorld) -> None:
        draft = publication.open_draft(plan=video.plan_version.plan, at=NOW)
        draft.effective_from = NOW + 3 * DAY
        draft.save()
        published = publication.publish(version=draft, by=None, at=NOW)
        assert published.effective_from == NOW + 3 * DAY
        following = publication.open_draft(plan=video.plan_version.plan, at=NOW)
        assert following.effective_from is None

    def test_a_moment_that_has_passed_means_now(self, video: VideoWorld) -> None:
        second = publish_next(video, effective_from=NOW - DAY, migrate="all")
        assert pending(video) == [(second, NOW)]
        plan = video.plan_version.plan
        assert subscriptions.newest_version(plan, at=NOW - DAY) == video.plan_version

    def test_a_mistake_that_lies_ahead_is_mended_by_another_version(
        self, video: VideoWorld
    ) -> None:
        publish_next(video, effective_from=NOW + 9 * DAY)
        third = publish_next(video, effective_from=NOW + DAY)
        plan = video.plan_version.plan
        assert subscriptions.newest_version(plan, at=NOW + 20 * DAY) == third


class TestMigration:
    def test_is_for_new_customers_unless_told_otherwise(self, video: VideoWorld) -> None:
        publish_next(video)
        assert pending(video) == []

    def test_moves_everybody_on_the_plan(self, video: VideoWorld) -> None:
        other = video.add_customer()
        second = publish_next(video, migrate="all", effective_from=NOW + DAY)
        assert pending(video) == pending(other) == [(second, NOW + DAY)]
        assert version_at(video, NOW) == video.plan_version
        assert version_at(video, NOW + DAY) == second

    def test_moves_some(self, video: VideoWorld) -> None:
        other = video.add_customer()
        publish_next(video, migrate=[other.customer])
        assert pending(video) == []
        assert len(pending(other)) == 1

    def test_moves_nobody_of_another_plan_and_nobody_who_left(self, video: VideoWorld) -> None:
        other = video.add_customer()
        Subscription.objects.filter(customer=other.customer).update(ended_at=NOW)
        elsewhere = PlanVersionFactory.create(plan__organization=video.organization, published=True)
        Subscription.objects.filter(customer=video.customer).update(plan_version=elsewhere)
        publish_next(video, migrate="all")
        assert not ScheduledChange.objects.exists()

    def test_moves_those_who_are_about_to_come_and_not_those_about_to_go(
        self, video: VideoWorld
    ) -> None:
        elsewhere = PlanVersionFactory.create(plan__organization=video.organization, published=True)
        subscription = Subscription.objects.get()
        ScheduledChangeFactory.create(subscription=subscription, plan_version=elsewhere)
        publish_next(video, migrate="all", effective_from=NOW + 2 * DAY)
        assert pending(video) == [(elsewhere, NOW + DAY)]
        second = publish_next(video, migrate="all", effective_from=NOW)
        assert pending(video) == [(second, NOW), (elsewhere, NOW + DAY)]

    def test_several_moments_wait_one_after_the_other(self, video: VideoWorld) -> None:
        second = publish_next(video, migrate="all", effective_from=NOW + DAY)
        third = publish_next(video, migrate="all", effective_from=NOW + 5 * DAY)
        assert pending(video) == [(second, NOW + DAY), (third, NOW + 5 * DAY)]
        assert version_at(video, NOW + 4 * DAY) == second
        fourth = publish_next(video, migrate="all", effective_from=NOW + 3 * DAY)
        assert pending(video) == [(second, NOW + DAY), (fourth, NOW + 3 * DAY)]

    def test_opens_the_accounts_the_new_version_needs(self, video: VideoWorld) -> None:
        draft = publication.open_draft(plan=video.plan_version.plan, at=NOW)
        unit = AssetFactory.create(organization=video.organization, own_unit=True)
        PriceFactory.create(plan_version=draft, meter=video.minutes, asset=unit)
        publication.publish(version=draft, by=None, at=NOW, migrate="all")
        assert CreditAccount.objects.filter(customer=video.customer, asset=unit).exists()


class TestPrivateVersions:
    def test_are_derived_anew(self, video: VideoWorld) -> None:
        override = PriceOverrideFactory.create(
            customer=video.customer,
            plan=video.plan_version.plan,
            meter=video.minutes,
            asset=video.usd,
        )
        other = video.add_customer()
        second = publish_next(video, migrate="all")
        [(private, _)] = pending(video)
        assert pending(other) == [(second, NOW)]
        assert (private.customer, private.based_on) == (video.customer, second)
        assert not private.is_draft
        assert Price.objects.get(plan_version=private).definition == override.definition
        assert publication.newest_published(video.plan_version.plan) == second

    def test_that_no_longer_fit_stop_the_publication(self, video: VideoWorld) -> None:
        PriceOverrideFactory.create(
            customer=video.customer,
            plan=video.plan_version.plan,
            meter=video.minutes,
            asset=video.usd,
            definition={"charge_model": "per_unit"},
        )
        with pytest.raises(PublicationRefused) as refused:
            publish_next(video, migrate="all")
        where = f"overrides[{video.customer.external_id}].prices[video_minutes, USD].unit_amount"
        assert [problem.field for problem in refused.value.problems] == [where]
        assert PlanVersion.objects.filter(state="published").count() == 1


class TestAffected:
    def test_counts_who_is_on_the_plan(self, video: VideoWorld) -> None:
        other = video.add_customer()
        PriceOverrideFactory.create(
            customer=other.customer,
            plan=video.plan_version.plan,
            meter=video.minutes,
            asset=video.usd,
        )
        draft = publication.open_draft(plan=video.plan_version.plan, at=NOW)
        affected = publication.affected(draft)
        assert (affected.subscriptions, affected.by_version) == (2, {1: 2})
        assert affected.with_overrides == 1
        assert affected.customers == sorted(
            [video.customer, other.customer], key=lambda each: each.external_id
        )

    def test_counts_private_versions_under_what_they_are_based_on(self, video: VideoWorld) -> None:
        private = PlanVersionFactory.create(
            plan=video.plan_version.plan,
            number=2,
            customer=video.customer,
            based_on=video.plan_version,
            published=True,
        )
        Subscription.objects.update(plan_version=private)
        assert publication.affected(private).by_version == {1: 1}


class TestTerms:
    def test_a_fee_is_in_a_currency(self, video: VideoWorld) -> None:
        draft = publication.open_draft(plan=video.plan_version.plan, at=NOW)
        draft.base_fee_amount = Decimal(5)
        draft.base_fee_asset = AssetFactory.create(organization=video.organization, own_unit=True)
        draft.save()
        assert [each.field for each in publication.check(draft)] == ["base_fee.asset"]
