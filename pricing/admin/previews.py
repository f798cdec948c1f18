"""Previews: what a sample event would cost at prices that may not be saved yet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms

from accounts import money
from pricing import catalog
from pricing.admin.property_lines import PropertyLinesField
from pricing.aggregation import Unpriceable
from pricing.models import Price
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
    """What one price makes of the event: an amount with its working, or why there is none."""

    meter: str
    asset: str
    quantity: str = ""
    amount: str = ""
    working: dict[str, Any] = field(default_factory=dict)
    refusal: str = ""


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


def _line(price: Price, compiled: CompiledPrice, properties: Mapping[str, Any]) -> PreviewLine:
    try:
        rated = compiled.rate(properties, lambda _cell: money.ZERO)
    except Unpriceable as unpriceable:
        return PreviewLine(
            meter=price.meter.code, asset=price.asset.code, refusal=unpriceable.detail
        )
    return PreviewLine(
        meter=price.meter.code,
        asset=price.asset.code,
        quantity=money.to_display(rated.quantity, scale=0),
        amount=money.to_display(rated.amount, scale=price.asset.scale),
        working=rated.working,
    )
