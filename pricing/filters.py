"""Filters: which events a meter counts, by their properties.

    {"status": "ok", "model": {"in": ["opus", "haiku"]}, "input_tokens": {"gt": "200000"},
     "trace": {"exists": true}, "speed": {"not_equals": "slow"}}

Everything named must hold. Values are compared as texts, numbers by size with gt, gte, lt and lte.
A property that is missing equals nothing and is in no range; so it does pass `not_equals` and
`not_in`. A filter never fails: what cannot be compared does not pass.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from accounts import exact_json, money
from pricing.field_errors import FieldError
from pricing.properties import Properties, as_number, as_text, reader

PROPERTIES_MAX = 50
VALUES_MAX = 500
NAME_LENGTH_MAX = 200
VALUE_LENGTH_MAX = 200
OPERATORS = ("equals", "not_equals", "in", "not_in", "exists", "gt", "gte", "lt", "lte")

type Operand = str | frozenset[str] | Decimal | bool
type Test = Callable[[object], bool]


class FilterInvalid(ValueError):
    """The filters cannot be used; `errors` names every property that is wrong."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.reason}" for error in errors))
        self.errors = errors


class Condition(NamedTuple):
    """One thing a property must fulfil."""

    name: str
    operator: str
    operand: Operand


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions ready to be tried; two filters are equal when they ask the same."""

    conditions: frozenset[Condition] = frozenset()
    _tests: tuple[tuple[Callable[[Properties], object], Test], ...] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        ordered = sorted(self.conditions, key=lambda each: (each.name, each.operator))
        tests = tuple((reader(name), _test(operator, wanted)) for name, operator, wanted in ordered)
        object.__setattr__(self, "_tests", tests)

    def passes(self, properties: Properties) -> bool:
        """Whether an event with these properties is let through."""
        for read, test in self._tests:  # noqa: SIM110  A loop is twice as fast as all().
            if not test(read(properties)):
                return False
        return True

    def to_json(self) -> dict[str, object]:
        """Return the filter as `parse` reads it, all values written as texts."""
        wanted: dict[str, dict[str, object]] = {}
        for name, operator, operand in sorted(self.conditions, key=lambda each: each[:2]):
            wanted.setdefault(name, {})[operator] = _written(operand)
        return {
            name: operands["equals"] if operands.keys() == {"equals"} else operands
            for name, operands in wanted.items()
        }

    def values_of(self, name: str) -> frozenset[str] | None:
        """Return the only texts this property can have when it passes; None when there are more."""
        return _values(condition for condition in self.conditions if condition.name == name)


EVERYTHING = Filter()
"""Lets every event pass."""


def parse(filters: object) -> Filter:
    """Read filters. Raises FilterInvalid naming every mistake."""
    errors: list[FieldError] = []
    conditions = _read(filters, errors)
    if errors:
        raise FilterInvalid(errors)
    return Filter(frozenset(conditions))


def _written(operand: Operand) -> object:
    if isinstance(operand, frozenset):
        return sorted(operand)
    return money.to_wire(operand) if isinstance(operand, Decimal) else operand


def _values(conditions: Iterable[Condition]) -> frozenset[str] | None:
    """Return what `equals` and `in` name, as far as the other conditions let it pass."""
    listed: list[frozenset[str]] = []
    tests: list[Test] = []
    for _, operator, wanted in conditions:
        if operator == "equals":
            listed.append(frozenset({str(wanted)}))
        elif isinstance(wanted, frozenset) and operator == "in":
            listed.append(wanted)
        else:
            tests.append(_test(operator, wanted))
    if not listed:
        return None
    common = frozenset.intersection(*listed)
    return frozenset(text for text in common if all(test(text) for test in tests))


def _test(operator: str, wanted: Operand) -> Test:
    match operator, wanted:
        case "equals", str():
            return lambda value: as_text(value) == wanted
        case "not_equals", str():
            return lambda value: as_text(value) != wanted
        case "in", frozenset():
            return lambda value: as_text(value) in wanted
        case "not_in", frozenset():
            return lambda value: as_text(value) not in wanted
        case "exists", bool():
            return lambda value: (value is not None) is wanted
        case _, Decimal():
            return _RANGES[operator](wanted)
    raise TypeError(f"{operator} takes no {type(wanted).__name__}")


def _number(value: object) -> Decimal | None:
    try:
        return None if value is None else as_number(value)
    except money.AmountInvalid:
        return None


def _above(bound: Decimal) -> Test:
    return lambda value: (number := _number(value)) is not None and number > bound


def _at_least(bound: Decimal) -> Test:
    return lambda value: (number := _number(value)) is not None and number >= bound


def _below(bound: Decimal) -> Test:
    return lambda value: (number := _number(value)) is not None and number < bound


def _at_most(bound: Decimal) -> Test:
    return lambda value: (number := _number(value)) is not None and number <= bound


_RANGES: Mapping[str, Callable[[Decimal], Test]] = {
    "gt": _above,
    "gte": _at_least,
    "lt": _below,
    "lte": _at_most,
}


def _read(filters: object, errors: list[FieldError]) -> list[Condition]:
    if not isinstance(filters, dict):
        errors.append(FieldError("filters", "must be an object with a condition for each property"))
        return []
    try:
        exact_json.check_storable(filters)
    except exact_json.JSONInvalid as error:
        errors.append(FieldError("filters", str(error)))
        return []
    if len(filters) > PROPERTIES_MAX:
        errors.append(FieldError("filters", f"must name at most {PROPERTIES_MAX} properties"))
        return []
    conditions: list[Condition] = []
    for name, wanted in filters.items():
        if not 0 < len(name) <= NAME_LENGTH_MAX:
            reason = f"must name properties by 1 to {NAME_LENGTH_MAX} characters"
            errors.append(FieldError("filters", reason))
            continue
        conditions += _read_property(name, wanted, errors)
    return conditions


def _read_property(name: str, wanted: object, errors: list[FieldError]) -> list[Condition]:
    if not isinstance(wanted, dict):
        wanted = {"equals": wanted}
        at = {"equals": name}
    else:
        at = {operator: f"{name}.{operator}" for operator in OPERATORS}
    if not wanted:
        errors.append(FieldError(name, f"must have at least one of {', '.join(OPERATORS)}"))
    found: list[Condition] = []
    mistakes: list[FieldError] = []
    for operator, value in wanted.items():
        if operator not in OPERATORS:
            reason = f"is not known; there are {', '.join(OPERATORS)}"
            mistakes.append(FieldError(f"{name}.{operator}"[: 2 * NAME_LENGTH_MAX], reason))
            continue
        operand = _read_operand(operator, value, at[operator], mistakes)
        if operand is not None:
            found.append(Condition(name, operator, operand))
    if not mistakes and (reason := _why_nothing_passes(found)):
        mistakes.append(FieldError(name, reason))
    errors += mistakes
    return found


def _read_operand(
    operator: str, value: object, at: str, errors: list[FieldError]
) -> Operand | None:
    if operator in _RANGES:
        try:
            return money.parse(value)  # type: ignore[arg-type]
        except money.AmountInvalid as error:
            errors.append(FieldError(at, str(error)))
            return None
    if operator == "exists":
        if not isinstance(value, bool):
            errors.append(FieldError(at, "must be true or false"))
            return None
        return value
    if operator in ("in", "not_in"):
        return _read_list(value, at, errors)
    return _read_text(value, at, errors)


def _read_list(value: object, at: str, errors: list[FieldError]) -> frozenset[str] | None:
    if not isinstance(value, list) or not 0 < len(value) <= VALUES_MAX:
        errors.append(FieldError(at, f"must be a list of 1 to {VALUES_MAX} values"))
        return None
    texts = [_read_text(each, f"{at}[{number}]", errors) for number, each in enumerate(value)]
    return frozenset(text for text in texts if text is not None)


def _read_text(value: object, at: str, errors: list[FieldError]) -> str | None:
    text = as_text(value)
    if text is None:
        reason = "must be a text, a number, true or false"
        if isinstance(value, list):
            reason += '; several values go into {"in": [...]}'
        errors.append(FieldError(at, reason))
    elif len(text) > VALUE_LENGTH_MAX:
        errors.append(FieldError(at, f"must have at most {VALUE_LENGTH_MAX} characters"))
        return None
    return text


def _why_nothing_passes(conditions: list[Condition]) -> str:
    """Say why no value at all could pass these conditions of one property, if so."""
    wanted = {operator: operand for _, operator, operand in conditions}
    if wanted.get("exists") is False and wanted.keys() & (_RANGES.keys() | {"equals", "in"}):
        return "cannot be missing and have a value"
    if _values(conditions) == frozenset():
        return "has conditions that no value fulfils"
    return "has a range that no number is in" if _is_empty_range(wanted) else ""


def _is_empty_range(wanted: Mapping[str, Operand]) -> bool:
    bounds = {name: bound for name, bound in wanted.items() if isinstance(bound, Decimal)}
    return any(
        bounds[low] > bounds[high] or (bounds[low] == bounds[high] and low + high != "gtelte")
        for low in ("gt", "gte")
        for high in ("lt", "lte")
        if low in bounds and high in bounds
    )
