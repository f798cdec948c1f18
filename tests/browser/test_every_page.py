"""What holds for every page: it fits a phone, its console stays silent, it shuts nobody out."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import CreditAccount, Customer
from billing_site import self_check
from tests.browser.conftest import OpenContext, Site, sign_in, watch_console
from tests.factories import CustomerFactory, MembershipFactory, ParkingFactory
from tests.guarded_tables import unguarded

pytestmark = pytest.mark.browser

Open = Callable[[Site, Page], None]
SERIOUS = {"serious", "critical"}


def login_refused(site: Site, page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/login/")
    page.get_by_label("E-mail address").fill("nobody@example.com")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()


def customer(site: Site, page: Page) -> None:
    page.goto(site.customer_path)
    expect(page.locator("#live-mark")).to_contain_text("Live")
    page.get_by_text("The same as a table").click()


def customer_without_anything(site: Site, page: Page) -> None:
    page.goto(f"/customers/{Customer.objects.get(name='Quiet Ltd.').id}/")


def customer_list(site: Site, page: Page) -> None:
    page.goto(site.list_path)
    expect(page.get_by_role("heading", name="Customers")).to_be_visible()


def search(site: Site, page: Page) -> None:
    page.goto(site.list_path)
    page.get_by_label("Find by name or external ID").fill("nothing like it")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Nothing found")).to_be_visible()


def chooser(site: Site, page: Page) -> None:
    MembershipFactory.create(user=site.owner)
    page.goto("/")
    expect(page.get_by_role("heading", name="Where would you like to go?")).to_be_visible()


def proof_of_nothing(site: Site, page: Page) -> None:
    page.goto(site.proof_path)
    expect(page.get_by_role("heading", name="Not checked yet")).to_be_visible()
    expect(page.locator("#live-mark")).to_contain_text("Live")


def proof_of_right_books(site: Site, page: Page) -> None:
    self_check.prove(clock=timezone.now)
    page.goto(site.proof_path)
    expect(page.get_by_role("heading", name="All books are right")).to_be_visible()


def proof_of_broken_books(site: Site, page: Page) -> None:
    gone = CustomerFactory.create(organization=site.world.organization)
    ParkingFactory.create(customer=gone, let_go_at=timezone.now(), let_go_reason="Looked at")
    with unguarded():
        CreditAccount.objects.update(balance=7)
    self_check.prove(clock=timezone.now)
    page.goto(site.proof_path)
    expect(page.get_by_role("heading", name="2 differences in the books")).to_be_visible()
    page.get_by_label("Reason to let go").fill("A long reason that somebody typed in")


PAGES = [
    login_refused, customer, customer_without_anything, customer_list, search, chooser,
    proof_of_nothing, proof_of_right_books, proof_of_broken_books,
]  # fmt: skip


@pytest.fixture(params=PAGES, ids=lambda each: each.__name__)
def open_page(request: pytest.FixtureRequest) -> Open:
    """Each page in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_silent_and_accessible_and_fits(
    site: Site, open_context: OpenContext, open_page: Open, scheme: str
) -> None:
    page = open_context(site.owner, color_scheme=scheme).new_page()
    messages = watch_console(page)
    open_page(site, page)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        violations = Axe().run(page).response["violations"]
        assert [each for each in violations if each["impact"] in SERIOUS] == []
    assert messages == []


def test_an_unknown_address_is_accessible_too(site: Site, open_context: OpenContext) -> None:
    page = open_context().new_page()
    page.goto("/no/such/page/")
    violations = Axe().run(page).response["violations"]
    assert [each for each in violations if each["impact"] in SERIOUS] == []


def test_signing_in_leads_to_the_customers_and_out_again(
    site: Site, open_context: OpenContext
) -> None:
    page = open_context().new_page()
    sign_in(page, site.owner)
    page.get_by_role("link", name="Northwind Studio").click()
    expect(page).to_have_url(f"{site.url}{site.customer_path}")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_everything_is_reached_by_keyboard(site: Site, open_context: OpenContext) -> None:
    page = open_context(site.owner).new_page()
    page.goto(site.list_path)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Find by name or external ID")).to_be_focused()
