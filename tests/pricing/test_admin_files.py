"""Versions as files: what is taken away comes back the same, and nothing is half imported."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from pricing.models import Meter, Plan, PlanVersion
from tests.factories import IncludedCreditFactory, MeterFactory, PriceFactory
from tests.pricing.editor_forms import version_page
from tests.worlds import VIDEO_PRICE, VideoWorld

pytestmark = pytest.mark.django_db

TIERS = {
    "charge_model": "graduated",
    "tiers": [
        {"up_to": "1000", "unit_amount": "0.01", "flat_amount": "5"},
        {"up_to": None, "unit_amount": "0.008"},
    ],
}


@pytest.fixture
def rich(video: VideoWorld, draft: PlanVersion) -> PlanVersion:
    """A draft with two prices and included credit."""
    calls = MeterFactory.create(organization=video.organization, code="calls", name="Calls")
    PriceFactory.create(plan_version=draft, meter=calls, asset=video.usd, definition=TIERS)
    IncludedCreditFactory.create(plan_version=draft, asset=video.usd)
    return draft


def send(browser: Client, draft: PlanVersion, text: str | bytes, **fields: Any) -> Any:
    content = text if isinstance(text, bytes) else text.encode()
    file = SimpleUploadedFile("prices.csv", content)
    return browser.post(version_page(draft, "files"), {"file": file, **fields}, follow=True)


def exported(browser: Client, version: PlanVersion, kind: str) -> str:
    response = browser.get(version_page(version, kind))
    assert response["Content-Disposition"].startswith("attachment; filename=")
    return response.content.decode()


def stored(version: PlanVersion) -> dict[str, Any]:
    return {price.meter.code: price.definition for price in version.prices.all()}


def test_csv_comes_back_exactly(browser: Client, rich: PlanVersion) -> None:
    before, text = stored(rich), exported(browser, rich, "csv")
    rich.prices.all().delete()
    response = send(browser, rich, text)
    assert "Prices: added " in response.content.decode()
    assert stored(rich) == before


def test_json_brings_back_the_whole_version(browser: Client, rich: PlanVersion) -> None:
    text = exported(browser, rich, "json")
    rich.prices.all().delete()
    rich.included_credits.all().delete()
    send(browser, rich, text)
    rich.refresh_from_db()
    assert exported(browser, rich, "json") == text
    assert rich.included_credits.count() == 1


def test_prices_in_json_are_taken_too(browser: Client, rich: PlanVersion) -> None:
    price = {"meter": "calls", "asset": "USD", "charge_model": "per_unit", "unit_amount": 0.5}
    browser.post(version_page(rich, "files"), {"text": json.dumps({"prices": [price]})})
    assert stored(rich)["calls"] == {"charge_model": "per_unit", "unit_amount": "0.5"}
    assert stored(rich)["video_minutes"] == VIDEO_PRICE


def test_prices_outside_the_file_stay_unless_asked(browser: Client, rich: PlanVersion) -> None:
    text = "meter,asset,unit_amount\ncalls,USD,3"
    send(browser, rich, text)
    assert set(stored(rich)) == {"calls", "video_minutes"}
    send(browser, rich, text, replace_all="on")
    assert stored(rich) == {"calls": {"charge_model": "per_unit", "unit_amount": "3"}}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "Choose a file, or paste its text."),
        ("meter,asset,unit_amount\ncalls,USD,3\nnobody,USD,1", "Row 3, column meter: “nobody” is"),
        ("meter,asset,unit_amount\ncalls,USD,abc", "Row 2, column unit_amount: must be a number"),
        ("meter,asset,unit_amount\ncalls,EUR,3", "Row 2, column asset: “EUR” is not the code"),
        ("meter,asset,settle,unit_amount\ncalls,USD,now,3", "Row 2, column settle: must be"),
        ("meter,asset,up_to,unit_amount\ncalls,USD,5,3\ncalls,USD,2,1", "Row 3, column up_to:"),
        (b"meter,asset\ncalls,\xff", "not text in UTF-8"),
        ("meter,asset\ncalls,\0", "zero byte"),
        ("x" * (2 * 1024 * 1024 + 1), "more than 2 MB"),
        ("[1]", "The JSON needs a list"),
        ("{", "This is not JSON that can be used"),
        ('[{"meter": "calls"}, {"meter": "calls"}]', "prices[1] is for the same meter and asset"),
        ('[{"meter": "calls", "asset": "USD"}]', "prices[0].charge_model"),
        ('{"code": "other", "name": "Other"}', "The file is of the plan “other”, not of this one."),
    ],
)
def test_mistakes_are_named_and_nothing_is_imported(
    text: str | bytes, error: str, browser: Client, rich: PlanVersion
) -> None:
    before = stored(rich)
    response = send(browser, rich, text, replace_all="on")
    assert error in " ".join(str(each) for each in response.context["form"].errors.values())
    assert stored(rich) == before


def test_a_long_list_of_mistakes_is_cut(browser: Client, rich: PlanVersion) -> None:
    rows = "\n".join(f"calls,USD,m{number},abc" for number in range(60))
    response = send(browser, rich, f"meter,asset,where model,unit_amount\n{rows}")
    assert "10 more mistakes." in str(response.context["form"].errors)


def test_a_plan_is_made_of_a_file(video: VideoWorld, browser: Client, rich: PlanVersion) -> None:
    document = json.loads(exported(browser, rich, "json"))
    document |= {"code": "copy", "name": "Copy"}
    document["meters"].append(
        {"code": "new", "name": "New", "event_type": "e", "aggregation": "count"}
    )
    address = reverse("admin:pricing_plan_import")
    response = browser.post(address, {"text": json.dumps(document)}, follow=True)
    copy = Plan.objects.get(organization=video.organization, code="copy").versions.get()
    assert stored(copy) == stored(rich)
    assert Meter.objects.filter(organization=video.organization, code="new").exists()
    assert b"Copy is a draft now." in response.content
    again = browser.post(address, {"text": json.dumps(document)})
    assert "has a draft" in str(again.context["form"].errors)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("meter,asset,unit_amount\ncalls,USD,3", "These are prices without a plan."),
        ('{"code": "x"}', "name"),
        ("{", "This is not JSON"),
    ],
)
def test_what_is_no_plan_is_refused(
    text: str, error: str, video: VideoWorld, browser: Client
) -> None:
    response = browser.post(reverse("admin:pricing_plan_import"), {"text": text})
    assert error in str(response.context["form"].errors)
    assert Plan.objects.filter(organization=video.organization).count() == 1
