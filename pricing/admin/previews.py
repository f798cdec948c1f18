"""Previews: what a sample event would cost at prices that may not be saved yet."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone

from accounts import money
from accounts.models import Asset
from pricing import catalog, price_words, version_changes
from pricing.admin.property_lines import PropertyLinesField
from pricing.aggregation import Unpriceable
from pricing.models import Meter, Price
from pricing.rating import CompiledPrice, Span, Totals


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
    compiled = ((price, catalog.compiled_price(price)) for price in prices)
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
    now = timezone.now()
    period = Span(now, now + dt.timedelta(days=30))
    try:
        rated = compiled.rate(properties, Totals(), occurred_at=now, period=period)
    except Unpriceable as unpriceable:
        return PreviewLine(meter=price.meter, asset=price.asset, refusal=unpriceable.detail)
    cell = _label(compiled, rated.cell)
    return PreviewLine(
        meter=price.meter,
        asset=price.asset,
        cost=rated.amount,
        quantity=money.to_display(rated.quantity, scale=0),
        cell=cell,
        terms=dict(version_changes.describe_price(price)).get(cell, ""),
    )


def _label(compiled: CompiledPrice, key: str) -> str:
    matrix = compiled.terms.matrix
    if matrix is None:
        return ""
    cell = next((each for each in matrix.cells if each.key == key), None)
    return "anything else" if cell is None else price_words.label_of(matrix.names, cell.match)
