"""Properties of an event as lines of text, `name = value`, so that nobody has to write JSON.

Whoever has JSON at hand may paste that instead; it is known by its opening brace.
"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts import exact_json
from pricing.properties import as_text


class PropertyLinesField(forms.Field):
    """A mapping, typed as lines or as JSON."""

    widget = forms.Textarea(attrs={"rows": 4, "cols": 40, "class": "lines", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        """Write a mapping as lines; what somebody just typed stays as it is."""
        return render(value) if isinstance(value, Mapping) else value

    def to_python(self, value: Any) -> dict[str, Any]:
        """Read what was typed."""
        return parse(value or "")


def render(properties: Mapping[str, Any]) -> str:
    """Write properties as lines."""
    return "\n".join(f"{name} = {as_text(value)}" for name, value in properties.items())


def parse(text: str) -> dict[str, Any]:
    """Read lines or a JSON object. Raises ValidationError, which names the line."""
    if text.lstrip().startswith("{"):
        return _parse_json(text)
    properties: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not name or not equals:
            raise ValidationError(f"Line {number} must read name = value.")
        if name in properties:
            raise ValidationError(f"Line {number} names {name} a second time.")
        properties[name] = value
    return properties


def _parse_json(text: str) -> dict[str, Any]:
    try:
        properties = exact_json.decode(text.encode())
        exact_json.check_storable(properties)
    except (exact_json.JSONInvalid, UnicodeEncodeError) as error:
        raise ValidationError(f"This is not JSON that can be used: {error}.") from error
    if not isinstance(properties, dict):
        raise ValidationError("The properties must be one JSON object.")
    return properties
