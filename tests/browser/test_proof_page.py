"""The open proof page: a broken row appears by itself, and its customer is let go from there."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import CreditAccount, Parking
from billing_site import self_check
from tests.browser.conftest import OpenContext, Site, sign_in, watch_console
from tests.guarded_tables import unguarded

pytestmark = pytest.mark.browser

WITHIN_MS = 4000


def break_balance() -> None:
    with unguarded():
        CreditAccount.objects.update(balance=7)


def check() -> None:
    self_check.prove(clock=timezone.now)


def headline(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", name=words)).to_be_visible(timeout=WITHIN_MS)


def test_a_broken_row_appears_by_itself_and_its_customer_is_let_go(
    site: Site, open_context: OpenContext
) -> None:
    page = open_context(site.owner).new_page()
    messages = watch_console(page)
    page.goto(site.list_path)
    page.get_by_role("link", name="Proof").click()
    check()
    headline(page, "All books are right")
    break_balance()
    check()
    headline(page, "2 differences in the books")
    reason = page.get_by_label("Reason to let go")
    reason.fill("Restored")
    check()  # What is being typed outlives what the page learns meanwhile.
    expect(page.get_by_role("heading", name="The last 3 runs")).to_be_visible(timeout=WITHIN_MS)
    expect(reason).to_have_value("Restored")
    page.get_by_role("button", name="Let go").click()
    expect(page.get_by_role("status").filter(has_text="is billed again")).to_be_visible()
    expect(page.get_by_role("heading", name="Parked customers")).to_have_count(0)
    assert Parking.objects.get().let_go_by == site.owner
    assert messages == []


def test_without_javascript_everything_is_a_link_or_a_form(
    site: Site, open_context: OpenContext
) -> None:
    page = open_context(java_script_enabled=False).new_page()
    sign_in(page, site.owner)
    page.goto(site.proof_path)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("A check was asked for")).to_be_visible()
    break_balance()
    check()
    page.get_by_role("link", name="Refresh").click()
    page.get_by_label("Reason to let go").fill("Restored")
    page.get_by_role("button", name="Let go").click()
    expect(page.get_by_text("is billed again")).to_be_visible()
