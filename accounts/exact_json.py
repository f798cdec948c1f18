"""JSON that keeps every digit: numbers become int or Decimal, never float, and go back the same."""

import decimal
import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(order="sorted", decimal_format="number")
_unsorted_encoder = msgspec.json.Encoder(decimal_format="number")

# One of the two surrogates that only together stand for a character.
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")

NUMBER_DIGITS_MAX = 100
_TOO_LARGE = 10**NUMBER_DIGITS_MAX
DEPTH_MAX = 16


class JSONInvalid(ValueError):
    """The bytes are not JSON that can be kept exactly."""


def decode(body: bytes) -> Any:
    """Read JSON. Raises JSONInvalid for malformed, too deep, ambiguous or unrepresentable input."""
    try:
        value = _decoder.decode(body)
        if not _keeps_every_member(body, value):
            _name_checker.decode(body.decode())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JSONInvalid(str(error)) from error
    except RecursionError as error:
        raise JSONInvalid("the JSON is nested too deeply") from error
    except decimal.InvalidOperation as error:
        raise JSONInvalid("a number is out of range") from error
    return value


def decode_stored(text: str) -> Any:
    """Read JSON back from the database, which has checked it: fast, and no name comes twice."""
    return _decoder.decode(text)


def encode(value: object) -> bytes:
    """Write JSON in a canonical form: keys sorted, no white space, numbers digit for digit."""
    return _encoder.encode(value)


def as_stored(value: Any) -> Any:
    """Return a JSON value with the names of objects in the order in which jsonb gives them back.

    That is by length in bytes first, and then byte by byte.
    """
    if isinstance(value, dict):
        names = sorted((len(name.encode()), name.encode(), name) for name in value)
        return {name: as_stored(value[name]) for *_, name in names}
    return [as_stored(each) for each in value] if isinstance(value, list) else value


def check_storable(value: object, *, depth: int = 0) -> None:
    """Raise JSONInvalid unless PostgreSQL can keep `value` exactly as jsonb.

    Refused are NUL characters and halves of a character in texts and keys, numbers of more than
    100 digits or with an exponent beyond 100, and nesting deeper than 16.
    """
    if depth > DEPTH_MAX:
        raise JSONInvalid(f"is nested deeper than {DEPTH_MAX} levels")
    match value:
        case str() if "\0" in value:
            raise JSONInvalid("contains a NUL character")
        case str() if _HALF_CHARACTER.search(value):
            raise JSONInvalid("contains half a character")
        case str() | bool() | None:
            pass
        case int() | Decimal():
            _check_number(Decimal(value))
        case dict():
            _check_items((*value.keys(), *value.values()), depth=depth + 1)
        case list():
            _check_items(value, depth=depth + 1)
        case _:
            raise JSONInvalid("is not a JSON value")


def _check_items(items: Iterable[Any], *, depth: int) -> None:
    """Check what is in an object or a list: nearly everything by a look, the rest with care."""
    is_deep = depth > DEPTH_MAX
    for item in items:
        kind = type(item)
        if is_deep:
            pass
        elif kind is str:
            if item.isascii() and "\0" not in item:
                continue
        elif kind is int:
            if -_TOO_LARGE < item < _TOO_LARGE:
                continue
        elif item is None or kind is bool:
            continue
        check_storable(item, depth=depth)


def _check_number(value: Decimal) -> None:
    _, digits, exponent = value.as_tuple()
    if (
        not isinstance(exponent, int)
        or len(digits) > NUMBER_DIGITS_MAX
        or abs(exponent) > NUMBER_DIGITS_MAX
    ):
        raise JSONInvalid(f"contains a number of more than {NUMBER_DIGITS_MAX} digits")


def _refuse_repeated_names(members: list[tuple[str, Any]]) -> None:
    names: set[str] = set()
    for name, _ in members:
        if name in names:
            raise JSONInvalid(f"an object names {name[:100]!r} more than once")
        names.add(name)


def _keeps_every_member(body: bytes, value: object) -> bool:
    """Whether it is proven that no member of an object in `body` is missing from `value`.

    A member has a colon of its own, and all others are inside of texts. So as long as no text
    spells a colon in another way, writing what was read gives as many colons as were sent, unless
    something was dropped: then there are fewer.
    """
    return (
        b"\\u003a" not in body
        and b"\\u003A" not in body
        and body.count(b":") == _unsorted_encoder.encode(value).count(b":")
    )


# The fast decoder keeps the last of two members of one name. Which of two quantities was meant is
# not ours to guess, so where one might be lost a second pass, over JSON known to be well formed,
# looks at the names alone.
_name_checker = json.JSONDecoder(
    object_pairs_hook=_refuse_repeated_names, parse_float=str, parse_int=str
)
