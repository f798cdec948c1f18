"""Drafts, what keeps them from being published, and what publication freezes."""

import threading
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from pricing import publication
from pricing.models import PlanVersion, Price, Settle, ShortfallPolicy, VersionState
from pricing.publication import Problem, PublicationRefused
from pricing.version_changes import Change, compare
from tests.clock import NOW
from tests.factories import (
    AssetFactory,
    EntitlementFactory,
    IncludedCreditFactory,
    MeterFactory,
    PlanFactory,
    PlanVersionFactory,
    PriceFactory,
    UserFactory,
)
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


def definition(unit_amount: str) -> dict[str, str]:
    return {"charge_model": "per_unit", "unit_amount": unit_amount}


@pytest.fixture
def price() -> Price:
    return PriceFactory.create()


@pytest.fixture
def draft(price: Price) -> PlanVersion:
    return price.plan_version


class TestOpenDraft:
    def test_the_first_draft_is_empty(self) -> None:
        draft = publication.open_draft(plan=PlanFactory.create(), at=NOW)
        assert (draft.number, draft.state, draft.created_at) == (1, VersionState.DRAFT, NOW)
        assert not draft.prices.exists()

    def test_an_open_draft_is_found_again(self, draft: PlanVersion) -> None:
        assert publication.open_draft(plan=draft.plan, at=NOW) == draft

    def test_the_next_draft_starts_from_what_is_published(self, video: VideoWorld) -> None:
        published = video.plan_version
        draft = publication.open_draft(plan=published.plan, at=NOW)
        assert draft.number == published.number + 1
        assert draft.shortfall_policy == published.shortfall_policy
        (copied,), (original,) = draft.prices.all(), published.prices.all()
        assert copied.pk != original.pk
        for field in ("organization", "meter", "asset", "settle", "definition"):
            assert getattr(copied, field) == getattr(original, field)

    def test_the_terms_are_copied_too(self) -> None:
        published = PlanVersionFactory.create(
            published=True,
            billing_interval="year",
            shortfall_policy=ShortfallPolicy.OVERDRAFT,
            overdraft_limit=Decimal(50),
        )
        draft = publication.open_draft(plan=published.plan, at=NOW)
        assert (draft.billing_interval, draft.overdraft_limit) == ("year", Decimal(50))
        assert draft.shortfall_policy == ShortfallPolicy.OVERDRAFT

    def test_everything_that_hangs_on_it_is_copied_too(self, price: Price) -> None:
        version, usd = price.plan_version, price.asset
        version.base_fee_amount, version.base_fee_asset = Decimal(20), usd
        version.trial_days = 14
        version.save()
        IncludedCreditFactory.create(plan_version=version, asset=usd, priority=7)
        EntitlementFactory.create(plan_version=version, feature="sso")
        publication.publish(version=version, by=None, at=NOW)
        draft = publication.open_draft(plan=version.plan, at=NOW)
        assert (draft.base_fee_amount, draft.base_fee_asset) == (Decimal(20), usd)
        assert (draft.trial_days, draft.published_at) == (14, None)
        (credit,), (entitlement,) = draft.included_credits.all(), draft.entitlements.all()
        assert (credit.amount, credit.asset, credit.priority) == (Decimal(500), usd, 7)
        assert entitlement.feature == "sso"

    @pytest.mark.django_db(transaction=True)
    def test_two_who_open_at_once_get_the_same_draft(self) -> None:
        plan = PlanFactory.create()
        start, drafts = threading.Barrier(4), []

        def open_one() -> None:
            start.wait()
            try:
                drafts.append(publication.open_draft(plan=plan, at=NOW).id)
            finally:
                connection.close()

        threads = [threading.Thread(target=open_one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(drafts) == 4
        assert len(set(drafts)) == 1


class TestCheck:
    def test_a_priced_draft_has_no_problem(self, draft: PlanVersion) -> None:
        assert publication.check(draft) == []

    def test_a_draft_without_prices(self) -> None:
        assert publication.check(PlanVersionFactory.create()) == [
            Problem("prices", "a plan needs at least one price")
        ]

    def test_a_price_that_is_none(self, draft: PlanVersion, price: Price) -> None:
        Price.objects.filter(pk=price.pk).update(definition=definition("-1"))
        (problem,) = publication.check(draft)
        assert problem.field == f"prices[{price.meter.code}, USD].unit_amount"
        assert problem.reason == "must be zero or more"

    @pytest.mark.parametrize(
        ("policy", "limit", "fields"),
        [
            (ShortfallPolicy.BLOCK, 0, []),
            (ShortfallPolicy.OVERDRAFT, 10, []),
            (ShortfallPolicy.OVERDRAFT, 0, ["overdraft_limit"]),
            (ShortfallPolicy.BLOCK, 10, ["overdraft_limit"]),
        ],
    )
    def test_a_limit_goes_with_an_overdraft(
        self, policy: ShortfallPolicy, limit: int, fields: list[str], draft: PlanVersion
    ) -> None:
        draft.shortfall_policy, draft.overdraft_limit = policy, Decimal(limit)
        assert [problem.field for problem in publication.check(draft)] == fields

    def test_an_overage_needs_something_to_invoice_in(self) -> None:
        draft = PlanVersionFactory.create(shortfall_policy=ShortfallPolicy.OVERAGE)
        credits_ = AssetFactory.create(organization=draft.organization, own_unit=True)
        PriceFactory.create(plan_version=draft, asset=credits_)
        (problem,) = publication.check(draft)
        assert problem.reason == "credits is no currency and cannot be invoiced"

    def test_a_price_for_each_unit_may_be_left_for_the_close(
        self, draft: PlanVersion, price: Price
    ) -> None:
        Price.objects.filter(pk=price.pk).update(settle=Settle.AT_CLOSE)
        assert publication.check(draft) == []

    def test_what_only_the_close_knows_is_not_charged_on_events(
        self, draft: PlanVersion, price: Price
    ) -> None:
        volume = {"charge_model": "volume_tiers", "tiers": [{"up_to": None, "unit_amount": "1"}]}
        Price.objects.filter(pk=price.pk).update(definition=volume)
        (problem,) = publication.check(draft)
        assert problem.field.endswith(".settle")
        assert "settles at close" in problem.reason
        Price.objects.filter(pk=price.pk).update(settle=Settle.AT_CLOSE)
        assert publication.check(draft) == []

    def test_what_belongs_to_somebody_else(self, draft: PlanVersion, price: Price) -> None:
        foreign = MeterFactory.create()
        # Within this transaction only: the same-tenant foreign key refuses it at the commit.
        Price.objects.filter(pk=price.pk).update(meter=foreign)
        (problem,) = publication.check(draft)
        assert problem.field == f"prices[{foreign.code}, USD]"
        assert "belongs to someone else" in problem.reason
        Price.objects.filter(pk=price.pk).update(meter=price.meter)

    def test_a_published_version_is_not_published_again(self) -> None:
        (problem,) = publication.check(PlanVersionFactory.create(published=True))
        assert problem.field == "state"


class TestPublish:
    def test_it_freezes_and_signs(self, draft: PlanVersion) -> None:
        person = UserFactory.create()
        published = publication.publish(version=draft, by=person, at=NOW)
        published.refresh_from_db()
        assert published.state == VersionState.PUBLISHED
        assert (published.published_at, published.published_by) == (NOW, person)

    def test_a_draft_with_problems_stays_a_draft(self) -> None:
        draft = PlanVersionFactory.create()
        with pytest.raises(PublicationRefused, match="at least one price") as refused:
            publication.publish(version=draft, by=None, at=NOW)
        assert refused.value.problems == publication.check(draft)
        draft.refresh_from_db()
        assert draft.is_draft

    def test_nobody_publishes_twice(self, draft: PlanVersion) -> None:
        publication.publish(version=draft, by=None, at=NOW)
        with pytest.raises(PublicationRefused, match="published before"):
            publication.publish(version=draft, by=None, at=NOW)

    def test_the_database_refuses_every_later_change(
        self, draft: PlanVersion, price: Price
    ) -> None:
        published = publication.publish(version=draft, by=None, at=NOW)
        versions = PlanVersion.objects.filter(pk=published.pk)
        prices = Price.objects.filter(pk=price.pk)
        for forbidden in (
            lambda: versions.update(overdraft_limit=1),
            versions.delete,
            lambda: prices.update(definition=definition("9")),
            prices.delete,
            lambda: PriceFactory.create(
                plan_version=published,
                asset__code="EUR",
            ),
        ):
            with pytest.raises(DatabaseError) as refused, transaction.atomic():
                forbidden()
            assert "published" in str(refused.value) or "pgtrigger" in str(refused.value)

    def test_customers_stay_on_their_version(self, video: VideoWorld) -> None:
        draft = publication.open_draft(plan=video.plan_version.plan, at=NOW)
        publication.publish(version=draft, by=None, at=NOW)
        assert video.plan_version.subscriptions.count() == 1
        assert draft.subscriptions.count() == 0

    @pytest.mark.django_db(transaction=True)
    def test_a_price_edited_meanwhile_is_checked_before_it_is_frozen(self) -> None:
        price = PriceFactory.create()
        editing, done = threading.Event(), threading.Event()

        def spoil() -> None:
            try:
                with transaction.atomic():
                    Price.objects.filter(pk=price.pk).update(definition=definition("-1"))
                    editing.set()
                    done.wait(0.5)
            finally:
                connection.close()

        thread = threading.Thread(target=spoil)
        thread.start()
        editing.wait()
        with pytest.raises(PublicationRefused, match="zero or more"):
            publication.publish(version=price.plan_version, by=None, at=NOW)
        thread.join()


class TestCompare:
    def test_everything_is_new_in_a_first_version(self, draft: PlanVersion, price: Price) -> None:
        assert compare(None, draft) == [
            Change("Billing interval", "", "Month"),
            Change("When credit runs out", "", "Refuse the event"),
            Change(f"{price.meter.code} in USD", "", "0.01 USD per unit"),
        ]

    def test_what_stays_is_not_mentioned(self, video: VideoWorld) -> None:
        draft = publication.open_draft(plan=video.plan_version.plan, at=NOW)
        assert compare(video.plan_version, draft) == []

    def test_cells_are_compared_one_by_one(self, video: VideoWorld) -> None:
        draft = publication.open_draft(plan=video.plan_version.plan, at=NOW)
        price = draft.prices.get()
        fast, standard = price.definition["matrix"]["cells"]
        standard["unit_amount"] = "0.45"
        slow = {"match": {"speed": "slow"}, "unit_amount": "0.10"}
        price.definition["matrix"]["cells"] = [standard, slow]
        price.save()
        subject = "video_minutes in USD, speed = "
        assert compare(video.plan_version, draft) == [
            Change(f"{subject}standard", "0.40 USD per unit", "0.45 USD per unit"),
            Change(f"{subject}slow", "", "0.10 USD per unit"),
            Change(f"{subject}{fast['match']['speed']}", "1.00 USD per unit", ""),
        ]

    def test_what_is_no_price_is_said(self, price: Price) -> None:
        Price.objects.filter(pk=price.pk).update(definition={})
        (*_, last) = compare(None, price.plan_version)
        assert last.after.startswith("not a price yet: charge_model")

    def test_blocks_and_rounding_are_said(self, price: Price) -> None:
        price.definition = {
            **definition("3"),
            "unit_size": "1000000",
            "rounding": "up",
        }
        price.meter.unit = "token"
        price.meter.save()
        price.save()
        terms = {change.subject: change.after for change in compare(None, price.plan_version)}
        expected = "3.00 USD per 1,000,000 × token, rounded up"
        assert terms[f"{price.meter.code} in USD"] == expected
