"""What one event costs at one price, and how that is explained."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from accounts import money
from pricing import filters
from pricing.aggregation import MeterSpec, Unpriceable
from pricing.price_form import PriceInvalid
from pricing.rating import (
    CompiledPrice,
    Rated,
    Span,
    Total,
    Totals,
    before_of,
    compile_price,
    working,
)
from tests.clock import NOW
from tests.worlds import VIDEO_CELLS, VIDEO_PRICE

MARCH = Span(NOW.replace(day=1, hour=0), NOW.replace(month=4, day=1, hour=0))


def meter(aggregation: Any = "sum", **terms: Any) -> MeterSpec:
    return MeterSpec(
        code="video_minutes",
        event_type="video.rendered",
        aggregation=aggregation,
        value="" if aggregation == "count" else "minutes",
        **terms,
    )


def price(aggregation: Any = "sum", *, at_close: bool = False, **definition: Any) -> CompiledPrice:
    return compile_price(
        meter=meter(aggregation),
        definition={"charge_model": "per_unit", **definition},
        settles_on_event=not at_close,
    )


def rate(
    compiled: CompiledPrice,
    totals: Totals | None = None,
    *,
    at: dt.datetime = NOW,
    **properties: Any,
) -> Rated:
    held = Totals() if totals is None else totals
    rated = compiled.rate(properties, held, occurred_at=at, period=MARCH)
    held.add(rated)
    return rated


def amounts(compiled: CompiledPrice, minutes: Iterable[str], **properties: Any) -> list[Decimal]:
    totals = Totals()
    return [rate(compiled, totals, minutes=each, **properties).amount for each in minutes]


VIDEO_TERMS: dict[str, Any] = VIDEO_PRICE
VIDEO = price(**VIDEO_TERMS)
GRADUATED: dict[str, Any] = {
    "charge_model": "graduated",
    "tiers": [
        {"up_to": "100", "unit_amount": "1.00"},
        {"up_to": "200", "unit_amount": "0.50"},
        {"up_to": None, "unit_amount": "0.10"},
    ],
}


class TestCells:
    """Which cell prices an event."""

    def test_minutes_of_video_at_two_speeds(self) -> None:
        fast = rate(VIDEO, minutes="3", speed="fast")
        standard = rate(VIDEO, minutes="5", speed="standard")
        assert (fast.amount, standard.amount) == (Decimal(3), Decimal(2))
        assert (fast.quantity, fast.cell) == (Decimal(3), '["fast"]')

    def test_a_fallback_prices_the_unforeseen(self) -> None:
        cells = [*VIDEO_CELLS, {"match": {}, "unit_amount": "0.40"}]
        compiled = price(matrix={"dimensions": ["speed"], "cells": cells})
        assert rate(compiled, minutes="5", speed="draft").amount == 2

    def test_so_does_the_charge_model_beside_the_matrix(self) -> None:
        compiled = price(**VIDEO_TERMS, unit_amount="0.40")
        rated = rate(compiled, minutes="5", speed="draft")
        assert (rated.cell, rated.amount) == ("", Decimal(2))

    def test_without_a_cell_the_event_has_no_price(self) -> None:
        with pytest.raises(Unpriceable, match="no price for these values of speed") as error:
            rate(VIDEO, minutes="5", speed="draft")
        assert error.value.reason == "no_price"

    def test_each_cell_continues_its_own_total(self) -> None:
        totals = Totals.of({'["fast"]': Total(quantity=Decimal(7)), '["standard"]': Total()})
        assert rate(VIDEO, totals, minutes="1", speed="fast").before.quantity == 7
        assert rate(VIDEO, totals, minutes="1", speed="standard").before.quantity == 0
        assert totals.cell('["fast"]').quantity == 8
        assert totals.pool.quantity == 9

    def test_a_cell_is_found_again_by_its_name(self) -> None:
        assert VIDEO.charge_model_of('["fast"]').cost(Decimal(1)) == 1
        with pytest.raises(KeyError):
            VIDEO.charge_model_of("")


class TestWorking:
    """What is kept beside an amount, and what it tells later."""

    def test_it_says_where_the_period_stood(self) -> None:
        compiled, totals = price(unit_amount="2", included="4"), Totals()
        rate(compiled, totals, minutes="3")
        assert working(compiled, rate(compiled, totals, minutes="2.5")) == {
            "meter": "video_minutes",
            "cell": "",
            "quantity": "2.5",
            "billable": "1.5",
            "before": "3",
            "billable_before": "0",
            "pool_billable_before": "0",
            "metered_before": "0",
            "metered": "3",
            "amount": "3",
            "events_before": 1,
            "pool_events_before": 1,
        }

    def test_it_is_enough_to_explain_the_amount(self) -> None:
        compiled, totals = price(**GRADUATED), Totals()
        rate(compiled, totals, minutes="60")
        rated = rate(compiled, totals, minutes="60")
        kept = working(compiled, rated)
        steps = compiled.explain(rated.cell, before_of(kept), Decimal(kept["billable"]))
        assert [step.units for step in steps] == [40, 20]
        assert [step.amount for step in steps] == [40, 10]

    def test_also_one_that_the_event_brought(self) -> None:
        compiled = price(charge_model="dynamic", amount_property="cost", multiplier="2")
        rated = rate(compiled, minutes="1", cost="0.30")
        kept = before_of(working(compiled, rated))
        assert (kept, rated.amount) == (rated.before, Decimal("0.60"))


class TestPeriod:
    """Rating goes on where the period stands."""

    def test_tiers_are_walked_through_event_by_event(self) -> None:
        """Vector A12."""
        assert amounts(price(**GRADUATED), ["60", "60", "100", "50"]) == [60, 50, 42, 5]

    def test_started_blocks_are_those_of_the_period_not_of_each_event(self) -> None:
        compiled = price(unit_amount="10", unit_size="1000", rounding="up")
        assert sum(amounts(compiled, ["1400", "1300"])) == 30

    def test_unless_each_event_is_rounded(self) -> None:
        compiled = price(unit_amount="10", unit_size="1000", rounding="up", rounding_scope="event")
        assert amounts(compiled, ["1400", "1300"]) == [20, 20]

    def test_amounts_add_up_to_the_whole_where_division_never_ends(self) -> None:
        compiled = price(unit_amount="1", unit_size="3")
        assert sum(amounts(compiled, ["1"] * 3)) == 1
        assert sum(amounts(compiled, ["1"] * 2)) == Decimal("0.666666666667")

    @pytest.mark.parametrize(
        ("input_tokens", "output_tokens", "cost"),
        [("1000000", "1000000", "11.25"), ("500", "120", "0.001825")],
    )
    def test_a_language_models_bill(self, input_tokens: str, output_tokens: str, cost: str) -> None:
        read = price(unit_amount="1.25", unit_size="1000000")
        written = price(unit_amount="10", unit_size="1000000")
        assert sum(amounts(read, [input_tokens]) + amounts(written, [output_tokens])) == Decimal(
            cost
        )

    def test_a_value_is_counted_once(self) -> None:
        compiled, totals = price("unique_count", unit_amount="5"), Totals()
        each = [rate(compiled, totals, minutes=user) for user in ("ann", "bob", "ann")]
        assert [rated.amount for rated in each] == [5, 5, 0]
        assert totals.seen == {("", "ann"), ("", "bob")}

    def test_the_value_an_event_would_count_is_known_before(self) -> None:
        compiled = price("unique_count", **VIDEO_TERMS)
        assert compiled.distinct_value({"minutes": "ann", "speed": "fast"}) == ('["fast"]', "ann")
        assert VIDEO.distinct_value({"minutes": "1", "speed": "fast"}) is None

    def test_a_price_that_settles_at_close_meters_and_charges_nothing(self) -> None:
        rated = rate(price(unit_amount="2", at_close=True), minutes="3")
        assert (rated.metered, rated.amount) == (Decimal(6), Decimal(0))

    def test_what_no_event_knows_is_not_metered(self) -> None:
        rated = rate(price("latest", unit_amount="2", at_close=True), minutes="3")
        assert rated.quantity == 3
        assert rated.metered == rated.amount == 0

    def test_a_price_that_cannot_settle_on_events_is_refused(self) -> None:
        with pytest.raises(PriceInvalid, match="settle: the meter's latest is known only when"):
            price("latest", unit_amount="2")

    @pytest.mark.parametrize(
        ("cost", "reason"), [(None, "missing_property"), ("-1", "bad_amount"), ("x", "bad_amount")]
    )
    def test_an_event_that_should_bring_its_price_and_does_not(
        self, cost: str | None, reason: str
    ) -> None:
        with pytest.raises(Unpriceable) as error:
            rate(price(charge_model="dynamic", amount_property="cost"), minutes="1", cost=cost)
        assert error.value.reason == reason


class TestTooLarge:
    """What could not be stored has no price."""

    @pytest.mark.parametrize(
        ("before", "minutes"),
        [("0", str(money.LARGEST)), (str(money.LARGEST), "1"), ("49999999999999999999999999", "1")],
    )
    def test_the_periods_usage(self, before: str, minutes: str) -> None:
        used = Decimal(before)
        metered = min(2 * used, money.LARGEST)
        held = Total(quantity=used, billable=used, metered=metered, amount=metered)
        with pytest.raises(Unpriceable) as error:
            rate(price(unit_amount="2"), Totals.of({"": held}), minutes=minutes)
        assert error.value.reason == "amount_too_large"

    @pytest.mark.parametrize("aggregation", ["latest", "min", "average"])
    def test_a_total_that_swings_from_one_end_to_the_other(self, aggregation: Any) -> None:
        compiled, totals = price(aggregation, unit_amount="0", at_close=True), Totals()
        high, low = str(money.LARGEST), f"-{money.LARGEST}"
        rate(compiled, totals, minutes=low if aggregation == "average" else high)
        with pytest.raises(Unpriceable) as error:
            rate(compiled, totals, minutes=low)
        assert error.value.reason == "amount_too_large"

    @pytest.mark.parametrize(
        "terms",
        [
            {"charge_model": "volume_tiers", "tiers": [{"unit_amount": "2"}]},
            {"unit_amount": "1", "commitment": {"amount": "0", "overage_factor": "2"}},
            {"charge_model": "graduated", "tiers": [{"unit_amount": "1", "flat_amount": "8e25"}]},
        ],
    )
    def test_what_the_close_would_charge(self, terms: dict[str, Any]) -> None:
        compiled = price(**terms, at_close=True)
        assert rate(compiled, minutes="1e25").quantity == Decimal("1e25")
        with pytest.raises(Unpriceable) as error:
            rate(compiled, minutes="6e25")
        assert error.value.reason == "amount_too_large"


class TestExplain:
    """The steps add up to what the event was charged, to the last place."""

    def steps(self, compiled: CompiledPrice, *minutes: str, **properties: Any) -> list[str]:
        totals = Totals()
        for each in minutes:
            rated = rate(compiled, totals, minutes=each, **properties)
        steps = compiled.explain(rated.cell, rated.before, rated.billable)
        due = rated.amount if compiled.settles_on_event else rated.metered
        assert sum(step.amount for step in steps) == due
        return [f"{step.label}: {step.amount.normalize():f}" for step in steps]

    def test_a_rounded_total_that_leaves_a_last_place(self) -> None:
        compiled = price(unit_amount="1", unit_size="3")
        assert self.steps(compiled, "1", "1") == [
            "all units: 0.333333333333",
            "rounding of the totals before and after: 0.000000000001",
        ]

    def test_what_the_bounds_of_a_period_change(self) -> None:
        compiled = price(unit_amount="1", maximum_amount="15")
        assert self.steps(compiled, "10", "10") == [
            "all units: 10",
            "commitment and maximum of the period: -5",
        ]
        committed = price(unit_amount="1", commitment={"amount": "15", "overage_factor": "1.5"})
        assert self.steps(committed, "10", "10") == [
            "all units: 10",
            "commitment and maximum of the period: 2.5",
        ]

    def test_a_price_that_settles_at_close_is_explained_as_it_is_metered(self) -> None:
        compiled = price(unit_amount="1", maximum_amount="15", at_close=True)
        assert self.steps(compiled, "10", "10") == ["all units: 10"]
        assert self.steps(price("latest", unit_amount="1", at_close=True), "10") == []


def test_a_price_is_for_events_its_meter_counts() -> None:
    compiled = compile_price(
        meter=meter(filter=filters.parse({"status": "ok"})), definition=VIDEO_PRICE
    )
    assert compiled.applies_to("video.rendered", {"status": "ok"})
    assert not compiled.applies_to("video.rendered", {"status": "failed"})
    assert not compiled.applies_to("audio.rendered", {"status": "ok"})
