"""What the database itself refuses to do to costs."""

import uuid

import pytest

from pricing.models import CostPolicy, CostRate
from tests.clock import DAY, NEVER_PAST, NOW, SINCE
from tests.factories import (
    AssetFactory,
    CostPolicyFactory,
    CostRateFactory,
    MeterFactory,
)
from tests.guarded_tables import refused, run

pytestmark = pytest.mark.django_db


def test_a_rate_in_force_never_changes() -> None:
    rate = CostRateFactory.create()
    with refused("came into force"):
        CostRate.objects.filter(id=rate.id).update(definition={"unit_amount": "1"})
    with refused("came into force"):
        CostRate.objects.filter(id=rate.id).update(effective_from=NEVER_PAST)
    with refused("came into force"):
        CostRate.objects.filter(id=rate.id).delete()


def test_a_planned_rate_may_change_and_go() -> None:
    rate = CostRateFactory.create(planned=True)
    CostRate.objects.filter(id=rate.id).update(name="dearer")
    CostRate.objects.filter(id=rate.id).delete()
    assert CostRate.objects.count() == 0


def test_a_planned_rate_does_not_move_behind_one_in_force() -> None:
    rate = CostRateFactory.create(effective_from=NOW)
    planned = CostRateFactory.create(meter=rate.meter, planned=True)
    with refused("already in force"):
        CostRate.objects.filter(id=planned.id).update(effective_from=SINCE)


def test_no_rate_overtakes_one_in_force() -> None:
    rate = CostRateFactory.create(effective_from=NOW)
    with refused("already in force"):
        CostRateFactory.create(meter=rate.meter, effective_from=NOW - DAY)
    CostRateFactory.create(meter=rate.meter, effective_from=NOW + DAY)
    CostRateFactory.create(meter=rate.meter, vendor="openai", effective_from=NOW - DAY)
    assert CostRate.objects.count() == 3


def test_rates_of_one_moment_are_one() -> None:
    rate = CostRateFactory.create(planned=True)
    with refused("one_cost_rate_at_a_time"):
        CostRateFactory.create(meter=rate.meter, planned=True)


def test_a_rate_needs_an_asset_to_be_in() -> None:
    meter = MeterFactory.create()
    with refused("needs a cost policy"):
        CostRate.objects.create(
            organization=meter.organization, meter=meter, vendor="x", effective_from=NOW
        )


def test_the_asset_stays_once_rates_are_written_in_it() -> None:
    policy = CostPolicyFactory.create()
    euro = AssetFactory.create(organization=policy.organization, code="EUR", name="Euro")
    CostPolicy.objects.filter(id=policy.id).update(asset=euro)
    CostRateFactory.create(meter__organization=policy.organization)
    with refused("costs stay in the asset"):
        CostPolicy.objects.filter(id=policy.id).update(
            asset=AssetFactory.create(organization=policy.organization)
        )
    with refused("costs stay in the asset"):
        CostPolicy.objects.filter(id=policy.id).delete()


def test_every_change_of_a_rate_moves_the_revision() -> None:
    rate = CostRateFactory.create(planned=True)
    revisions = {_revision()}
    CostRate.objects.filter(id=rate.id).update(name="dearer")
    revisions.add(_revision())
    CostRate.objects.filter(id=rate.id).delete()
    assert len({*revisions, _revision()}) == 3


def _revision() -> uuid.UUID:
    return CostPolicy.objects.get().revision


def test_costs_are_never_truncated() -> None:
    for table in ("pricing_costrate", "pricing_costpolicy"):
        with refused("never truncated"):
            run(f"TRUNCATE {table}")
