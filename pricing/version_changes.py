"""What is different between two versions of a plan, price by price, in words for people."""

from collections.abc import Iterator
from typing import NamedTuple

from pricing import price_words, term_words
from pricing.models import PlanVersion, Price, Settle
from pricing.price_form import PriceInvalid, parse_definition
from pricing.price_words import Words


class Change(NamedTuple):
    """One line of the comparison; "" where the older or the newer version has nothing."""

    subject: str
    before: str
    after: str


def compare(before: PlanVersion | None, after: PlanVersion) -> list[Change]:
    """Return what `after` changes; everything is new when there is nothing before it."""
    old = dict(describe(before)) if before else {}
    new = dict(describe(after))
    subjects = dict.fromkeys([*new, *old])
    changes = [Change(each, old.get(each, ""), new.get(each, "")) for each in subjects]
    return [change for change in changes if change.before != change.after]


def describe(version: PlanVersion) -> Iterator[tuple[str, str]]:
    """Yield every term and price of a version: what it is about, and what it says."""
    yield from term_words.describe(version)
    prices = version.prices.select_related("meter", "asset")
    for price in prices.order_by("meter__code", "asset__code"):
        for cell, terms in describe_price(price):
            subject = f"{price.meter.code} in {price.asset.code}"
            yield (f"{subject}, {cell}" if cell else subject), terms


def describe_price(price: Price) -> Iterator[tuple[str, str]]:
    """Yield each cell of a price ("" without a matrix), what it charges, and what surrounds it."""
    try:
        terms = parse_definition(price.definition)
    except PriceInvalid as invalid:
        yield "", f"not a price yet: {invalid}"
        return
    yield from price_words.describe(terms, words_of(price))
    if price.settle == Settle.AT_CLOSE:
        yield "settles", "when the period closes"


def words_of(price: Price) -> Words:
    """Return what a price is counted and paid in."""
    return Words(price.asset.code, price.asset.scale, price.meter.unit)
