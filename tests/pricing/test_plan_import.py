"""Importing a plan: all of it or nothing, and never at odds with what is there."""

from typing import Any

import pytest

from accounts.models import Asset
from pricing import plan_export, plan_import, publication
from pricing.models import Meter, Plan, PlanVersion
from pricing.plan_form import PlanInvalid
from pricing.plan_import import DraftExists
from tests.clock import NOW
from tests.factories import OrganizationFactory
from tests.pricing.plan_documents import credit, full_plan, meter, price
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


def imported(document: dict[str, Any], **options: Any) -> PlanVersion:
    organization = options.pop("organization", None) or OrganizationFactory.create()
    return plan_import.import_plan(organization=organization, document=document, at=NOW, **options)


def refused(video: VideoWorld, document: dict[str, Any]) -> list[str]:
    with pytest.raises(PlanInvalid) as invalid:
        imported(document, organization=video.organization)
    return [error.field for error in invalid.value.errors]


class TestImport:
    def test_is_written_back_the_same(self) -> None:
        draft = imported(full_plan())
        assert (draft.is_draft, draft.number, draft.plan.code) == (True, 1, "studio")
        assert plan_export.write(draft) == full_plan()

    def test_of_an_export_is_the_same_plan_elsewhere(self) -> None:
        first = plan_export.write(imported(full_plan()))
        assert plan_export.write(imported(first)) == first
        assert Plan.objects.count() == 2

    def test_uses_what_is_there(self, video: VideoWorld) -> None:
        minutes = meter(filters={}, name="Other name", unit="min")
        prices = [price()]
        draft = imported(
            {"code": "two", "name": "Two", "meters": [minutes], "prices": prices},
            organization=video.organization,
        )
        assert draft.prices.get().meter == video.minutes
        assert draft.prices.get().asset == video.usd
        assert (Meter.objects.count(), Asset.objects.count()) == (1, 1)

    def test_can_be_published(self) -> None:
        draft = imported(full_plan(shortfall_policy="block", overdraft_limit="0"))
        published = publication.publish(version=draft, by=None, at=NOW)
        assert not published.is_draft

    def test_is_the_next_version_of_a_plan_that_exists(self, video: VideoWorld) -> None:
        plan = video.plan_version.plan
        document = {"code": plan.code, "name": plan.name, "prices": [price()]}
        draft = imported(document, organization=video.organization)
        assert (draft.plan, draft.number) == (plan, 2)


class TestAnOpenDraft:
    def test_is_not_overwritten(self) -> None:
        draft = imported(full_plan())
        with pytest.raises(DraftExists):
            imported(full_plan(name="Other"), organization=draft.organization)

    def test_is_overwritten_when_that_is_wanted(self) -> None:
        draft = imported(full_plan())
        smaller = full_plan(
            prices=[price()], entitlements=[], included_credits=[credit()], seats=None
        )
        again = imported(smaller, organization=draft.organization, replace_draft=True)
        assert again.pk == draft.pk
        written = plan_export.write(PlanVersion.objects.get(pk=draft.pk))
        assert written == {**smaller, "assets": smaller["assets"][:1]}


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"aggregation": "count", "quantity_property": None}, "meters[0].aggregation"),
            ({"quantity_property": "seconds"}, "meters[0].quantity_property"),
            ({"event_type": "other"}, "meters[0].event_type"),
            ({"filters": {"a": "b"}}, "meters[0].filters"),
        ],
    )
    def test_a_meter_that_is_another_one_here(
        self, video: VideoWorld, change: dict[str, Any], field: str
    ) -> None:
        wanted = meter(**{"filters": {}, **change})
        assert field in refused(video, {"code": "a", "name": "A", "meters": [wanted]})
        assert not Plan.objects.filter(code="a").exists()

    def test_an_asset_that_is_another_one_here(self, video: VideoWorld) -> None:
        wanted = {"code": "USD", "scale": 4, "is_currency": False}
        fields = refused(video, {"code": "a", "name": "A", "assets": [wanted]})
        assert fields == ["assets[0].scale", "assets[0].is_currency"]

    def test_codes_of_nothing(self, video: VideoWorld) -> None:
        document = full_plan(assets=[], meters=[])
        assert refused(video, document) == ["included_credits[0].asset", "prices[1].asset"]
        other = OrganizationFactory.create()
        with pytest.raises(PlanInvalid) as invalid:
            imported(document, organization=other)
        assert [error.field for error in invalid.value.errors] == [
            "base_fee.asset",
            "seats.asset",
            "included_credits[0].asset",
            "included_credits[1].asset",
            "included_credits[2].asset",
            "included_credits[2].meters[0]",
            "entitlements[1].meter",
            "prices[0].meter",
            "prices[0].asset",
            "prices[1].meter",
            "prices[1].asset",
        ]

    def test_leave_nothing_behind(self, video: VideoWorld) -> None:
        document = full_plan(prices=[price(meter="unknown")])
        assert refused(video, document)
        assert (Meter.objects.count(), Asset.objects.count(), Plan.objects.count()) == (1, 1, 1)
