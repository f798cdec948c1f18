"""What events say to a meter, and what a period makes of it."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from accounts import money
from pricing import expressions, filters
from pricing.aggregation import MeterSpec, State, Unpriceable

AUGUST = dt.datetime(2026, 8, 1, tzinfo=dt.UTC)
SEPTEMBER = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
HOUR = Decimal(3600)
SECONDS = 744 * HOUR
NOON = AUGUST + dt.timedelta(hours=12)


def meter(aggregation: Any = "sum", value: Any = "tokens", **terms: Any) -> MeterSpec:
    return MeterSpec(
        code="tokens", event_type="llm.call", aggregation=aggregation, value=value, **terms
    )


def add_up(spec: MeterSpec, *events: tuple[str, dict[str, Any]]) -> tuple[Decimal, State]:
    """Return the aggregate of events at times of the first of August, and the state behind it."""
    state, seen = State(), set[str | None]()
    for time, properties in events:
        hours, minutes = map(int, time.split(":"))
        occurred_at = AUGUST + dt.timedelta(hours=hours, minutes=minutes)
        distinct = spec.distinct_value(properties)
        increment = spec.increment(
            spec.measure(properties),
            state,
            occurred_at=occurred_at,
            period_start=AUGUST,
            period_end=SEPTEMBER,
            is_new=distinct not in seen,
        )
        seen.add(distinct)
        state = state.after(increment, occurred_at=occurred_at)
    numerator, divisor = spec.result(state, period_seconds=SECONDS)
    return numerator / divisor, state


def levels(spec: MeterSpec, *changes: tuple[str, int]) -> Decimal:
    return add_up(spec, *((time, {"tokens": change}) for time, change in changes))[0]


@pytest.mark.parametrize(
    ("aggregation", "value", "expected"),
    [("count", "", 2), ("sum", "views", 30), ("max", "views", 20), ("unique_count", "user", 1)],
)
def test_page_views_of_one_user(aggregation: str, value: str, expected: int) -> None:
    views = [{"user": "u1", "views": 10}, {"user": "u1", "views": 20}]
    assert add_up(meter(aggregation, value), ("0:00", views[0]), ("1:00", views[1]))[0] == expected


STORED = [
    ("0:00", 2),
    ("1:00", 3),
    ("1:30", 1),
    ("2:00", -4),
    ("4:00", -2),
    ("5:00", 10),
    ("5:30", -10),
]


def test_a_weighted_sum_is_the_average_level_of_the_period() -> None:
    average = levels(meter("weighted_sum"), *STORED)
    assert round(average, 5) == Decimal("0.02218")
    assert levels(meter("weighted_sum", weighted_by="hour"), *STORED) == Decimal("16.5")


def test_what_was_there_before_counts_from_the_start() -> None:
    early, spec = AUGUST - dt.timedelta(days=3), meter("weighted_sum", weighted_by="hour")
    terms: dict[str, Any] = {"occurred_at": early, "period_end": SEPTEMBER}
    kept = spec.increment(Decimal(1), State(), period_start=AUGUST, **terms)
    assert spec.result(State(kept), period_seconds=SECONDS) == (SECONDS, HOUR)
    assert spec.increment(Decimal(1), State(), **terms) == SECONDS + 3 * 86_400


def test_what_comes_after_the_end_has_no_weight() -> None:
    late = SEPTEMBER + dt.timedelta(minutes=5)
    spec = meter("weighted_sum")
    assert spec.increment(Decimal(9), State(), occurred_at=late, period_end=SEPTEMBER) == 0


def test_time_is_weighed_to_the_microsecond() -> None:
    moment = SEPTEMBER - dt.timedelta(microseconds=1)
    added = meter("weighted_sum").increment(
        Decimal("0.000001"), State(), occurred_at=moment, period_end=SEPTEMBER
    )
    assert added == Decimal("0.000000000001")


def test_a_weight_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(Unpriceable, match="too large") as error:
        meter("weighted_sum").increment(
            Decimal(10**25), State(), occurred_at=AUGUST, period_end=SEPTEMBER
        )
    assert error.value.reason == "amount_too_large"


@pytest.mark.parametrize(
    ("aggregation", "values", "expected"),
    [
        ("sum", [5, 3, 9], 17),
        ("max", [5, 3, 9], 9),
        ("max", [-5, -3], 0),
        ("min", [5, 3, 9], 3),
        ("min", [5, -3, 9], -3),
        ("min", [7], 7),
        ("average", [5, 3, 10], 6),
        ("average", [-1, -2], Decimal("-1.5")),
        ("average", [], 0),
        ("latest", [5, 3, 9], 9),
        ("latest", [5, 3, -9], -9),
        ("unique_count", [5, "5", 3, True, "true"], 3),
        ("weighted_sum", [], 0),
    ],
)
def test_a_period_adds_up(aggregation: str, values: list[Any], expected: Any) -> None:
    events = [(f"{hour}:00", {"tokens": each}) for hour, each in enumerate(values)]
    result, state = add_up(meter(aggregation), *events)
    assert result == expected
    assert state.events == len(values)


def test_an_older_event_is_not_the_latest() -> None:
    level = meter("latest")
    assert levels(level, ("12:00", 7), ("6:00", 5)) == 7
    assert levels(level, ("12:00", 7), ("12:00", 5)) == 5
    assert add_up(level, ("12:00", {"tokens": 7}), ("6:00", {"tokens": 5}))[1].latest_at == NOON


def test_an_average_is_not_divided_before_it_is_priced() -> None:
    result = meter("average").result(State(Decimal(10), 3), period_seconds=SECONDS)
    assert result == (Decimal(10), Decimal(3))


def test_started_seconds_of_each_event() -> None:
    spec = meter(value=expressions.parse("ceil(ms/1000)"))
    events = [("0:00", {"ms": ms}) for ms in (4200, 8100, 500)]
    assert [spec.measure(properties) for _, properties in events] == [5, 9, 1]
    assert add_up(spec, *events)[0] == 15


def test_output_weighs_three_times_input() -> None:
    spec = meter(value=expressions.parse("input + output*3"))
    assert spec.measure({"input": 500, "output": 120}) == 860


def test_counting_takes_one_for_each_event() -> None:
    assert meter("count", "").measure({"tokens": 7}) == 1
    assert meter("unique_count").measure({"tokens": 7}) == 0


@pytest.mark.parametrize("value", [20, "20", Decimal("20.0"), "2e1", "20.000000000000"])
def test_a_property_is_read_exactly(value: Any) -> None:
    assert meter().measure({"tokens": value}) == 20
    assert meter(value="usage.tokens").measure({"usage": {"tokens": value}}) == 20
    assert meter(value="usage.tokens").measure({"usage.tokens": value, "usage": {}}) == 20


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({}, "missing_property"),
        ({"tokens": None}, "missing_property"),
        ({"tokens": "many"}, "bad_quantity"),
        ({"tokens": -1}, "bad_quantity"),
        ({"tokens": True}, "bad_quantity"),
        ({"tokens": 1.5}, "bad_quantity"),
        ({"tokens": [1]}, "bad_quantity"),
        ({"tokens": "٢٠"}, "bad_quantity"),
        ({"tokens": "NaN"}, "bad_quantity"),
        ({"tokens": Decimal("1e500000")}, "bad_quantity"),
        ({"tokens": "0.0000000000001"}, "bad_quantity"),
        ({"tokens": 10**26}, "bad_quantity"),
    ],
)
@pytest.mark.parametrize("value", ["tokens", expressions.parse("1 * tokens")])
def test_a_quantity_that_is_none_is_explained(
    value: Any, properties: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Unpriceable, match="tokens") as error:
        meter(value=value).measure(properties)
    assert error.value.reason == reason


@pytest.mark.parametrize("aggregation", ["max", "min", "average", "latest", "weighted_sum"])
def test_only_a_sum_refuses_what_is_below_zero(aggregation: str) -> None:
    assert meter(aggregation).measure({"tokens": -1}) == -1
    assert meter(aggregation, expressions.parse("0 - tokens")).measure({"tokens": 1}) == -1


def test_different_values_are_told_apart_as_texts() -> None:
    users = meter("unique_count", "user")
    assert [users.distinct_value({"user": each}) for each in ("u1", 5, True)] == ["u1", "5", "true"]
    assert meter().distinct_value({"tokens": 5}) is None


@pytest.mark.parametrize(
    ("properties", "reason"), [({}, "missing_property"), ({"user": ["u1"]}, "bad_quantity")]
)
def test_a_value_that_cannot_be_told_apart_is_explained(
    properties: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Unpriceable, match="user") as error:
        meter("unique_count", "user").distinct_value(properties)
    assert error.value.reason == reason


def test_a_meter_counts_what_its_filter_lets_pass() -> None:
    assert meter().counts({})
    good = meter(filter=filters.parse({"status": "ok"}))
    assert good.counts({"status": "ok"})
    assert not good.counts({"status": "failed"})


def test_meters_of_the_same_terms_are_equal() -> None:
    spec = meter(filter=filters.parse({"status": "ok"}), value=expressions.parse("a * 2"))
    again = meter(filter=filters.parse({"status": "ok"}), value=expressions.parse("a * 2"))
    assert spec == again
    assert len({spec, again}) == 1


def test_the_largest_amount_is_still_a_quantity() -> None:
    assert meter().measure({"tokens": str(money.LARGEST)}) == money.LARGEST
