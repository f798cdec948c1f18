"""Previews: what a sample event would cost at prices that may not be saved yet."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms

from accounts import money
from accounts.models import Asset
from pricing import catalog, version_changes
from pricing.admin.property_lines import PropertyLinesField
from pricing.aggregation import Unpriceable
from pricing.matrix import Matrix
from pricing.models import Meter, Price
from pricing.rating import CompiledPrice, compile_price


class SampleEventForm(forms.Form):
    """An event to try prices on."""

    prefix = "sample"

    event_type = forms.CharField(
        label="Event type", widget=forms.TextInput(attrs={"class": "vTextField"})
    )
    properties = PropertyLinesField(
        required=False,
        label="Properties",
        help_text="One on each line, for example model = opus. Or paste JSON.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """What one price makes of the event: an amount and how it came about, or why there is none."""

    meter: Meter
    asset: Asset
    cost: Decimal = money.ZERO
    quantity: str = ""
    cell: str = ""
    terms: str = ""
    refusal: str = ""

    @property
    def amount(self) -> str:
        """Return the cost for people; "" when there is none."""
        return "" if self.refusal else money.to_display(self.cost, scale=self.asset.scale)


def preview(
    prices: Iterable[Price], *, event_type: str, properties: Mapping[str, Any]
) -> list[PreviewLine]:
    """Rate the event as the first of a period at every price whose meter counts it.

    The prices need not be saved. Raises price_form.PriceInvalid for one that is no price.
    """
    compiled = (
        (price, compile_price(meter=catalog.meter_spec(price), definition=price.definition))
        for price in prices
    )
    return [
        _line(price, rates, properties)
        for price, rates in compiled
        if rates.applies_to(event_type, properties)
    ]


def totals(lines: Iterable[PreviewLine]) -> list[tuple[str, str]]:
    """Return what the event costs altogether, an amount and an asset for each asset."""
    sums: dict[Asset, Decimal] = {}
    for line in lines:
        sums[line.asset] = sums.get(line.asset, money.ZERO) + line.cost
    return [
        (money.to_display(total, scale=asset.scale), asset.code) for asset, total in sums.items()
    ]


def _line(price: Price, compiled: CompiledPrice, properties: Mapping[str, Any]) -> PreviewLine:
    try:
        rated = compiled.rate(properties, lambda _cell: money.ZERO)
    except Unpriceable as unpriceable:
        return PreviewLine(meter=price.meter, asset=price.asset, refusal=unpriceable.detail)
    cell = _label(compiled, rated.cell)
    return PreviewLine(
        meter=price.meter,
        asset=price.asset,
        cost=rated.amount,
        quantity=money.to_display(rated.quantity, scale=0),
        cell=cell,
        terms=dict(version_changes.describe_price(price))[cell],
    )


def _label(compiled: CompiledPrice, cell: str) -> str:
    if not isinstance(compiled.charge, Matrix):
        return ""
    return version_changes.label_of(compiled.charge.dimensions, json.loads(cell))
