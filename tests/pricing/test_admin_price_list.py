"""The price list of a draft: many meters pasted in one go."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from pricing.models import Meter, PlanVersion, Settle
from tests.factories import AssetFactory, MeterFactory, PriceFactory
from tests.pricing.editor_forms import version_page
from tests.worlds import VIDEO_PRICE, VideoWorld

pytestmark = pytest.mark.django_db

OPENAI = """\
Model\tInput tokens\tCached tokens\tOutput tokens
per\t1M\t1M\t1M
gpt-5\t$1.25\t$0.125\t$10.00
gpt-5-pro\t$15.00\t-\t$120.00
"""


def save(
    browser: Client, draft: PlanVersion, prices: str, event_type: str = "llm.called", **asked: str
) -> Any:
    address = version_page(draft, "price_list") + "?" + urlencode(asked)
    return browser.post(address, {"prices": prices, "event_type": event_type}, follow=True)


def errors(response: Any) -> str:
    return " ".join(response.context["form"].errors["prices"])


def cells(draft: PlanVersion, meter: str) -> list[tuple[str, str]]:
    matrix = draft.prices.get(meter__code=meter).definition["matrix"]
    return [(next(iter(cell["match"].values())), cell["unit_amount"]) for cell in matrix["cells"]]


def test_a_list_becomes_meters_and_prices(
    video: VideoWorld, browser: Client, draft: PlanVersion
) -> None:
    response = save(browser, draft, OPENAI, asset="USD", by="")
    assert "New meters: input_tokens, cached_tokens, output_tokens." in response.content.decode()
    meter = Meter.objects.get(organization=video.organization, code="cached_tokens")
    assert (meter.event_type, meter.quantity_property, meter.unit) == (
        "llm.called", "cached_tokens", "token",
    )  # fmt: skip
    # An event without the property is not counted, instead of being refused.
    assert meter.filters == {"cached_tokens": {"exists": True}}
    assert cells(draft, "cached_tokens") == [("gpt-5", "0.125")]
    price = draft.prices.get(meter__code="output_tokens")
    assert price.definition["unit_size"] == "1000000"
    assert (price.asset, price.settle) == (video.usd, Settle.ON_EVENT)
    # The list there was stays another list.
    assert draft.prices.get(meter=video.minutes).definition == VIDEO_PRICE


def test_a_list_is_shown_as_it_is_edited(browser: Client, draft: PlanVersion) -> None:
    save(browser, draft, OPENAI, asset="USD", by="")
    address = version_page(draft, "price_list") + "?" + urlencode({"asset": "USD", "by": "Model"})
    text = browser.get(address).context["form"]["prices"].value()
    assert text.splitlines()[:3] == [
        "Model     | input_tokens | cached_tokens | output_tokens",
        "per       | 1M           | 1M            | 1M",
        "gpt-5     | 1.25         | 0.125         | 10.00",
    ]


def test_prices_change_and_go_with_their_columns(
    video: VideoWorld, browser: Client, draft: PlanVersion
) -> None:
    save(browser, draft, OPENAI, asset="USD", by="")
    changed = "Model|input_tokens\ngpt-5|2\nother|3"
    text = save(browser, draft, changed, asset="USD", by="Model").content.decode()
    assert "changed Input tokens in USD" in text
    assert "removed Cached tokens in USD, Output tokens in USD" in text
    assert cells(draft, "input_tokens") == [("gpt-5", "2"), ("other", "3")]
    assert draft.prices.get(meter__code="input_tokens").definition["unit_size"] == "1000000"
    assert set(draft.prices.values_list("meter__code", flat=True)) == {
        "input_tokens",
        "video_minutes",
    }


def test_nothing_changes_when_nothing_was_typed(browser: Client, draft: PlanVersion) -> None:
    prices = "speed|video_minutes\nfast|1.00\nstandard|0.40"
    response = save(browser, draft, prices, asset="USD", by="speed")
    assert "nothing changed" in response.content.decode()


@pytest.mark.parametrize(
    ("prices", "event_type", "error"),
    [
        (OPENAI, "", "Row 1, column Input tokens: is no meter yet; say below"),
        (OPENAI.replace("$10.00", "abc"), "e", "Row 3, column Output tokens: must be a number"),
        (OPENAI.replace("$1.25", "5:1; 3:2; 1"), "e", "Row 3, column Input tokens: tier 2, up_to"),
        (
            OPENAI.replace("$0.125", "-"),
            "e",
            "Row 1, column Cached tokens: has no price in any row.",
        ),
        (OPENAI.replace("gpt-5-pro", "gpt-5"), "e", "matches the same values as row 3."),
        (OPENAI.replace("per\t1M", "per\t0"), "e", "Column Input tokens: per must be above zero"),
        ("model|video_minutes\nper|1\nx|1", "e", "has a price outside this list"),
        ("model|new\nx|1", "e", "say for how many units"),
        (OPENAI.replace("Input tokens", "§"), "e", "Row 1, column §:"),
    ],
)
def test_mistakes_are_named_and_nothing_is_kept(
    prices: str, event_type: str, error: str, browser: Client, draft: PlanVersion
) -> None:
    response = save(browser, draft, prices, event_type, asset="USD", by="")
    assert error in errors(response)
    assert not Meter.objects.filter(code="input_tokens").exists()
    assert draft.prices.get().definition == VIDEO_PRICE


def test_lists_of_other_assets_stay_apart(
    video: VideoWorld, browser: Client, draft: PlanVersion
) -> None:
    credits_ = AssetFactory.create(organization=video.organization, code="credits")
    save(browser, draft, "speed|video_minutes\nper|1\nfast|5", asset="credits", by="")
    assert draft.prices.get(asset=credits_).definition["matrix"]["cells"][0]["unit_amount"] == "5"
    assert draft.prices.get(asset=video.usd).definition == VIDEO_PRICE


def test_prices_that_are_no_list_are_named(
    video: VideoWorld, browser: Client, draft: PlanVersion
) -> None:
    calls = MeterFactory.create(organization=video.organization, code="calls", name="Calls")
    PriceFactory.create(plan_version=draft, meter=calls, asset=video.usd)
    text = browser.get(version_page(draft, "price_list")).content.decode()
    assert "Not in this list" in text
    assert "Calls" in text


def test_a_published_list_is_read(video: VideoWorld, browser: Client) -> None:
    text = browser.get(version_page(video.plan_version, "price_list")).content.decode()
    assert '<th scope="col">video_minutes</th>' in text
    assert "<td>0.40</td>" in text
    assert "<textarea" not in text


def test_a_price_that_can_only_settle_at_close_does(
    video: VideoWorld, browser: Client, draft: PlanVersion
) -> None:
    seats = MeterFactory.create(
        organization=video.organization, code="level", name="Level", aggregation="average"
    )
    save(browser, draft, "model|level\nper|1\nx|2", asset="USD", by="")
    assert draft.prices.get(meter=seats).settle == Settle.AT_CLOSE
