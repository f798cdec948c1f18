"""The plan editor in a browser: a plan is made, tried out and published without writing JSON."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext, Site, watch_console

pytestmark = pytest.mark.browser

TABLE = "speed\tunit_amount\nfast\t2.50\n*\t0.40"


@pytest.fixture
def page(site: Site, open_context: OpenContext) -> Page:
    return open_context(site.owner).new_page()


def assert_accessible(page: Page) -> None:
    """Expect no serious finding of axe."""
    findings = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
    serious = [each["id"] for each in findings if each["impact"] in ("serious", "critical")]
    assert serious == []


def test_a_plan_is_made_tried_and_published(site: Site, page: Page) -> None:
    console = watch_console(page)
    page.goto("/admin/pricing/plan/add/")
    page.get_by_label("Code").fill("studio")
    page.get_by_label("Name").fill("Studio")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#id_prices-0-meter").select_option(label="Video minutes")
    page.locator("#id_prices-0-asset").select_option(label="USD")
    page.locator("#id_prices-0-matrix").fill(TABLE)
    page.get_by_label("Event type").fill("video.rendered")
    page.get_by_label("Properties").fill("minutes = 3\nspeed = fast")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("status")).to_contain_text("7.50 USD")
    assert_accessible(page)
    page.get_by_role("button", name="Save and review for publication").click()
    expect(page.get_by_role("row", name="video_minutes in USD, speed = fast")).to_contain_text(
        "2.50 USD per unit"
    )
    page.get_by_role("button", name="Publish Studio v1").click()
    expect(page.get_by_text("neither its terms nor its prices ever change")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Save"))).to_have_count(0)
    assert_accessible(page)
    assert console == []


def test_pickers_and_pop_ups_work_under_the_policy(site: Site, page: Page) -> None:
    console = watch_console(page)
    page.goto("/admin/metering/spendalert/add/")
    expect(page.get_by_text("Find account")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("combobox").first.click()
    page.get_by_role("searchbox").last.press_sequentially("northw")
    page.get_by_role("option", name="Northwind Studio USD").click()
    page.get_by_label("Threshold").fill("12.50")
    assert_accessible(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#result_list")).to_contain_text("12.50")
    assert console == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_editor_fits_a_phone(site: Site, open_context: OpenContext, scheme: str) -> None:
    phone = {"width": 390, "height": 844}
    page = open_context(site.owner, viewport=phone, color_scheme=scheme).new_page()
    console = watch_console(page)
    plan = site.world.plan_version.plan
    page.goto(f"/admin/pricing/plan/{plan.pk}/change/")
    page.get_by_role("button", name="Open a draft").click()
    expect(page.locator("#id_prices-0-matrix")).to_have_value(re.compile("fast +[|] 1.00"))
    assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
    assert_accessible(page)
    assert console == []
