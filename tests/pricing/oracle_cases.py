"""Random prices and events, rated by the engine and by the oracle, and what differs.

Figures are drawn from a few that meet often: bounds that are hit exactly, sizes that decimals
cannot express, amounts that end in half of a last place.
"""

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pricing import period_charges, price_form, settling
from pricing.aggregation import AggregationName, MeterSpec, Unpriceable, WeightedBy
from pricing.rating import CompiledPrice, Rated, Span, Totals
from tests.clock import NOW
from tests.pricing import oracle
from tests.pricing.oracle import OUTSIDE, Case, Happening, Share

START = NOW.replace(day=1, hour=0)
AMOUNTS = (
    "0", "0.000000000001", "0.0000005", "0.01", "0.4", "0.333333333333", "1", "2.5", "7", "99.99",
)  # fmt: skip
QUANTITIES = (
    "0", "1", "1", "2", "3", "0.5", "2.5", "0.000000000001", "9.999999", "10", "1400", "1300",
    "12.345678901234",
)  # fmt: skip
SIZES = ("1", "1", "2", "3", "7", "0.1", "0.3", "1000", "64", "1.5")
BOUNDS = ("0", "0.5", "1", "2", "3", "5", "10", "1000")
PERCENTAGES = ("0", "0.25", "1.2", "2.99", "100", "33.333333")
FALLING = ("latest", "min", "average", "weighted_sum")
REGIONS = ("eu", "us", "asia")
ROUNDINGS = ("none", "none", "up", "down", "half_up")


PERIODS = 4
"""How many sequences of events are rated at each price; each is a case of its own."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A price and how it settles, and sequences of events."""

    case: Case
    sequences: list[list[Happening]]


class _Draw:
    """Draws one sample."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def maybe(self, share: float = 0.5) -> bool:
        return self.chance.random() < share

    def pick(self, options: Any) -> Any:
        return self.chance.choice(options)

    def amount(self) -> str:
        if self.maybe(0.2):
            return f"{self.chance.randrange(10**15)}e-12"
        return str(self.pick(AMOUNTS))

    def quantity(self, *, below_zero: bool = False) -> str:
        quantity = str(self.pick(QUANTITIES))
        if self.maybe(0.2):
            quantity = f"{self.chance.randrange(10**13)}e-12"
        return f"-{quantity}" if below_zero and self.maybe(0.3) else quantity

    def tiers(self, rate: str) -> list[dict[str, Any]]:
        bounds = sorted(self.chance.sample(BOUNDS, self.chance.randrange(4)), key=Fraction)
        rows: list[dict[str, Any]] = []
        for up_to in [*bounds, None]:
            row: dict[str, Any] = {"up_to": up_to}
            if rate == "percentage":
                row[rate] = self.pick(PERCENTAGES)
            elif rate:
                row[rate] = self.amount()
            if not rate or self.maybe(0.4):
                row["flat_amount"] = self.amount()
            rows.append(row)
        return rows

    def model(self, name: str) -> dict[str, Any]:
        terms: dict[str, Any] = {"charge_model": name}
        match name:
            case "flat":
                terms["flat_amount"] = self.amount()
            case "per_unit":
                terms["unit_amount"] = self.amount()
            case "package":
                terms |= {"unit_amount": self.amount(), "package_size": self.pick(SIZES)}
            case "graduated" | "volume_tiers":
                terms["tiers"] = self.tiers("unit_amount")
            case "stairstep":
                terms["tiers"] = self.tiers("")
            case "percentage":
                terms |= self.percentage()
            case "dynamic":
                terms["multiplier"] = self.amount()
        return terms

    def percentage(self) -> dict[str, Any]:
        terms: dict[str, Any] = {"percentage": self.pick(PERCENTAGES)}
        if self.maybe():
            terms = {"tiers": self.tiers("percentage")}
        if self.maybe():
            terms["fixed_amount"] = self.amount()
        low, high = sorted((self.amount(), self.amount()), key=Fraction)
        for name, value in (
            ("minimum_per_event", low),
            ("maximum_per_event", high),
            ("free_events", str(self.chance.randrange(4))),
            ("free_amount", self.pick(BOUNDS)),
        ):
            if self.maybe(0.4):
                terms[name] = value
        return terms

    def around(self, model: str, *, matrix: bool) -> dict[str, Any]:
        terms: dict[str, Any] = {}
        if self.maybe():
            terms["unit_size"] = self.pick(SIZES)
        if self.maybe():
            terms |= {"rounding": self.pick(ROUNDINGS), "rounding_places": self.pick((0, 0, 1, 6))}
            terms["rounding_scope"] = self.pick(("total", "event"))
        if self.maybe(0.4):
            terms["included"] = self.pick(BOUNDS)
        low, high = sorted((self.amount(), self.amount()), key=Fraction)
        if self.maybe(0.25):
            terms["minimum_amount"] = low
        if self.maybe(0.25):
            terms["maximum_amount"] = high
        if self.maybe(0.3):
            terms["commitment"] = self.commitment(model, matrix=matrix)
        return terms

    def commitment(self, model: str, *, matrix: bool) -> dict[str, Any]:
        terms: dict[str, Any] = {"overage_factor": self.pick(("0", "0.5", "1", "1.5", "3"))}
        if self.maybe():
            terms["true_up"] = self.maybe()
        priced = not matrix and model in ("flat", "per_unit", "package", "graduated")
        return terms | ({"units": self.pick(BOUNDS)} if priced else {"amount": self.amount()})

    def matrix(self, models: list[str]) -> dict[str, Any]:
        names = ["region", "size"][: 1 + self.maybe()]
        rows: list[dict[str, Any]] = []
        for _ in range(self.chance.randrange(1, 5)):
            match: dict[str, Any] = {}
            if self.maybe(0.6):
                match["region"] = self.pick(REGIONS)
            if len(names) == 2 and self.maybe(0.6):
                match["size"] = self.pick(("4", {"gt": "4"}, {"lte": "4"}, {"gte": "2", "lt": "8"}))
            rows.append({"match": match, **self.model(self.pick(models))})
        return {"dimensions": names, "cells": rows}

    def definition(self, aggregation: str) -> dict[str, Any]:
        """Draw a price; what makes no sense is drawn again."""
        per_event = ["percentage", "dynamic"] if aggregation in ("sum", "count") else []
        models = ["flat", "per_unit", "package", "graduated", *per_event]
        if self.maybe(0.3):
            models = ["flat", "per_unit", "package", "graduated", "volume_tiers", "stairstep"]
        name = self.pick(models)
        definition = self.model(name)
        with_matrix = self.maybe(0.4)
        if with_matrix:
            if self.maybe(0.25):
                definition["tiers_count"] = "over_all_cells"
                kind = self.pick(["graduated", "volume_tiers", *per_event[:1]])
                models = ["per_unit", kind]
                definition = self.model(kind) | {"tiers_count": "over_all_cells"}
            if self.maybe(0.3):
                definition = {"charge_model": name, "tiers_count": definition.get("tiers_count")}
            definition["matrix"] = self.matrix(models)
        definition |= self.around(name, matrix=with_matrix)
        if per_event and "included" not in definition:
            _bring_prices(definition, self)
        return definition

    def events(self, aggregation: str, seconds: int) -> list[Happening]:
        below = aggregation in (*FALLING, "max")
        found = []
        for _ in range(self.chance.randrange(6)):
            properties: dict[str, Any] = {"q": self.quantity(below_zero=below)}
            properties |= {"who": self.pick("abc"), "price": self.amount()}
            if self.maybe(0.9):
                properties["region"] = self.pick(REGIONS)
            if self.maybe(0.9):
                properties["size"] = self.pick((2, "4", 4, "8", "many"))
            second = Fraction(self.chance.randrange(-3600, seconds + 3600))
            if self.maybe(0.2):
                second += Fraction(self.chance.randrange(10**6), 10**6)
            found.append(Happening(properties, second))
        return found

    def sample(self) -> Sample:
        aggregation = self.pick(("sum", "sum", "sum", "count", "max", "unique_count", *FALLING))
        seconds = self.pick((3600, 86_400, 31 * 86_400, 28 * 86_400))
        case = Case(
            definition=self.definition(aggregation),
            aggregation=aggregation,
            weighted_by=self.pick(("period", "hour")),
            at_close=self.maybe(0.3),
            seconds=Fraction(seconds),
        )
        return Sample(case, [self.events(aggregation, seconds) for _ in range(PERIODS)])


def _bring_prices(definition: dict[str, Any], draw: _Draw) -> None:
    """Let some dynamic models take the price from the event."""
    for terms in (definition, *definition.get("matrix", {"cells": []})["cells"]):
        if terms.get("charge_model") == "dynamic" and draw.maybe():
            terms["amount_property"] = "price"


def compiled(case: Case) -> CompiledPrice | None:
    """Compile a case's price; None when it is refused, or cannot settle as the case says."""
    meter = MeterSpec(
        code="m",
        event_type="e",
        aggregation=_aggregation(case.aggregation),
        value={"count": "", "unique_count": "who"}.get(case.aggregation, "q"),
        weighted_by=_weighted_by(case.weighted_by),
    )
    try:
        terms = price_form.parse_definition(case.definition)
    except price_form.PriceInvalid:
        return None
    if price_form.check_against_meter(terms, meter):
        return None
    if not case.at_close and settling.reason_against_on_event(case.aggregation, terms):
        return None
    return CompiledPrice(meter, terms, settles_on_event=not case.at_close)


def _aggregation(name: str) -> AggregationName:
    return name  # type: ignore[return-value]


def _weighted_by(name: str) -> WeightedBy:
    return name  # type: ignore[return-value]


def draw(seed: int) -> tuple[Sample, CompiledPrice]:
    """Draw the sample of a seed, again and again until its price is one."""
    attempt = 0
    while True:
        sample = _Draw(seed * 1_000 + attempt).sample()
        price = compiled(sample.case)
        if price is not None:
            return sample, price
        attempt += 1


def differences(case: Case, price: CompiledPrice, happened: Sequence[Happening]) -> Iterator[str]:
    """Rate a sequence of events both ways and say what differs."""
    period = Span(START, START + dt.timedelta(seconds=int(case.seconds)))
    totals = Totals()
    priced = oracle.priced_cells(case.definition)
    events = [
        each for each in happened if oracle.cell_of(case.definition, each.properties) in priced
    ]
    if events != [each for each in happened if _is_priced(price, each)]:
        yield "other events have a price"
    expected = oracle.Period(case, events)
    for number, (event, share) in enumerate(zip(events, expected.shares, strict=True)):
        moment = START + dt.timedelta(microseconds=int(event.second * 10**6))
        rated = price.rate(event.properties, totals, occurred_at=moment, period=period)
        totals.add(rated)
        if (found := _as_share(price, rated)) != share:
            yield f"event {number}: rated {_shown(found)}, expected {_shown(share)}"
        yield from _unexplained(price, rated)
    charges = period_charges.charges_at_close(price, totals, period=period)
    close = {str(charge.kind): Fraction(charge.amount) for charge in charges}
    if close != expected.close():
        yield f"close: {_decimals(close)}, expected {_decimals(expected.close())}"
    for charge in charges:
        if sum(step.amount for step in charge.steps) != charge.amount:
            yield f"close: the steps of {charge.kind} are not its amount"


def _is_priced(price: CompiledPrice, event: Happening) -> bool:
    try:
        price.charge_model_for(event.properties)
    except Unpriceable:
        return False
    return True


def _as_share(price: CompiledPrice, rated: Rated) -> Share:
    matrix = price.terms.matrix
    keys = [cell.key for cell in matrix.cells] if matrix is not None else []
    figures = (rated.quantity, rated.billable, rated.metered, rated.amount)
    cell = keys.index(rated.cell) if rated.cell else OUTSIDE
    return Share(cell, *map(Fraction, figures))


def _unexplained(price: CompiledPrice, rated: Rated) -> Iterator[str]:
    steps = price.explain(rated.cell, rated.before, rated.billable)
    due = rated.amount if price.settles_on_event else rated.metered
    if steps and sum(step.amount for step in steps) != due:
        yield f"the steps {steps} are not {due}"


def _shown(share: Share) -> str:
    return str(_decimals(share._asdict()))


def _decimals(figures: dict[str, Any]) -> dict[str, str]:
    return {
        name: str(Decimal(each.numerator) / each.denominator)
        if isinstance(each, Fraction)
        else str(each)
        for name, each in figures.items()
    }


def compare(seed: int, cases: int) -> list[str]:
    """Compare so many cases; returns what differs, named by the seed that draws it again."""
    found = []
    for each in range(seed, seed + -(-cases // PERIODS)):
        sample, price = draw(each)
        for events in sample.sequences:
            found += [f"seed {each}: {what}" for what in differences(sample.case, price, events)]
    return found
