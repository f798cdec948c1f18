"""Bills: what a whole period costs a customer on a plan, as values.

A bill is drawn from what a plan says and what each of its prices holds in the period. The same
arithmetic serves samples of a plan, comparisons between versions, and previews; it knows no
database. Every line is rounded once, to its asset's minor unit, and the total is their sum.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from accounts import money
from accounts.money import ZERO
from pricing import period_charges
from pricing.rating import CompiledPrice, Rated, Span, Totals


class LineKind(StrEnum):
    """What a line of a bill is for."""

    BASE_FEE = "base_fee"
    SEATS = "seats"
    USAGE = "usage"
    STANDING = "standing"
    COMMITMENT = "commitment"
    MINIMUM = "minimum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. `amount` and `credit` in full precision; `due` is their rounded difference."""

    kind: LineKind
    description: str
    asset: str
    amount: Decimal
    quantity: Decimal = ZERO
    credit: Decimal = ZERO
    due: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """A fixed amount of each period, times how many (seats)."""

    kind: LineKind
    description: str
    asset: str
    amount: Decimal
    quantity: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class BilledPrice:
    """A price of the plan under the name its line has; `asset` is a code."""

    name: str
    asset: str
    compiled: CompiledPrice


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What a plan charges: fees, prices, and the credits a period includes, by asset code.

    `scales` says how many places the minor unit of each asset has.
    """

    prices: Sequence[BilledPrice]
    fees: Sequence[Fee] = ()
    included_credits: Mapping[str, Decimal] = field(default_factory=dict)
    scales: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEvent:
    """An event that a bill is drawn for. Without `occurred_at` it falls on the period's start."""

    type: str
    properties: Mapping[str, object]
    occurred_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The lines of a period, and what is due in each asset."""

    lines: Sequence[Line]

    @property
    def totals(self) -> dict[str, Decimal]:
        """Return the sum of the rounded lines, by asset code."""
        sums: dict[str, Decimal] = {}
        for line in self.lines:
            sums[line.asset] = sums.get(line.asset, ZERO) + line.due
        return sums


def draw(tariff: Tariff, totals: Sequence[Totals], *, period: Span) -> Bill:
    """Return the bill of a period in which the tariff's prices hold `totals`, in their order."""
    lines = [_fee_line(fee) for fee in tariff.fees]
    for price, held in zip(tariff.prices, totals, strict=True):
        lines += _price_lines(price, held, period)
    return Bill(lines=list(_settled(lines, tariff)))


def simulate(tariff: Tariff, events: Iterable[SampleEvent], *, period: Span) -> Bill:
    """Rate `events` one by one, as they would be, and return the bill of the period.

    Raises Unpriceable for an event that a price cannot rate.
    """
    totals = [Totals() for _ in tariff.prices]
    for event in events:
        rate_all(tariff.prices, totals, event, period=period)
    return draw(tariff, totals, period=period)


def rate_all(
    prices: Sequence[BilledPrice], totals: Sequence[Totals], event: SampleEvent, *, period: Span
) -> list[tuple[BilledPrice, Rated]]:
    """Rate one event at every price that counts it, and add it to their totals."""
    rated = [
        (
            price,
            held,
            price.compiled.rate(
                event.properties,
                held,
                occurred_at=event.occurred_at or period.starts_at,
                period=period,
            ),
        )
        for price, held in zip(prices, totals, strict=True)
        if price.compiled.applies_to(event.type, event.properties)
    ]
    for _, held, each in rated:
        held.add(each)
    return [(price, each) for price, _, each in rated]


def _fee_line(fee: Fee) -> Line:
    return Line(
        kind=fee.kind,
        description=fee.description,
        asset=fee.asset,
        quantity=fee.quantity,
        amount=fee.amount * fee.quantity,
    )


def _price_lines(price: BilledPrice, totals: Totals, period: Span) -> list[Line]:
    lines = []
    if price.compiled.settles_on_event and totals.pool.events:
        lines.append(
            Line(
                kind=LineKind.USAGE,
                description=price.name,
                asset=price.asset,
                quantity=totals.pool.quantity,
                amount=totals.pool.amount,
            )
        )
    lines += [
        Line(
            kind=LineKind(charge.kind),
            description=price.name,
            asset=price.asset,
            quantity=charge.quantity,
            amount=charge.amount,
        )
        for charge in period_charges.charges_at_close(price.compiled, totals, period=period)
    ]
    return lines


def _settled(lines: Iterable[Line], tariff: Tariff) -> Iterable[Line]:
    """Let included credits pay for usage in the order of the lines, then round what is due."""
    left = dict(tariff.included_credits)
    for line in lines:
        credit = ZERO
        if line.kind not in (LineKind.BASE_FEE, LineKind.SEATS):
            credit = min(left.get(line.asset, ZERO), line.amount)
            left[line.asset] = left.get(line.asset, ZERO) - credit
        scale = tariff.scales.get(line.asset, money.PLACES)
        due = money.round_to_minor_unit(line.amount - credit, scale=scale)
        yield Line(
            kind=line.kind,
            description=line.description,
            asset=line.asset,
            quantity=line.quantity,
            amount=line.amount,
            credit=credit,
            due=due,
        )
