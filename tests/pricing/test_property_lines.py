"""Properties as lines of text."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from pricing.admin.property_lines import PropertyLinesField, parse, render


def test_lines_are_read() -> None:
    assert parse("model = opus\n\n speed=fast \nnote = a = b") == {
        "model": "opus",
        "speed": "fast",
        "note": "a = b",
    }


def test_json_is_read_to_the_last_digit() -> None:
    assert parse('{"minutes": 1.10, "ok": true}') == {"minutes": Decimal("1.10"), "ok": True}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("model = opus\nfast", "Line 2 must read name = value."),
        ("= opus", "Line 1 must read name = value."),
        ("a = 1\na = 2", "Line 2 names a a second time."),
        ('{"a": ', "not JSON"),
        ('{"a": "\\u0000"}', "NUL"),
        ('{"a": 1e999}', "number"),
        ('{"a": ' + "[" * 100_000, "not JSON"),
    ],
)
def test_mistakes_are_named(text: str, error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        parse(text)


def test_what_is_shown_is_read_back_the_same() -> None:
    field = PropertyLinesField()
    shown = field.prepare_value({"status": "ok", "cached": True, "size": 3})
    assert shown == "status = ok\ncached = true\nsize = 3"
    assert render(field.to_python(shown)) == shown
