"""Costs and margins in a browser: from the first look at margins to a loss one can see."""

import os

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from pricing.models import CostRate
from tests.browser.conftest import OpenContext, Site, watch_console

pytestmark = pytest.mark.browser

DEFINITION = """\
{"charge_model": "per_unit", "matrix": {"dimensions": ["speed"], "cells": [
    {"match": {"speed": "fast"}, "unit_amount": "0.25"},
    {"match": {"speed": "standard"}, "unit_amount": "0.55"}]}}"""


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, site: Site, open_context: OpenContext) -> Page:
    return open_context(site.owner, color_scheme=request.param).new_page()


def is_fine(page: Page, name: str) -> None:
    """Expect a page without a serious finding of axe."""
    if os.environ.get("LOOK"):
        page.screenshot(path=f"/tmp/look-{name}.png", full_page=True)
    findings = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
    serious = [each["id"] for each in findings if each["impact"] in {"serious", "critical"}]
    assert serious == []


def test_a_loss_is_seen(site: Site, page: Page) -> None:
    messages = watch_console(page)
    page.goto("/admin/")
    is_fine(page, "index")
    page.get_by_role("link", name="Margins").click()
    page.get_by_role("link", name="say in which asset costs are kept").click()
    page.get_by_label("Asset").select_option(label="USD")
    page.get_by_role("button", name="Save", exact=True).click()

    page.goto("/admin/pricing/costrate/add/")
    page.get_by_label("Vendor").fill("renderer")
    page.locator(".field-meter .select2-selection").click()
    page.get_by_role("option", name="Video minutes").click()
    page.get_by_label("Date").fill("2025-01-01")
    page.get_by_label("Time").fill("00:00:00")
    page.get_by_label("Definition").fill(DEFINITION)
    is_fine(page, "rate-add")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    page.goto(f"/admin/pricing/costrate/{CostRate.objects.get().pk}/change/")
    expect(page.get_by_text("speed = standard")).to_be_visible()
    is_fine(page, "rate")

    world = site.world
    world.record(world.event(), world.minutes_of("standard", "12.5"), at=timezone.now())
    page.goto("/admin/metering/billingperiod/margins/?by=meter")
    expect(page.get_by_role("cell", name="Loss −1.125").first).to_be_visible()
    is_fine(page, "margins")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    is_fine(page, "margins-phone")
    assert messages == []
