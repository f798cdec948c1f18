"""A period lived through again, without a database."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any, cast

import pytest

from metering.replaying import REFUSALS_TOLD_APART, Amount, Comparison, Refusals, Replay
from pricing.aggregation import AggregationName, MeterSpec, Unpriceable
from pricing.bills import BilledPrice, SampleEvent
from pricing.rating import Span, compile_price
from tests.price_menu import MENU

MONTH = Span(dt.datetime(2025, 1, 1, tzinfo=dt.UTC), dt.datetime(2025, 2, 1, tzinfo=dt.UTC))


def priced(name: str) -> BilledPrice:
    dish = MENU[name]
    meter = MeterSpec(
        code=name,
        event_type="call",
        aggregation=cast("AggregationName", dish.aggregation.value),
        value=dish.measures,
    )
    compiled = compile_price(
        meter=meter, definition=dish.definition, settles_on_event=dish.settle == "on_event"
    )
    return BilledPrice(name, dish.asset, compiled)


def usd(amount: int) -> Amount:
    return Amount("USD", Decimal(amount))


def call(**properties: str) -> SampleEvent:
    return SampleEvent(type="call", properties=properties, occurred_at=MONTH.starts_at)


def test_an_event_costs_what_it_costs_after_those_before_it() -> None:
    replay = Replay([priced("graduated"), priced("credits")], MONTH)
    assert replay.rate(call(tokens="10")) == [usd(11), Amount("credits", Decimal(3))]
    assert replay.rate(call(tokens="10")) == [usd(8), Amount("credits", Decimal(3))]


def test_what_was_written_down_before_anything_was_uncollected_is_taken_up() -> None:
    before = Replay([priced("graduated")], MONTH)
    before.rate(call(tokens="10"))
    written = before.written_down()
    for cell in written["graduated"]["cells"].values():
        assert cell.pop(5) == "0"
    after = Replay([priced("graduated")], MONTH)
    after.take_up(written)
    assert after.rate(call(tokens="10")) == before.rate(call(tokens="10"))


def test_the_close_adds_what_events_were_not_charged() -> None:
    replay = Replay([priced("graduated"), priced("stairs")], MONTH)
    replay.rate(call(tokens="10"))
    assert replay.due_at_close() == [usd(3), usd(5)]


def test_an_event_that_one_price_refuses_counts_at_none() -> None:
    replay = Replay([priced("graduated"), priced("percentage")], MONTH)
    with pytest.raises(Unpriceable, match="volume"):
        replay.rate(call(tokens="10"))
    assert replay.rate(call(tokens="10", volume="1"))[0] == usd(11)


def test_an_event_nobody_prices_is_refused() -> None:
    with pytest.raises(Unpriceable, match="no events of this type"):
        Replay([], MONTH).rate(call())


def test_what_was_written_down_is_taken_up_where_it_was() -> None:
    prices = [priced(name) for name in ("graduated", "users", "latest", "percentage", "committed")]
    events = [call(tokens=str(n), user=f"u{n % 3}", level=str(n), volume="5") for n in range(1, 12)]
    whole, first, second = (Replay(prices, MONTH) for _ in range(3))
    expected = [whole.rate(event) for event in events]
    found = [first.rate(event) for event in events[:6]]
    second.take_up(json.loads(json.dumps(first.written_down())))
    found += [second.rate(event) for event in events[6:]]
    assert found == expected
    assert second.due_at_close() == whole.due_at_close()
    assert second.size == whole.size


def test_reasons_are_counted_and_too_many_are_not_told_apart() -> None:
    refusals = Refusals()
    for number in range(REFUSALS_TOLD_APART + 5):
        refusals.add(Unpriceable("no_price", f"reason {number}"), example=str(number))
    refusals = Refusals.read(refusals.written_down())
    refusals.add(Unpriceable("no_price", "reason 7"), example="later")
    written = refusals.written_down()
    assert len(written) == REFUSALS_TOLD_APART + 1
    assert written[0] == {
        "reason": "other", "detail": "other reasons", "events": 5,
        "example": str(REFUSALS_TOLD_APART),
    }  # fmt: skip
    assert written[1] == {
        "reason": "no_price", "detail": "reason 7", "events": 2, "example": "7",
    }  # fmt: skip


def test_an_event_counts_once_in_each_asset_it_is_priced_in() -> None:
    compared = Comparison()
    credit = Amount("credits", Decimal(9))
    compared.count(charged=[usd(2), usd(2)], would_be=[usd(2), credit], cost=usd(1))
    compared.count(charged=[usd(2)], would_be=None)
    money: Any = compared.of("USD")
    unit: Any = compared.of("credits")
    assert (money.charged, money.would_be, money.events, money.unpriced) == (6, 2, 2, 1)
    assert (money.cost, money.uncosted, money.charged_uncosted) == (1, 1, 2)
    assert (unit.charged, unit.would_be, unit.events, unit.cost) == (0, 9, 1, None)
