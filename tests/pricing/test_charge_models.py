"""What a quantity costs."""

from decimal import Decimal

import pytest

from pricing.charge_models import PerUnit


@pytest.mark.parametrize(
    ("unit_amount", "unit_size", "units", "cost"),
    [
        ("1.25", "1000000", "1000000", "1.25"),
        ("10", "1000000", "1000000", "10"),
        ("1.00", "1", "2.5", "2.5"),
        ("0", "1", "1000", "0"),
        ("1", "3", "1", "0." + "3" * 100),
        ("2", "3", "3", "2"),
    ],
)
def test_every_unit_costs_the_same(unit_amount: str, unit_size: str, units: str, cost: str) -> None:
    model = PerUnit(Decimal(unit_amount), Decimal(unit_size))
    assert model.cost(Decimal(units)) == Decimal(cost)


@pytest.mark.parametrize(
    ("units", "blocks"), [("0", 0), ("0.001", 1), ("9", 1), ("10", 1), ("10.5", 2), ("11", 2)]
)
def test_rounding_up_counts_each_started_block(units: str, blocks: int) -> None:
    model = PerUnit(Decimal(100), unit_size=Decimal(10), round_up=True)
    assert model.cost(Decimal(units)) == 100 * blocks


def test_units_are_converted_and_rounded_up() -> None:
    assert PerUnit(Decimal(10), unit_size=Decimal(1000), round_up=True).cost(Decimal(1400)) == 20


@pytest.mark.parametrize(("unit_amount", "unit_size"), [("-0.01", "1"), ("1", "0"), ("1", "-1")])
def test_terms_that_make_no_sense_are_refused(unit_amount: str, unit_size: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        PerUnit(Decimal(unit_amount), Decimal(unit_size))


def test_the_working_names_the_terms() -> None:
    assert PerUnit(Decimal("0.50"), Decimal("1E+6"), round_up=True).describe() == {
        "charge_model": "per_unit",
        "unit_amount": "0.50",
        "unit_size": "1000000",
        "rounding": "up",
    }
    assert PerUnit(Decimal(1)).describe()["rounding"] == "none"
