"""The vendor catalogue: what model vendors charge today, read from the data of genai-prices.

The data comes with that package and is never fetched. It prices kinds of usage (input tokens,
tokens read from a cache, searches), each by model, some by the size of the request, some by how the
request was made. Here one kind of one vendor becomes one price definition, with a cell for each
name of each model.

Each kind counts only what no other kind does: `input_tokens` are those neither read from a cache
nor written to one, so the size of a request is the sum of all its kinds of input.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from genai_prices.data_snapshot import get_snapshot
from genai_prices.data_units import unit_data
from genai_prices.types import (
    ClauseEquals,
    ClauseOr,
    ClauseStartsWith,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
)

from accounts import money
from pricing.matrix_form import VALUE_LENGTH_MAX

MODEL = "model"
PROMPT = "prompt"
REQUESTS = "requests"
ASSET = "USD"
"""What every price of the data is in."""

type _Prices = dict[str, Decimal | TieredPrices]
"""Prices by kind of usage."""


class UnknownVendor(LookupError):
    """The data has no vendor of this name."""


class _Step(NamedTuple):
    """What a kind costs for requests above `above` tokens, up to `up_to` of them."""

    above: int | None
    up_to: int | None
    unit_amount: Decimal

    def range(self) -> dict[str, str]:
        bounds = {"gt": self.above, "lte": self.up_to}
        return {name: str(bound) for name, bound in bounds.items() if bound is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorPrice:
    """What one vendor charges for one kind of usage; `definition` is a price, in dollars."""

    vendor: str
    kind: str
    models: int
    definition: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How events of an organization name things.

    `quantities` are expressions for how much of a kind an event has used, where that is not just
    the property of the kind's name; `vendor_property` names the vendor, if events do; `names` are
    further names of models, looked up the way the data describes them.
    """

    quantities: Mapping[str, str]
    vendor_property: str = ""
    names: Collection[str] = ()


def vendors() -> list[str]:
    """Return the names of all vendors the data knows."""
    return sorted(provider.id for provider in get_snapshot().providers)


def kinds_of(vendor: str, *, at: dt.datetime) -> list[str]:
    """Return the kinds of usage the vendor has a price for at `at`. Raises UnknownVendor."""
    priced = {
        kind
        for model in _provider(vendor).models
        for _, prices in _ways_of(model, at=at)
        for kind in prices
    }
    return [kind for kind in unit_data if kind in priced]


def is_input(kind: str) -> bool:
    """Whether the kind is a part of what is sent to a model, counted in tokens."""
    dimensions = unit_data[kind]["dimensions"]
    return bool(dimensions.get("family") == "tokens" and dimensions.get("direction") == "input")


def price_list(vendor: str, *, at: dt.datetime, naming: Naming) -> list[VendorPrice]:
    """Return what the vendor charges at `at`, a price for each kind. Raises UnknownVendor.

    Prices that hold only at some times of the day are left out: a price knows no hours.
    """
    provider = _provider(vendor)
    kinds = kinds_of(vendor, at=at)
    names = {model.id: _names_of(model, provider, naming.names) for model in provider.models}
    return [
        _price(provider, kind, at=at, naming=naming, names=names, kinds=kinds) for kind in kinds
    ]


def _provider(vendor: str) -> Provider:
    for provider in get_snapshot().providers:
        if provider.id == vendor:
            return provider
    raise UnknownVendor(vendor)


def _price(
    provider: Provider,
    kind: str,
    *,
    at: dt.datetime,
    naming: Naming,
    names: Mapping[str, list[str]],
    kinds: Collection[str],
) -> VendorPrice:
    fixed = {naming.vendor_property: provider.id} if naming.vendor_property else {}
    cells: list[dict[str, Any]] = []
    priced = 0
    for model in provider.models:
        own = list(_cells_of(model, kind, at=at))
        priced += bool(own)
        for name in names[model.id] if own else ():
            cells += [
                {"match": {MODEL: name, **fixed, **match}, "unit_amount": amount}
                for match, amount in own
            ]
    if kind == REQUESTS:
        # Every event is a request, also one to a vendor that asks nothing for it.
        cells.append({"match": fixed, "unit_amount": "0"})
    return VendorPrice(
        vendor=provider.id,
        kind=kind,
        models=priced,
        definition={
            "charge_model": "per_unit",
            "unit_size": str(unit_data[kind]["per"]),
            "matrix": {"dimensions": _dimensions(cells, naming, kinds), "cells": cells},
        },
    )


def _dimensions(
    cells: Collection[Mapping[str, Any]], naming: Naming, kinds: Collection[str]
) -> list[Any]:
    """Return the dimensions the cells name, the size of the request last.

    Between two ways equally specific an earlier dimension wins; a price for, say, batches holds
    for requests of any size.
    """
    named = {name: None for cell in cells for name in cell["match"]}
    dimensions: list[Any] = [MODEL, *(name for name in named if name not in {MODEL, PROMPT})]
    if PROMPT in named:
        size = " + ".join(
            naming.quantities.get(kind, f"default({kind}, 0)") for kind in kinds if is_input(kind)
        )
        dimensions.append({"name": PROMPT, "expression": size})
    return dimensions


def _cells_of(
    model: ModelInfo, kind: str, *, at: dt.datetime
) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield what a model's kind costs: what an event must match, and the amount."""
    (_, standard), *ways = _ways_of(model, at=at)
    usual = _steps(standard, kind)
    seen: list[dict[str, str]] = []
    for when, prices in [({}, standard), *ways]:
        steps = _steps(prices, kind)
        if when in seen or (when and steps == usual):
            continue
        seen.append(when)
        for step in steps:
            size = {PROMPT: step.range()} if step.range() else {}
            yield {**when, **size}, money.to_wire(step.unit_amount)


def _ways_of(model: ModelInfo, *, at: dt.datetime) -> list[tuple[dict[str, str], _Prices]]:
    """Return the standard prices of a model, then those of each other way to ask it."""
    standard = _by_kind(_standard_prices(model, at=at))
    variants = [each for each in model.price_variants or () if _holds(each, at=at)]
    return [
        ({}, standard),
        *((dict(each.when), standard | _by_kind(each.prices)) for each in variants),
    ]


def _standard_prices(model: ModelInfo, *, at: dt.datetime) -> ModelPrice:
    if isinstance(model.prices, ModelPrice):
        return model.prices
    for conditional in reversed(model.prices):
        if _holds(conditional, at=at):
            return conditional.prices
    return model.prices[0].prices


def _holds(priced: ConditionalPrice | PriceVariant, *, at: dt.datetime) -> bool:
    constraint = priced.constraint
    if constraint is None:
        return True
    return isinstance(constraint, StartDateConstraint) and constraint.active(at)


def _by_kind(prices: ModelPrice) -> _Prices:
    kinds = {unit["price_key"]: kind for kind, unit in unit_data.items()}
    return {
        kinds[key]: price
        for key, price in vars(prices).items()
        if price is not None and key in kinds
    }


def _steps(prices: _Prices, kind: str) -> list[_Step]:
    """Return what a kind costs by the size of the request; nothing when it has no price.

    What has no price of its own costs what it is a special case of: without a price for tokens
    read from a cache, these are input like any other.
    """
    general = [other for other in prices if _is_special_case(kind, of=other)]
    if not general:
        return []
    price = prices[max(general, key=lambda other: len(unit_data[other]["dimensions"]))]
    if not isinstance(price, TieredPrices):
        return [_Step(None, None, price)]
    # Each size is in one cell only: two ranges that overlap would be equally specific.
    ends = [*(tier.start for tier in price.tiers[1:]), None]
    return [
        _Step(None, None, price.base),
        *(_Step(tier.start, end, tier.price) for tier, end in zip(price.tiers, ends, strict=True)),
    ]


def _is_special_case(kind: str, *, of: str) -> bool:
    return bool(unit_data[of]["dimensions"].items() <= unit_data[kind]["dimensions"].items())


def _names_of(model: ModelInfo, provider: Provider, more: Collection[str]) -> list[str]:
    """Return the names by which events may call a model, each the name of one model only."""
    names = dict.fromkeys([model.id, *_names_in(model.match), *more])
    return [
        name
        for name in names
        if len(name) <= VALUE_LENGTH_MAX and provider.find_model(name) is model
    ]


def _names_in(clause: object) -> Iterator[str]:
    match clause:
        case ClauseEquals():
            yield clause.equals
        case ClauseStartsWith():
            # A version is often left out, but no name ends where one would begin.
            yield clause.starts_with.rstrip("-@:")
        case ClauseOr():
            for inner in clause.or_:
                yield from _names_in(inner)
