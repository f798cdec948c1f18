"""Price definitions of every kind, drawn at random, the way the editor writes them."""

from typing import Any

from hypothesis import strategies as st

from pricing.admin import charge_choices

AMOUNTS = st.decimals(0, 10_000, places=3).map(lambda amount: f"{amount:f}")
SIZES = st.integers(1, 10**7).map(str)
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1, max_size=12
)
PROPERTIES = TEXTS


@st.composite
def tiers(draw: st.DrawFn, main: str) -> list[dict[str, Any]]:
    bounds = sorted(draw(st.sets(st.integers(1, 10**6), max_size=3)))
    rows = []
    for bound in [*map(str, bounds), None]:
        row: dict[str, Any] = {"up_to": bound, main: draw(AMOUNTS)}
        if main != "flat_amount" and draw(st.booleans()):
            row["flat_amount"] = draw(SIZES)
        rows.append(row)
    return rows


@st.composite
def charges(draw: st.DrawFn, charge_model: str) -> dict[str, Any]:
    """Return the fields of a charge model, those it cannot do without and some of the others."""
    optional = {name: draw(AMOUNTS) for name in _OPTIONAL[charge_model] if draw(st.booleans())}
    if charge_model == "dynamic" and draw(st.booleans()):
        optional["amount_property"] = draw(st.sampled_from(["amount", "free", "1K"]))
    main = charge_choices.BY_CODE[charge_model].main
    in_tiers = {"graduated", "volume_tiers", "stairstep"}
    if charge_model in in_tiers or (charge_model == "percentage" and draw(st.booleans())):
        return {"tiers": draw(tiers(charge_choices.tier_main(charge_model))), **optional}
    if charge_model == "dynamic" and draw(st.booleans()):
        return optional
    return {main: draw(AMOUNTS), **optional}


_OPTIONAL: dict[str, tuple[str, ...]] = dict.fromkeys(charge_choices.BY_CODE, ()) | {
    "package": ("package_size",),
    "percentage": (
        "fixed_amount",
        "minimum_per_event",
        "maximum_per_event",
        "free_events",
        "free_amount",
    ),
}

MODELS = st.sampled_from(sorted(charge_choices.BY_CODE))


def match_values() -> st.SearchStrategy[Any]:
    bounds = st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), SIZES, min_size=1)
    return st.one_of(TEXTS, st.just("*"), bounds)


def _dimension(name: str) -> st.SearchStrategy[Any]:
    expression = st.just({"name": f"d{abs(hash(name)) % 997}", "expression": "a + b == 2"})
    return st.one_of(st.just(name), expression)


@st.composite
def matrices(draw: st.DrawFn, outer: str) -> dict[str, Any]:
    names = draw(st.lists(PROPERTIES, min_size=1, max_size=4, unique=True))
    dimensions = [draw(_dimension(name)) for name in names]
    keys = [each if isinstance(each, str) else each["name"] for each in dimensions]
    if len(set(keys)) < len(keys):
        dimensions, keys = names, names
    match = st.fixed_dictionaries({key: match_values() for key in keys})
    cells: list[dict[str, Any]] = []
    for matched in draw(st.lists(match, min_size=1, max_size=4, unique_by=str)):
        charge_model = draw(MODELS)
        named = {} if charge_model == outer else {"charge_model": charge_model}
        cells.append({"match": matched, **named, **draw(charges(charge_model))})
    return {"dimensions": dimensions, "cells": cells}


@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    """Return what may stand around any charge model, each part or not."""
    parts: dict[str, st.SearchStrategy[Any]] = {
        "unit_size": SIZES.filter(lambda size: size != "1"),
        "rounding": st.sampled_from(["up", "down", "half_up"]),
        "rounding_places": st.integers(1, 6),
        "rounding_scope": st.just("event"),
        "included": SIZES,
        "minimum_amount": AMOUNTS,
        "maximum_amount": AMOUNTS,
        "tiers_count": st.just("over_all_cells"),
        "commitment": st.one_of(
            st.fixed_dictionaries({"units": SIZES}),
            st.fixed_dictionaries({"amount": AMOUNTS, "overage_factor": st.just("1.5")}),
            st.fixed_dictionaries({"units": SIZES, "true_up": st.just(False)}),
        ),
    }
    return {name: draw(part) for name, part in parts.items() if draw(st.booleans())}


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    charge_model = draw(MODELS)
    definition = {"charge_model": charge_model, **draw(terms())}
    if draw(st.booleans()):
        definition["matrix"] = draw(matrices(charge_model))
    if "matrix" not in definition or draw(st.booleans()):
        definition |= draw(charges(charge_model))
    return definition
