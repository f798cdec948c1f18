"""Reading JSON that people wrote, field by field, so that one answer names every mistake."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from accounts import money
from pricing.field_errors import FieldError


@dataclass(slots=True)
class Reader:
    """Reads the fields of one object. `at` is the path to it; `errors` is shared by all readers.

    What cannot be read is noted and answered with None.
    """

    source: Mapping[str, Any]
    at: str = ""
    errors: list[FieldError] = field(default_factory=list)

    def fail(self, name: str, reason: str) -> None:
        """Note a mistake in the field `name` of this object."""
        self.errors.append(FieldError(f"{self.at}{name}", reason))

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.source.get(name) is not None

    def only(self, known: Collection[str], *, of: str) -> None:
        """Refuse fields that are not in `known`."""
        for name in self.source:
            if name not in known:
                self.fail(str(name)[:80], f"is not a field of {of}")

    def amount(self, name: str, default: Decimal | None = None) -> Decimal | None:
        """Return an exact decimal of zero or more; `default` when the field is absent or null."""
        if not self.has(name):
            return default
        try:
            value = money.parse(self.source[name])
        except money.AmountInvalid as error:
            self.fail(name, str(error))
            return None
        if value < 0:
            self.fail(name, "must be zero or more")
            return None
        return value

    def required_amount(self, name: str) -> Decimal | None:
        """Return an exact decimal of zero or more, which has to be there."""
        if not self.has(name):
            self.fail(name, "is required")
            return None
        return self.amount(name)

    def whole(self, name: str, default: int | None = None) -> int | None:
        """Return a whole number of zero or more."""
        value = self.amount(name)
        if value is None:
            return default
        if value != value.to_integral_value():
            self.fail(name, "must be a whole number")
            return default
        return int(value)

    def choice[Choice: StrEnum](self, name: str, choices: type[Choice], default: Choice) -> Choice:
        """Return one of `choices`."""
        value = self.source.get(name)
        if value is None:
            return default
        if isinstance(value, str) and value in set(choices):
            return choices(value)
        self.fail(name, f"must be one of {', '.join(choices)}")
        return default

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.source.get(name, default)
        if isinstance(value, bool):
            return value
        self.fail(name, "must be true or false")
        return default

    def text(self, name: str, *, longest: int) -> str:
        """Return a text, "" when it is absent."""
        value = self.source.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            self.fail(name, f"must be a text of 1 to {longest} characters")
            return ""
        return value

    def inside(self, name: str, source: Mapping[str, Any]) -> "Reader":
        """Return a reader of an object that stands in the field `name`."""
        return Reader(source, f"{self.at}{name}.", self.errors)

    def rows(self, name: str, *, longest: int, of: str) -> list["Reader"]:
        """Return a reader for each object of the list in the field `name`."""
        value = self.source.get(name)
        if not isinstance(value, list) or not 0 < len(value) <= longest:
            self.fail(name, f"must be a list of 1 to {longest} {of}")
            return []
        readers = []
        for number, row in enumerate(value):
            if isinstance(row, Mapping):
                readers.append(self.inside(f"{name}[{number}]", row))
            else:
                self.fail(f"{name}[{number}]", "must be an object")
        return readers

    def object(self, name: str) -> "Reader | None":
        """Return a reader of the object in the field `name`, None when it is absent."""
        value = self.source.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.fail(name, "must be an object")
            return None
        return self.inside(name, value)

    def built[Built](self, make: Callable[[], Built], error: type[Exception]) -> Built | None:
        """Return what `make` builds from fields that were read, or note what it refuses.

        `error` has the attributes `field` and `reason`.
        """
        try:
            return make()
        except error as refusal:
            self.fail(getattr(refusal, "field", ""), getattr(refusal, "reason", str(refusal)))
            return None
