"""Previews: what a sample event would cost at prices that may not be saved yet, and why."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django import forms
from django.utils import timezone

from accounts import money
from accounts.models import Asset
from accounts.tenant_admin.amounts import AmountInput
from pricing import catalog, expressions, period_charges, price_words, version_changes
from pricing.admin.property_lines import PropertyLinesField
from pricing.aggregation import Unpriceable
from pricing.charge_models import Step, Usage
from pricing.models import Meter, Price
from pricing.rating import CompiledPrice, Span, Total, Totals

# Places of figures in a working, which amounts are never taken from.
_SHORT = Decimal("0.000001")


class SampleEventForm(forms.Form):
    """An event to try prices on."""

    prefix = "sample"

    event_type = forms.CharField(
        label="Event type", widget=forms.TextInput(attrs={"list": "known-event-types"})
    )
    properties = PropertyLinesField(
        required=False,
        label="Properties",
        help_text="One on each line, for example model = opus. Or paste JSON.",
    )
    used = AmountInput(
        required=False,
        label="Usage so far in the period",
        help_text="In units of the meter, to see later tiers.",
        min_value=0,
    )


class StepLine(NamedTuple):
    """One line of a working as it is shown."""

    label: str
    units: str
    rate: str
    flat: str
    amount: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """What one price makes of the event: an amount and how it came about, or why there is none.

    `is_period` says that the amount is the whole period's, of a price that settles at close.
    """

    meter: Meter
    asset: Asset
    cost: Decimal = money.ZERO
    quantity: str = ""
    cell: str = ""
    terms: str = ""
    steps: Sequence[StepLine] = ()
    refusal: str = ""
    is_period: bool = False

    @property
    def amount(self) -> str:
        """Return the cost for people; "" when there is none."""
        return "" if self.refusal else money.to_display(self.cost, scale=self.asset.scale)


def sample_for(prices: Sequence[Price]) -> dict[str, Any]:
    """Return an event to start with, one that the first price counts; empty without prices."""
    if not prices:
        return {}
    event_type = prices[0].meter.event_type
    properties: dict[str, Any] = {}
    for price in prices:
        if price.meter.event_type == event_type:
            properties |= _wanted(price) | properties
    return {"event_type": event_type, "properties": properties}


def _wanted(price: Price) -> dict[str, str]:
    """Return properties that meet the price's first cell, pass its meter, and are counted."""
    meter, matrix = price.meter, price.definition.get("matrix")
    wanted = {}
    if matrix:
        names = [name for name in matrix["dimensions"] if isinstance(name, str)]
        first = matrix["cells"][0]["match"]
        wanted = {name: first[name] for name in names if isinstance(first.get(name), str)}
    wanted |= {name: value for name, value in meter.filters.items() if isinstance(value, str)}
    return wanted | {name: "1000" for name in _measured(meter) if name not in wanted}


def _measured(meter: Meter) -> list[str]:
    """Return the properties whose amounts a meter adds up and cannot do without."""
    if not meter.expression:
        return [meter.quantity_property] if meter.quantity_property else []
    written = meter.expression.replace(" ", "")
    names = sorted(expressions.parse(meter.expression).names, key=written.find)
    return [name for name in names if f"default({name}" not in written]


def preview(
    prices: Iterable[Price],
    *,
    event_type: str,
    properties: Mapping[str, Any],
    used: Decimal | None = None,
) -> list[PreviewLine]:
    """Rate the event at every price whose meter counts it, after `used` units of the period.

    The prices need not be saved. Raises price_form.PriceInvalid for one that is no price.
    """
    compiled = ((price, catalog.compiled_price(price)) for price in prices)
    return [
        _line(price, rates, properties, used or money.ZERO)
        for price, rates in compiled
        if rates.applies_to(event_type, properties)
    ]


def totals(lines: Iterable[PreviewLine]) -> list[tuple[str, str]]:
    """Return what the event costs altogether, an amount and an asset for each asset."""
    sums: dict[Asset, Decimal] = {}
    for line in lines:
        if not line.refusal and not line.is_period:
            sums[line.asset] = sums.get(line.asset, money.ZERO) + line.cost
    return [
        (money.to_display(total, scale=asset.scale), asset.code) for asset, total in sums.items()
    ]


def _line(
    price: Price, compiled: CompiledPrice, properties: Mapping[str, Any], used: Decimal
) -> PreviewLine:
    now = timezone.now()
    period = Span(now, now + dt.timedelta(days=30))
    try:
        key, model = compiled.charge_model_for(properties)
        held = _held(compiled, key, used)
        rated = compiled.rate(properties, held, occurred_at=now, period=period)
    except Unpriceable as unpriceable:
        return PreviewLine(meter=price.meter, asset=price.asset, refusal=unpriceable.detail)
    cost, steps = rated.amount, compiled.explain(key, rated.before, rated.billable)
    if not compiled.settles_on_event:
        held.add(rated)
        charges = period_charges.charges_at_close(compiled, held, period=period)
        cost = sum((charge.amount for charge in charges), money.ZERO)
        steps = [step for charge in charges for step in charge.steps] or steps
    return PreviewLine(
        meter=price.meter,
        asset=price.asset,
        cost=cost,
        quantity=_quantity(rated.quantity, price.meter),
        cell=_label(compiled, key),
        terms=price_words.describe_model(model, compiled.terms, version_changes.words_of(price)),
        steps=[_step_line(step, price) for step in steps if not _says_nothing_new(steps)],
        is_period=not compiled.settles_on_event,
    )


def _held(compiled: CompiledPrice, key: str, used: Decimal) -> Totals:
    """Return totals of a period in which the event's cell was used so much already."""
    if not used:
        return Totals()
    terms = compiled.terms
    billable = max(used - terms.included, money.ZERO)
    metered = money.ZERO
    if compiled.accrues:
        units = terms.conversion.of_total(billable)
        usage = Usage(money.ZERO, units.quantity, opens=terms.matrix is not None)
        metered = compiled.charge_model_of(key).charge(usage, units.size)
    held = Total(quantity=used, billable=billable, metered=metered, amount=metered, events=1)
    return Totals.of({key: held})


def _says_nothing_new(steps: Sequence[Step]) -> bool:
    """Whether the working is no more than the price and the quantity, which are shown anyway."""
    return len(steps) == 1 and not steps[0].flat_amount and steps[0].label == "all units"


def _quantity(quantity: Decimal, meter: Meter) -> str:
    number = money.to_display(quantity, scale=0)
    return f"{number} × {meter.unit}" if meter.unit else number


def _step_line(step: Step, price: Price) -> StepLine:
    scale = price.asset.scale
    return StepLine(
        step.label,
        _shown(step.units, scale=0) if step.units else "",
        _shown(step.unit_amount, scale=scale) if step.unit_amount else "",
        _shown(step.flat_amount, scale=scale) if step.flat_amount else "",
        _shown(step.amount, scale=scale),
    )


def _shown(number: Decimal, *, scale: int) -> str:
    """Write a figure of a working; one that never ends is cut, and says so."""
    short = number.quantize(_SHORT)
    shown = money.to_display(short, scale=scale)
    return shown if short == number else f"≈ {shown}"


def _label(compiled: CompiledPrice, key: str) -> str:
    matrix = compiled.terms.matrix
    if matrix is None:
        return ""
    cell = next((each for each in matrix.cells if each.key == key), None)
    return "anything else" if cell is None else price_words.label_of(matrix.names, cell.match)
