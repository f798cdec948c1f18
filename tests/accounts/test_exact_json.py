"""JSON that keeps every digit."""

from decimal import Decimal
from typing import Any

import pytest

from accounts import exact_json


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"123456789012345678.123456789", Decimal("123456789012345678.123456789")),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"0.1", Decimal("0.1")),
        (b"1e2", Decimal(100)),
        (b'{"a": [true, null, "\xc3\xa9"]}', {"a": [True, None, "é"]}),
    ],
)
def test_numbers_keep_every_digit(body: bytes, value: Any) -> None:
    assert exact_json.decode(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nul", b"{'a': 1}", b"[1,]", b"NaN", b"Infinity", b"01", b"0x1", b"1_0",
        b'"\\ud800"', b'"\\udfff"', b'"\\ud800x"', b'"\\ud800\\ud800"', b"\xff", b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf1", b"1" * 5_000, b"[" * 100_000, b'{"a":' * 100_000,
        b"1e99999999999999999999", "١".encode(), b"1 2",
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(body: bytes) -> None:
    with pytest.raises(exact_json.JSONInvalid):
        exact_json.decode(body)


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 1}', b'[{"b": {"a": 1, "c": 2, "a": 3}}]'])
def test_a_name_given_twice_is_refused(body: bytes) -> None:
    with pytest.raises(exact_json.JSONInvalid, match="'a' more than once"):
        exact_json.decode(body)


def test_writing_is_canonical() -> None:
    written = exact_json.encode({"b": Decimal("0.10"), "a": [1, {"d": None, "c": "é"}]})
    assert written == '{"a":[1,{"c":"é","d":null}],"b":0.10}'.encode()


@pytest.mark.parametrize(
    "value",
    [
        "text", True, None, 1, Decimal("0.1"), {"a": [{"b": "c"}]}, 10**99, Decimal("1e100"),
        Decimal("1e-100"),
    ],
)  # fmt: skip
def test_plain_values_can_be_stored(value: Any) -> None:
    exact_json.check_storable(value)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("a\0b", "NUL"),
        ({"a\0": 1}, "NUL"),
        ([{"a": ["\0"]}], "NUL"),
        ("\ud800", "half a character"),
        ({"\udfff": 1}, "half a character"),
        (Decimal("1e101"), "digits"),
        (Decimal("1e-101"), "digits"),
        (Decimal("1e500000"), "digits"),
        (10**100, "digits"),
        (Decimal("NaN"), "digits"),
        (nested(17), "deeper"),
        (1.5, "not a JSON value"),
        ({1, 2}, "not a JSON value"),
    ],
)
def test_values_a_database_cannot_keep_are_refused(value: Any, reason: str) -> None:
    with pytest.raises(exact_json.JSONInvalid, match=reason):
        exact_json.check_storable(value)


def test_nesting_is_taken_to_its_limit() -> None:
    exact_json.check_storable(nested(16))
