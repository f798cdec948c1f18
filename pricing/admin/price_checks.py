"""What the price form says about a price of a draft, and the price in one line."""

from collections.abc import Mapping
from typing import Any

from pricing import catalog, price_words, settling
from pricing.admin import matrix_table
from pricing.field_errors import FieldError
from pricing.models import Meter, Price, PriceOverride, Settle
from pricing.price_form import PriceInvalid, check_against_meter, parse_definition
from pricing.price_terms import PriceTerms
from pricing.price_words import Words


def mistakes_of(definition: Mapping[str, Any], meter: Meter, settle: str) -> list[FieldError]:
    """Return everything that is wrong with a price, for its meter too, by field."""
    try:
        terms = parse_definition(definition)
    except PriceInvalid as invalid:
        return invalid.errors
    mistakes = check_against_meter(terms, catalog.meter_spec(Price(meter=meter)))
    if settle == Settle.ON_EVENT and (against := reason_for_close(terms, meter)):
        mistakes.append(FieldError("settle", against))
    return mistakes


def of_price(price: Price) -> list[FieldError]:
    """Return everything that is wrong with a price as it is."""
    return mistakes_of(price.definition, price.meter, price.settle)


def reason_for_close(terms: PriceTerms, meter: Meter) -> str:
    """Say why a price can only be charged when the period closes; "" when it need not."""
    return settling.reason_against_on_event(meter.aggregation, terms)


def summary(price: Price | PriceOverride) -> str:
    """Return a price in one line: what it charges, or how many prices by which attributes."""
    matrix = price.definition.get("matrix")
    try:
        terms = parse_definition(price.definition)
    except PriceInvalid:
        return "not a price yet"
    words = Words(price.asset.code, price.asset.scale, price.meter.unit)
    if not matrix:
        return next(text for _, text in price_words.describe(terms, words))
    names = ", ".join(map(matrix_table.name_of, matrix["dimensions"]))
    count = len(matrix["cells"])
    per = words.units(terms.conversion.unit_size)
    return f"{count} price{'s' if count > 1 else ''} by {names}, per {per}"
