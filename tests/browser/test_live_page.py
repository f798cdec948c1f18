"""The open page of a customer moves by itself, says when it cannot, and stays where it is."""

import json
import re
import urllib.request
import uuid

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenContext, Site, sign_in, watch_console

pytestmark = pytest.mark.browser

WITHIN_MS = 2000


@pytest.fixture
def page(site: Site, open_context: OpenContext) -> Page:
    """The customer's page, open and live."""
    page = open_context(site.customers_person).new_page()
    page.goto(site.customer_path)
    expect(page.locator("#live-mark")).to_contain_text("Live")
    return page


def post_event(site: Site, minutes: str) -> None:
    """Report an event as the company's own server would."""
    event = {
        "id": str(uuid.uuid4()),
        "type": "video.rendered",
        "customer": site.world.customer.external_id,
        "timestamp": timezone.now().isoformat(),
        "properties": {"minutes": minutes, "speed": "fast", "model": "aurora"},
    }
    request = urllib.request.Request(
        f"{site.url}/api/v1/events",
        data=json.dumps(event).encode(),
        headers={"Authorization": f"Bearer {site.api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        assert response.status == 201


def test_the_balance_moves_within_two_seconds_of_an_event(site: Site, page: Page) -> None:
    messages = watch_console(page)
    figure = page.locator("[data-figure]")
    expect(figure).to_have_text("94.00")
    post_event(site, "1.25")
    expect(figure).to_have_text("92.75", timeout=WITHIN_MS)
    newest = page.locator(".events tbody tr").first
    expect(newest).to_contain_text("model aurora")
    expect(newest).to_contain_text("1.25")
    expect(page.locator(".chart .today title")).to_contain_text("7.25 USD")
    assert messages == []


def test_what_the_reader_opened_stays_open_and_in_place(site: Site, page: Page) -> None:
    page.get_by_text("The same as a table").click()
    table = page.locator("details table")
    expect(table).to_be_visible()
    sections = page.locator("section.panel")
    before = [corner(section) for section in sections.all()]
    post_event(site, "1")
    expect(page.locator("[data-figure]")).to_have_text("93.00", timeout=WITHIN_MS)
    expect(table).to_be_visible()
    expect(table.locator("tbody tr").first).to_contain_text("7.00")
    assert [corner(section) for section in sections.all()] == before


def corner(section: Locator) -> tuple[float, float]:
    """Where on the page it begins."""
    box = section.bounding_box()
    assert box is not None
    return box["x"], box["y"]


def test_the_page_says_when_the_connection_is_lost_and_when_it_is_back(page: Page) -> None:
    mark = page.locator("#live-mark")
    page.context.set_offline(True)
    expect(mark).to_contain_text(re.compile(r"Connection lost, figures \d+ s old"), timeout=15_000)
    page.context.set_offline(False)
    expect(mark).to_contain_text("Live", timeout=WITHIN_MS + 1000)


def test_a_session_that_ended_leads_to_the_login(page: Page) -> None:
    path = re.compile(r"/customers/")
    expect(page).to_have_url(path)
    Session.objects.all().delete()
    expect(page).to_have_url(re.compile(r"/login/\?next=/customers/"))


def test_without_javascript_refresh_shows_what_is_new(
    site: Site, open_context: OpenContext
) -> None:
    page = open_context(java_script_enabled=False).new_page()
    sign_in(page, site.customers_person)
    expect(page.get_by_text("Without JavaScript this page stands still")).to_be_visible()
    post_event(site, "4")
    expect(page.locator("[data-figure]")).to_have_text("94.00")
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator("[data-figure]")).to_have_text("90.00")
