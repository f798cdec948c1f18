"""The tree of an expression: the few pieces it can be made of."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Sort(StrEnum):
    """What a piece stands for; its value names it in messages."""

    NUMBER = "a number"
    TEXT = "a text"
    CONDITION = "a condition"
    PROPERTY = "a property"  # Known only when an event is met.


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written."""

    value: Decimal
    position: int
    sort = Sort.NUMBER


@dataclass(frozen=True, slots=True)
class Text:
    """A text in quotes."""

    value: str
    position: int
    sort = Sort.TEXT


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""

    value: bool
    position: int
    sort = Sort.CONDITION


@dataclass(frozen=True, slots=True)
class Property:
    """A property of the event, or, when that is missing, the fallback."""

    name: str
    position: int
    fallback: "Node | None" = None

    @property
    def sort(self) -> Sort:
        """A fallback tells what the property is."""
        return Sort.PROPERTY if self.fallback is None else self.fallback.sort


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two numbers joined by one of `+ - * /`."""

    sign: str
    left: "Node"
    right: "Node"
    position: int
    sort = Sort.NUMBER


@dataclass(frozen=True, slots=True)
class Call:
    """A function of numbers, a leading minus among them; `places` for `round` only."""

    function: str
    arguments: tuple["Node", ...]
    position: int
    places: int = 0
    sort = Sort.NUMBER


@dataclass(frozen=True, slots=True)
class Choice:
    """`if(condition, then, otherwise)`; only the branch taken is computed."""

    condition: "Node"
    then: "Node"
    otherwise: "Node"
    position: int
    sort = Sort.NUMBER


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values compared by one of `== != < <= > >=`."""

    sign: str
    left: "Node"
    right: "Node"
    position: int
    sort = Sort.CONDITION


@dataclass(frozen=True, slots=True)
class Logic:
    """Conditions joined by `and` or `or`, or one turned round by `not`."""

    word: str
    conditions: tuple["Node", ...]
    position: int
    sort = Sort.CONDITION


type Node = Number | Text | Truth | Property | Arithmetic | Call | Choice | Comparison | Logic


def is_text(node: Node) -> bool:
    """Whether a comparison with `node` compares texts; true and false are compared as texts."""
    if isinstance(node, Property):
        return node.fallback is not None and is_text(node.fallback)
    return isinstance(node, Text | Truth)
