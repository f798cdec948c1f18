"""Two versions side by side, in words and amounts."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pricing.admin import comparisons
from pricing.admin.comparisons import Difference
from pricing.models import PlanVersion
from pricing.version_changes import Change
from tests.factories import PlanFactory, PlanVersionFactory
from tests.worlds import VideoWorld


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ("1.00 USD per unit", "1.10 USD per unit", "10 % more"),
        ("3.00 USD per unit", "1.00 USD per unit", "66.7 % less"),
        ("1,000.00 USD per unit", "2,000.00 USD per unit", "100 % more"),
        ("1.00 USD per unit", "1.00 USD per unit, rounded up", ""),
        ("1.00 USD per unit", "1.00 EUR per unit", ""),
        ("0.00 USD per unit", "1.00 USD per unit", ""),
        ("up to 5: 1.00 USD", "up to 6: 2.00 USD", ""),
        ("Month", "Day", ""),
        ("", "1.00 USD per unit", ""),
    ],
)
def test_how_much_dearer_is_said_where_it_is_one_number(
    before: str, after: str, share: str
) -> None:
    assert Difference(subject="price", before=before, after=after).by_how_much == share


def test_differences_are_grouped_by_price_and_named() -> None:
    groups = comparisons.group(
        [
            Change("Billing interval", "Month", "Day"),
            Change("calls in USD, model = opus", "1", ""),
            Change("calls in USD, model = a, b", "", "2"),
            Change("tokens in USD", "1", "2"),
        ]
    )
    assert [(group.title, [each.subject for each in group.differences]) for group in groups] == [
        ("Terms of the plan", ["Billing interval"]),
        ("calls in USD", ["model = opus", "model = a, b"]),
        ("tokens in USD", ["price"]),
    ]
    assert comparisons.counted(groups) == "2 changed, 1 added, 1 removed"


@pytest.mark.django_db
class TestThePage:
    def compare(self, browser: Client, version: PlanVersion, **asked: Any) -> str:
        address = reverse("admin:pricing_plan_compare", args=[version.plan_id])
        return browser.get(address, asked).content.decode()

    def test_the_two_newest_are_compared_unless_others_are_asked_for(
        self, video: VideoWorld, browser: Client, draft: PlanVersion
    ) -> None:
        price = draft.prices.get()
        price.definition = {"charge_model": "per_unit", "unit_amount": "3"}
        price.save()
        text = self.compare(browser, draft)
        assert "1 added, 2 removed." in text
        assert '<span class="kind removed">removed</span>' in text
        text = self.compare(browser, draft, before=draft.pk, after=video.plan_version.pk)
        assert "2 added, 1 removed." in text
        same = self.compare(browser, draft, before=draft.pk, after=draft.pk)
        assert "No difference: they say the same." in same

    def test_one_version_is_shown_whole(self, video: VideoWorld, browser: Client) -> None:
        text = self.compare(browser, video.plan_version)
        assert "There is only one version so far" in text
        assert "1.00 USD per unit" in text

    def test_a_plan_without_versions(self, video: VideoWorld, browser: Client) -> None:
        plan = PlanFactory.create(organization=video.organization)
        address = reverse("admin:pricing_plan_compare", args=[plan.pk])
        assert b"There is only one version" not in browser.get(address).content

    def test_versions_of_others_are_not_compared(
        self, video: VideoWorld, browser: Client, draft: PlanVersion
    ) -> None:
        stranger = PlanVersionFactory.create()
        text = self.compare(browser, draft, before=stranger.pk, after="nonsense")
        assert str(stranger.pk) not in text
