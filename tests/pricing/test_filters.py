"""Which events a filter lets pass."""

from decimal import Decimal
from typing import Any

import pytest

from pricing import filters
from pricing.filters import EVERYTHING, FilterInvalid


def passes(wanted: Any, **properties: Any) -> bool:
    return filters.parse(wanted).passes(properties)


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
def test_every_property_must_be_equal(properties: dict[str, Any], counts: bool) -> None:
    assert passes({"status": "ok", "cached": False}, **properties) is counts


@pytest.mark.parametrize(
    ("wanted", "let_through", "kept_out"),
    [
        ("5", [5, "5", Decimal("5.0")], [6, "5.0", None, True, [5]]),
        ({"equals": 5}, [5, "5"], [6]),
        ({"equals": True}, [True, "true"], [False, 1]),
        ({"not_equals": "slow"}, ["fast", "", None, [1], 5], ["slow"]),
        ({"in": ["opus", 3]}, ["opus", 3, "3"], ["haiku", None, ["opus"]]),
        ({"not_in": ["opus", "haiku"]}, ["sonnet", None, {}], ["opus", "haiku"]),
        ({"exists": True}, ["", 0, False, []], [None]),
        ({"exists": False}, [None], ["", 0, False]),
        ({"gt": "200000"}, [200_001, "200000.1"], [200_000, "many", None, True, 1.5e9]),
        ({"gte": 2}, [2, Decimal("2.0"), 10**25], [1, Decimal("1.9"), Decimal("NaN"), 10**26]),
        ({"lt": "0"}, [-1, "-0.1"], [0, 1, ""]),
        ({"lte": Decimal("0.5")}, ["0.5", -(10**25)], ["0.51", 1]),
        ({"gte": 5, "lte": 5}, [5], [4, 6]),
        ({"gt": 1, "lt": 2, "not_equals": "1.5"}, ["1.4"], ["1.5", 1, 2]),
    ],
)
def test_conditions(wanted: Any, let_through: list[Any], kept_out: list[Any]) -> None:
    assert [each for each in let_through if not passes({"size": wanted}, size=each)] == []
    assert [each for each in kept_out if passes({"size": wanted}, size=each)] == []


def test_a_name_leads_into_objects_unless_it_is_the_name_itself() -> None:
    assert passes({"usage.kind": "live"}, usage={"kind": "live"})
    assert passes({"usage.kind": "live"}, **{"usage.kind": "live", "usage": {"kind": "test"}})
    assert not passes({"usage.kind": "live"}, usage="live")


def test_without_conditions_every_event_passes() -> None:
    assert filters.parse({}) == EVERYTHING
    assert EVERYTHING.passes({})


@pytest.mark.parametrize(
    ("wanted", "values"),
    [
        ("ok", {"ok"}),
        ({"in": ["a", "b", 5]}, {"a", "b", "5"}),
        ({"in": ["a", "b"], "not_equals": "a"}, {"b"}),
        ({"in": ["1", "2", "x"], "gt": 1}, {"2"}),
        ({"equals": "a", "in": ["a", "b"], "exists": True}, {"a"}),
        ({"not_in": ["a"]}, None),
        ({"exists": True}, None),
        ({"gt": 5}, None),
    ],
)
def test_the_only_values_a_property_can_have(wanted: Any, values: set[str] | None) -> None:
    kept = filters.parse({"model": wanted, "other": "x"})
    assert kept.values_of("model") == values
    assert kept.values_of("missing") is None


@pytest.mark.parametrize(
    ("wanted", "errors"),
    [
        (None, [("filters", "must be an object")]),
        ([], [("filters", "must be an object")]),
        ("status = ok", [("filters", "must be an object")]),
        ({"": "x"}, [("filters", "must name properties by 1 to 200")]),
        ({"x" * 201: "x"}, [("filters", "must name properties by 1 to 200")]),
        ({str(n): "x" for n in range(51)}, [("filters", "at most 50 properties")]),
        ({"a": "\0"}, [("filters", "NUL")]),
        ({"a": 0.5}, [("filters", "not a JSON value")]),
        ({"a": None}, [("a", "must be a text")]),
        ({"a": ["x"]}, [("a", 'several values go into {"in": [...]}')]),
        ({"a": "x" * 201}, [("a", "at most 200 characters")]),
        ({"a": {}}, [("a", "must have at least one of equals")]),
        ({"a": {"like": "x"}}, [("a.like", "is not known; there are equals")]),
        ({"a": {"equals": {}}}, [("a.equals", "must be a text")]),
        ({"a": {"in": "x"}}, [("a.in", "must be a list of 1 to 500")]),
        ({"a": {"in": []}}, [("a.in", "must be a list of 1 to 500")]),
        ({"a": {"not_in": ["x", None]}}, [("a.not_in[1]", "must be a text")]),
        ({"a": {"exists": "yes"}}, [("a.exists", "must be true or false")]),
        ({"a": {"gt": "many"}}, [("a.gt", "must be a decimal number")]),
        ({"a": {"lte": True}}, [("a.lte", "must be a decimal number")]),
        ({"a": {"gt": 5, "lt": 5}}, [("a", "has a range that no number is in")]),
        ({"a": {"gte": 5, "lt": 5}}, [("a", "has a range that no number is in")]),
        ({"a": {"gte": 6, "lte": 5}}, [("a", "has a range that no number is in")]),
        ({"a": {"equals": "x", "not_in": ["x"]}}, [("a", "no value fulfils")]),
        ({"a": {"in": ["1", "2"], "gt": 2}}, [("a", "no value fulfils")]),
        ({"a": {"equals": "x", "exists": False}}, [("a", "cannot be missing and have")]),
        ({"a": {"gt": 1, "exists": False}}, [("a", "cannot be missing and have")]),
        ({"a": None, "b": {"gt": "x"}}, [("a", "must be"), ("b.gt", "must be")]),
    ],
)
def test_every_mistake_is_named(wanted: Any, errors: list[tuple[str, str]]) -> None:
    with pytest.raises(FilterInvalid) as invalid:
        filters.parse(wanted)
    for (field, reason), (where, why) in zip(invalid.value.errors, errors, strict=True):
        assert field == where
        assert why in reason
        assert reason in str(invalid.value)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ({"b": 1, "a": True}, {"a": "true", "b": "1"}),
        ({"a": {"equals": Decimal("1.50")}}, {"a": "1.5"}),
        ({"a": {"in": ["y", "x", "y"]}}, {"a": {"in": ["x", "y"]}}),
        ({"a": {"lte": "5.0", "gt": 1}}, {"a": {"gt": "1", "lte": "5"}}),
        ({"a": {"equals": "x", "exists": True}}, {"a": {"equals": "x", "exists": True}}),
    ],
)
def test_the_one_form(written: Any, canonical: Any) -> None:
    kept = filters.parse(written)
    assert kept.to_json() == canonical
    assert filters.parse(canonical) == kept
    assert list(kept.to_json()) == sorted(canonical)
