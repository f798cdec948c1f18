"""Filters as lines of text."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from pricing.admin.filter_lines import FilterLinesField, parse, render

LINES = """\
input_tokens > 200000
model in haiku, opus
speed != slow
status = ok
trace exists"""
FILTERS = {
    "status": "ok",
    "model": {"in": ["haiku", "opus"]},
    "input_tokens": {"gt": "200000"},
    "trace": {"exists": True},
    "speed": {"not_equals": "slow"},
}


def test_lines_are_filters_and_filters_are_lines() -> None:
    assert parse(LINES) == FILTERS
    assert render(FILTERS) == LINES


@pytest.mark.parametrize(
    ("line", "filters"),
    [
        ("", {}),
        (" \n\n", {}),
        ("a=b", {"a": "b"}),
        ("a == b", {"a": "b"}),
        ("note = a in b = c", {"note": "a in b = c"}),
        ("odd name = x", {"odd name": "x"}),
        ('"opt in" = yes', {"opt in": "yes"}),
        ('"opt in" exists', {"opt in": {"exists": True}}),
        ('status = "ok"', {"status": "ok"}),
        ('status = ""', {"status": ""}),
        ('status = " ok "', {"status": " ok "}),
        ("in = 5", {"in": "5"}),
        ("model not in opus", {"model": {"not_in": ["opus"]}}),
        ("model NOT  IN opus", {"model": {"not_in": ["opus"]}}),
        ('model in "a, b",c', {"model": {"in": ["a, b", "c"]}}),
        ("usage.size>=1.50", {"usage.size": {"gte": "1.5"}}),
        ("size > 1\nsize <= 5", {"size": {"gt": "1", "lte": "5"}}),
        ("trace is missing", {"trace": {"exists": False}}),
        ("trace does  not exist", {"trace": {"exists": False}}),
        ("the trace Exists", {"the trace": {"exists": True}}),
        ('{"a": {"gte": 2.50}, "b": true}', {"a": {"gte": "2.5"}, "b": "true"}),
    ],
)
def test_lines_are_read(line: str, filters: dict[str, Any]) -> None:
    assert parse(line) == filters
    assert parse(render(filters)) == filters


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("status = ok\nfast", "Line 2 must read name = value, name in one, two"),
        ("= ok", "Line 1 must read name = value"),
        ("exists", "Line 1 must read name = value"),
        ('"" exists', "Line 1 must read name = value"),
        ("status =", "Line 1 needs a value after =."),
        ("size > many", "Line 1 compares with “many”, which must be a number in plain digits"),
        ("size > 200,000", "Line 1 compares with “200,000”"),
        ("a = 1\nb = 2\na = 3", "Line 3 says a second time what a must be."),
        ('model in "a', "Line 1 has a quote that is not closed."),
        ("model in a,,b", "Line 1 has nothing between two commas."),
        ("size > 5\n\nsize < 4", "Lines 1 and 3: size has a range that no number is in."),
        ("a = 1\nb = " + "x" * 201, "Line 2: b.equals must have at most 200 characters."),
        ("a in b, " + "x" * 201, "Line 1: a.in[1] must have at most 200 characters."),
        ("a = \0", "filters contains a NUL character."),
        ('{"a": {"like": "x"}}', "a.like is not known; there are equals"),
        ('{"a": ', "not JSON"),
        ("a = 1\n" * 3 + "b", "Line 4 must read"),
    ],
)
def test_mistakes_name_their_line(text: str, error: str) -> None:
    with pytest.raises(ValidationError) as invalid:
        parse(text)
    assert any(message.startswith(error) or error in message for message in invalid.value.messages)


def test_every_line_with_a_mistake_is_named() -> None:
    with pytest.raises(ValidationError) as invalid:
        parse("fast\nslow\nstatus = ok")
    assert [message[:6] for message in invalid.value.messages] == ["Line 1", "Line 2"]


@pytest.mark.parametrize(
    "filters",
    [
        {"a": 'in "quotes"'},
        {"a": '"quoted"'},
        {"a": {"in": ["b", 'x "y", z']}},
        {"a": {"in": [" x", "b"]}},
        {"a": "two\nlines"},
        {'na"me': "x"},
        {" name ": "x"},
        {"a = b": {"not_equals": ""}},
    ],
)
def test_what_is_shown_is_read_back_the_same(filters: dict[str, Any]) -> None:
    assert parse(render(filters)) == filters


def test_what_cannot_be_read_is_shown_as_it_is() -> None:
    assert render({"a": ["x"]}) == '{"a": ["x"]}'


def test_a_field_keeps_what_somebody_typed() -> None:
    field = FilterLinesField(required=False)
    assert field.prepare_value("status = o") == "status = o"
    assert field.prepare_value(FILTERS) == LINES
    assert (field.clean(None), field.clean("a = b")) == ({}, {"a": "b"})


def test_a_very_long_text_is_refused_quickly() -> None:
    for hostile in ("a" + " " * 100_000, "not " * 50_000, "a " * 50_000 + "exists", '"' * 100_000):
        with pytest.raises(ValidationError):
            parse(hostile)
