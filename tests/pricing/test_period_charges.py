"""What a price asks for when its period is over."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from accounts import money
from pricing import period_charges
from pricing.aggregation import AggregationName, MeterSpec
from pricing.period_charges import Kind, PeriodCharge
from pricing.rating import CompiledPrice, Rated, Totals, compile_price
from tests.pricing.test_rating import MARCH

type Sample = tuple[str, str]
"""A region and a quantity; each comes an hour after the one before."""


def price(
    definition: dict[str, Any], *, meter: AggregationName = "sum", on_event: bool = False
) -> CompiledPrice:
    spec = MeterSpec(code="storage", event_type="kept", aggregation=meter, value="gigabytes")
    return compile_price(meter=spec, definition=definition, settles_on_event=on_event)


def used(compiled: CompiledPrice, samples: Sequence[Sample]) -> tuple[Totals, list[Rated]]:
    totals, rated = Totals(), []
    for hour, (region, gigabytes) in enumerate(samples):
        rated.append(
            compiled.rate(
                {"region": region, "gigabytes": gigabytes},
                totals,
                occurred_at=MARCH.starts_at + dt.timedelta(hours=hour),
                period=MARCH,
            )
        )
        totals.add(rated[-1])
    return totals, rated


def at_close(compiled: CompiledPrice, *samples: Sample) -> list[PeriodCharge]:
    totals, _ = used(compiled, samples)
    charges = period_charges.charges_at_close(compiled, totals, period=MARCH)
    for charge in charges:
        assert sum(step.amount for step in charge.steps) == charge.amount
    return charges


def written(charge: PeriodCharge) -> list[str]:
    return [f"{step.label}: {money.to_wire(step.amount)}" for step in charge.steps]


def amounts(compiled: CompiledPrice, *samples: Sample) -> dict[str, Decimal]:
    return {charge.kind: charge.amount for charge in at_close(compiled, *samples)}


def tiers(*rows: Sequence[str | None]) -> list[dict[str, Any]]:
    names = ("up_to", "unit_amount", "flat_amount")
    return [dict(zip(names, row, strict=False)) for row in rows]


def by_region(*models: dict[str, Any], **around: Any) -> dict[str, Any]:
    cells = [{"match": {"region": region}, **each} for region, each in zip("abc", models)]  # noqa: B905
    return {
        "charge_model": "volume_tiers",
        "matrix": {"dimensions": ["region"], "cells": cells},
    } | around


VOLUME = tiers(("2", "1"), (None, "10"))
GRADUATED = {"charge_model": "graduated", "tiers": tiers(("10", "1", "5"), (None, "2", "3"))}


class TestStanding:
    """What is due whatever was used."""

    def test_a_first_tiers_flat_amount_beside_what_events_paid(self) -> None:
        compiled = price(GRADUATED, on_event=True)
        assert amounts(compiled, ("a", "4")) == {Kind.STANDING: 5}
        assert amounts(compiled) == {Kind.STANDING: 5}

    def test_a_flat_price(self) -> None:
        flat = {"charge_model": "flat", "flat_amount": "20"}
        assert amounts(price(flat, on_event=True)) == {Kind.STANDING: 20}
        assert amounts(price(flat)) == {Kind.USAGE: 20}

    def test_no_more_than_the_maximum(self) -> None:
        compiled = price({**GRADUATED, "maximum_amount": "3"}, on_event=True)
        (charge,) = at_close(compiled)
        assert written(charge) == [
            "tier 1: 0 to 10: 5",
            "commitment and maximum of the period: -2",
        ]

    def test_nothing_of_a_matrix_that_was_not_used(self) -> None:
        assert amounts(price(by_region(GRADUATED))) == {}


class TestUsage:
    """What only the close charges."""

    def test_events_that_knew_their_price_are_added_up(self) -> None:
        compiled = price({**GRADUATED, "matrix": by_region(GRADUATED)["matrix"]})
        (charge,) = at_close(compiled, ("a", "4"), ("a", "8"), ("else", "1"))
        assert charge.kind == Kind.USAGE
        assert (charge.quantity, charge.amount) == (Decimal(13), Decimal(28))
        assert written(charge) == [
            "anything else: 1 events: 6",
            "region = a: 2 events: 22",
        ]

    def test_the_newest_value_through_the_tiers_with_the_flat_of_each(self) -> None:
        compiled = price(GRADUATED, meter="latest")
        (charge,) = at_close(compiled, ("a", "50"), ("a", "12"))
        assert (charge.quantity, charge.amount) == (Decimal(12), Decimal(5 + 10 + 3 + 4))
        assert [step.flat_amount for step in charge.steps] == [5, 3]

    def test_an_average_that_never_ends_is_divided_once(self) -> None:
        per_unit = {"charge_model": "per_unit", "unit_amount": "3"}
        compiled = price(per_unit, meter="average")
        assert amounts(compiled, ("a", "1"), ("a", "1"), ("a", "2")) == {Kind.USAGE: 4}

    def test_a_level_below_zero_costs_nothing(self) -> None:
        per_unit = {"charge_model": "per_unit", "unit_amount": "3"}
        assert amounts(price(per_unit, meter="latest"), ("a", "-4")) == {}

    def test_each_cell_by_its_own_model(self) -> None:
        compiled = price(by_region({"tiers": VOLUME}, {"unit_amount": "3"}))
        (charge,) = at_close(compiled, ("b", "4"), ("a", "3"))
        assert written(charge) == [
            "region = a: tier 2: above 2: 30",
            "region = b: all units: 12",
        ]


class TestIncluded:
    """Who gets what is included when only the close charges."""

    def test_first_come_first_served_where_a_total_never_falls(self) -> None:
        compiled = price(by_region({"unit_amount": "1"}, {"tiers": VOLUME}, included="4"))
        assert amounts(compiled, ("b", "4"), ("a", "5")) == {Kind.USAGE: 5}
        assert amounts(compiled, ("a", "5"), ("b", "4")) == {Kind.USAGE: 1 + 40}

    def test_by_the_names_of_the_cells_where_it_can_fall(self) -> None:
        compiled = price(
            by_region({"unit_amount": "1"}, {"unit_amount": "9"}, included="4"), meter="latest"
        )
        assert amounts(compiled, ("b", "4"), ("a", "5")) == {Kind.USAGE: 1 + 36}

    def test_exactly_also_of_averages_that_never_end(self) -> None:
        """10/3 and 5/3 make 5: nothing is left to start a block with."""
        package = {"charge_model": "package", "unit_amount": "1"}
        compiled = price(by_region(package, package, included="5"), meter="average")
        thirds = [("a", "3"), ("a", "3"), ("a", "4"), ("b", "1"), ("b", "2"), ("b", "2")]
        assert amounts(compiled, *thirds) == {}
        assert amounts(compiled, *thirds, ("b", "2")) == {Kind.USAGE: 1}


class TestTiersOverAllCells:
    """Tiers that count what all cells have used together."""

    def test_each_cells_units_at_its_rate_of_the_tier_all_reach(self) -> None:
        compiled = price(
            by_region({"tiers": VOLUME}, {"tiers": VOLUME}, tiers_count="over_all_cells")
        )
        assert amounts(compiled, ("a", "1"), ("b", "1")) == {Kind.USAGE: 2}
        (charge,) = at_close(compiled, ("a", "1"), ("b", "1.5"))
        assert written(charge) == [
            "region = a: tier 2: above 2: 10",
            "region = b: tier 2: above 2: 15",
        ]

    def test_a_bound_is_met_exactly_by_units_that_cannot_be_written(self) -> None:
        """Three times two thirds are 2, which the first tier still covers."""
        model = {"tiers": VOLUME}
        compiled = price(
            by_region(model, model, model, unit_size="3", tiers_count="over_all_cells")
        )
        assert amounts(compiled, ("a", "2"), ("b", "2"), ("c", "2")) == {
            Kind.USAGE: 3 * Decimal("0.666666666667")
        }


class TestMissing:
    """What is added up to a commitment or a minimum."""

    @pytest.mark.parametrize(
        ("terms", "gigabytes", "charged"),
        [
            ({"minimum_amount": "100"}, "50", {Kind.MINIMUM: 50}),
            ({"minimum_amount": "100"}, "100", {}),
            ({"commitment": {"units": "500"}}, "300", {Kind.COMMITMENT: 200}),
            ({"commitment": {"units": "500", "true_up": False}}, "300", {}),
            ({"commitment": {"amount": "80"}, "minimum_amount": "100"}, "50",
                {Kind.COMMITMENT: 30, Kind.MINIMUM: 20}),
            ({"commitment": {"amount": "80"}, "maximum_amount": "60"}, "50", {Kind.COMMITMENT: 10}),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("on_event", [True, False])
    def test_beside_what_was_used(
        self, on_event: bool, terms: dict[str, Any], gigabytes: str, charged: dict[str, int]
    ) -> None:
        definition = {"charge_model": "per_unit", "unit_amount": "1", **terms}
        usage = {} if on_event else {Kind.USAGE: Decimal(gigabytes)}
        compiled = price(definition, on_event=on_event)
        assert amounts(compiled, ("a", gigabytes)) == usage | charged

    def test_it_is_said_in_the_working(self) -> None:
        compiled = price(
            {"charge_model": "per_unit", "unit_amount": "1", "minimum_amount": "7"}, on_event=True
        )
        (charge,) = at_close(compiled)
        assert written(charge) == ["what is missing: 7"]
