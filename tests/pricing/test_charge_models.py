"""What a quantity costs, and which terms are none."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from pricing.charge_models import (
    ChargeModel,
    Flat,
    Graduated,
    Package,
    PerUnit,
    Stairstep,
    TermsInvalid,
    Tier,
    Usage,
    VolumeTiers,
)
from pricing.event_charge_models import Dynamic, Percentage
from pricing.period_terms import Commitment, Conversion, PeriodBounds

D = Decimal


def tiers(*rows: tuple[str | None, str, str]) -> list[Tier]:
    return [
        Tier(None if up_to is None else D(up_to), D(unit), D(flat)) for up_to, unit, flat in rows
    ]


STEPS = tiers(("10", "10", "2"), ("20", "5", "3"), (None, "5", "3"))


@pytest.mark.parametrize(
    ("unit_amount", "size", "quantity", "cost"),
    [
        ("1.25", "1000000", "1000000", "1.25"),
        ("10", "1000000", "1000000", "10"),
        ("1.00", "1", "2.5", "2.5"),
        ("0", "1", "1000", "0"),
        ("1", "3", "1", "0." + "3" * 100),
        ("2", "3", "3", "2"),
    ],
)
def test_every_unit_costs_the_same(unit_amount: str, size: str, quantity: str, cost: str) -> None:
    assert PerUnit(D(unit_amount)).cost(D(quantity), D(size)) == D(cost)


@pytest.mark.parametrize(
    ("units", "blocks"), [("0", 0), ("0.001", 1), ("9", 1), ("10", 1), ("10.5", 2), ("11", 2)]
)
def test_a_package_counts_each_started_block(units: str, blocks: int) -> None:
    assert Package(D(100), D(10)).cost(D(units)) == 100 * blocks


def test_a_bound_belongs_to_the_tier_it_closes_also_where_a_unit_cannot_be_written() -> None:
    graduated = Graduated(tiers(("1", "10", "0"), (None, "1", "0")))
    assert graduated.cost(D(3), D(3)) == 10
    assert graduated.cost(D("3.000000000003"), D(3)) == D("10.000000000001")


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Flat(D(-1)), "flat_amount"),
        (lambda: PerUnit(D("-0.01")), "unit_amount"),
        (lambda: Package(D(-1)), "unit_amount"),
        (lambda: Package(D(1), D(0)), "package_size"),
        (lambda: Package(D(1), D(-1)), "package_size"),
        (lambda: Graduated([]), "tiers"),
        (lambda: Graduated(tiers(("5", "1", "0"))), "tiers[0].up_to"),
        (lambda: Graduated(tiers((None, "1", "0"), (None, "1", "0"))), "tiers[0].up_to"),
        (lambda: Graduated(tiers(("-1", "1", "0"), (None, "1", "0"))), "tiers[0].up_to"),
        (lambda: VolumeTiers(tiers(("5", "1", "0"), ("5", "1", "0"), (None, "1", "0"))),
            "tiers[1].up_to"),
        (lambda: VolumeTiers(tiers(("5", "-1", "0"), (None, "1", "0"))), "tiers[0].unit_amount"),
        (lambda: VolumeTiers(tiers(("5", "1", "0"), (None, "1", "-1"))), "tiers[1].flat_amount"),
        (lambda: Stairstep(tiers((None, "1", "1"))), "tiers[0].unit_amount"),
        (lambda: Percentage(tiers=tiers((None, "1", "0")), fixed_amount=D(-1)), "fixed_amount"),
        (lambda: Percentage(tiers=tiers((None, "1", "0")), free_amount=D(-1)), "free_amount"),
        (lambda: Percentage(tiers=tiers((None, "1", "0")), free_events=-1), "free_events"),
        (lambda: Percentage(tiers=tiers((None, "1", "0")), minimum_per_event=D(2),
            maximum_per_event=D(1)), "maximum_per_event"),
        (lambda: Dynamic(D(-1)), "multiplier"),
    ],
)  # fmt: skip
def test_terms_that_make_no_sense_are_refused(make: Callable[[], ChargeModel], field: str) -> None:
    with pytest.raises(TermsInvalid) as refused:
        make()
    assert refused.value.field == field


def labels(model: ChargeModel, before: str, quantity: str, *, opens: bool = False) -> list[str]:
    return [step.label for step in model.steps(Usage(D(before), D(quantity), opens=opens))]


@pytest.mark.parametrize(
    ("before", "quantity", "opens", "working"),
    [
        ("0", "21", True, ["10 at 10 + 2 = 102", "10 at 5 + 3 = 53", "1 at 5 + 3 = 8"]),
        ("0", "21", False, ["10 at 10 + 0 = 100", "10 at 5 + 3 = 53", "1 at 5 + 3 = 8"]),
        ("10", "1", False, ["0 at 10 + 0 = 0", "1 at 5 + 3 = 8"]),
        ("11", "1", False, ["1 at 5 + 0 = 5"]),
        ("0", "0", True, ["0 at 10 + 2 = 2"]),
    ],
)
def test_a_graduated_price_is_explained_tier_by_tier(
    before: str, quantity: str, opens: bool, working: list[str]
) -> None:
    steps = Graduated(STEPS).steps(Usage(D(before), D(quantity), opens=opens))
    assert [
        f"{step.units} at {step.unit_amount} + {step.flat_amount} = {step.amount}" for step in steps
    ] == working


def test_tiers_are_named_by_what_they_span() -> None:
    assert labels(Graduated(STEPS), "0", "21") == [
        "tier 1: 0 to 10",
        "tier 2: 10 to 20",
        "tier 3: above 20",
    ]
    assert labels(VolumeTiers(STEPS), "0", "20") == ["tier 2: 10 to 20"]


def test_a_percentage_is_explained_by_what_is_free_shared_fixed_and_bounded() -> None:
    share = Percentage(
        tiers=tiers((None, "1.2", "0")),
        fixed_amount=D("0.10"),
        free_amount=D(500),
        free_events=3,
    )
    assert labels(share, "0", "200") == ["free"]
    assert labels(share, "400", "200") == ["free", "tier 1: above 0", "each event"]
    capped = Percentage(tiers=tiers((None, "1.2", "0")), maximum_per_event=D(1))
    assert labels(capped, "0", "200") == ["tier 1: above 0", "maximum per event"]
    lifted = Percentage(tiers=tiers((None, "1.2", "0")), minimum_per_event=D(1))
    assert labels(lifted, "0", "2") == ["tier 1: above 0", "minimum per event"]


def test_a_first_event_alone_is_what_a_model_of_events_costs() -> None:
    assert Percentage(tiers=tiers((None, "2", "0")), free_events=0).cost(D(200)) == 4
    assert Dynamic(D("1.5")).cost(D(30), D(3)) == 15


def test_nothing_of_a_transaction_of_nothing_is_shared() -> None:
    share = Percentage(tiers=tiers((None, "2", "9")), fixed_amount=D("0.30"))
    assert labels(share, "0", "0") == ["each event"]
    assert share.charge(Usage(D(0), D(0))) == D("0.30")


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Commitment(amount=D(-1)), "commitment.amount"),
        (lambda: Commitment(amount=D(1), overage_factor=D(-1)), "commitment.overage_factor"),
        (lambda: PeriodBounds(minimum=D(-1)), "minimum_amount"),
        (lambda: PeriodBounds(maximum=D(-1)), "maximum_amount"),
        (lambda: Conversion(unit_size=D(0)), "unit_size"),
        (lambda: Conversion(places=13), "rounding_places"),
    ],
)
def test_what_surrounds_a_model_makes_sense_too(make: Callable[[], object], field: str) -> None:
    with pytest.raises(TermsInvalid) as refused:
        make()
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("model", "terms"),
    [
        (Flat(D("5.00")), {"charge_model": "flat", "flat_amount": "5"}),
        (PerUnit(D("0.50")), {"charge_model": "per_unit", "unit_amount": "0.5"}),
        (Package(D(3), D("1E+6")),
            {"charge_model": "package", "unit_amount": "3", "package_size": "1000000"}),
        (Stairstep(tiers((None, "0", "9"))), {"charge_model": "stairstep", "tiers": [
            {"up_to": None, "flat_amount": "9"}]}),
        (Dynamic(D("1.2"), "cost"),
            {"charge_model": "dynamic", "multiplier": "1.2", "amount_property": "cost"}),
    ],
)  # fmt: skip
def test_a_model_is_written_as_the_price_form_reads_it(
    model: ChargeModel, terms: dict[str, object]
) -> None:
    assert model.describe() == terms
