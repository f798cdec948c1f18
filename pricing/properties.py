"""Properties of an event: how a name finds its value, and how a value is read.

A name finds the property that is called exactly so. If there is none, its dots lead into objects:
`usage.input_tokens` is found in `{"usage": {"input_tokens": 5}}`. What is null is missing.
"""

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal

from accounts import money

type Properties = Mapping[str, object]

_WHOLE_DIGITS_MAX = money.DIGITS - money.PLACES
WHOLE_MAX = 10**_WHOLE_DIGITS_MAX
"""Whole numbers below it are amounts as they are."""
_WHOLE_MIN = -WHOLE_MAX


def reader(name: str) -> Callable[[Properties], object]:
    """Return what reads the property of this name; it answers None when the event has none."""
    if "." not in name:
        return operator.methodcaller("get", name)
    path = name.split(".")

    def read(properties: Properties) -> object:
        value = properties.get(name)
        return _follow(properties, path) if value is None else value

    return read


def _follow(properties: Properties, path: list[str]) -> object:
    value: object = properties
    for step in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def as_number(value: object) -> Decimal:
    """Read a JSON number, or a text that is one. Raises money.AmountInvalid."""
    if type(value) is int and _WHOLE_MIN < value < WHOLE_MAX:
        return Decimal(value)
    if type(value) is str and _is_plain(value):
        return Decimal(value)
    return money.parse(value)  # type: ignore[arg-type]


def _is_plain(text: str) -> bool:
    """Whether a text is a few digits, with a point or without: what `money.parse` lets pass."""
    whole, point, places = text.partition(".")
    return (
        text.isascii()
        and whole.isdecimal()
        and len(whole) <= _WHOLE_DIGITS_MAX
        and (not point or (places.isdecimal() and len(places) <= money.PLACES))
    )


def as_text(value: object) -> str | None:
    """Write a property the way cells and filters compare it; None for what is no plain value."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case Decimal():
            return money.to_wire(value)
        case _:
            return None
