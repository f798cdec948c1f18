"""What a backtest compares: the same price is the same amount, another price the difference."""

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import QuerySet, Sum

from invoicing import closing
from metering import backtest_reports, backtests
from metering.models import (
    BacktestResult,
    BacktestState,
    BillingPeriod,
    Event,
    PeriodCharge,
    RatedEvent,
)
from pricing.models import PlanVersion, Settle, ShortfallPolicy
from tests.clock import DAY, HOUR, SINCE
from tests.factories import (
    AssetFactory,
    BacktestResultFactory,
    BacktestRunFactory,
    CostRateFactory,
    PriceOverrideFactory,
)
from tests.metering.past import APRIL, FEBRUARY, MARCH, TODAY, amounts, backtest, sold
from tests.price_menu import MENU, Dish, Shop, open_shop

pytestmark = pytest.mark.django_db

SELLABLE = sorted(set(MENU) - {"credits"})
OVERAGE = {"shortfall_policy": ShortfallPolicy.OVERAGE}


def per_unit(unit_amount: str, **terms: Any) -> Dish:
    definition = {"charge_model": "per_unit", "unit_amount": unit_amount, **terms}
    return dataclasses.replace(MENU["per_unit"], definition=definition)


def selling(dish: Dish, *names: str) -> Shop:
    """Open a company that sells tokens at a price of its own, and what is named of the menu."""
    return open_shop(names, policy=ShortfallPolicy.OVERAGE, also={"per_unit": dish})


def draft(shop: Shop, dishes: dict[str, Dish]) -> PlanVersion:
    return shop.draft_version(dishes, **OVERAGE)


def both(charged: int, would_be: int) -> tuple[Decimal, Decimal]:
    """Return what was charged and what would have been, as amounts."""
    return Decimal(charged), Decimal(would_be)


def only(run: Any) -> tuple[Decimal, Decimal]:
    """Return what the only customer was charged in the only asset, and would have been."""
    [each] = amounts(run).values()
    return each


class TestTheSamePrice:
    def test_makes_a_difference_of_exactly_nothing(self) -> None:
        """Every model, closed and open periods, several customers, late events."""
        shop = sold(SELLABLE, customers=3)
        assert Event.objects.filter(is_late=True).exists()
        run = backtest(shop.plan_version)
        assert run.state == BacktestState.DONE
        assert run.events_total == run.events_done == Event.objects.count() > 100
        compared = amounts(run)
        assert len(compared) == 3
        for charged, would_be in compared.values():
            assert charged == would_be > 0

    @pytest.mark.parametrize("name", SELLABLE)
    def test_of_any_kind_is_what_was_charged(self, name: str) -> None:
        shop = sold([name], customers=1, events=3, seed=len(name))
        charged, would_be = only(backtest(shop.plan_version))
        assert charged == would_be > 0

    def test_copied_into_a_draft_is_the_same(self) -> None:
        names = ("graduated", "percentage", "volume")
        shop = sold(names)
        run = backtest(draft(shop, {name: MENU[name] for name in names}))
        assert all(charged == would_be for charged, would_be in amounts(run).values())

    @pytest.mark.parametrize("end", [FEBRUARY, MARCH, MARCH + 5 * DAY, TODAY])
    @pytest.mark.parametrize("start", [SINCE, SINCE + 9 * DAY])
    def test_is_the_same_in_any_range(self, start: dt.datetime, end: dt.datetime) -> None:
        shop = sold(["graduated", "users", "percentage", "volume", "capped"], customers=1)
        run = backtest(shop.plan_version, range_starts_at=start, range_ends_at=end)
        charged, would_be = only(run)
        assert charged == would_be > 0

    def test_is_what_the_books_say(self) -> None:
        shop = sold(["graduated", "stairs"], customers=1)
        charged, _ = only(backtest(shop.plan_version, range_ends_at=MARCH))
        received = Event.objects.filter(received_at__lt=MARCH).values("key")
        rated = RatedEvent.objects.filter(event_key__in=received)
        at_close = PeriodCharge.objects.filter(period__ends_at__lte=MARCH)
        assert charged == total(rated) + total(at_close)

    def test_of_a_period_that_waits_for_its_invoice_is_what_it_will_be(self) -> None:
        shop = sold(["volume", "graduated"], customers=1)
        closing.close_due_periods(at=APRIL)
        assert BillingPeriod.objects.filter(closed_at=APRIL, invoiced_at=None).exists()
        before = only(backtest(shop.plan_version, range_ends_at=APRIL, at=APRIL))
        closing.build_due_invoices(at=APRIL)
        after = only(backtest(shop.plan_version, range_ends_at=APRIL, at=APRIL))
        assert before == after
        assert before[0] == before[1]


def total(rows: QuerySet[Any]) -> Decimal:
    summed: Decimal | None = rows.aggregate(total=Sum("amount"))["total"]
    return summed or Decimal(0)


class TestAnotherPrice:
    def test_makes_the_difference_that_can_be_reckoned(self) -> None:
        """10 + 20 + 5 units at 0.50, and 0.80 beyond the first 12 of each month."""
        shop = selling(per_unit("0.5"))
        for moment, tokens in ((SINCE, "10"), (SINCE + DAY, "20"), (FEBRUARY + DAY, "5")):
            shop.record(shop.draft(tokens=tokens), at=moment)
        version = draft(shop, {"per_unit": per_unit("0.8", included="12")})
        assert only(backtest(version)) == (Decimal("17.5"), Decimal("14.4"))
        [result] = BacktestResult.objects.all()
        assert (result.events, result.unpriced) == (3, 0)

    def test_settled_at_close_counts_where_the_period_ends(self) -> None:
        shop = selling(per_unit("0.5"))
        for moment in (SINCE, FEBRUARY):
            shop.record(shop.draft(tokens="10"), at=moment)
        closing.close_due_periods(at=MARCH)
        at_close = dataclasses.replace(per_unit("2"), settle=Settle.AT_CLOSE)
        version = draft(shop, {"per_unit": at_close})
        within = {"range_ends_at": FEBRUARY - DAY}
        assert only(backtest(version, **within)) == both(5, 0)
        assert only(backtest(version, range_ends_at=FEBRUARY)) == both(5, 20)
        assert only(backtest(version)) == both(10, 40)

    def test_an_open_period_counts_as_it_stands(self) -> None:
        shop = selling(per_unit("1"))
        shop.record(shop.draft(tokens="10"), at=TODAY - DAY)
        version = draft(shop, {"per_unit": per_unit("1", minimum_amount="25")})
        assert only(backtest(version)) == both(10, 25)
        assert only(backtest(version, range_ends_at=TODAY - HOUR)) == both(10, 10)

    def test_a_range_that_cuts_a_period_begins_where_the_period_stood(self) -> None:
        tiers = {"tiers": [{"up_to": "10", "unit_amount": "1"}, {"unit_amount": "3"}]}
        shop = selling(per_unit("1"))
        for day in (0, 5, 10):
            shop.record(shop.draft(tokens="8"), at=SINCE + day * DAY)
        graduated = Dish(
            aggregation=MENU["per_unit"].aggregation,
            measures="tokens",
            definition={"charge_model": "graduated", **tiers},
        )
        version = draft(shop, {"per_unit": graduated})
        run = backtest(version, range_starts_at=SINCE + DAY, range_ends_at=SINCE + 10 * DAY)
        # The second event only: 2 units are left of the first tier.
        assert only(run) == both(8, 2 + 6 * 3)
        assert run.events_done == 2

    def test_in_another_asset_is_told_apart(self) -> None:
        shop = sold(["per_unit"], customers=1)
        version = shop.draft_version({"per_unit": MENU["credits"]})
        compared = amounts(backtest(version))
        name = shop.customers[0].external_id
        assert compared[name, "USD"][0] > compared[name, "USD"][1] == 0
        assert compared[name, "credits"][1] > compared[name, "credits"][0] == 0

    def test_an_event_it_cannot_price_is_counted_with_the_reason(self) -> None:
        shop = selling(per_unit("1"))
        for model in ("large", "small", "small"):
            shop.record(shop.draft(tokens="2", model=model, raw={"id": model + "!"}), at=SINCE)
        shop.record(shop.draft(tokens="2", model="small"), at=SINCE)
        cells = [{"match": {"model": "large"}, "unit_amount": "5"}]
        matrix = {"matrix": {"dimensions": ["model"], "cells": cells}}
        dish = dataclasses.replace(MENU["per_unit"], definition=matrix)
        run = backtest(draft(shop, {"per_unit": dish}))
        assert only(run) == both(6, 10)
        assert run.events_unpriced == 2
        [refusal] = run.refusals
        assert (refusal["reason"], refusal["events"], refusal["example"]) == (
            "no_price", 2, "small!",
        )  # fmt: skip
        [result] = BacktestResult.objects.all()
        assert (result.events, result.unpriced) == (3, 2)


class TestMargins:
    def test_are_what_is_left_when_vendors_took_theirs(self) -> None:
        shop = selling(per_unit("1"))
        CostRateFactory.create(
            meter=shop.meters["per_unit"],
            definition=per_unit("0.4").definition,
            effective_from=FEBRUARY,
        )
        shop.record(shop.draft(tokens="10"), at=SINCE)
        shop.record(shop.draft(tokens="100"), at=FEBRUARY + DAY)
        run = backtest(draft(shop, {"per_unit": per_unit("0.3")}))
        [total] = backtest_reports.totals(run)
        figures: Any = total.figures
        assert (figures.charged, figures.would_be, figures.percent) == (110, 33, Decimal(-70))
        # Of the first event nobody knows what it cost, so it is in neither margin.
        assert (figures.cost, figures.uncosted) == (40, 1)
        assert (figures.margin_before, figures.margin_after) == (60, -10)

    def test_are_not_known_without_costs(self) -> None:
        run = backtest(sold(["per_unit"], customers=1).plan_version)
        [total] = backtest_reports.totals(run)
        assert (total.figures.cost, total.figures.margin_after) == (None, None)


def test_totals_say_how_many_pay_more_or_less() -> None:
    run = BacktestRunFactory.create(done=True)
    asset = AssetFactory.create(organization=run.organization)
    for charged, would_be in ((1, 2), (5, 3), (4, 4), (9, 9)):
        BacktestResultFactory.create(run=run, asset=asset, charged=charged, would_be=would_be)
    [total] = backtest_reports.totals(run)
    assert (total.customers, total.more, total.less, total.same) == (4, 1, 1, 2)
    assert total.figures.difference == -1
    assert total.figures.percent == Decimal("-5.26")
    assert [
        result.would_be - result.charged
        for result in backtest_reports.largest_differences(run, limit=2)
    ] == [-2, 1]


class TestWhose:
    def test_are_those_who_were_on_the_plan(self) -> None:
        shop = sold(["per_unit"])
        elsewhere = open_shop(
            ["per_unit"], policy=ShortfallPolicy.OVERAGE, organization=shop.organization
        )
        elsewhere.record(elsewhere.draft(tokens="7", raw={"id": "elsewhere"}), at=TODAY)
        names = {customer.external_id for customer in shop.customers}
        others = {elsewhere.customers[0].external_id}
        end = TODAY + DAY
        assert _who(backtest(shop.plan_version, range_ends_at=end)) == names
        everyone = backtest(shop.plan_version, range_ends_at=end, everyone=True)
        assert _who(everyone) == names | others
        named = backtest(shop.plan_version, range_ends_at=end, customers=elsewhere.customers)
        assert _who(named) == others

    def test_are_of_the_same_organization_only(self) -> None:
        ours, theirs = sold(["per_unit"]), sold(["per_unit"])
        run = backtest(ours.plan_version, everyone=True)
        assert _who(run) == {customer.external_id for customer in ours.customers}
        nobody = backtest(ours.plan_version, customers=theirs.customers)
        assert (_who(nobody), nobody.events_done) == (set(), 0)

    def test_what_a_customer_agreed_stays_agreed(self) -> None:
        shop = selling(per_unit("1"))
        other = shop.subscribe()
        PriceOverrideFactory.create(
            customer=other,
            plan=shop.plan,
            meter=shop.meters["per_unit"],
            asset=shop.assets["USD"],
            definition=per_unit("0.25").definition,
        )
        for customer in shop.customers:
            shop.record(shop.draft(customer, tokens="100"), at=SINCE)
        compared = amounts(backtest(draft(shop, {"per_unit": per_unit("2")})))
        assert compared[shop.customers[0].external_id, "USD"] == both(100, 200)
        assert compared[other.external_id, "USD"] == both(100, 25)


def _who(run: Any) -> set[str]:
    return {external_id for external_id, _ in amounts(run)}


class TestAsking:
    def test_a_draft_with_problems_is_refused_with_its_problems(self) -> None:
        shop = open_shop(["per_unit"])
        version = shop.draft_version({"per_unit": per_unit("-1")})
        with pytest.raises(backtests.VersionRefused) as refusal:
            backtest(version)
        [problem] = refusal.value.problems
        assert problem.field == "prices[per_unit, USD].unit_amount"

    def test_a_range_ends_after_its_start(self) -> None:
        shop = open_shop(["per_unit"])
        with pytest.raises(ValueError, match="ends after"):
            backtest(shop.plan_version, range_ends_at=SINCE)

    def test_one_more_than_may_wait_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backtests, "UNFINISHED_MAX", 1)
        shop = open_shop(["per_unit"])
        wanted: dict[str, Any] = {"range_starts_at": SINCE, "range_ends_at": TODAY, "at": TODAY}
        backtests.request_backtest(plan_version=shop.plan_version, **wanted)
        with pytest.raises(backtests.TooManyRuns):
            backtests.request_backtest(plan_version=shop.plan_version, **wanted)
