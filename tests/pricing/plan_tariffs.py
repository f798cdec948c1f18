"""What a plan document charges in a period, as bills take it, for documents nobody has stored."""

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pricing import expressions, filters
from pricing.aggregation import MeterSpec
from pricing.bills import BilledPrice, Fee, LineKind, Tariff
from pricing.rating import Span, compile_price

_OF_A_ROW = {"meter", "asset", "settle"}


def tariff_of(plan: Mapping[str, Any], *, seats: int, period: Span) -> Tariff:
    """Return the tariff of a customer with so many seats."""
    included: dict[str, Decimal] = {}
    for credit in plan.get("included_credits", ()):
        amount = _credit_of(credit, seats=seats, period=period)
        included[credit["asset"]] = included.get(credit["asset"], Decimal(0)) + amount
    return Tariff(
        prices=list(prices_of(plan)),
        fees=list(_fees(plan, seats=seats)),
        included_credits=included,
        scales={asset["code"]: asset["scale"] for asset in plan["assets"]},
    )


def meter_specs(plan: Mapping[str, Any]) -> dict[str, MeterSpec]:
    """Return the plan's meters, by code."""
    return {meter["code"]: _meter_spec(meter) for meter in plan["meters"]}


def _meter_spec(meter: Mapping[str, Any]) -> MeterSpec:
    written = meter.get("expression")
    return MeterSpec(
        code=meter["code"],
        event_type=meter["event_type"],
        aggregation=meter["aggregation"],
        value=expressions.parse(written) if written else meter.get("quantity_property", ""),
        filter=filters.parse(meter.get("filters", {})),
        weighted_by=meter.get("weighted_by", "period"),
    )


def prices_of(plan: Mapping[str, Any]) -> Iterator[BilledPrice]:
    """Yield the plan's prices, compiled, each under the code of its meter."""
    meters = meter_specs(plan)
    for price in plan["prices"]:
        definition = {name: value for name, value in price.items() if name not in _OF_A_ROW}
        compiled = compile_price(
            meter=meters[price["meter"]],
            definition=definition,
            settles_on_event=price["settle"] == "on_event",
        )
        yield BilledPrice(price["meter"], price["asset"], compiled)


def _fees(plan: Mapping[str, Any], *, seats: int) -> Iterator[Fee]:
    if fee := plan.get("base_fee"):
        yield Fee(
            kind=LineKind.BASE_FEE,
            description="",
            asset=fee["asset"],
            amount=Decimal(fee["amount"]),
        )
    if fee := plan.get("seats"):
        yield Fee(
            kind=LineKind.SEATS,
            description="",
            asset=fee["asset"],
            amount=Decimal(fee["amount"]),
            quantity=Decimal(max(seats - fee["included"], 0)),
        )


def _credit_of(credit: Mapping[str, Any], *, seats: int, period: Span) -> Decimal:
    """Return what comes in the period, if it is a month."""
    times = {"period": 1, "day": (period.ends_at - period.starts_at) // dt.timedelta(days=1)}
    amount = Decimal(credit["amount"]) * times[credit["every"]]
    amount *= seats if credit.get("per_seat") else 1
    most = credit.get("limit_per_month")
    return min(amount, Decimal(most)) if most else amount
