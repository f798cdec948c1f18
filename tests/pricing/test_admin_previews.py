"""Previews: what an event would cost at the prices as they are typed, and how it comes about."""

from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client

from pricing.models import PlanVersion
from tests.accounts.admin_worlds import page
from tests.factories import PlanVersionFactory
from tests.pricing.editor_forms import edit, price_fields, typed
from tests.pricing.test_admin import OPUS_TABLE, TIERS
from tests.worlds import VIDEO_PRICE, VideoWorld

pytestmark = pytest.mark.django_db


def preview(
    browser: Client, draft: PlanVersion, properties: str, used: str = "", **price: Any
) -> Any:
    """Ask for a preview of the draft's one price, and return the answer."""
    sample = {
        "_preview": "1",
        "sample-event_type": "video.rendered",
        "sample-properties": properties,
        "sample-used": used,
    }
    fields = price_fields(0, draft.prices.get(), **price)
    response = edit(browser, draft, typed(fields, saved=1, more=sample))
    assert response.status_code == HTTPStatus.OK
    return response


def amounts(response: Any) -> list[str]:
    return [line.amount or line.refusal for line in response.context["preview"]]


@pytest.mark.parametrize(
    ("properties", "amount"),
    [
        ("minutes = 3\nspeed = fast", "3.00"),
        ('{"minutes": 3, "speed": "fast"}', "3.00"),
        ("minutes = 3\nspeed = standard", "1.20"),
        ("minutes = 0.1\nspeed = standard", "0.04"),
    ],
)
def test_what_video_minutes_would_cost(
    properties: str, amount: str, browser: Client, draft: PlanVersion
) -> None:
    assert amounts(preview(browser, draft, properties)) == [amount]


@pytest.mark.parametrize(
    ("model", "speed", "amount"),
    [
        ("opus", "fast", "2.00"),
        ("opus", "slow", "1.50"),
        ("haiku", "fast", "1.20"),
        ("haiku", "slow", "0.50"),
    ],
)
def test_prices_as_typed_count_not_as_saved(
    model: str, speed: str, amount: str, browser: Client, draft: PlanVersion
) -> None:
    event = f"minutes = 1\nmodel = {model}\nspeed = {speed}"
    assert amounts(preview(browser, draft, event, matrix=OPUS_TABLE)) == [amount]
    assert draft.prices.get().definition == VIDEO_PRICE


@pytest.mark.parametrize(
    ("used", "amount", "steps"),
    [
        ("", "10.00", [("tier 1: 0 to 1000", "10.00")]),
        ("999", "5.072", [("tier 1: 0 to 1000", "1.00"), ("tier 2: above 1000", "4.072")]),
        ("1000", "4.08", [("tier 1: 0 to 1000", "0.00"), ("tier 2: above 1000", "4.08")]),
        ("5000", "0.08", [("tier 2: above 1000", "0.08")]),
    ],
)
def test_the_working_is_shown_tier_by_tier_from_where_the_period_stands(
    used: str, amount: str, steps: list[tuple[str, str]], browser: Client, draft: PlanVersion
) -> None:
    tiers = "up to|price|flat\n1000|1.00|\nabove|0.008|4"
    response = preview(
        browser, draft, "minutes = 10", used, charge_model="graduated", matrix="", tiers=tiers
    )
    assert amounts(response) == [amount]
    (line,) = response.context["preview"]
    assert [(step.label, step.amount) for step in line.steps] == steps


def test_what_settles_at_close_is_shown_for_the_period(browser: Client, draft: PlanVersion) -> None:
    response = preview(
        browser, draft, "minutes = 10", "1000",
        charge_model="volume_tiers", matrix="", tiers=TIERS, settle="at_close",
    )  # fmt: skip
    (line,) = response.context["preview"]
    assert line.is_period
    # All of them at the price of the tier they reach.
    assert line.amount == "8.08"
    assert response.context["preview_totals"] == []


def test_a_script_gets_the_result_alone(browser: Client, draft: PlanVersion) -> None:
    sample = {
        "_preview": "1",
        "sample-event_type": "video.rendered",
        "sample-properties": "minutes = 2\nspeed = fast",
    }
    form = typed(price_fields(0, draft.prices.get()), saved=1, more=sample)
    text = edit(browser, draft, form, **{"HX-Request": "true"}).content.decode()
    assert text.strip().startswith('<div class="preview-result"')
    assert "2.00" in text
    assert "<form" not in text


def test_a_page_just_opened_shows_an_event_that_is_priced(
    browser: Client, draft: PlanVersion
) -> None:
    response = browser.get(page(PlanVersion, "change", draft.pk))
    assert amounts(response) == ["1,000.00"]
    assert "speed = fast" in response.content.decode()


def test_a_draft_without_prices_has_nothing_to_try(video: VideoWorld, browser: Client) -> None:
    empty = PlanVersionFactory.create(plan__organization=video.organization)
    response = browser.get(page(PlanVersion, "change", empty.pk))
    assert response.status_code == HTTPStatus.OK
    assert "preview" not in response.context


def test_why_there_is_no_price(browser: Client, draft: PlanVersion) -> None:
    (refusal,) = amounts(preview(browser, draft, "minutes = 1\nspeed = warp"))
    assert "no price for these values of speed" in refusal
    (refusal,) = amounts(preview(browser, draft, "speed = fast"))
    assert "minutes, which the event does not have" in refusal


def test_an_event_no_meter_counts(browser: Client, draft: PlanVersion) -> None:
    sample = {"_preview": "1", "sample-event_type": "other", "sample-properties": ""}
    response = edit(browser, draft, typed(more=sample))
    assert b"No meter priced here counts this event" in response.content


def test_a_wrong_price_is_left_out_and_counted(browser: Client, draft: PlanVersion) -> None:
    response = preview(browser, draft, "minutes = 1", matrix="speed|price\nfast|abc")
    assert response.context["preview"] == []
    assert b"1 price with a mistake left out" in response.content


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("properties", "minutes", "Line 1 must read name = value."),
        ("event_type", "", "This field is required."),
        ("used", "-5", "greater than or equal to 0"),
        ("used", "abc", "must be a decimal number"),
    ],
)
def test_a_wrong_sample_is_named(
    field: str, value: str, error: str, browser: Client, draft: PlanVersion
) -> None:
    sample = {"_preview": "1", "sample-event_type": "video.rendered", f"sample-{field}": value}
    response = edit(browser, draft, typed(more=sample))
    assert error in response.content.decode()
