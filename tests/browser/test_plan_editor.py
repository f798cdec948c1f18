"""The plan editor in a browser: a plan is made, tried out and published without writing JSON."""

import json
import re
import urllib.request
import uuid
from decimal import Decimal
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from accounts import ledger
from accounts.burndown import Category
from pricing import publication, subscriptions
from pricing.models import PlanVersion
from tests.browser.conftest import OpenContext, Site, sign_in, watch_console
from tests.factories import CustomerFactory, MeterFactory
from tests.worlds import VIDEO_PRICE

pytestmark = pytest.mark.browser

CELLS = "model\tspeed\tprice\naurora\tfast\t$2.50\naurora\t*\t1000:1.20; 0.90\n*\t*\t0.40"
MODELS = [f"model-{number}" for number in range(1, 21)]
KINDS = ["input_tokens", "cached_tokens", "output_tokens", "audio_tokens", "image_tokens"]
LIST = "\n".join(
    ["\t".join(["model", *KINDS])]
    + ["\t".join([model, *(f"${number}.{kind}5" for kind in range(5))])
       for number, model in enumerate(MODELS, 1)]
)  # fmt: skip


@pytest.fixture
def page(site: Site, open_context: OpenContext) -> Page:
    context = open_context(site.owner)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    return context.new_page()


@pytest.fixture
def draft(site: Site) -> PlanVersion:
    """A draft with the video price."""
    return publication.open_draft(plan=site.world.plan_version.plan, at=timezone.now())


def paste(page: Page, cell: Locator, text: str) -> None:
    """Put a text on the clipboard and paste it into a cell, as from a spreadsheet."""
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    cell.focus()
    page.keyboard.press("Control+v")


def assert_accessible(page: Page) -> None:
    """Expect no serious finding of axe."""
    findings = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
    serious = [
        (each["id"], [node["target"] for node in each["nodes"]])
        for each in findings
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []


def post_event(site: Site, customer: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Report an event as the company's own server would, and return the answer."""
    event = {
        "id": str(uuid.uuid4()),
        "type": "video.rendered",
        "customer": customer,
        "timestamp": timezone.now().isoformat(),
        "properties": properties,
    }
    request = urllib.request.Request(
        f"{site.url}/api/v1/events",
        data=json.dumps(event).encode(),
        headers={"Authorization": f"Bearer {site.api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def test_a_plan_is_made_by_paste_tried_published_and_charged(site: Site, page: Page) -> None:
    console = watch_console(page)
    page.goto("/admin/pricing/plan/add/")
    page.get_by_label("Code").fill("studio")
    page.get_by_label("Name").fill("Studio")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#id_prices-0-meter").select_option(label="Video minutes")
    page.locator("#id_prices-0-asset").select_option(label="USD")
    price = page.locator("#prices-0")
    price.get_by_text("Different prices by model, speed, size").click()
    table = price.get_by_role("group", name="Prices by attribute")
    paste(page, table.get_by_label("Name of column 1"), CELLS)
    expect(table.get_by_label("Row 3, price")).to_have_value("1000:1.20; 0.90")
    page.get_by_label("Event type").fill("video.rendered")
    page.get_by_label("Properties").fill("minutes = 3\nspeed = fast\nmodel = aurora")
    # Nobody presses a button: the panel follows what is typed.
    expect(page.locator("#preview-result")).to_contain_text("7.50 USD")
    expect(page.locator("#preview-result")).to_contain_text("model = aurora, speed = fast")
    assert_accessible(page)
    page.get_by_role("button", name="Save and review for publication").click()
    expect(page.get_by_role("row", name="model = aurora, speed = fast")).to_contain_text(
        "2.50 USD per unit"
    )
    assert_accessible(page)
    page.get_by_role("button", name="Publish Studio v1").click()
    expect(page.get_by_text("neither its terms nor its prices ever change")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Save"))).to_have_count(0)
    assert_accessible(page)
    assert console == []
    assert charged(site, {"minutes": "2", "model": "aurora", "speed": "fast"}) == Decimal(5)
    assert charged(site, {"minutes": "2", "model": "aurora", "speed": "slow"}) == Decimal("2.4")


def charged(site: Site, properties: dict[str, Any]) -> Decimal:
    """Return what a customer of the new plan is charged for an event."""
    version = PlanVersion.objects.get(plan__code="studio")
    customer = CustomerFactory.create(organization=site.world.organization)
    subscriptions.subscribe(customer=customer, plan_version=version, at=timezone.now())
    account = ledger.open_account(customer=customer, asset=site.world.usd)
    ledger.grant_credit(
        account=account, amount=Decimal(100), category=Category.PAID, at=timezone.now()
    )
    post_event(site, customer.external_id, properties)
    return Decimal(100) - ledger.read_balance(account, at=timezone.now()).posted


def test_a_price_list_of_a_hundred_prices_is_pasted_in_one_go(
    site: Site, page: Page, draft: PlanVersion
) -> None:
    console = watch_console(page)
    page.goto(f"/admin/pricing/planversion/{draft.pk}/price-list/?asset=USD&by=")
    paste(page, page.get_by_label("Name of column 1"), LIST)
    expect(page.get_by_label("Row 22, image_tokens")).to_have_value("$20.45")
    expect(page.get_by_label("input_tokens: price for how many units")).to_have_value("1M")
    page.get_by_label("Event type of new meters").fill("llm.called")
    assert_accessible(page)
    page.get_by_role("button", name="Save price list").click()
    expect(page.get_by_text("5 added")).to_be_visible()
    prices = draft.prices.filter(meter__code__in=KINDS)
    cells = [cell for price in prices for cell in price.definition["matrix"]["cells"]]
    assert (len(prices), len(cells)) == (5, 100)
    assert {price.definition["unit_size"] for price in prices} == {"1000000"}
    expect(page.get_by_label("Row 22, image_tokens")).to_have_value("20.45")
    assert console == []


def test_a_table_is_edited_by_keyboard_alone(page: Page, draft: PlanVersion) -> None:
    page.goto(f"/admin/pricing/planversion/{draft.pk}/price-list/?asset=USD&by=speed")
    page.get_by_label("Row 3, speed").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Row 3, video_minutes")).to_be_focused()
    page.keyboard.type("1.50")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    # Enter in the last row begins another one.
    expect(page.get_by_label("Row 5, video_minutes")).to_be_focused()
    page.keyboard.type("0.20")
    page.keyboard.press("ArrowLeft")
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("Row 5, speed")).to_be_focused()
    page.keyboard.type("slow")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Row 5, video_minutes")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Remove row 4")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Add row")).to_be_focused()
    page.get_by_role("button", name="Save price list").press("Enter")
    expect(page.get_by_text("The price list is saved")).to_be_visible()
    cells = draft.prices.get().definition["matrix"]["cells"]
    assert [(cell["match"]["speed"], cell["unit_amount"]) for cell in cells] == [
        ("fast", "1.50"),
        ("slow", "0.20"),
    ]


def test_what_went_wrong_is_undone(page: Page, draft: PlanVersion) -> None:
    page.goto(f"/admin/pricing/planversion/{draft.pk}/price-list/?asset=USD&by=speed")
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_disabled()
    paste(page, page.get_by_label("Name of column 1"), LIST)
    expect(page.get_by_label("Row 22, model")).to_be_visible()
    undo.click()
    expect(page.get_by_label("Row 3, speed")).to_have_value("fast")
    expect(page.locator("table.grid tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Edit as text").click()
    expect(page.locator("#id_prices")).to_have_value(re.compile("standard +[|] 0.40"))


def test_a_charge_model_shows_what_it_asks_for(site: Site, page: Page, draft: PlanVersion) -> None:
    MeterFactory.create(organization=site.world.organization, code="long", name="Long minutes")
    page.goto(f"/admin/pricing/planversion/{draft.pk}/change/")
    page.get_by_role("button", name="Add another Price").click()
    price = page.locator("#prices-1")
    expect(price.get_by_label("Price", exact=True)).to_be_visible()
    price.get_by_text("Graduated tiers").click()
    expect(price.get_by_label("Price", exact=True)).to_be_hidden()
    expect(price.locator("[data-model-title]")).to_have_text("Graduated tiers")
    for label, value in (("Row 2, up to", "1000"), ("Row 2, price of each", "0.01"),
                         ("Row 3, price of each", "0.008")):  # fmt: skip
        price.get_by_label(label).fill(value)
    price.locator("select[name$='meter']").select_option(label="Long minutes")
    price.locator("select[name$='asset']").select_option(label="USD")
    page.get_by_label("Delete").check()
    page.get_by_label("Properties").fill("minutes = 10")
    page.get_by_label("Usage so far in the period").fill("995")
    expect(page.locator("#preview-result")).to_contain_text("0.09 USD")
    steps = page.locator("#preview-result .steps tbody tr")
    expect(steps).to_have_count(2)
    expect(steps.last).to_contain_text("0.04")
    price.get_by_text("Volume tiers").click()
    expect(price.locator("select[name$='settle']")).to_have_value("at_close")
    page.get_by_role("button", name="Save and continue editing").click()
    assert draft.prices.get().definition["charge_model"] == "volume_tiers"


def test_a_mistake_is_marked_in_its_cell(page: Page, draft: PlanVersion) -> None:
    page.goto(f"/admin/pricing/planversion/{draft.pk}/price-list/?asset=USD&by=speed")
    page.get_by_label("Row 4, video_minutes").fill("abc")
    page.get_by_role("button", name="Save price list").click()
    expect(page.locator(".errorlist")).to_contain_text(
        "Row 4, column video_minutes: must be a number such as 12.50."
    )
    expect(page.get_by_label("Row 4, video_minutes")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Row 3, video_minutes")).not_to_have_attribute("aria-invalid", "true")
    assert_accessible(page)


def test_everything_works_without_javascript(
    site: Site, open_context: OpenContext, draft: PlanVersion
) -> None:
    page = open_context(java_script_enabled=False).new_page()
    sign_in(page, site.owner)
    page.goto(f"/admin/pricing/planversion/{draft.pk}/change/")
    page.locator(".price-fold > summary").first.click()
    page.locator("#id_prices-0-matrix").fill("speed|price\nfast|2.50\n*|0.40")
    page.get_by_label("Properties").fill("minutes = 3\nspeed = fast")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview-result")).to_contain_text("7.50 USD")
    assert draft.prices.get().definition == VIDEO_PRICE
    page.get_by_role("button", name="Save", exact=True).click()
    assert draft.prices.get().definition["matrix"]["cells"][0]["unit_amount"] == "2.50"


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
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_of_a_version_fits_and_shuts_nobody_out(
    site: Site, open_context: OpenContext, draft: PlanVersion, scheme: str, width: int
) -> None:
    page = open_context(
        site.owner, viewport={"width": width, "height": 844}, color_scheme=scheme
    ).new_page()
    console = watch_console(page)
    base = f"/admin/pricing/planversion/{draft.pk}"
    plan = f"/admin/pricing/plan/{draft.plan_id}"
    for address in (
        f"{base}/change/", f"{base}/price-list/", f"{base}/files/", f"{base}/publish/",
        f"{plan}/compare/", f"{plan}/change/", "/admin/pricing/plan/import/",
        f"/admin/pricing/planversion/{site.world.plan_version.pk}/change/",
        "/admin/pricing/coupon/add/", "/admin/pricing/priceoverride/add/",
    ):  # fmt: skip
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        assert_accessible(page)
    assert console == []
