"""The pages of backtests: asking, watching, reading."""

import datetime as dt
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role
from metering import tasks
from metering.models import BacktestRun, BacktestState
from pricing.models import CostPolicy, ShortfallPolicy
from tests.accounts.admin_worlds import signed_in
from tests.factories import (
    BacktestResultFactory,
    BacktestRunFactory,
    CustomerFactory,
    MembershipFactory,
)
from tests.metering.past import TODAY, sold
from tests.price_menu import MENU, Shop

pytestmark = pytest.mark.django_db

ADD = reverse("admin:metering_backtestrun_add")


@pytest.fixture
def shop() -> Shop:
    return sold(["per_unit", "volume"])


@pytest.fixture
def browser(shop: Shop) -> Client:
    return signed_in(MembershipFactory.create(organization=shop.organization).user)


def page_of(run: BacktestRun) -> str:
    return reverse("admin:metering_backtestrun_change", args=[run.pk])


def wish(shop: Shop, **fields: Any) -> dict[str, Any]:
    return {
        "plan_version": shop.plan_version.pk,
        "start": "2025-01-01",
        "last": TODAY.date().isoformat(),
        "customers": "",
        **fields,
    }


def test_one_is_asked_for_done_and_read(browser: Client, shop: Shop) -> None:
    answer = browser.post(ADD, wish(shop))
    run = BacktestRun.objects.get()
    assert answer["Location"] == page_of(run)
    assert (run.range_starts_at, run.range_ends_at) == (
        dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2025, 3, 21, tzinfo=dt.UTC),
    )
    assert run.requested_by is not None
    assert b"Waiting for a worker" in browser.get(page_of(run)).content
    tasks.run_backtests()
    shown = browser.get(page_of(run)).content.decode()
    for customer in shop.customers:
        assert str(customer) in shown
    assert "0 more, 0 less, 2 the same" in shown
    assert "Margin" not in shown


def test_it_offers_the_version_it_was_opened_for(browser: Client, shop: Shop) -> None:
    draft = shop.draft_version({"per_unit": MENU["rounded"]})
    shown = browser.get(ADD, {"plan_version": str(draft.pk)}).content.decode()
    assert f'<option value="{draft.pk}" selected>{draft}, draft</option>' in shown


def test_it_moves_while_it_runs_and_stands_still_after(browser: Client, shop: Shop) -> None:
    run = BacktestRunFactory.create(plan_version=shop.plan_version, running=True)
    shown = browser.get(page_of(run)).content.decode()
    assert '<progress id="progress" max="100" value="25">' in shown
    assert '<meta http-equiv="refresh"' in shown
    part = browser.get(page_of(run), headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<div id="live" hx-get=')
    assert "<html" not in part
    BacktestRun.objects.update(state=BacktestState.DONE, finished_at=TODAY, events_done=200)
    part = browser.get(page_of(run), headers={"HX-Request": "true"}).content.decode()
    assert "hx-get" not in part
    assert 'value="100"' in part
    assert "200 events replayed" in part


def test_margins_are_shown_where_costs_are_known(browser: Client, shop: Shop) -> None:
    run = BacktestRunFactory.create(plan_version=shop.plan_version, done=True)
    here = {"run": run, "asset": shop.assets["USD"]}
    BacktestResultFactory.create(**here, customer=shop.customers[0], cost=4, uncosted=1)
    BacktestResultFactory.create(**here, customer=shop.customers[1])
    shown = browser.get(page_of(run)).content.decode()
    assert "Margin before" in shown
    assert "1 event of unknown cost is in no margin" in shown
    assert not CostPolicy.objects.exists()


def test_why_it_failed_is_said(browser: Client, shop: Shop) -> None:
    run = BacktestRunFactory.create(plan_version=shop.plan_version, failed=True)
    assert "The draft was changed." in browser.get(page_of(run)).content.decode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"last": "2024-12-31"}, "not before the first"),
        ({"last": "9999-12-31"}, "another after it"),
        ({"start": "soon"}, "Enter a valid date"),
        ({"customers": "nobody"}, "There is no customer nobody"),
        ({"plan_version": "nonsense"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_done_is_said_beside_the_field(
    browser: Client, shop: Shop, change: dict[str, str], message: str
) -> None:
    answer = browser.post(ADD, wish(shop, **change))
    assert answer.status_code == HTTPStatus.OK
    assert message in answer.content.decode()
    assert not BacktestRun.objects.exists()


def test_a_draft_with_problems_is_refused_with_them(browser: Client, shop: Shop) -> None:
    draft = shop.draft_version(
        {"credits": MENU["credits"]}, shortfall_policy=ShortfallPolicy.OVERAGE
    )
    shown = browser.post(ADD, wish(shop, plan_version=draft.pk)).content.decode()
    assert "credits is no currency and cannot be invoiced" in shown


def test_customers_are_named_one_a_line(browser: Client, shop: Shop) -> None:
    foreign = CustomerFactory.create()
    names = [customer.external_id for customer in shop.customers]
    browser.post(ADD, wish(shop, customers="\r\n".join([names[1], " ", names[1]])))
    assert BacktestRun.objects.get().customer_ids == [shop.customers[1].id]
    shown = browser.post(ADD, wish(shop, customers=foreign.external_id)).content.decode()
    assert "There is no customer" in shown


def test_an_analyst_watches_and_asks_for_nothing(shop: Shop) -> None:
    analyst = MembershipFactory.create(organization=shop.organization, role=Role.ANALYST).user
    browser = signed_in(analyst)
    run = BacktestRunFactory.create(plan_version=shop.plan_version, done=True)
    assert browser.get(page_of(run)).status_code == HTTPStatus.OK
    assert browser.post(ADD, wish(shop)).status_code == HTTPStatus.FORBIDDEN


def test_what_is_done_may_go_and_what_runs_may_not(browser: Client, shop: Shop) -> None:
    done = BacktestResultFactory.create(
        run__plan_version=shop.plan_version, customer=shop.customers[0], asset=shop.assets["USD"]
    ).run
    running = BacktestRunFactory.create(plan_version=shop.plan_version, running=True)
    for run in (done, running):
        browser.post(reverse("admin:metering_backtestrun_delete", args=[run.pk]), {"post": "yes"})
    assert list(BacktestRun.objects.all()) == [running]


def test_a_backtest_of_others_is_not_found(browser: Client) -> None:
    assert browser.get(page_of(BacktestRunFactory.create())).status_code == HTTPStatus.NOT_FOUND
