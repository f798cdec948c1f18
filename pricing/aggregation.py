"""Aggregation: which events a meter counts, what each says, and how a period adds them up.

Every aggregation keeps a running total of one number, so that a period never has to be read again:

    count, sum      the total itself
    max, min        the largest, the smallest value so far (a max never falls below zero)
    latest          the newest value by the time it occurred
    average         the sum, divided by the number of events when it is read
    unique_count    how many different values there were
    weighted_sum    value times the seconds from then to the end of the period, so that what was
                    added counts for as long as it stays; a period starts at a level of zero
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from accounts import money
from pricing.expressions import Expression, ExpressionFailed
from pricing.filters import EVERYTHING, Filter
from pricing.properties import WHOLE_MAX, Properties, as_number, as_text, reader

type AggregationName = Literal[
    "count", "sum", "max", "min", "average", "latest", "unique_count", "weighted_sum"
]
type WeightedBy = Literal["period", "hour"]

_ONE = Decimal(1)
_SECONDS_PER_HOUR = Decimal(3600)
_MICROSECOND = dt.timedelta(microseconds=1)
_MICROSECONDS_PER_SECOND = 10**6


class Unpriceable(Exception):
    """The event cannot be priced as it is; `reason` is a stable code, the message is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class State(NamedTuple):
    """What a period holds so far: the running total, how many events, when the newest occurred."""

    quantity: Decimal = money.ZERO
    events: int = 0
    latest_at: dt.datetime | None = None

    def after(self, increment: Decimal, *, occurred_at: dt.datetime) -> "State":
        """Return the state once an event has added its increment."""
        newest = max(self.latest_at, occurred_at) if self.latest_at else occurred_at
        return State(self.quantity + increment, self.events + 1, newest)


class Running(Protocol):
    """What an event has to know of the running total it adds to; a State is one."""

    @property
    def quantity(self) -> Decimal:
        """The running total."""
        ...

    @property
    def events(self) -> int:
        """How many events have made it."""
        ...

    @property
    def latest_at(self) -> dt.datetime | None:
        """When the newest of them occurred."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSpec:
    """What rating needs to know of a meter.

    `value` is the name of a property, or an expression, and empty for a count.
    """

    code: str
    event_type: str
    aggregation: AggregationName
    value: str | Expression = ""
    filter: Filter = EVERYTHING
    weighted_by: WeightedBy = "period"
    counts: Callable[[Properties], bool] = field(init=False, repr=False, compare=False)
    """Whether an event of the meter's type passes its filter."""
    measure: Callable[[Properties], Decimal] = field(init=False, repr=False, compare=False)
    """Returns what the event says: 1 for a count, 0 for a unique count, else its value.

    Sums take no negative values; the other aggregations do. Raises Unpriceable with
    `missing_property` or `bad_quantity`.
    """
    _read: Callable[[Properties], object] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name = self.value if isinstance(self.value, str) else ""
        object.__setattr__(self, "_read", reader(name))
        object.__setattr__(self, "counts", self.filter.passes)
        object.__setattr__(self, "measure", self._measuring())

    def _measuring(self) -> Callable[[Properties], Decimal]:
        match self.aggregation:
            case "count":
                return lambda _: _ONE
            case "unique_count":
                return lambda _: money.ZERO
            case "sum" if isinstance(self.value, str):
                return self._summing()
            case "sum":
                return lambda properties: self._not_negative(self._value(properties))
            case _:
                return self._value

    def _summing(self) -> Callable[[Properties], Decimal]:
        read, number = self._read, self._number

        def measure(properties: Properties) -> Decimal:
            value = read(properties)
            # Mostly it is a whole number, of which nothing else has to be asked.
            if type(value) is int and 0 <= value < WHOLE_MAX:
                return Decimal(value)
            return self._not_negative(number(value))

        return measure

    def _not_negative(self, value: Decimal) -> Decimal:
        if value < 0:
            raise Unpriceable("bad_quantity", f"{self._named()} must be zero or more")
        return value

    def distinct_value(self, properties: Properties) -> str | None:
        """Return the text that a unique count tells events apart by; None for other meters.

        Raises Unpriceable with `missing_property` or `bad_quantity`.
        """
        if self.aggregation != "unique_count":
            return None
        value = self._read(properties)
        if value is None:
            raise self._missing(str(self.value))
        text = as_text(value)
        if text is None:
            raise Unpriceable("bad_quantity", f"{self._named()} must be a text or a number")
        return text

    def increment(
        self,
        value: Decimal,
        before: Running,
        *,
        occurred_at: dt.datetime,
        period_end: dt.datetime,
        period_start: dt.datetime | None = None,
        is_new: bool = False,
    ) -> Decimal:
        """Return what an event that measures `value` adds to the period's running total.

        A weighted sum counts from `period_start` at the earliest and needs it for events that
        occurred before; `is_new` says for a unique count that the value was not there yet. Raises
        Unpriceable with `amount_too_large` when a weighted value has more than 26 digits; that
        the total stays within them is for the caller to see to.
        """
        match self.aggregation:
            case "count" | "sum" | "average":
                return value
            case "max":
                return max(value - before.quantity, money.ZERO)
            case "min":
                lowest = min(value, before.quantity) if before.events else value
                return lowest - before.quantity
            case "latest":
                is_old = before.latest_at is not None and occurred_at < before.latest_at
                return money.ZERO if is_old else value - before.quantity
            case "unique_count":
                return _ONE if is_new else money.ZERO
            case "weighted_sum":
                start = max(occurred_at, period_start) if period_start else occurred_at
                return self._weighted(value, seconds=max(_seconds(period_end - start), money.ZERO))

    def result(self, state: State, *, period_seconds: Decimal | int) -> tuple[Decimal, Decimal]:
        """Return the aggregate of a period as a numerator and a divisor above zero.

        It is not divided here, so that whoever prices it rounds once. A weighted sum is the
        average level over the period, or, weighted by the hour, the sum of levels times hours.
        """
        if self.aggregation == "average":
            return state.quantity, Decimal(max(state.events, 1))
        if self.aggregation == "weighted_sum":
            by_hour = self.weighted_by == "hour"
            return state.quantity, _SECONDS_PER_HOUR if by_hour else Decimal(period_seconds)
        return state.quantity, _ONE

    def _value(self, properties: Properties) -> Decimal:
        if isinstance(self.value, Expression):
            try:
                return self.value.evaluate(properties)
            except ExpressionFailed as error:
                if error.missing:
                    raise self._missing(error.missing) from error
                raise Unpriceable("bad_quantity", f"meter {self.code}: {error.detail}") from error
        return self._number(self._read(properties))

    def _number(self, value: object) -> Decimal:
        if value is None:
            raise self._missing(str(self.value))
        try:
            return as_number(value)
        except money.AmountInvalid as error:
            raise Unpriceable("bad_quantity", f"{self._named()} {error}") from error

    def _weighted(self, value: Decimal, *, seconds: Decimal) -> Decimal:
        weighted = money.quantize(value * seconds)
        if abs(weighted) > money.LARGEST:
            raise Unpriceable(
                "amount_too_large", f"meter {self.code}: {self._named()} times seconds is too large"
            )
        return weighted

    def _missing(self, name: str) -> Unpriceable:
        return Unpriceable(
            "missing_property",
            f"meter {self.code} needs properties.{name}, which the event does not have",
        )

    def _named(self) -> str:
        if isinstance(self.value, Expression):
            return f"the value of {self.value}"
        return f"properties.{self.value}"


def _seconds(span: dt.timedelta) -> Decimal:
    return Decimal(span // _MICROSECOND) / _MICROSECONDS_PER_SECOND
