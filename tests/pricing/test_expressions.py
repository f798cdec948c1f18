"""Expressions over the properties of an event."""

import time
from decimal import Decimal
from typing import Any

import pytest

from pricing import expressions
from pricing.expressions import ExpressionFailed, ExpressionInvalid

EVENT: dict[str, Any] = {
    "input": 500,
    "output": 120,
    "ms": 4200,
    "rate": Decimal("1.25"),
    "written": "12.5",
    "model": "opus",
    "cached": True,
    "batch": "false",
    "version": 3,
    "nothing": None,
    "tags": ["a"],
    "usage": {"input": 7, "deep": {"er": 9}},
    "gen_ai.usage.input": 11,
    "odd name": 13,
    "and": 17,
    "größe": 19,
}


def value(text: str, **properties: Any) -> Decimal:
    return expressions.parse(text).evaluate({**EVENT, **properties})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input + output*3", "860"),
        ("ceil(ms/1000)", "5"),
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 3 - 2", "5"),
        ("12 / 3 / 2", "2"),
        ("2 * -3", "-6"),
        ("--3", "3"),
        ("-input + 1", "-499"),
        ("+input", "500"),
        ("1/3", "0.333333333333"),
        ("2/3", "0.666666666667"),
        ("rate * 2", "2.5"),
        ("written * 2", "25"),
        ("min(input, output, 3)", "3"),
        ("MAX(input, output)", "500"),
        ("abs(output - input)", "380"),
        ("floor(0 - 1.5)", "-2"),
        ("ceil(0 - 1.5)", "-1"),
        ("round(2.5)", "3"),
        ("round(0 - 2.5)", "-3"),
        ("round(1.005, 2)", "1.01"),
        ("round(rate, 12)", "1.25"),
        ("usage.input + usage.deep.er", "16"),
        ("gen_ai.usage.input", "11"),
        ('prop("odd name") + prop("and")', "30"),
        ('prop("usage.input")', "7"),
        ("größe", "19"),
        ("default(cached_tokens, 0) + input", "500"),
        ("default(nothing, 2)", "2"),
        ("default(input, 0)", "500"),
        ("default(a, default(b, ms))", "4200"),
        ("default(usage.none.at.all, 1)", "1"),
        ("default(model.name, 1)", "1"),
        ("\tinput\n+\N{NO-BREAK SPACE}1 ", "501"),
    ],
)
def test_arithmetic(text: str, expected: str) -> None:
    assert value(text) == Decimal(expected)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("input > 499", True),
        ("input >= 501", False),
        ("input < output", False),
        ("input <= 500.0", True),
        ("input == 500", True),
        ("input = 500", True),
        ("input != 500", False),
        ("input / 3 * 3 == input", True),
        ("model == 'opus'", True),
        ('model != "opus"', False),
        ("'opus' == model", True),
        ("version == '3'", True),
        ("cached == true", True),
        ("cached != 'true'", False),
        ("cached", True),
        ("batch", False),
        ("not batch", True),
        ("TRUE and Not False", True),
        ("default(speed, 'slow') == 'slow'", True),
        ("default(model, 'slow') == 'slow'", False),
        ("default(flag, false)", False),
        ("default(flag, true) == true", True),
        ("default(cached, false)", True),
        ("default(count, 0) == 0", True),
        ("input == prop('input')", True),
        ("input == output", False),
        ("version == model", False),
        ("false or true and false", False),
        ("(false or true) and true", True),
        ("not input == 500", False),
        ("not (input > 1 and output > 1)", False),
        ("false and missing > 1", False),
        ("true or missing > 1", True),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    assert value(f"if({condition}, 1, 0)") == holds


def test_only_the_branch_taken_is_computed() -> None:
    text = "if(output > 0, input / output, missing)"
    assert value(text, output=5) == 100
    with pytest.raises(ExpressionFailed, match=r"no properties\.missing"):
        value(text, output=0)


def test_a_step_by_request_size() -> None:
    priced = "if(input > 200000, input * 2, input)"
    assert [value(priced, input=tokens) for tokens in (200_000, 200_001)] == [200_000, 400_002]


@pytest.mark.parametrize(
    "text",
    [
        "floor(ms / 7 * 7)",
        "ceil(ms / 3 * 2 + ms / 3)",
        "ceil(ms*2/3 + ms*2/3 + ms*2/3 - ms)",
        "floor(ms * rate * rate / rate / rate)",
        "round(ms / 9 * 9, 6)",
    ],
)
def test_a_division_that_never_ends_loses_no_unit(text: str) -> None:
    assert value(text) == 4200


def test_a_result_is_rounded_half_up_to_12_places() -> None:
    assert value("written / 10000000000000", written="5") == Decimal("0.000000000001")
    assert value("written / 10000000000000", written="4.9") == 0
    assert value("written / 10000000000000", written="-5") == Decimal("-0.000000000001")


def test_names_are_the_properties_read() -> None:
    expression = expressions.parse("if(model == 'opus', a.b, default(c, 0)) + prop('odd name')")
    assert expression.names == {"model", "a.b", "c", "odd name"}


def test_an_expression_is_what_was_written() -> None:
    expression = expressions.parse(" a + 1 ")
    assert str(expression) == "a + 1"
    assert expression == expressions.parse("a + 1") != expressions.parse("a+1")
    assert hash(expression) == hash(expressions.parse("a + 1"))


@pytest.mark.parametrize(
    ("text", "detail", "missing"),
    [
        ("absent + 1", "the event has no properties.absent", "absent"),
        ("nothing", "the event has no properties.nothing", "nothing"),
        ("if(absent == 'a', 1, 2)", "no properties.absent", "absent"),
        ("if(model == absent or true, 1, 2)", "no properties.absent", "absent"),
        ("if(absent, 1, 2)", "no properties.absent", "absent"),
        ("model * 2", r"properties\.model must be a decimal number", ""),
        ("cached + 1", r"properties\.cached must be a decimal number", ""),
        ("tags", r"properties\.tags must be a decimal number", ""),
        ("if(tags == 'a', 1, 2)", r"properties\.tags must be a text", ""),
        ("if(model, 1, 2)", r"properties\.model must be true or false", ""),
        ("if(input, 1, 2)", r"properties\.input must be true or false", ""),
        ("1 / (input - 500)", "divides by zero", ""),
        ("big * big", "more than 26 digits", ""),
        ("big / 0.001", "more than 26 digits", ""),
        ("big + 9 * big", "more than 26 digits", ""),
        ("small", "12 digits after the point", ""),
        ("infinite", "must be a finite number", ""),
        ("real", "must be a decimal number", ""),
        ("enormous", "26 digits before the point", ""),
    ],
)
def test_why_an_event_has_no_value(text: str, detail: str, missing: str) -> None:
    odd = {
        "big": 10**25,
        "small": "0.0000000000001",
        "infinite": Decimal("Infinity"),
        "real": 1.5,
        "enormous": 10**26,
    }
    with pytest.raises(ExpressionFailed, match=detail) as error:
        value(text, **odd)
    assert error.value.missing == missing


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", None, "is empty"),
        (" \n", None, "is empty"),
        (None, None, "must be a text"),
        (7, None, "must be a text"),
        ("a +", 4, "a number, a property .* is expected here, not the end"),
        ("a b", 3, 'a sign such as \\+ or the end is expected here, not "b"'),
        ("a 'b'", 3, 'not the text "b"'),
        ("(a", 3, '"\\)" is expected here'),
        ("a)", 2, "or the end is expected"),
        ("* a", 1, "is expected here"),
        ("and", 1, "is expected here"),
        ("a # b", 3, '"#" cannot stand'),
        ("a \0 b", 3, "this character cannot stand"),
        ("9**9", 2, "there are no powers"),
        ("a // b", 3, "write floor"),
        ("a % b", 3, "remainder"),
        ("a & b", 3, "write and"),
        ("a <> b", 3, "write !="),
        ("a.b.", 1, "a dot in a name"),
        ("a..b", 1, "a dot in a name"),
        (".5", 1, "a dot stands inside"),
        ("5.", 1, "is no number"),
        ("1e5", 1, "is no number"),
        ("1_000", 1, "is no number"),
        ("1.2.3", 1, "is no number"),
        ("a + 9999999999999999999999999999", 5, "at most 26 digits before the point"),
        ("0.1234567890123", 1, "at most 12 digits after the point"),
        ("'opus", 1, "no closing quote"),
        ("if(a == 'x\ty', 1, 2)", 11, "printable"),
        ("'a' + 1", 1, "a text where a number"),
        ("a > 1", 3, "a condition where a number"),
        ("true", 1, "a condition where a number"),
        ("not a", 1, "a condition where a number"),
        ("1 + (a and b)", 8, "a condition where a number"),
        ("if(a + 1, 1, 2)", 6, "a number where a condition"),
        ("if('a', 1, 2)", 4, "a text where a condition"),
        ("if(a < b < c, 1, 2)", 10, "at a time"),
        ("if(a > 'b', 1, 2)", 6, "by == and != only"),
        ("if(a + 1 == 'b', 1, 2)", 6, "a number and never equal to a text"),
        ("if((a > b) == true, 1, 2)", 7, "a condition and never equal"),
        ("if((a > b) == c, 1, 2)", 7, "a condition where a number"),
        ("if(a > b, 1)", 12, '"," is expected'),
        ("pow(a, 2)", 1, "is no function; there are min"),
        ("min(a)", 6, '"," is expected'),
        ("ceil(a, b)", 7, '"\\)" is expected'),
        ("round(a, 13)", 10, "places from 0 to 12"),
        ("round(a, 1.5)", 10, "places from 0 to 12"),
        ("round(a, b)", 10, "places from 0 to 12"),
        ("default(3, 0)", 1, "default takes a property"),
        ("default(min(a, b), 0)", 1, "default takes a property"),
        ("default('a', 0)", 1, "default takes a property"),
        ("default(default(a, 1), 0)", 1, "default takes a property"),
        ("default(a, 'x') + 1", 9, "a text where a number"),
        ("prop(a)", 6, "in quotes"),
        ("prop('')", 6, "in quotes"),
        ("1 / 0", 3, "divides by zero"),
        ("if(a > 1, a / (2 - 2), 3)", 13, "divides by zero"),
        ("99999999999999999999999999 * 9", 28, "more than 26 digits"),
        ("99999999999999999999999999 + 1", 1, "more than 26 digits"),
    ],
)
def test_a_mistake_is_placed_and_explained(text: Any, position: int | None, reason: str) -> None:
    with pytest.raises(ExpressionInvalid, match=reason) as error:
        expressions.parse(text)
    assert error.value.position == position


@pytest.mark.parametrize(
    "text",
    [
        "(" * 250 + "a" + ")" * 250,
        "(" * 1_000_000,
        "1" * 1_000_000,
        "-" * 499 + "a",
        "if(" + "not " * 120 + "a, 1, 0)",
        "9**9**9",
        "*".join(["99999999999999999999999999"] * 18),
        "+".join("a" * 200),
        "().__class__.__bases__",
        "a.__class__()",
        "__import__('os').system('ls')",
        "(lambda: 1)()",
        "[x for x in a]",
        "a[0]",
        "a; b",
        "f'{a}'",
        "min(" * 100,
        "default(" * 60,
        "\ud800",
        "'\ud800'",
        "٣ + ٤",
    ],
)
def test_hostile_texts_are_refused_at_once(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ExpressionInvalid) as error:
        expressions.parse(text)
    assert time.perf_counter() - started < 0.1
    assert error.value.reason


def test_an_attribute_is_no_property() -> None:
    with pytest.raises(ExpressionFailed, match=r"no properties\.model\.__class__"):
        value("model.__class__")


def test_hostile_values_are_refused_at_once() -> None:
    started = time.perf_counter()
    for hostile in (10**5000, Decimal("1e999999"), "9" * 10_000, Decimal("NaN"), "1e99"):
        with pytest.raises(ExpressionFailed, match="huge"):
            value("huge * huge * huge", huge=hostile)
    assert time.perf_counter() - started < 0.1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "is empty"),
        ("a + * 3", "at character 5, “a + ▸* 3”: a number, a property or"),
        (
            "input_tokens + output_tokens * reasoning_tokens cached_tokens * 4",
            "at character 49, “…easoning_tokens ▸cached_tokens * …”: a sign such as",
        ),
    ],
)
def test_the_place_is_pointed_at(text: str, shown: str) -> None:
    with pytest.raises(ExpressionInvalid) as error:
        expressions.parse(text)
    assert error.value.shown_in(text).startswith(shown)
