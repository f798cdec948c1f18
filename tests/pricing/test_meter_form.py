"""What a meter may be, whoever describes it."""

from typing import Any

import pytest

from pricing import meter_form


@pytest.mark.parametrize(
    "terms",
    [
        {"aggregation": "count"},
        {"aggregation": "unique_count", "quantity_property": "user"},
        {"aggregation": "sum", "quantity_property": "tokens", "filters": {"status": "ok"}},
        {"aggregation": "max", "expression": "a + b"},
        {"aggregation": "weighted_sum", "quantity_property": "gb", "weighted_by": "hour"},
    ],
)
def test_nothing_is_wrong(terms: dict[str, Any]) -> None:
    assert meter_form.mistakes(**terms) == []


def test_every_field_with_a_mistake_is_named() -> None:
    found = meter_form.mistakes(
        aggregation="sum",
        expression="a +",
        filters={"model": {"in": ["opus", None]}, "b": []},
        weighted_by="hour",
    )
    assert [error.field for error in found] == [
        "expression",
        "filters.model.in[1]",
        "filters.b",
        "weighted_by",
    ]
    assert found[0].reason.startswith("at character 4, “a +▸”: a number, a property")


def test_what_is_too_much_is_named() -> None:
    found = meter_form.mistakes(aggregation="count", quantity_property="a", expression="b +")
    assert [error.field for error in found] == ["quantity_property", "expression"]
    assert meter_form.mistakes(aggregation="count", filters=[])[0].field == "filters"
