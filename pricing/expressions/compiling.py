"""Making closures of a tree, so that a name is looked up and a sign is chosen once, not per event.

Numbers are decimals of 100 digits. Whole numbers, sums and products of what an event can hold are
exact within them. A quotient may not be (1 / 3 has no end), and then 1 / 3 * 3 falls short of 1 in
the last digit; so where a division has been, values are brought back to 60 places before they are
rounded or compared. No product or quotient may have more than 26 digits before the point, which
keeps the digits after it.
"""

import operator
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import NamedTuple

from accounts import money
from pricing.expressions.mistakes import ExpressionFailed, ExpressionInvalid
from pricing.expressions.tree import (
    Arithmetic,
    Call,
    Choice,
    Comparison,
    Logic,
    Node,
    Number,
    Property,
    Sort,
    Text,
    Truth,
    is_text,
)
from pricing.properties import Properties, as_number, as_text, reader

type Compute = Callable[[Properties], Decimal]
type Write = Callable[[Properties], str]
type Decide = Callable[[Properties], bool]

_PLACES_BEFORE_POINT = money.DIGITS - money.PLACES
# What has more places than this beside 26 digits, and a few for sums, may have lost the last ones.
_EXACT_PLACES = money.WORKING_PRECISION - _PLACES_BEFORE_POINT - 4
_STEADY = Decimal(1).scaleb(-60)
_INEXACT = 10**6
_DIVIDES_BY_ZERO = "the expression divides by zero"

_COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_ROUNDINGS = {"ceil": ROUND_CEILING, "floor": ROUND_FLOOR, "round": ROUND_HALF_UP}


class _Number(NamedTuple):
    """What computes a number, at most how many places it has, and whether it needs an event."""

    compute: Compute
    places: int
    is_constant: bool = False


def compile_number(node: Node) -> Compute:
    """Return what computes the number; places lost by divisions are made good.

    Raises ExpressionInvalid when a part without properties has no value, such as 1 / 0.
    """
    return _steady(_compile(node))


def _compile(node: Node) -> _Number:
    match node:
        case Number():
            return _constant(node.value)
        case Property():
            return _property(node)
        case Arithmetic():
            left, right = _compile(node.left), _compile(node.right)
            if node.sign == "/" and right.is_constant and not right.compute({}):
                raise ExpressionInvalid(_DIVIDES_BY_ZERO, position=node.position)
            number = _ARITHMETIC[node.sign](left, right)
            return _folded(node, number, left, right)
        case Call():
            arguments = [_compile(argument) for argument in node.arguments]
            return _folded(node, _call(node, arguments), *arguments)
        case Choice():
            return _choice(node)
    raise TypeError(f"{node} is not a number")  # The parser lets none of these through.


def _constant(value: Decimal) -> _Number:
    exponent = value.as_tuple().exponent
    return _Number(lambda _: value, max(-int(exponent), 0), is_constant=True)


def _folded(node: Node, number: _Number, *parts: _Number) -> _Number:
    """Compute at once what no event can change."""
    if not all(part.is_constant for part in parts):
        return number
    try:
        value = number.compute({})
    except ExpressionFailed as error:
        raise ExpressionInvalid(error.detail, position=node.position) from error
    return _Number(lambda _: value, number.places, is_constant=True)


def _steady(number: _Number) -> Compute:
    compute = number.compute
    if number.places <= _EXACT_PLACES:
        return compute
    return lambda properties: compute(properties).quantize(_STEADY)


def _property(node: Property) -> _Number:
    name, read = node.name, reader(node.name)
    fallback = _compile(node.fallback) if node.fallback else None

    def compute(properties: Properties) -> Decimal:
        value = read(properties)
        if value is None:
            if fallback is not None:
                return fallback.compute(properties)
            raise _missing(name)
        try:
            return as_number(value)
        except money.AmountInvalid as error:
            raise ExpressionFailed(f"properties.{name} {error}") from error

    return _Number(compute, max(money.PLACES, fallback.places if fallback else 0))


def _missing(name: str) -> ExpressionFailed:
    return ExpressionFailed(f"the event has no properties.{name}", missing=name)


def _plus(left: _Number, right: _Number) -> _Number:
    a, b = left.compute, right.compute
    return _Number(lambda event: a(event) + b(event), max(left.places, right.places))


def _minus(left: _Number, right: _Number) -> _Number:
    a, b = left.compute, right.compute
    return _Number(lambda event: a(event) - b(event), max(left.places, right.places))


def _times(left: _Number, right: _Number) -> _Number:
    a, b = left.compute, right.compute
    return _Number(lambda event: _bounded(a(event) * b(event)), left.places + right.places)


def _divided(left: _Number, right: _Number) -> _Number:
    a, b = left.compute, right.compute

    def compute(event: Properties) -> Decimal:
        divisor = b(event)
        if not divisor:
            raise ExpressionFailed(_DIVIDES_BY_ZERO)
        return _bounded(a(event) / divisor)

    return _Number(compute, _INEXACT)


_ARITHMETIC = {"+": _plus, "-": _minus, "*": _times, "/": _divided}


def _bounded(value: Decimal) -> Decimal:
    if value.adjusted() >= _PLACES_BEFORE_POINT and value:
        raise ExpressionFailed(
            f"a product or quotient has more than {_PLACES_BEFORE_POINT} digits before the point"
        )
    return value


def _call(node: Call, arguments: list[_Number]) -> _Number:
    [first, *_] = arguments
    if node.function in _ROUNDINGS:
        return _rounded(first, _ROUNDINGS[node.function], node.places)
    if node.function in ("min", "max"):
        best = min if node.function == "min" else max
        computes = [argument.compute for argument in arguments]
        places = max(argument.places for argument in arguments)
        return _Number(lambda event: best([each(event) for each in computes]), places)
    one, change = first.compute, operator.neg if node.function == "-" else abs
    return _Number(lambda event: change(one(event)), first.places)


def _rounded(number: _Number, rounding: str, places: int) -> _Number:
    compute, quantum = _steady(number), Decimal(1).scaleb(-places)
    return _Number(lambda event: compute(event).quantize(quantum, rounding=rounding), places)


def _choice(node: Choice) -> _Number:
    decide = _compile_condition(node.condition)
    then, otherwise = _compile(node.then), _compile(node.otherwise)
    a, b = then.compute, otherwise.compute
    return _Number(
        lambda event: a(event) if decide(event) else b(event), max(then.places, otherwise.places)
    )


def _compile_condition(node: Node) -> Decide:
    match node:
        case Truth():
            value = node.value
            return lambda _: value
        case Property():
            return _truth_of(node)
        case Comparison():
            return _comparison(node)
        case Logic():
            return _logic(node.word, [_compile_condition(each) for each in node.conditions])
    raise TypeError(f"{node} is not a condition")  # The parser lets none of these through.


def _truth_of(node: Property) -> Decide:
    name, read = node.name, reader(node.name)
    fallback = _compile_condition(node.fallback) if node.fallback else None

    def decide(event: Properties) -> bool:
        value = read(event)
        if value is None:
            if fallback is not None:
                return fallback(event)
            raise _missing(name)
        text = as_text(value)
        if text not in ("true", "false"):
            raise ExpressionFailed(f"properties.{name} must be true or false")
        return text == "true"

    return decide


def _logic(word: str, conditions: list[Decide]) -> Decide:
    if word == "not":
        [only] = conditions
        return lambda event: not only(event)
    if word == "and":
        return lambda event: all(each(event) for each in conditions)
    return lambda event: any(each(event) for each in conditions)


def _comparison(node: Comparison) -> Decide:
    """Compare as numbers as soon as one side must be a number, else as filters do, as texts."""
    compare, left, right = _COMPARE[node.sign], node.left, node.right
    is_open = left.sort is right.sort is Sort.PROPERTY and node.sign in ("==", "!=")
    if is_open or is_text(left) or is_text(right):
        write, write_other = _compile_text(left), _compile_text(right)
        return lambda event: bool(compare(write(event), write_other(event)))
    number, other = compile_number(left), compile_number(right)
    return lambda event: bool(compare(number(event), other(event)))


def _compile_text(node: Node) -> Write:
    match node:
        case Text():
            return _always(node.value)
        case Truth():
            return _always("true" if node.value else "false")
        case Property():
            return _text_of(node)
    raise TypeError(f"{node} is not a text")  # The parser lets none of these through.


def _always(text: str) -> Write:
    return lambda _: text


def _text_of(node: Property) -> Write:
    name, read = node.name, reader(node.name)
    fallback = _compile_text(node.fallback) if node.fallback else None

    def write(event: Properties) -> str:
        value = read(event)
        if value is None:
            if fallback is not None:
                return fallback(event)
            raise _missing(name)
        text = as_text(value)
        if text is None:
            raise ExpressionFailed(f"properties.{name} must be a text, a number, true or false")
        return text

    return write
