"""Cost rates: how they are written, and which of them is in force when."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from pricing import cost_rates, costs
from pricing.cost_rates import CostAssetFixed, CostRateInvalid, InForce
from pricing.models import CostRate, Meter
from tests.clock import DAY, NEVER_PAST, NOW, SECOND, SINCE
from tests.factories import AssetFactory, CostPolicyFactory, CostRateFactory, MeterFactory
from tests.guarded_tables import refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def meter() -> Meter:
    """A meter of an organization that keeps its costs in dollars."""
    made: Meter = MeterFactory.create()
    CostPolicyFactory.create(organization=made.organization)
    return made


def per_unit(amount: str) -> dict[str, Any]:
    return {"charge_model": "per_unit", "unit_amount": amount}


def add(meter: Meter, amount: str = "1", **terms: Any) -> CostRate:
    terms = {"vendor": "acme", "effective_from": NOW, "definition": per_unit(amount), **terms}
    return cost_rates.add_rate(meter=meter, at=NOW, **terms)


def wrong_fields(meter: Meter, **terms: Any) -> list[str]:
    with pytest.raises(CostRateInvalid) as error:
        add(meter, **terms)
    assert CostRate.objects.count() == 0
    return [each.field for each in error.value.errors]


def cost_at(meter: Meter, moment: dt.datetime) -> Decimal | None:
    book = costs.compiled_costs(meter.organization_id, moment)
    return book.cost_of(meter.event_type, {"minutes": "1"})


def test_a_rate_holds_from_its_moment_on(meter: Meter) -> None:
    add(meter, "1", effective_from=NOW)
    add(meter, "2", effective_from=NOW + DAY)
    seen = [cost_at(meter, NOW + offset) for offset in (-SECOND, DAY * 0, DAY - SECOND, DAY)]
    assert seen == [None, 1, 1, 2]


def test_a_rate_replaces_its_own_vendors_only(meter: Meter) -> None:
    add(meter, "5", vendor="dear")
    add(meter, "1", vendor="cheap", effective_from=NOW + DAY)
    assert cost_at(meter, NOW + DAY) == 5
    add(meter, "0", vendor="dear", effective_from=NOW + 2 * DAY)
    assert cost_at(meter, NOW + 2 * DAY) == 1


def test_a_neighbours_rates_never_apply(meter: Meter) -> None:
    CostRateFactory.create(meter__code=meter.code, meter__event_type=meter.event_type)
    assert cost_at(meter, NOW) is None


def test_an_organization_without_a_policy_knows_no_cost() -> None:
    history = costs.history(MeterFactory.create().organization_id)
    assert history.asset_id is None
    assert history.cost_of("video.rendered", {"minutes": "1"}, occurred_at=NOW) is None


def test_rates_are_compiled_once_and_noticed_at_once(
    meter: Meter, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    add(meter, "1", effective_from=SINCE)
    assert cost_at(meter, NOW) == 1
    with django_assert_num_queries(1):
        assert cost_at(meter, NOW) == 1
    add(meter, "2", effective_from=NOW)
    assert cost_at(meter, NOW) == 2


def test_what_was_rolled_back_is_forgotten(meter: Meter) -> None:
    class Undone(Exception):
        pass

    with pytest.raises(Undone), transaction.atomic():  # noqa: PT012
        add(meter, "7", effective_from=SINCE)
        assert cost_at(meter, NOW) == 7
        raise Undone
    assert cost_at(meter, NOW) is None
    add(meter, "8", effective_from=SINCE)
    assert cost_at(meter, NOW) == 8


def test_a_definition_that_is_no_price_is_told_by_its_fields(meter: Meter) -> None:
    assert wrong_fields(meter, definition={"charge_model": "per_unit"}) == [
        "definition.unit_amount"
    ]
    assert wrong_fields(meter, definition={**per_unit("1"), "included": "5"}) == [
        "definition.included"
    ]


def test_a_vendor_has_a_name(meter: Meter) -> None:
    assert wrong_fields(meter, vendor="") == ["vendor"]
    assert wrong_fields(meter, vendor="An Thropic") == ["vendor"]


def test_costs_need_an_asset_first() -> None:
    assert wrong_fields(MeterFactory.create()) == ["asset"]


def test_a_rate_comes_after_the_one_in_force(meter: Meter) -> None:
    add(meter, effective_from=NOW)
    with pytest.raises(CostRateInvalid, match="effective_from: must be later"):
        add(meter, effective_from=NOW)
    with pytest.raises(CostRateInvalid, match="effective_from: must be later"):
        add(meter, effective_from=NOW - DAY)


def test_two_planned_rates_do_not_begin_together(meter: Meter) -> None:
    add(meter, effective_from=NEVER_PAST)
    with pytest.raises(CostRateInvalid, match="from that moment"):
        add(meter, effective_from=NEVER_PAST)


def test_a_planned_rate_may_be_withdrawn(meter: Meter) -> None:
    cost_rates.withdraw_rate(add(meter, effective_from=NEVER_PAST), at=NOW)
    assert CostRate.objects.count() == 0
    with pytest.raises(InForce):
        cost_rates.withdraw_rate(add(meter), at=NOW)


def test_a_policy_may_change_its_asset_until_there_are_rates(meter: Meter) -> None:
    euro = AssetFactory.create(organization=meter.organization, code="EUR", name="Euro")
    policy = cost_rates.set_policy(asset=euro, refuse_below_cost=True)
    assert (policy.asset, policy.refuse_below_cost) == (euro, True)
    add(meter)
    with pytest.raises(CostAssetFixed):
        cost_rates.set_policy(
            asset=AssetFactory.create(organization=meter.organization), refuse_below_cost=True
        )
    cost_rates.set_policy(asset=euro, refuse_below_cost=False)
    stored = cost_rates.policy_of(meter.organization_id)
    assert stored is not None
    assert not stored.refuse_below_cost


def test_what_a_rate_counts_stays(meter: Meter) -> None:
    add(meter)
    with refused("what a cost rate counts never changes"):
        Meter.objects.filter(id=meter.id).update(quantity_property="seconds")
    Meter.objects.filter(id=meter.id).update(name="Renamed", unit="minute")
