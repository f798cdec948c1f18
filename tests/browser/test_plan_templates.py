"""The page of plan templates: accessible on every screen, and a plan is one press away."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import OpenContext, Site, watch_console

pytestmark = pytest.mark.browser

SERIOUS = {"serious", "critical"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_silent_and_accessible_and_fits(
    site: Site, open_context: OpenContext, scheme: str
) -> None:
    page = open_context(site.owner, color_scheme=scheme).new_page()
    messages = watch_console(page)
    page.goto("/admin/pricing/plan/")
    page.get_by_role("link", name="Create from a template").click()
    page.get_by_text("What to know").first.click()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        violations = Axe().run(page).response["violations"]
        assert [each for each in violations if each["impact"] in SERIOUS] == []
    assert messages == []


def test_a_button_makes_a_draft(site: Site, open_context: OpenContext) -> None:
    page = open_context(site.owner).new_page()
    page.goto("/admin/pricing/plan/templates/")
    page.get_by_role("button", name="Create a draft from Google Cloud Run").click()
    expect(page.get_by_text("is a draft with the prices of Google Cloud Run")).to_be_visible()
