"""The engine against another reading of the rules, in fractions (see `tests.pricing.oracle`)."""

import pytest

from accounts import money
from pricing import charge_functions, rate_functions
from pricing.event_charge_models import Percentage
from tests.pricing import oracle_cases

CASES = 10_000


def test_the_engine_and_the_oracle_agree_on_every_figure() -> None:
    assert oracle_cases.compare(seed=1, cases=CASES) == []


def test_the_cases_meet_what_matters() -> None:
    """Every model, matrices, both ways to settle, rounding, and everything around a price."""
    met: set[str] = set()
    for seed in range(1, 500):
        sample, price = oracle_cases.draw(seed)
        met |= {model.name for model in price.terms.charge_models()}
        met |= {name for name, value in sample.case.definition.items() if value}
        met |= {sample.case.aggregation, f"at_close {sample.case.at_close}"}
        met |= {f"accrues {price.accrues}", f"over all {price.terms.tiers_count_all}"}
    assert met >= {
        "flat", "per_unit", "package", "graduated", "volume_tiers", "stairstep", "percentage",
        "dynamic", "matrix", "unit_size", "rounding", "included", "minimum_amount",
        "maximum_amount", "commitment", "count", "sum", "max", "min", "average", "latest",
        "unique_count", "weighted_sum", "at_close True", "at_close False", "accrues True",
        "accrues False", "over all True",
    }  # fmt: skip


class TestItNotices:
    """What the oracle would say of an engine that is wrong in one place."""

    def test_a_last_place_that_is_rounded_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        quantum = money.QUANTUM
        monkeypatch.setattr(
            money, "quantize", lambda amount: amount.quantize(quantum, "ROUND_HALF_DOWN")
        )
        assert oracle_cases.compare(seed=1, cases=1_000) != []

    def test_also_in_the_functions_that_prices_are_compiled_to(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            charge_functions,
            "_round",
            lambda amount, quantum: amount.quantize(quantum, "ROUND_HALF_DOWN"),
        )
        assert oracle_cases.compare(seed=1, cases=1_000) != []

    def test_included_units_that_are_given_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = rate_functions.beyond
        monkeypatch.setattr(
            rate_functions, "beyond", lambda included, used, quantity: min(
                whole(included, used, quantity), max(quantity - included, money.ZERO)
            )
        )  # fmt: skip
        assert oracle_cases.compare(seed=1, cases=1_000) != []

    def test_free_events_that_end_one_too_late(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = Percentage.charge
        monkeypatch.setattr(
            Percentage, "charge", lambda model, usage, size=money.ZERO + 1: whole(
                model, usage._replace(events_before=max(usage.events_before - 1, 0)), size
            )
        )  # fmt: skip
        assert oracle_cases.compare(seed=1, cases=2_000) != []
