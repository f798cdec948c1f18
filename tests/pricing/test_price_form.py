"""The JSON form of a price: what is read, and how mistakes are named."""

from decimal import Decimal
from typing import Any

import pytest

from pricing import filters
from pricing.aggregation import MeterSpec
from pricing.charge_models import (
    Flat,
    Graduated,
    Package,
    PerUnit,
    Stairstep,
    Tier,
    VolumeTiers,
)
from pricing.event_charge_models import Dynamic, Percentage
from pricing.matrix import Range
from pricing.matrix_form import CELLS_MAX, RANGES_MAX
from pricing.period_terms import Commitment, Conversion, PeriodBounds, Rounding, RoundingScope
from pricing.price_form import PriceInvalid, check_against_meter, parse_definition
from pricing.price_terms import PriceTerms

PER_UNIT = {"charge_model": "per_unit", "unit_amount": "0.50"}
CELL = {"match": {"model": "opus"}, "unit_amount": "2"}
TIERS = [{"up_to": "5", "unit_amount": "1"}, {"up_to": None, "flat_amount": "2"}]
SHARES = [{"up_to": "5", "percentage": "1"}, {"up_to": None, "percentage": "2"}]


def matrix(**changed: Any) -> dict[str, Any]:
    return {
        "charge_model": "per_unit",
        "matrix": {"dimensions": ["model"], "cells": [CELL], **changed},
    }


def ranges(*bounds: dict[str, str]) -> dict[str, Any]:
    return matrix(
        dimensions=["size"],
        cells=[{"match": {"size": each}, "unit_amount": "1"} for each in bounds],
    )


def tiered(*bounds: str | None, model: str = "graduated") -> dict[str, Any]:
    return {"charge_model": model, "tiers": [{"up_to": up_to} for up_to in bounds]}


def mistakes(definition: object) -> dict[str, str]:
    with pytest.raises(PriceInvalid) as error:
        parse_definition(definition)
    return dict(error.value.errors)


class TestChargeModels:
    """Each model from the fields it has."""

    @pytest.mark.parametrize(
        ("definition", "model"),
        [
            ({"charge_model": "flat", "flat_amount": "9.90"}, Flat(Decimal("9.90"))),
            (PER_UNIT, PerUnit(Decimal("0.50"))),
            ({"charge_model": "package", "unit_amount": "5"}, Package(Decimal(5), Decimal(1))),
            ({"charge_model": "package", "unit_amount": "5", "package_size": "100"},
                Package(Decimal(5), Decimal(100))),
            ({"charge_model": "graduated", "tiers": TIERS},
                Graduated([Tier(Decimal(5), Decimal(1)), Tier(None, Decimal(0), Decimal(2))])),
            ({"charge_model": "volume_tiers", "tiers": TIERS},
                VolumeTiers([Tier(Decimal(5), Decimal(1)), Tier(None, Decimal(0), Decimal(2))])),
            ({"charge_model": "stairstep", "tiers": [{"flat_amount": "7"}]},
                Stairstep([Tier(None, Decimal(0), Decimal(7))])),
            ({"charge_model": "percentage", "percentage": "1.2", "free_events": 3,
                "free_amount": "500", "fixed_amount": "0.10"},
                Percentage(tiers=[Tier(None, Decimal("1.2"))], free_events=3,
                    free_amount=Decimal(500), fixed_amount=Decimal("0.10"))),
            ({"charge_model": "percentage", "tiers": SHARES, "maximum_per_event": "9"},
                Percentage(tiers=[Tier(Decimal(5), Decimal(1)), Tier(None, Decimal(2))],
                    maximum_per_event=Decimal(9))),
            ({"charge_model": "dynamic"}, Dynamic()),
            ({"charge_model": "dynamic", "multiplier": "1.2", "amount_property": "cost"},
                Dynamic(Decimal("1.2"), "cost")),
        ],
    )  # fmt: skip
    def test_it_is_read(self, definition: dict[str, Any], model: object) -> None:
        assert parse_definition(definition) == PriceTerms(charge_model=model)  # type: ignore[arg-type]


class TestSurroundings:
    """What stands around a charge model."""

    def test_units_and_their_rounding(self) -> None:
        rounding = {"rounding": "up", "rounding_places": 2, "rounding_scope": "event"}
        terms = parse_definition({**PER_UNIT, "unit_size": "1000000", **rounding})
        assert terms.conversion == Conversion(
            unit_size=Decimal(1_000_000),
            rounding=Rounding.UP,
            places=2,
            scope=RoundingScope.EVENT,
        )

    def test_what_a_period_includes_and_costs_at_least_and_at_most(self) -> None:
        terms = parse_definition(
            {**PER_UNIT, "included": "7", "minimum_amount": "1", "maximum_amount": "20"}
        )
        assert terms.included == 7
        assert terms.bounds == PeriodBounds(minimum=Decimal(1), maximum=Decimal(20))

    @pytest.mark.parametrize(
        ("commitment", "read"),
        [
            ({"amount": "1000"}, Commitment(amount=Decimal(1000))),
            ({"units": "500"}, Commitment(amount=Decimal(250))),
            ({"units": "500", "overage_factor": "1.5", "true_up": False},
                Commitment(amount=Decimal(250), overage_factor=Decimal("1.5"), true_up=False)),
        ],
    )  # fmt: skip
    def test_a_commitment(self, commitment: dict[str, Any], read: Commitment) -> None:
        terms = parse_definition({**PER_UNIT, "unit_size": "10", "commitment": commitment})
        assert terms.bounds.commitment == read


class TestMatrix:
    """A price by attributes."""

    def test_cells_say_what_they_match_and_charge(self) -> None:
        cells = [CELL, {"match": {}, "charge_model": "flat", "flat_amount": "1"}]
        terms = parse_definition({**matrix(cells=cells), "unit_size": "10"})
        assert terms.matrix is not None
        assert terms.charge_model is None
        opus, others = terms.matrix.cells
        assert (opus.match, opus.charge_model) == (("opus",), PerUnit(Decimal(2)))
        assert (others.match, others.charge_model) == (("*",), Flat(Decimal(1)))

    def test_what_stands_beside_it_prices_the_rest(self) -> None:
        assert parse_definition({**matrix(), "unit_amount": "9"}).charge_model == PerUnit(
            Decimal(9)
        )

    @pytest.mark.parametrize(
        ("outer", "fields", "model"),
        [
            ("per_unit", {"unit_amount": "2"}, PerUnit(Decimal(2))),
            ("package", {"unit_amount": "2"}, Package(Decimal(2))),
            ("volume_tiers", {"tiers": TIERS[1:]},
                VolumeTiers([Tier(None, Decimal(0), Decimal(2))])),
            ("graduated", {"unit_amount": "2"}, PerUnit(Decimal(2))),
            ("per_unit", {"package_size": "5", "unit_amount": "2"},
                Package(Decimal(2), Decimal(5))),
            ("per_unit", {"tiers": TIERS[1:]}, Graduated([Tier(None, Decimal(0), Decimal(2))])),
            ("per_unit", {"flat_amount": "2"}, Flat(Decimal(2))),
            ("per_unit", {"percentage": "2"}, Percentage(tiers=[Tier(None, Decimal(2))])),
            ("per_unit", {"multiplier": "2"}, Dynamic(Decimal(2))),
            ("dynamic", {}, Dynamic()),
        ],
    )  # fmt: skip
    def test_a_cell_takes_the_model_its_fields_tell(
        self, outer: str, fields: dict[str, Any], model: object
    ) -> None:
        definition = matrix(cells=[{"match": {}, **fields}]) | {"charge_model": outer}
        terms = parse_definition(definition)
        assert terms.matrix is not None
        assert terms.matrix.cells[0].charge_model == model

    def test_ranges_and_expressions(self) -> None:
        prompt = {"name": "prompt", "expression": "input_tokens + cached"}
        cells = [
            {"match": {"prompt": {"lte": "200000"}}, "unit_amount": "3"},
            {"match": {"prompt": {"gt": "200000"}}, "unit_amount": "6"},
        ]
        terms = parse_definition(matrix(dimensions=[prompt], cells=cells))
        assert terms.matrix is not None
        assert terms.matrix.cells[1].match == (Range(above=Decimal(200_000)),)
        cell = terms.matrix.cell_for({"input_tokens": 199_999, "cached": "2"})
        assert cell is not None
        assert cell.charge_model == PerUnit(Decimal(6))
        assert terms.matrix.cell_for({"input_tokens": 5}) is None

    def test_no_value_has_the_name_of_a_range(self) -> None:
        cells = [
            {"match": {"size": "> 5"}, "unit_amount": "1"},
            {"match": {"size": {"gt": "5"}}, "unit_amount": "2"},
        ]
        terms = parse_definition(matrix(dimensions=["size"], cells=cells))
        assert terms.matrix is not None
        assert [cell.key for cell in terms.matrix.cells] == ['["> 5"]', '[{"gt":"5"}]']


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        (None, "definition"),
        ([], "definition"),
        ({}, "charge_model"),
        ({"unit_amount": "1"}, "charge_model"),
        ({"tiers": TIERS}, "charge_model"),
        ({**matrix(), "charge_model": None, "unit_amount": "1"}, "charge_model"),
        ({"charge_model": "dynamic", "amount_property": "a\0"}, "definition"),
        ({"charge_model": "dynamic", "amount_property": "\ud800"}, "definition"),
        ({**PER_UNIT, "color": "red"}, "color"),
        ({**PER_UNIT, "tiers": TIERS}, "tiers"),
        ({**PER_UNIT, "charge_model": "guess"}, "charge_model"),
        ({**PER_UNIT, "charge_model": ["per_unit"]}, "charge_model"),
        ({"charge_model": "per_unit"}, "unit_amount"),
        ({**PER_UNIT, "unit_amount": "-1"}, "unit_amount"),
        ({**PER_UNIT, "unit_amount": 0.5}, "unit_amount"),
        ({**PER_UNIT, "unit_amount": "NaN"}, "unit_amount"),
        ({**PER_UNIT, "unit_size": "0"}, "unit_size"),
        ({**PER_UNIT, "unit_size": "x"}, "unit_size"),
        ({**PER_UNIT, "unit_size": "1000000000000000"}, "unit_size"),
        ({**PER_UNIT, "rounding": "sideways"}, "rounding"),
        ({**PER_UNIT, "rounding": []}, "rounding"),
        ({**PER_UNIT, "rounding_places": "13"}, "rounding_places"),
        ({**PER_UNIT, "rounding_places": "0.5"}, "rounding_places"),
        ({**PER_UNIT, "rounding_scope": "cell"}, "rounding_scope"),
        ({**PER_UNIT, "included": "-1"}, "included"),
        ({**PER_UNIT, "minimum_amount": "3", "maximum_amount": "2"}, "maximum_amount"),
        ({**PER_UNIT, "commitment": "1000"}, "commitment"),
        ({**PER_UNIT, "commitment": {}}, "commitment.amount"),
        ({**PER_UNIT, "commitment": {"amount": "1", "units": "1"}}, "commitment.amount"),
        ({**PER_UNIT, "commitment": {"amount": "1", "true_up": "no"}}, "commitment.true_up"),
        ({**PER_UNIT, "commitment": {"amount": "1", "over": "1"}}, "commitment.over"),
        ({**PER_UNIT, "tiers_count": "over_all_cells"}, "tiers_count"),
        ({**PER_UNIT, "tiers_count": "twice"}, "tiers_count"),
        ({**matrix(), "commitment": {"units": "1"}}, "commitment.units"),
        ({**tiered(None, model="volume_tiers"), "commitment": {"units": "1"}}, "commitment.units"),
        ({**PER_UNIT, "unit_amount": "9" * 26, "commitment": {"units": "9"}}, "commitment.units"),
        ({**PER_UNIT, "unit_size": "0.1", "rounding": "up", "rounding_scope": "event",
            "rounding_places": 12}, "rounding_places"),
        ({"charge_model": "dynamic", "amount_property": "cost", "included": "5"}, "included"),
        ({**matrix(), "unit_size": "0"}, "unit_size"),
        ({**matrix(), "package_size": "5"}, "package_size"),
        ({**PER_UNIT, "matrix": "x"}, "matrix"),
        ({"charge_model": "graduated"}, "tiers"),
        ({"charge_model": "graduated", "tiers": {}}, "tiers"),
        ({"charge_model": "graduated", "tiers": ["x"]}, "tiers[0]"),
        ({"charge_model": "graduated", "tiers": [{"percentage": "1"}]}, "tiers[0].percentage"),
        ({"charge_model": "stairstep", "tiers": TIERS}, "tiers[0].unit_amount"),
        (tiered("5", "7"), "tiers[1].up_to"),
        (tiered("5", "5", None), "tiers[1].up_to"),
        (tiered("5", None, None), "tiers[1].up_to"),
        (tiered(*map(str, range(100)), None), "tiers"),
        ({"charge_model": "percentage"}, "percentage"),
        ({"charge_model": "percentage", "percentage": "1", "tiers": SHARES}, "percentage"),
        ({"charge_model": "percentage", "percentage": "1", "free_events": "1.5"}, "free_events"),
        ({"charge_model": "percentage", "percentage": "1", "minimum_per_event": "2",
            "maximum_per_event": "1"}, "maximum_per_event"),
        ({"charge_model": "dynamic", "amount_property": 5}, "amount_property"),
        (matrix(dimensions=[]), "matrix.dimensions"),
        (matrix(dimensions="model"), "matrix.dimensions"),
        (matrix(dimensions=["model", "model"]), "matrix.dimensions"),
        (matrix(dimensions=[""]), "matrix.dimensions[0]"),
        (matrix(dimensions=[1]), "matrix.dimensions[0]"),
        (matrix(dimensions=["x" * 101]), "matrix.dimensions[0]"),
        (matrix(dimensions=[{"name": "a"}]), "matrix.dimensions[0].expression"),
        (matrix(dimensions=[{"name": "a", "expression": "1 +"}]),
            "matrix.dimensions[0].expression"),
        (matrix(dimensions=list("abcdefg")), "matrix.dimensions"),
        (matrix(cells=[]), "matrix.cells"),
        (matrix(cells={}), "matrix.cells"),
        (matrix(cells=[CELL] * (CELLS_MAX + 1)), "matrix.cells"),
        (matrix(cells=["x"]), "matrix.cells[0]"),
        (matrix(cells=[{"unit_amount": "1"}]), "matrix.cells[0].match"),
        (matrix(cells=[CELL, CELL]), "matrix.cells[1].match"),
        (matrix(cells=[{**CELL, "tiers": TIERS}]), "matrix.cells[0].tiers"),
        (matrix(cells=[{**CELL, "unit_size": "5"}]), "matrix.cells[0].unit_size"),
        (matrix(cells=[{"match": {"model": "opus"}}]), "matrix.cells[0].unit_amount"),
        (matrix(cells=[{**CELL, "unit_amount": "x"}]), "matrix.cells[0].unit_amount"),
        (matrix(cells=[{"match": {}, "charge_model": "graduated", "tiers": TIERS[:1]}]),
            "matrix.cells[0].tiers[0].up_to"),
        (matrix(cells=[{**CELL, "match": {"speed": "1"}}]), "matrix.cells[0].match.speed"),
        (matrix(cells=[{**CELL, "match": {"model": 1}}]), "matrix.cells[0].match.model"),
        (matrix(cells=[{**CELL, "match": {"model": ""}}]), "matrix.cells[0].match.model"),
        (ranges({}), "matrix.cells[0].match.size.gt"),
        (ranges({"gt": "x"}), "matrix.cells[0].match.size.gt"),
        (ranges({"over": "1"}), "matrix.cells[0].match.size.over"),
        (ranges({"gt": "5", "lt": "5"}), "matrix.cells[0].match.size.lt"),
        (ranges({"gt": "5", "gte": "5"}), "matrix.cells[0].match.size.gte"),
        (ranges({"gte": "5"}, {"lte": "5"}), "matrix.cells[1].match"),
        (ranges(*({"gte": str(n), "lt": str(n + 1)} for n in range(RANGES_MAX + 1))),
            f"matrix.cells[{RANGES_MAX}].match"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_field(definition: object, field: str) -> None:
    assert field in mistakes(definition)


def cells(*models: dict[str, Any], **around: Any) -> dict[str, Any]:
    rows = [{"match": {"model": str(number)}, **each} for number, each in enumerate(models)]
    return matrix(cells=rows) | around


OVER_ALL = {"tiers_count": "over_all_cells"}
VOLUME = {"charge_model": "volume_tiers", "tiers": [{"unit_amount": "1"}]}
VOLUME_WITH_FLAT = {"charge_model": "volume_tiers", "tiers": TIERS}
GRADUATED = {"charge_model": "graduated", "tiers": TIERS}
SHARE = {"charge_model": "percentage", "percentage": "1"}
STEP = {"charge_model": "stairstep", "tiers": [{"flat_amount": "1"}]}


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        (cells(VOLUME, GRADUATED, {"unit_amount": "1"}), None),
        (cells(VOLUME, SHARE), "matrix.cells[1].charge_model"),
        (cells({"charge_model": "dynamic", "multiplier": "1"}, STEP),
            "matrix.cells[0].charge_model"),
        (cells(SHARE, **VOLUME), "matrix.cells[0].charge_model"),
        (cells(GRADUATED, {"unit_amount": "1"}, **OVER_ALL), None),
        (cells(VOLUME, **OVER_ALL), None),
        (cells(SHARE, **OVER_ALL), None),
        (cells(GRADUATED, VOLUME, **OVER_ALL), "matrix.cells[0].charge_model"),
        (cells(GRADUATED, {"flat_amount": "1"}, **OVER_ALL), "matrix.cells[1].charge_model"),
        (cells(GRADUATED, {"unit_amount": "1", "package_size": "5"}, **OVER_ALL),
            "matrix.cells[1].charge_model"),
        (cells(STEP, **OVER_ALL), "matrix.cells[0].charge_model"),
        (cells(VOLUME_WITH_FLAT, **OVER_ALL), "matrix.cells[0].tiers"),
        (cells(VOLUME, **OVER_ALL, **VOLUME_WITH_FLAT), "tiers"),
        (cells(VOLUME, **OVER_ALL, **STEP), "charge_model"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(
    definition: dict[str, Any], field: str | None
) -> None:
    if field is None:
        assert parse_definition(definition).matrix is not None
    else:
        assert field in mistakes(definition)


def test_all_mistakes_are_named_at_once() -> None:
    cells = [{"match": {"model": ""}, "unit_amount": "1"}, {"match": {}, "unit_amount": "-1"}]
    found = mistakes({**matrix(cells=cells), "charge_model": "?", "unit_size": "?"})
    assert found.keys() == {
        "charge_model",
        "unit_size",
        "matrix.cells[0].match.model",
        "matrix.cells[1].unit_amount",
    }


def test_the_message_is_for_people() -> None:
    with pytest.raises(PriceInvalid, match=r"^unit_amount: must be zero or more$"):
        parse_definition({**PER_UNIT, "unit_amount": "-1"})


class TestAgainstMeter:
    """What makes no sense for a meter."""

    def meter(self, aggregation: Any = "sum", **wanted: Any) -> MeterSpec:
        return MeterSpec(
            code="tokens",
            event_type="llm.call",
            aggregation=aggregation,
            value="tokens",
            filter=filters.parse(wanted),
        )

    @pytest.mark.parametrize("aggregation", ["max", "latest", "unique_count", "weighted_sum"])
    def test_a_share_of_each_event_needs_events_that_add_up(self, aggregation: Any) -> None:
        for definition in (
            {"charge_model": "percentage", "percentage": "1"},
            matrix(cells=[{"match": {}, "multiplier": "1"}]),
        ):
            terms = parse_definition(definition)
            (error,) = check_against_meter(terms, self.meter(aggregation))
            assert error.field == "charge_model"
            assert check_against_meter(terms, self.meter("count")) == []

    @pytest.mark.parametrize("aggregation", ["latest", "average", "min", "weighted_sum"])
    def test_tiers_over_all_cells_are_walked_by_a_total_that_never_falls(
        self, aggregation: Any
    ) -> None:
        terms = parse_definition(cells(GRADUATED, **OVER_ALL))
        (error,) = check_against_meter(terms, self.meter(aggregation))
        assert error.field == "tiers_count"
        assert check_against_meter(terms, self.meter("max")) == []
        assert (
            check_against_meter(
                parse_definition(cells(VOLUME, **OVER_ALL)), self.meter(aggregation)
            )
            == []
        )

    @pytest.mark.parametrize(
        ("match", "wanted", "met"),
        [
            ("opus", {"model": "opus"}, True),
            ("haiku", {"model": "opus"}, False),
            ("haiku", {"model": {"in": ["opus", "haiku"]}}, True),
            ("haiku", {"model": {"not_equals": "haiku"}}, True),
            ("*", {"model": "opus"}, True),
            ({"gt": "5"}, {"model": "6"}, True),
            ({"gt": "5"}, {"model": {"in": ["5", "many"]}}, False),
        ],
    )
    def test_a_cell_the_meter_never_lets_pass(
        self, match: Any, wanted: dict[str, Any], met: bool
    ) -> None:
        terms = parse_definition(matrix(cells=[{"match": {"model": match}, "unit_amount": "1"}]))
        errors = check_against_meter(terms, self.meter(**wanted))
        assert [error.field for error in errors] == ([] if met else ["matrix.cells[0].match.model"])
