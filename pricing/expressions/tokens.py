"""The words of an expression: numbers, texts, names and signs, each with where it starts."""

from enum import StrEnum
from typing import NamedTuple

from pricing.expressions.mistakes import ExpressionInvalid

LENGTH_MAX = 500
_SPACES = " \t\r\n\N{NO-BREAK SPACE}"
_DIGITS = "0123456789"
_PAIRS = frozenset({"<=", ">=", "==", "!="})
_SIGNS = frozenset("+-*/(),<>=")
_QUOTES = "\"'"

# What people bring along from other languages, and what to write instead.
_INSTEAD = {
    "**": "there are no powers; write x * x",
    "//": "write floor(x / y)",
    "<>": "write !=",
    "%": "there is no remainder sign; write x - floor(x / y) * y",
    "^": "there are no powers; write x * x",
    "&": "write and",
    "|": "write or",
    "!": "write not",
    ".": "a dot stands inside a name or a number only",
    "[": "lists cannot be read",
    "“": 'texts stand in straight quotes, like "opus"',
    "”": 'texts stand in straight quotes, like "opus"',
    "−": "write the minus sign as -",
    "×": "write times as *",
    "÷": "write divided by as /",
}


class Kind(StrEnum):
    """What sort of word a token is."""

    NUMBER = "number"
    TEXT = "text"
    NAME = "name"
    SIGN = "sign"
    END = "end"


class Token(NamedTuple):
    """One word; `text` without the quotes of a text, `position` counted from 1."""

    kind: Kind
    text: str
    position: int

    def __str__(self) -> str:
        match self.kind:
            case Kind.END:
                return "the end"
            case Kind.TEXT:
                return f'the text "{self.text}"'
            case _:
                return f'"{self.text}"'


def split(source: str) -> list[Token]:
    """Split an expression into words, the last one an END. Raises ExpressionInvalid."""
    if len(source) > LENGTH_MAX:
        raise ExpressionInvalid(f"must have at most {LENGTH_MAX} characters")
    tokens: list[Token] = []
    at = 0
    while at < len(source):
        if source[at] in _SPACES:
            at += 1
            continue
        token, at = _next(source, at)
        tokens.append(token)
    return [*tokens, Token(Kind.END, "", len(source) + 1)]


def _next(source: str, start: int) -> tuple[Token, int]:
    first = source[start]
    if first in _QUOTES:
        return _text(source, start)
    if first in _DIGITS:
        return _number(source, start)
    if first.isalpha() or first == "_":
        return _name(source, start)
    pair = source[start : start + 2]
    for sign in (pair, first):
        if sign in _INSTEAD:
            raise ExpressionInvalid(f'"{sign}" is not known; {_INSTEAD[sign]}', position=start + 1)
        if sign in _PAIRS or sign in _SIGNS:
            return Token(Kind.SIGN, sign, start + 1), start + len(sign)
    shown = f'"{first}"' if first.isprintable() else "this character"
    raise ExpressionInvalid(f"{shown} cannot stand in an expression", position=start + 1)


def _text(source: str, start: int) -> tuple[Token, int]:
    end = source.find(source[start], start + 1)
    if end < 0:
        raise ExpressionInvalid("the text has no closing quote", position=start + 1)
    text = source[start + 1 : end]
    for offset, character in enumerate(text, start + 2):
        if not character.isprintable():
            raise ExpressionInvalid("a text takes printable characters only", position=offset)
    return Token(Kind.TEXT, text, start + 1), end + 1


def _number(source: str, start: int) -> tuple[Token, int]:
    end = _span(source, start)
    text = source[start:end]
    whole, point, fraction = text.partition(".")
    if not _all_digits(whole) or (point and not _all_digits(fraction)):
        raise ExpressionInvalid(
            f'"{text}" is no number; write plain digits, for example 0.5 or 1000000',
            position=start + 1,
        )
    return Token(Kind.NUMBER, text, start + 1), end


def _name(source: str, start: int) -> tuple[Token, int]:
    end = _span(source, start)
    text = source[start:end]
    if ".." in text or text.endswith("."):
        raise ExpressionInvalid(
            "a dot in a name stands between two parts, for example usage.input_tokens",
            position=start + 1,
        )
    return Token(Kind.NAME, text, start + 1), end


def _span(source: str, start: int) -> int:
    """Return where the letters, digits, underscores and dots from `start` on end."""
    end = start
    while end < len(source) and (source[end].isalnum() or source[end] in "_."):
        end += 1
    return end


def _all_digits(text: str) -> bool:
    return bool(text) and all(character in _DIGITS for character in text)
