"""A backtest in a browser: it is asked for, its bar moves, and it is read, also on a phone."""

import re
from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from metering import backtests
from metering.models import BacktestRun
from tests.browser.conftest import OpenContext, Site, watch_console
from tests.factories import (
    AssetFactory,
    BacktestResultFactory,
    BacktestRunFactory,
    CustomerFactory,
    PlanVersionFactory,
    PriceFactory,
)

pytestmark = pytest.mark.browser


def assert_accessible(page: Page) -> None:
    """Expect no serious finding of axe."""
    findings = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
    assert [each["id"] for each in findings if each["impact"] in ("serious", "critical")] == []


def test_it_is_asked_for_and_its_bar_moves(
    site: Site, open_context: OpenContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = site.world
    draft = PlanVersionFactory.create(plan=world.plan_version.plan, number=2)
    twice = {"charge_model": "per_unit", "unit_amount": "2"}
    PriceFactory.create(plan_version=draft, meter=world.minutes, asset=world.usd, definition=twice)
    monkeypatch.setattr(backtests, "EVENTS_PER_SLICE", 1)
    page = open_context(site.owner).new_page()
    console = watch_console(page)
    page.goto(f"/admin/pricing/planversion/{draft.pk}/change/")
    page.get_by_role("link", name="Backtest", exact=True).click()
    expect(page.get_by_label("Version")).to_have_value(str(draft.pk))
    assert_accessible(page)
    page.get_by_role("button", name="Run the backtest").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_js_property("value", 0)
    run = BacktestRun.objects.get()
    assert backtests.advance(run_id=run.id, at=timezone.now())
    expect(bar).to_have_js_property("value", 50)
    expect(page.get_by_role("status")).to_have_text("1 of 2 events, 50 %")
    while backtests.advance(run_id=run.id, at=timezone.now()):
        pass
    expect(page.get_by_role("status")).to_have_text("2 events replayed.")
    # One fast minute and 12.5 standard ones: 1 + 5 then, and 27 at 2.00 each.
    expect(page.get_by_role("row", name=re.compile("Northwind"))).to_contain_text("+21.00")
    assert_stands_still(page)
    assert_accessible(page)
    assert console == []


def assert_stands_still(page: Page) -> None:
    """Expect that a finished page asks for nothing any more."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert asked == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_read_at_any_width(site: Site, open_context: OpenContext, scheme: str) -> None:
    run = BacktestRunFactory.create(
        plan_version=site.world.plan_version,
        running=True,
        events_unpriced=3,
        refusals=[{"reason": "no_price", "detail": "no price for it " * 9, "events": 3,
                   "example": "01926f2e-7b1c-7c3a-9a64-2f6f0c6d7a11"}],
    )  # fmt: skip
    here = {"organization": site.world.organization}
    for number, asset in enumerate([site.world.usd, AssetFactory.create(**here, own_unit=True)]):
        BacktestResultFactory.create(
            run=run,
            customer=CustomerFactory.create(**here, name="A name that goes on and on " * 3),
            asset=asset,
            charged=Decimal("123456789.123456789012") * (number + 1),
            would_be=Decimal("987654.000000000001"),
            unpriced=3,
            cost=Decimal("1000000.5"),
        )
    page = open_context(site.owner, color_scheme=scheme).new_page()
    console = watch_console(page)
    page.goto(f"/admin/metering/backtestrun/{run.pk}/change/")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert_accessible(page)
    page.goto("/admin/metering/backtestrun/")
    assert_accessible(page)
    assert console == []


def test_it_is_watched_without_javascript(site: Site, open_context: OpenContext) -> None:
    run = BacktestRunFactory.create(plan_version=site.world.plan_version, running=True)
    page = open_context(site.owner, java_script_enabled=False).new_page()
    page.goto(f"/admin/metering/backtestrun/{run.pk}/change/")
    BacktestRun.objects.filter(id=run.id).update(events_done=150)
    expect(page.get_by_role("status")).to_have_text("150 of 200 events, 75 %")
