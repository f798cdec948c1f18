"""Laws of expressions, against another reader and exact fractions.

The other reader is Python's own: the arithmetic of an expression is written the same in both
languages, so that precedence is checked as well.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from accounts import money
from pricing import expressions
from pricing.expressions import ExpressionFailed, ExpressionInvalid

NAMES = ("a", "b", "c.d")
TOO_LARGE = 10**26

VALUES = st.one_of(
    st.integers(-(10**6), 10**6),
    st.decimals(-(10**6), 10**6, places=6),
    st.decimals(-1, 1, places=12).map(lambda number: f"{number:f}"),
)
EVENTS = st.fixed_dictionaries(
    {"a": VALUES, "b": VALUES, "c": st.fixed_dictionaries({"d": VALUES})}
)
NUMBERS = st.one_of(
    st.sampled_from(NAMES),
    st.integers(1, 1000).map(str),
    st.decimals(Decimal("0.001"), 10, places=3).map(str),
    st.sampled_from(["default(absent, 7)", "default(a, b)"]),
)


def _longer(numbers: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from([" + ", " - ", "*", " / "])
    comparisons = st.builds(
        "{} {} {}".format, numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers
    )
    conditions = st.one_of(
        comparisons,
        comparisons.map("not {}".format),
        st.builds("{} and {} or {}".format, comparisons, comparisons, comparisons),
        st.builds("{} and ({} or {})".format, comparisons, comparisons, comparisons),
    )
    return st.one_of(
        st.builds("{}{}{}".format, numbers, signs, numbers),
        st.builds("{}{}({})".format, numbers, signs, numbers),
        numbers.map("-({})".format),
        st.builds("{}({})".format, st.sampled_from(["ceil", "floor", "abs", "round"]), numbers),
        st.builds("round({}, {})".format, numbers, st.integers(0, 12)),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), numbers, numbers),
        st.builds("if({}, {}, {})".format, conditions, numbers, numbers),
    )


TEXTS = st.recursive(NUMBERS, _longer, max_leaves=12).filter(
    lambda text: len(text) <= expressions.LENGTH_MAX
)


class Undefined(Exception):
    """There is no value: a division by zero, or more digits than an amount has."""


def half_up(number: Fraction, places: int) -> Fraction:
    scaled = abs(number) * 10**places
    rounded = math.floor(scaled + Fraction(1, 2))
    return Fraction(rounded if number > 0 else -rounded, 10**places)


def _times(left: Fraction, right: Fraction) -> Fraction:
    return _kept(left * right)


def _over(left: Fraction, right: Fraction) -> Fraction:
    if right == 0:
        raise Undefined
    return _kept(left / right)


def _kept(number: Fraction) -> Fraction:
    if abs(number) >= TOO_LARGE:
        raise Undefined
    return number


SIGNS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: _over,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ceil": lambda number: Fraction(math.ceil(number)),
    "floor": lambda number: Fraction(math.floor(number)),
    "round": lambda number, places=0: half_up(number, int(places)),
    "abs": abs,
    "min": min,
    "max": max,
}


def by_hand(text: str, event: Mapping[str, Any]) -> Fraction:
    """Evaluate with Python's reader and fractions. Raises Undefined."""
    tree = ast.parse(text.replace("if(", "choose("), mode="eval").body
    number: Fraction = half_up(_value(tree, event), 12)
    return _kept(number)


def _value(node: ast.AST, event: Mapping[str, Any]) -> Any:
    match node:
        case ast.UnaryOp():
            return SIGNS[type(node.op)](_value(node.operand, event))
        case ast.BinOp():
            return SIGNS[type(node.op)](_value(node.left, event), _value(node.right, event))
        case ast.Compare():
            [right] = node.comparators
            return SIGNS[type(node.ops[0])](_value(node.left, event), _value(right, event))
        case ast.BoolOp():
            decide = all if isinstance(node.op, ast.And) else any
            return decide(_value(each, event) for each in node.values)
        case ast.Call(func=ast.Name(id=name)):
            return _called(name, node.args, event)
    return Fraction(_leaf(node, event))


def _leaf(node: ast.AST, event: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.Name():
            return event[node.id]
        case ast.Attribute(value=ast.Name(id=name)):
            return event[name][node.attr]
    raise AssertionError(ast.dump(node))


def _called(name: str, arguments: list[ast.expr], event: Mapping[str, Any]) -> Any:
    first, *others = arguments
    if name == "default":
        is_there = isinstance(first, ast.Name) and first.id in event
        return _value(first if is_there else others[0], event)
    if name == "choose":
        return _value(others[0] if _value(first, event) else others[1], event)
    return FUNCTIONS[name](*[_value(each, event) for each in arguments])


def outcome(text: str, event: dict[str, Any]) -> Decimal | ExpressionInvalid | ExpressionFailed:
    """Return the value, or how the expression was refused."""
    try:
        return expressions.parse(text).evaluate(event)
    except (ExpressionInvalid, ExpressionFailed) as refusal:
        return refusal


@given(TEXTS, EVENTS)
def test_another_reader_comes_to_the_same(text: str, event: dict[str, Any]) -> None:
    found = outcome(text, event)
    if isinstance(found, ExpressionInvalid):
        # A part without properties that no event can give a value to, or too long a text.
        assert found.reason.startswith(("the expression divides by zero", "a product", "must "))
        return
    try:
        expected = by_hand(text, event)
    except Undefined:
        assert isinstance(found, ExpressionFailed)
    else:
        assert isinstance(found, Decimal)
        assert Fraction(found) == expected


FRAGMENTS = st.sampled_from(
    [
        *("a", "b.c", "1", "0.5", "99999999999999999999999999", "'x'", '"y"', "true", "false"),
        *("(", ")", ",", "+", "-", "*", "/", "<", "<=", "==", "!=", "=", ">", "and", "or", "not"),
        *("if(", "min(", "max(", "ceil(", "floor(", "round(", "abs(", "default(", "prop(", "."),
        *("if(a > 1, b.c, 2)", "default(a, 0)"),
    ]
)
ANYTHING = st.one_of(st.text(), st.lists(FRAGMENTS, max_size=40).map(" ".join))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(),
    st.text(),
    st.floats(),
    st.lists(st.integers(), max_size=1),
)


@given(ANYTHING, st.fixed_dictionaries({}, optional=dict.fromkeys(("a", "b", "x"), ODD)))
def test_whatever_is_written_is_read_or_refused(text: str, event: dict[str, Any]) -> None:
    found = outcome(text, event)
    if isinstance(found, ExpressionInvalid):
        assert found.reason
        assert found.position is None or 1 <= found.position <= len(text) + 1
    elif isinstance(found, ExpressionFailed):
        assert found.detail
        assert found.missing in {"", *expressions.parse(text).names}
    else:
        assert money.quantize(found) == found
        assert abs(found) <= money.LARGEST


@given(TEXTS, EVENTS, st.dictionaries(st.sampled_from(["x", "y", "c.e"]), ODD))
def test_properties_it_does_not_name_do_not_matter(
    text: str, event: dict[str, Any], others: dict[str, Any]
) -> None:
    assert str(outcome(text, {**others, **event})) == str(outcome(text, event))
