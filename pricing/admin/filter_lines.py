"""Filters as lines of text, one condition each, so that nobody has to write JSON.

    status = ok
    model in opus, haiku
    input_tokens > 200000
    trace exists
    speed != slow

Names and values may stand in double quotes, which they need around a comma in a list or a sign in
a name. Whoever has JSON at hand may paste that instead; it is known by its opening brace.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError

from accounts import money
from pricing import filters
from pricing.admin import property_lines
from pricing.field_errors import FieldError

_SIGNS = {
    "=": "equals",
    "==": "equals",
    "!=": "not_equals",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "in": "in",
    "not in": "not_in",
}
_WRITTEN = {operator: sign for sign, operator in reversed(_SIGNS.items())}
_PRESENCE = {"exists": True, "does not exist": False, "is missing": False}
_FORMS = "name = value, name in one, two, name > 100 or name exists"

_SIGN = re.compile(r"[=!]=|[<>]=?|=|\s(?:not\s+)?in\s", re.IGNORECASE)


class FilterLinesField(forms.Field):
    """The filters of a meter, typed as lines or as JSON."""

    widget = forms.Textarea(attrs={"rows": 4, "cols": 50, "class": "lines", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        """Write filters as lines; what somebody just typed stays as it is."""
        return render(value) if isinstance(value, Mapping) else value

    def to_python(self, value: Any) -> dict[str, Any]:
        """Read what was typed."""
        return parse(value or "")


class _Line(NamedTuple):
    name: str
    operator: str
    operand: Any


def render(value: object) -> str:
    """Write filters as lines; as JSON what lines cannot say."""
    try:
        wanted = filters.parse(value).to_json()
    except filters.FilterInvalid:
        return json.dumps(value, ensure_ascii=False)
    lines = "\n".join(
        _write(name, operator, operand)
        for name, conditions in wanted.items()
        for operator, operand in _operators(conditions).items()
    )
    try:
        return lines if parse(lines) == wanted else json.dumps(wanted, ensure_ascii=False)
    except ValidationError:
        return json.dumps(wanted, ensure_ascii=False)


def _operators(conditions: Any) -> Mapping[str, Any]:
    return conditions if isinstance(conditions, Mapping) else {"equals": conditions}


def _write(name: str, operator: str, operand: Any) -> str:
    shown = name if name.replace("_", "").replace(".", "").isalnum() else f'"{name}"'
    if operator == "exists":
        return f"{shown} {'exists' if operand else 'does not exist'}"
    if isinstance(operand, list):
        values = ", ".join(f'"{each}"' if "," in each else each for each in operand)
        return f"{shown} {_WRITTEN[operator]} {values}"
    is_bare = operand and operand == operand.strip() and not operand.startswith('"')
    return f"{shown} {_WRITTEN[operator]} {operand if is_bare else f'"{operand}"'}"


def parse(text: str) -> dict[str, Any]:
    """Read lines or a JSON object into filters. Raises ValidationError, which names the line."""
    if text.lstrip().startswith("{"):
        return _checked(property_lines.parse(text), {})
    document: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    places: defaultdict[str, list[int]] = defaultdict(list)
    errors: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            name, operator, operand = _read(line.strip())
        except ValueError as error:
            errors.append(f"Line {number} {error}.")
            continue
        if operator in document[name]:
            errors.append(f"Line {number} says a second time what {name} must be.")
        document[name][operator] = operand
        places[name].append(number)
        places[f"{name}.{operator}"].append(number)
    if errors:
        raise ValidationError(errors)
    return _checked(dict(document), places)


def _read(line: str) -> _Line:
    """Read one line. Raises ValueError saying what is wrong with it."""
    quoted = line.find('"', 1) + 1 if line.startswith('"') else 0
    found = _SIGN.search(line, quoted)
    if found is None:
        return _read_existence(line)
    sign = " ".join(found[0].lower().split())
    operator = _SIGNS[sign]
    return _Line(
        _read_name(line[: found.start()]),
        operator,
        _read_operand(operator, line[found.end() :].strip(), sign),
    )


def _read_existence(line: str) -> _Line:
    for phrase, is_there in _PRESENCE.items():
        words = phrase.split()
        name, *last = line.rsplit(None, len(words))
        if [word.lower() for word in last] == words:
            return _Line(_read_name(name), "exists", is_there)
    raise ValueError(f"must read {_FORMS}")


def _read_name(text: str) -> str:
    name = _unquoted(text.strip())
    if not name:
        raise ValueError(f"must read {_FORMS}")
    return name


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _read_operand(operator: str, text: str, sign: str) -> Any:
    if not text:
        raise ValueError(f"needs a value after {sign}")
    if operator in ("in", "not_in"):
        return _read_list(text)
    value = _unquoted(text)
    if operator not in ("equals", "not_equals"):
        try:
            money.parse(value)
        except money.AmountInvalid:
            raise ValueError(
                f"compares with “{value}”, which must be a number in plain digits such as 200000"
            ) from None
    return value


def _read_list(text: str) -> list[str]:
    try:
        [row] = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        raise ValueError("has a quote that is not closed") from None
    values = [each.strip() for each in row]
    if not all(values):
        raise ValueError("has nothing between two commas")
    return values


def _checked(document: Mapping[str, Any], places: Mapping[str, list[int]]) -> dict[str, Any]:
    try:
        return filters.parse(document).to_json()
    except filters.FilterInvalid as invalid:
        raise ValidationError([_explain(error, places) for error in invalid.errors]) from invalid


def _explain(error: FieldError, places: Mapping[str, list[int]]) -> str:
    numbers = places.get(error.field.split("[")[0])
    if not numbers:
        return f"{error.field} {error.reason}."
    lines = " and ".join(str(number) for number in numbers)
    return f"Line{'s' if len(numbers) > 1 else ''} {lines}: {error.field} {error.reason}."
