"""What one event costs at one price."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from accounts import money
from pricing import filters
from pricing.aggregation import MeterSpec, Unpriceable
from pricing.rating import CompiledPrice, Rated, compile_price
from tests.worlds import VIDEO_CELLS, VIDEO_PRICE

MINUTES = MeterSpec(
    code="video_minutes",
    event_type="video.rendered",
    aggregation="sum",
    value="minutes",
    filter=filters.parse({"status": "ok"}),
)


def price(**definition: Any) -> CompiledPrice:
    return compile_price(meter=MINUTES, definition={"charge_model": "per_unit", **definition})


def rate(compiled: CompiledPrice, before: str = "0", **properties: Any) -> Rated:
    return compiled.rate(properties, lambda cell: Decimal(before))


VIDEO = compile_price(meter=MINUTES, definition=VIDEO_PRICE)


def test_minutes_of_video_at_two_speeds() -> None:
    fast = rate(VIDEO, minutes="3", speed="fast")
    standard = rate(VIDEO, minutes="5", speed="standard")
    assert (fast.amount, standard.amount) == (Decimal(3), Decimal(2))
    assert (fast.quantity, fast.cell) == (Decimal(3), '["fast"]')


def test_a_fallback_prices_the_unforeseen() -> None:
    cells = [*VIDEO_CELLS, {"match": {}, "unit_amount": "0.40"}]
    compiled = price(matrix={"dimensions": ["speed"], "cells": cells})
    assert rate(compiled, minutes="5", speed="draft").amount == 2


def test_without_a_cell_the_event_has_no_price() -> None:
    with pytest.raises(Unpriceable, match="no price for these values of speed") as error:
        rate(VIDEO, minutes="5", speed="draft")
    assert error.value.reason == "no_price"


def test_each_cell_continues_its_own_total() -> None:
    asked = []

    def total_before(cell: str) -> Decimal:
        asked.append(cell)
        return Decimal(7)

    working = VIDEO.rate({"minutes": "1", "speed": "fast"}, total_before).working
    assert asked == ['["fast"]']
    assert working == {
        "meter": "video_minutes",
        "cell": '["fast"]',
        "quantity": "1",
        "before": "7",
        "amount": "1",
        "charge_model": "per_unit",
        "unit_amount": "1.00",
        "unit_size": "1",
        "rounding": "none",
    }


def total(compiled: CompiledPrice, minutes: Iterable[str]) -> Decimal:
    before = amount = Decimal(0)
    for each in minutes:
        rated = rate(compiled, str(before), minutes=each)
        before, amount = before + rated.quantity, amount + rated.amount
    return amount


def test_started_blocks_are_those_of_the_period_not_of_each_event() -> None:
    compiled = price(unit_amount="10", unit_size="1000", rounding="up")
    assert total(compiled, ["1400", "1300"]) == 30


def test_amounts_add_up_to_the_whole_where_division_never_ends() -> None:
    compiled = price(unit_amount="1", unit_size="3")
    assert total(compiled, ["1"] * 3) == 1
    assert total(compiled, ["1"] * 2) == Decimal("0.666666666667")


@pytest.mark.parametrize(
    ("input_tokens", "output_tokens", "cost"),
    [("1000000", "1000000", "11.25"), ("500", "120", "0.001825")],
)
def test_a_language_models_bill(input_tokens: str, output_tokens: str, cost: str) -> None:
    read = price(unit_amount="1.25", unit_size="1000000")
    written = price(unit_amount="10", unit_size="1000000")
    amount = total(read, [input_tokens]) + total(written, [output_tokens])
    assert amount == Decimal(cost)


@pytest.mark.parametrize(
    ("before", "minutes"),
    [("0", str(money.LARGEST)), (str(money.LARGEST), "1"), ("49999999999999999999999999", "1")],
)
def test_what_is_too_large_to_be_kept_has_no_price(before: str, minutes: str) -> None:
    with pytest.raises(Unpriceable) as error:
        rate(price(unit_amount="2"), before, minutes=minutes)
    assert error.value.reason == "amount_too_large"


def test_a_price_is_for_events_its_meter_counts() -> None:
    assert VIDEO.applies_to("video.rendered", {"status": "ok"})
    assert not VIDEO.applies_to("video.rendered", {"status": "failed"})
    assert not VIDEO.applies_to("audio.rendered", {"status": "ok"})
