"""Which events a meter counts, and how much of each."""

from decimal import Decimal
from typing import Any

import pytest

from pricing.aggregation import MeterSpec, Unpriceable


def meter(**terms: Any) -> MeterSpec:
    return MeterSpec(
        **{
            "code": "tokens",
            "event_type": "llm.call",
            "aggregation": "sum",
            "quantity_property": "tokens",
            **terms,
        }
    )


def test_counting_adds_one_for_each_event() -> None:
    assert meter(aggregation="count", quantity_property="").quantity({"tokens": 7}) == 1


@pytest.mark.parametrize("value", [20, "20", Decimal("20.0"), "2e1", "20.000000000000"])
def test_a_sum_reads_its_property_exactly(value: Any) -> None:
    assert meter().quantity({"tokens": value}) == 20


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
def test_a_quantity_that_is_none_is_explained(properties: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unpriceable, match="tokens") as error:
        meter().quantity(properties)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("properties", "counts"),
    [
        ({"status": "ok", "cached": False}, True),
        ({"status": "ok", "cached": "false"}, True),
        ({"status": "ok", "cached": True}, False),
        ({"status": "failed", "cached": False}, False),
        ({"status": "ok"}, False),
        ({}, False),
    ],
)
def test_a_filter_wants_every_property_equal(properties: dict[str, Any], counts: bool) -> None:
    assert meter(filters={"status": "ok", "cached": False}).counts(properties) is counts


@pytest.mark.parametrize("filters", [None, {}])
def test_without_a_filter_every_event_counts(filters: dict[str, Any] | None) -> None:
    assert meter(filters=filters).counts({})


@pytest.mark.parametrize("properties", [{}, {"ratio": Decimal("0.5")}, {"ratio": ["0.5"]}])
@pytest.mark.parametrize("wanted", [0.5, None, [], {}])
def test_a_filter_that_names_no_plain_value_lets_nothing_through(
    properties: dict[str, Any], wanted: Any
) -> None:
    assert not meter(filters={"ratio": wanted}).counts(properties)
