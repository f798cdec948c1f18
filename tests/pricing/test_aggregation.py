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
            "value": "tokens",
            **terms,
        }
    )


def test_counting_adds_one_for_each_event() -> None:
    assert meter(aggregation="count", value="").measure({"tokens": 7}) == 1


@pytest.mark.parametrize("value", [20, "20", Decimal("20.0"), "2e1", "20.000000000000"])
def test_a_sum_reads_its_property_exactly(value: Any) -> None:
    assert meter().measure({"tokens": value}) == 20


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
        meter().measure(properties)
    assert error.value.reason == reason
