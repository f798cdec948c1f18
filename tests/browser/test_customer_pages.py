"""Statement, events and limits in a browser: on a desk and on a phone, also without scripts."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from metering import caps
from metering.models import Event
from metering.spend_caps import Window
from tests.browser.conftest import OpenContext, Site, watch_console
from tests.factories import CostRateFactory

pytestmark = pytest.mark.browser

WIDTHS = (1280, 390)


@pytest.fixture
def paths(site: Site) -> list[str]:
    """Every page, with something on each: limits near their end, events, a cost, two grants."""
    world, now = site.world, timezone.now()
    CostRateFactory.create(meter=world.minutes)
    caps.set_cap(customer=world.customer, limit=world.balance(at=now), window=Window.DAY,
                 asset=world.usd, name="Daily ceiling", at=now)  # fmt: skip
    caps.set_cap(customer=world.customer, limit=world.balance(at=now), window=Window.MONTH,
                 meter=world.minutes, property_name="model", at=now)  # fmt: skip
    world.grant("2.5", priority=1, name="Launch gift", at=now)
    world.record(
        world.event(
            id="x" * 200,
            source="y" * 200,
            properties={"minutes": "82.123456", "speed": "fast", "model": "m" * 200, "p" * 90: []},
        ),
        at=now,
    )
    event = Event.objects.order_by("-position")[0]
    cap = world.customer.caps.all()[0]
    pages = ("statement/", "events/", f"events/{event.key}/", "limits/", "stop/", "resume/",
             f"limits/{cap.id}/lift/")  # fmt: skip
    return [f"{site.customer_path}{page}" for page in ("", *pages)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_is_accessible_and_silent(
    site: Site, open_context: OpenContext, paths: list[str], scheme: str
) -> None:
    page = open_context(site.owner, color_scheme=scheme).new_page()
    messages = watch_console(page)
    for path in paths:
        page.goto(path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            violations = Axe().run(page).response["violations"]
            serious = [each for each in violations if each["impact"] in {"serious", "critical"}]
            assert serious == [], path
    assert messages == []


def test_from_the_balance_to_the_tier_that_moved_it(
    site: Site, open_context: OpenContext, paths: list[str]
) -> None:
    page = open_context(site.customers_person).new_page()
    page.goto(site.customer_path)
    page.get_by_role("link", name="Statement").click()
    expect(page.get_by_text("from Launch gift")).to_be_visible()
    page.get_by_role("row", name="Launch gift").get_by_role("link").click()
    expect(page.get_by_role("heading", name="What it cost")).to_be_visible()
    expect(page.get_by_role("row", name="All units")).to_contain_text("82.123456")
    expect(page.get_by_text("Vendor cost")).to_have_count(0)
    page.goto(paths[1])
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == "statement-northwind.csv"


def test_limits_and_the_switch_need_no_script(site: Site, open_context: OpenContext) -> None:
    page = open_context(site.customers_person, java_script_enabled=False).new_page()
    page.goto(site.customer_path)
    page.get_by_role("link", name="Limits").click()
    set_a_limit(page, "nothing")
    expect(page.get_by_role("alert")).to_have_count(1)
    set_a_limit(page, "7.5")
    expect(page.get_by_text("At most 7.50 USD a month.").first).to_be_visible()
    page.get_by_role("link", name=re.compile("^Lift")).click()
    page.get_by_role("button", name="Lift the limit").click()
    expect(page.get_by_text("None is set.")).to_be_visible()
    page.get_by_role("link", name="Stop all usage").click()
    page.get_by_role("link", name="No, leave it").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    page.get_by_role("link", name="Stop all usage").click()
    page.get_by_role("button", name="Stop all usage").click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    page.get_by_role("link", name="Let usage go on").click()
    page.get_by_role("button", name="Let usage go on").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible()


def set_a_limit(page: Page, limit: str) -> None:
    page.get_by_label("At most").fill(limit)
    page.get_by_role("button", name="Set the limit").click()
