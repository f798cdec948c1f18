"""The editor's fields and the definition they stand for."""

from typing import Any

import pytest
from hypothesis import given

from pricing.admin import cell_texts, charge_choices, price_fields, tier_table
from pricing.admin.price_fields import FieldsInvalid
from pricing.admin.text_tables import TableInvalid
from tests.pricing.definitions import definitions

TIERS = "up to | price | flat\n1000 | 0.01 | 5\nabove | 0.008"


@given(definitions())
def test_a_definition_survives_being_edited(definition: dict[str, Any]) -> None:
    assert price_fields.drafted(price_fields.fields_of(definition)).definition == definition


def test_a_definition_becomes_fields() -> None:
    fields = price_fields.fields_of({"charge_model": "per_unit", "unit_amount": "0.50"})
    assert fields["unit_amount"] == "0.50"
    assert (fields["unit_size"], fields["rounding"], fields["matrix"]) == ("1", "none", "")
    assert fields["true_up"] == "on"


def test_fields_of_another_charge_model_are_ignored() -> None:
    typed = {"charge_model": "flat", "flat_amount": "20", "unit_amount": "3", "tiers": TIERS}
    assert price_fields.drafted(typed).definition == {"charge_model": "flat", "flat_amount": "20"}


@pytest.mark.parametrize(
    ("charge_model", "tiers"),
    [
        (
            "graduated",
            [
                {"up_to": "1000", "unit_amount": "0.01", "flat_amount": "5"},
                {"up_to": None, "unit_amount": "0.008"},
            ],
        ),
        (
            "percentage",
            [
                {"up_to": "1000", "percentage": "0.01", "flat_amount": "5"},
                {"up_to": None, "percentage": "0.008"},
            ],
        ),
    ],
)
def test_what_a_tiers_price_means_is_for_the_model_to_say(
    charge_model: str, tiers: list[dict[str, Any]]
) -> None:
    typed = {"charge_model": charge_model, "tiers": TIERS}
    assert price_fields.drafted(typed).definition["tiers"] == tiers


def test_amounts_are_read_as_price_pages_write_them() -> None:
    typed = {"charge_model": "per_unit", "unit_amount": "$2.50", "unit_size": "1M"}
    assert price_fields.drafted(typed).definition == {
        "charge_model": "per_unit",
        "unit_amount": "2.50",
        "unit_size": "1000000",
    }


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("$2.50", "2.50"), ("US$2.50", "2.50"), ("2.50 €", "2.50"), ("1,250.00", "1250.00"),
        ("1,000,000", "1000000"), ("free", "0"), ("1.2%", "1.2"),
        # A comma that may be a decimal point is left for the person to make clear.
        ("1,250", "1,250"), ("0,125", "0,125"), ("abc", "abc"),
    ],
)  # fmt: skip
def test_an_amount_is_cleaned_only_where_its_meaning_is_plain(typed: str, meant: str) -> None:
    assert cell_texts.amount(typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("1M", "1000000"), ("200 K", "200000"), ("1.5k", "1500"), ("1 M x", "1 M x")],
)
def test_quantities_may_be_short(typed: str, meant: str) -> None:
    assert cell_texts.quantity(typed) == meant


@pytest.mark.parametrize(
    ("path", "field", "sentence"),
    [
        ("unit_size", "unit_size", "This is bad."),
        ("tiers[1].up_to", "tiers", "Row 3, column up to: is bad."),
        ("tiers[0].unit_amount", "tiers", "Row 2, column price: is bad."),
        ("tiers", "tiers", "The tiers: is bad."),
        ("commitment", "commitment_units", "This is bad."),
        ("commitment.amount", "commitment_amount", "This is bad."),
        ("commitment.overage_factor", "overage_factor", "This is bad."),
        ("matrix.cells[0].unit_amount", "matrix", "Row 2, column price: is bad."),
        ("definition", "", "definition is bad."),
    ],
)
def test_a_mistake_finds_its_field(path: str, field: str, sentence: str) -> None:
    typed = {"charge_model": "graduated", "tiers": TIERS, "matrix": "model|price\nopus|1"}
    placed = price_fields.drafted(typed).place(path, "is bad")
    assert (placed.field, str(placed.mistake)) == (field, sentence)


def test_tables_that_cannot_be_read_are_all_named() -> None:
    typed = {"charge_model": "graduated", "tiers": "1000 | ", "matrix": "model|price\nopus|"}
    with pytest.raises(FieldsInvalid) as refusal:
        price_fields.drafted(typed)
    assert [field for field, _ in refusal.value.mistakes] == ["tiers", "matrix"]


def test_a_row_of_tiers_is_never_too_wide() -> None:
    with pytest.raises(TableInvalid, match="Row 2: has 4 columns"):
        tier_table.parse("up to|price|flat\n1|2|3|4")


def test_tiers_need_no_first_row_of_names() -> None:
    assert tier_table.parse("1000\t0.01\nabove\t0.008").lines == [1, 2]


def test_every_charge_model_is_explained() -> None:
    for choice in charge_choices.CHOICES:
        assert choice.sentence.endswith(".")
        assert choice.example.endswith(".")
        assert choice.main in {*choice.fields, "unit_amount", "flat_amount"}
