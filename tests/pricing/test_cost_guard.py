"""The guard against selling below cost."""

from decimal import Decimal
from typing import Any

import pytest

from pricing import cost_guard, cost_rates, publication
from pricing.models import CostPolicy, Meter, PlanVersion
from pricing.publication import PublicationRefused
from tests.clock import DAY, NOW
from tests.factories import (
    AssetFactory,
    CostPolicyFactory,
    CostRateFactory,
    MeterFactory,
    PlanVersionFactory,
    PriceFactory,
)

pytestmark = pytest.mark.django_db

COSTS = {
    "charge_model": "per_unit",
    "unit_size": "1000000",
    "matrix": {
        "dimensions": ["model"],
        "cells": [
            {"match": {"model": "opus"}, "unit_amount": "15"},
            {"match": {"model": "haiku"}, "unit_amount": "1"},
        ],
    },
}


@pytest.fixture
def version() -> PlanVersion:
    """A draft that sells a million tokens at 2 USD, of models that cost 15 and 1."""
    draft: PlanVersion = PlanVersionFactory.create()
    meter = MeterFactory.create(organization=draft.organization, code="input_tokens")
    CostRateFactory.create(meter=meter, definition=COSTS, effective_from=NOW)
    _sell(draft, {"charge_model": "per_unit", "unit_size": "1000000", "unit_amount": "2"})
    return draft


def _sell(draft: PlanVersion, definition: dict[str, Any], **terms: Any) -> None:
    if "meter" not in terms:
        terms["meter"] = Meter.objects.get(organization=draft.organization)
    PriceFactory.create(plan_version=draft, definition=definition, **terms)


def test_a_model_sold_below_cost_is_found(version: PlanVersion) -> None:
    [finding] = cost_guard.findings(version, NOW)
    assert (finding.meter, finding.cell, finding.vendor) == (
        "input_tokens", "model opus", "anthropic",
    )  # fmt: skip
    assert (finding.price, finding.cost, finding.unit_size) == (
        Decimal(2), Decimal(15), Decimal(1_000_000),
    )  # fmt: skip
    assert finding.field == "prices[input_tokens, USD]"
    assert finding.reason == (
        "model opus: 2 for each 1000000 units is less than the 15 that anthropic takes"
    )


def test_only_costs_in_force_count(version: PlanVersion) -> None:
    assert cost_guard.findings(version, NOW - DAY) == []


def test_another_asset_cannot_be_compared(version: PlanVersion) -> None:
    version.prices.all().delete()
    credit = AssetFactory.create(organization=version.organization, own_unit=True)
    _sell(version, {"charge_model": "per_unit", "unit_amount": "0"}, asset=credit)
    assert cost_guard.findings(version, NOW) == []


def test_other_meters_and_neighbours_do_not_count(version: PlanVersion) -> None:
    version.prices.all().delete()
    other = MeterFactory.create(organization=version.organization, code="output_tokens")
    _sell(version, {"charge_model": "per_unit", "unit_amount": "0"}, meter=other)
    CostRateFactory.create(meter__code="output_tokens")
    assert cost_guard.findings(version, NOW) == []


def test_a_price_that_cannot_be_read_is_left_to_publication(version: PlanVersion) -> None:
    version.prices.update(definition={"charge_model": "per_unit"})
    assert cost_guard.findings(version, NOW) == []


def test_without_costs_there_is_nothing_to_find() -> None:
    draft = PriceFactory.create().plan_version
    assert cost_guard.findings(draft, NOW) == []
    assert cost_guard.problems(draft, at=NOW) == []


def test_a_policy_that_refuses_keeps_it_from_being_published(version: PlanVersion) -> None:
    cost_rates.set_policy(asset=CostPolicy.objects.get().asset, refuse_below_cost=True)
    with pytest.raises(PublicationRefused) as error:
        publication.publish(version=version, by=None, at=NOW)
    [problem] = error.value.problems
    assert problem.field == "prices[input_tokens, USD]"
    assert problem.reason.startswith("model opus: 2 for each")


def test_a_policy_that_warns_lets_it_be_published(version: PlanVersion) -> None:
    CostPolicyFactory.create(refuse_below_cost=True)  # A neighbour's.
    assert cost_guard.findings(version, NOW)
    assert publication.publish(version=version, by=None, at=NOW).published_at == NOW
