"""Laws of adding events up: what their order changes, and what it does not."""

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import money
from pricing.aggregation import MeterSpec, State

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
END = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
SECONDS = Decimal(31 * 86_400)


class Event(NamedTuple):
    """What an event says, and when."""

    occurred_at: dt.datetime
    properties: dict[str, Any]


VALUES = st.one_of(st.integers(0, 10**9), st.decimals(0, 10**9, places=6))
SIGNED = st.one_of(st.integers(-(10**9), 10**9), st.decimals(-(10**9), 10**9, places=6))


def events(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Event]]:
    moments = st.datetimes(
        START.replace(tzinfo=None), END.replace(tzinfo=None), timezones=st.just(dt.UTC)
    )
    return st.lists(st.builds(Event, moments, st.fixed_dictionaries({"size": values})), max_size=12)


def meter(aggregation: Any) -> MeterSpec:
    return MeterSpec(code="m", event_type="t", aggregation=aggregation, value="size")


def states(spec: MeterSpec, sent: Sequence[Event]) -> list[State]:
    """Return the state after each event, in the order in which they arrive."""
    passed, seen = [State()], set[str | None]()
    for occurred_at, properties in sent:
        distinct = spec.distinct_value(properties)
        increment = spec.increment(
            spec.measure(properties),
            passed[-1],
            occurred_at=occurred_at,
            period_start=START,
            period_end=END,
            is_new=distinct not in seen,
        )
        seen.add(distinct)
        passed.append(passed[-1].after(increment, occurred_at=occurred_at))
    return passed


ORDERLESS = ("count", "sum", "max", "min", "average", "unique_count", "weighted_sum")


@pytest.mark.parametrize("aggregation", ORDERLESS)
@given(sent=events(VALUES), chance=st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(
    aggregation: str, sent: list[Event], chance: random.Random
) -> None:
    spec, shuffled = meter(aggregation), list(sent)
    chance.shuffle(shuffled)
    assert states(spec, sent)[-1] == states(spec, shuffled)[-1]


@given(events(SIGNED))
def test_the_latest_is_the_one_that_occurred_last(sent: list[Event]) -> None:
    newest = max(reversed(sent), key=lambda each: each.occurred_at, default=None)
    expected = Decimal(newest.properties["size"]) if newest else 0
    assert states(meter("latest"), sent)[-1].quantity == expected


@pytest.mark.parametrize("aggregation", ["count", "sum", "max", "unique_count"])
@given(sent=events(VALUES))
def test_what_settles_on_each_event_never_falls(aggregation: str, sent: list[Event]) -> None:
    quantities = [state.quantity for state in states(meter(aggregation), sent)]
    assert quantities == sorted(quantities)


@given(events(SIGNED))
def test_totals_are_what_a_second_look_finds(sent: list[Event]) -> None:
    sizes = [Decimal(each.properties["size"]) for each in sent]
    found = {name: states(meter(name), sent)[-1] for name in ("max", "min", "average")}
    assert found["max"].quantity == max([*sizes, money.ZERO])
    assert found["min"].quantity == min(sizes, default=0)
    assert meter("average").result(found["average"], period_seconds=SECONDS) == (
        sum(sizes, money.ZERO),
        Decimal(max(len(sizes), 1)),
    )


@given(events(SIGNED))
def test_a_weighted_sum_is_the_area_under_the_level(sent: list[Event]) -> None:
    area = level = money.ZERO
    before = START
    for occurred_at, properties in sorted(sent, key=lambda each: each.occurred_at):
        area += level * Decimal((occurred_at - before) // dt.timedelta(microseconds=1))
        level, before = level + Decimal(properties["size"]), occurred_at
    area += level * Decimal((END - before) // dt.timedelta(microseconds=1))
    numerator, divisor = meter("weighted_sum").result(
        states(meter("weighted_sum"), sent)[-1], period_seconds=SECONDS
    )
    assert (numerator, divisor) == (money.quantize(area / 10**6), SECONDS)
