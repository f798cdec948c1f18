"""Worked examples with exact amounts, from other products' documentation, tests and price lists.

Each file in `vectors` holds a list. An example has an `id`, its `source` and where its `figures`
come from (stated by the source, asserted by its tests, or derived from its rules in exact
decimals); `note` says where this product differs on purpose. It has a `price`, a `meter` (a sum of
the property `units` unless it says otherwise), and what is expected:

    totals   what a period costs in which so much was used: as one event, and in three parts
    cases    events one by one, with what each is metered at (`amounts`), what the period costs
             (`total`), what its close adds (`close`), what a line says (`line`), or why an event
             has no price (`unpriced`)
    working  the steps of a total: units, rate, flat amount, amount

An example without a `price` is a bill: `prices` under their names, `fees`, `events`, and the lines.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from accounts import money
from accounts.money import ZERO
from pricing import bills, expressions, period_charges, price_form, settling
from pricing.aggregation import MeterSpec, Unpriceable
from pricing.bills import BilledPrice, Fee, LineKind, SampleEvent, Tariff
from pricing.charge_models import Usage
from pricing.rating import CompiledPrice, Rated, Span, Totals, compile_price
from tests.pricing.test_rating import MARCH

EXAMPLES = [
    example
    for path in sorted((Path(__file__).parent / "vectors").glob("*.json"))
    for example in json.loads(path.read_text(encoding="utf-8"))
]


def with_(*fields: str) -> list[Any]:
    """Return the examples that have one of these fields, as parameters named by their ids."""
    found = [each for each in EXAMPLES if any(field in each for field in fields)]
    return [pytest.param(each, id=each["id"]) for each in found]


def meter_of(source: Mapping[str, str]) -> MeterSpec:
    value = source.get("value", "" if source.get("aggregation") == "count" else "units")
    return MeterSpec(
        code="usage",
        event_type="used",
        aggregation=source.get("aggregation", "sum"),  # type: ignore[arg-type]
        value=expressions.parse(source["expression"]) if "expression" in source else value,
        weighted_by=source.get("weighted_by", "period"),  # type: ignore[arg-type]
    )


def price_of(example: Mapping[str, Any], *, at_close: bool = False) -> CompiledPrice:
    """Compile an example's price; it settles on events when it can, unless told to wait."""
    meter = meter_of(example.get("meter", {}))
    terms = price_form.parse_definition(example["price"])
    assert price_form.check_against_meter(terms, meter) == []
    on_event = not settling.reason_against_on_event(meter.aggregation, terms)
    return compile_price(
        meter=meter, definition=example["price"], settles_on_event=on_event and not at_close
    )


def period_of(example: Mapping[str, Any]) -> Span:
    if "period" not in example:
        return MARCH
    return Span(*map(dt.datetime.fromisoformat, example["period"]))


def rate(
    price: CompiledPrice, events: list[Any], period: Span
) -> tuple[list[Rated], dict[str, Decimal], Decimal]:
    """Rate events an hour apart; returns them, what the close adds, and what all of it costs."""
    totals, rated = Totals(), []
    for hour, event in enumerate(events):
        properties = {"units": event} if isinstance(event, str) else dict(event)
        at = properties.pop("at", None)
        moment = period.starts_at + dt.timedelta(hours=hour)
        rated.append(
            price.rate(
                properties,
                totals,
                occurred_at=dt.datetime.fromisoformat(at) if at else moment,
                period=period,
            )
        )
        totals.add(rated[-1])
    charges = period_charges.charges_at_close(price, totals, period=period)
    close = {str(charge.kind): charge.amount for charge in charges}
    return rated, close, totals.pool.amount + sum(close.values(), ZERO)


def cases(example: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield an example's cases; a total is one event, and also three that make it up."""
    yield from example.get("cases", ())
    for units, total in example.get("totals", {}).items():
        third = money.quantize(Decimal(units) / 4)
        parts = [third, third, Decimal(units) - 2 * third]
        yield {"events": [units] if Decimal(units) else [], "total": total}
        yield {"events": [money.to_wire(part) for part in parts], "total": total}


@pytest.mark.parametrize("example", with_("cases", "totals"))
@pytest.mark.parametrize("at_close", [False, True])
def test_a_period_costs_what_is_known(example: Mapping[str, Any], at_close: bool) -> None:
    price = price_of(example, at_close=at_close)
    for case in cases(example):
        if "unpriced" in case:
            with pytest.raises(Unpriceable) as refusal:
                rate(price, case["events"], period_of(example))
            assert refusal.value.reason == case["unpriced"]
            continue
        rated, close, total = rate(price, case["events"], period_of(example))
        assert total == Decimal(case["total"]), case
        if "line" in case:
            assert money.round_to_minor_unit(total, scale=2) == Decimal(case["line"])
        if price.settles_on_event and "amounts" in case:
            assert [each.amount for each in rated] == list(map(Decimal, case["amounts"])), case
        if not at_close and "close" in case:
            assert close == {kind: Decimal(amount) for kind, amount in case["close"].items()}, case


@pytest.mark.parametrize("example", with_("working"))
def test_a_total_is_explained_step_by_step(example: Mapping[str, Any]) -> None:
    model = price_of(example).terms.charge_model
    assert model is not None
    for units, working in example["working"].items():
        steps = model.steps(Usage(ZERO, Decimal(units), opens=True))
        shown = [[step.units, step.unit_amount, step.flat_amount, step.amount] for step in steps]
        assert shown == [list(map(Decimal, row)) for row in working]


@pytest.mark.parametrize("example", with_("prices"))
def test_a_bill_asks_for_what_is_known(example: Mapping[str, Any]) -> None:
    tariff = Tariff(
        prices=[
            BilledPrice(name, "USD", compile_price(meter=meter_of(row), definition=row["price"]))
            for name, row in example["prices"].items()
        ],
        fees=[
            Fee(kind=LineKind.BASE_FEE, description=name, asset="USD", amount=Decimal(amount))
            for name, amount in example.get("fees", {}).items()
        ],
        scales={"USD": 2},
    )
    events = [SampleEvent(type="used", properties=each) for each in example["events"]]
    bill = bills.simulate(tariff, events, period=MARCH)
    if "lines" in example:
        lines = {line.description: line.due for line in bill.lines}
        assert lines == {name: Decimal(due) for name, due in example["lines"].items()}
        assert bill.totals == {"USD": Decimal(example["total"])}
    else:
        amounts = {line.description: line.amount for line in bill.lines}
        assert amounts == {name: Decimal(amount) for name, amount in example["amounts"].items()}
        assert sum(amounts.values()) == Decimal(example["amount"])


def test_every_example_is_named_once_and_says_where_it_is_from() -> None:
    assert len({example["id"] for example in EXAMPLES}) == len(EXAMPLES)
    assert all(example["source"] and example["figures"] for example in EXAMPLES)
