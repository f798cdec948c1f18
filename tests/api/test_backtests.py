"""Asking for a backtest, watching it, and reading what it has found."""

from typing import Any

import pytest
from django.utils import timezone

from metering import backtests, tasks
from metering.models import BacktestRun
from pricing.models import ShortfallPolicy
from tests.api.callers import Caller, caller_of
from tests.factories import BacktestResultFactory, BacktestRunFactory
from tests.metering.past import sold
from tests.price_menu import MENU, Shop, open_shop

pytestmark = pytest.mark.django_db

FROM, TO = "2025-01-01T00:00:00Z", "2025-03-20T12:00:00Z"


@pytest.fixture
def shop(checks_at_once: None) -> Shop:
    return sold(["per_unit", "volume"])


@pytest.fixture
def api(shop: Shop) -> Caller:
    return caller_of(shop.organization)


def wish(shop: Shop, **fields: Any) -> dict[str, Any]:
    return {"plan": shop.plan.code, "from": FROM, "to": TO, **fields}


def test_it_is_accepted_done_by_a_worker_and_read(api: Caller, shop: Shop) -> None:
    asked = api.post("backtests", wish(shop))
    assert asked.status == 202
    assert (asked.json["state"], asked.json["percent_done"]) == ("queued", 0)
    tasks.run_backtests()
    done = api.get(f"backtests/{asked.json['id']}").json
    assert (done["state"], done["percent_done"], done["version"]) == ("done", 100, 1)
    assert (done["from"], done["to"], done["events_unpriced"]) == (FROM, TO, 0)
    [total] = done["totals"]
    assert total["charged"] == total["would_be"] != "0"
    assert (total["difference"], total["percent"], total["customers"]) == ("0", "0", 2)
    assert (total["cost"], total["margin_before"]) == (None, None)
    lines = api.get(f"backtests/{done['id']}/customers").json["results"]
    assert {line["customer"] for line in lines} == {each.external_id for each in shop.customers}
    assert all(line["difference"] == "0" for line in lines)


def test_the_draft_is_meant_unless_a_version_is_named(api: Caller, shop: Shop) -> None:
    assert api.post("backtests", wish(shop)).json["version"] == 1
    shop.draft_version({"per_unit": MENU["rounded"]}, shortfall_policy=ShortfallPolicy.OVERAGE)
    assert api.post("backtests", wish(shop)).json["version"] == 2
    assert api.post("backtests", wish(shop, version=1)).json["version"] == 1


def test_until_now_counts_what_is_still_open(checks_at_once: None) -> None:
    shop = open_shop(["capped"], policy=ShortfallPolicy.OVERAGE)
    shop.record(shop.draft(tokens="1"), at=timezone.now())
    wanted = {"plan": shop.plan.code, "from": FROM}
    api = caller_of(shop.organization)
    asked = api.post("backtests", wanted).json
    tasks.run_backtests()
    [total] = api.get(f"backtests/{asked['id']}").json["totals"]
    # One unit at 0.50, and what is missing to the minimum of 5.
    assert total["charged"] == total["would_be"] == "5"


def test_some_customers_may_be_named(api: Caller, shop: Shop) -> None:
    asked = api.post("backtests", wish(shop, customers=[shop.customers[1].external_id]))
    assert asked.json["customers"] == 1
    tasks.run_backtests()
    [line] = api.get(f"backtests/{asked.json['id']}/customers").json["results"]
    assert line["customer"] == shop.customers[1].external_id


def test_what_cannot_be_priced_is_said_with_the_reason(api: Caller, shop: Shop) -> None:
    cells = [{"match": {"model": "large"}, "unit_amount": "5"}]
    dish = MENU["matrix"]
    priced = {"matrix": {"dimensions": ["model"], "cells": cells}}
    shop.draft_version(
        {
            "per_unit": type(dish)(
                aggregation=dish.aggregation, measures="tokens", definition=priced
            )
        },
        shortfall_policy=ShortfallPolicy.OVERAGE,
    )
    asked = api.post("backtests", wish(shop))
    tasks.run_backtests()
    done = api.get(f"backtests/{asked.json['id']}").json
    assert done["events_unpriced"] == sum(each["events"] for each in done["refusals"]) > 0
    assert done["refusals"][0]["reason"] == "no_price"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"plan": "no-such-plan"}, ["plan"]),
        ({"plan": 7}, ["plan"]),
        ({"version": 9}, ["version"]),
        ({"version": "1"}, ["version"]),
        ({"version": 0}, ["version"]),
        ({"from": None}, ["from"]),
        ({"from": "yesterday"}, ["from"]),
        ({"from": TO}, ["to"]),
        ({"customers": ["nobody"]}, ["customers[0]"]),
        ({"customers": "all"}, ["customers"]),
        ({"customers": []}, ["customers"]),
        ({"customers": ["x"] * 1001}, ["customers"]),
        ({"everyone": "yes"}, ["everyone"]),
        ({"color": "red"}, ["color"]),
    ],
)
def test_what_cannot_be_done_is_refused(
    api: Caller, shop: Shop, change: dict[str, object], wrong: list[str]
) -> None:
    assert api.post("backtests", wish(shop, **change)).wrong_fields() == wrong
    assert not BacktestRun.objects.exists()


def test_customers_are_named_or_everyone(api: Caller, shop: Shop) -> None:
    both = wish(shop, everyone=True, customers=[shop.customers[0].external_id])
    assert api.post("backtests", both).wrong_fields() == ["everyone"]


def test_a_draft_with_problems_is_refused_with_them(api: Caller, shop: Shop) -> None:
    shop.draft_version({"credits": MENU["credits"]}, shortfall_policy=ShortfallPolicy.OVERAGE)
    assert api.post("backtests", wish(shop)).wrong_fields() == ["prices[credits, credits].asset"]


def test_too_many_are_refused(api: Caller, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtests, "UNFINISHED_MAX", 1)
    assert api.post("backtests", wish(shop)).status == 202
    api.post("backtests", wish(shop)).problem(409, "too_many_backtests")


def test_they_are_listed_and_read_by_their_own_organization_only(api: Caller, shop: Shop) -> None:
    theirs = BacktestResultFactory.create().run
    ours = BacktestRunFactory.create(plan_version=shop.plan_version, running=True)
    [listed] = api.get("backtests").json["results"]
    assert (listed["id"], listed["percent_done"]) == (str(ours.id), 25)
    for path in (f"backtests/{theirs.id}", f"backtests/{theirs.id}/customers"):
        api.get(path).problem(404, "not_found")


def test_a_plan_without_versions_has_none_to_replay(checks_at_once: None) -> None:
    shop = open_shop(["per_unit"])
    other = caller_of(open_shop(["per_unit"]).organization)
    assert other.post("backtests", wish(shop)).wrong_fields() == ["plan"]
