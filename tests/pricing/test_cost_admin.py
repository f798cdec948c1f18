"""Admin pages of costs."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Organization, Role, User
from pricing.models import CostPolicy, CostRate, Meter
from tests.accounts.admin_worlds import page, signed_in
from tests.clock import SINCE
from tests.factories import (
    AssetFactory,
    CostPolicyFactory,
    CostRateFactory,
    MembershipFactory,
    MeterFactory,
)

pytestmark = pytest.mark.django_db

DEFINITION = '{"charge_model": "per_unit", "unit_amount": "3", "unit_size": "1000000"}'


@pytest.fixture
def meter() -> Meter:
    return MeterFactory.create(code="input_tokens", name="Input tokens")


@pytest.fixture
def organization(meter: Meter) -> Organization:
    return meter.organization


@pytest.fixture
def browser(organization: Organization) -> Client:
    return signed_in(_member(organization, Role.OWNER))


def _member(organization: Organization, role: Role) -> User:
    return MembershipFactory.create(organization=organization, role=role).user


def typed(meter: Meter, **fields: Any) -> dict[str, Any]:
    return {
        "vendor": "anthropic",
        "meter": str(meter.id),
        "name": "",
        "effective_from_0": "2025-01-01",
        "effective_from_1": "00:00:00",
        "definition": DEFINITION,
        **fields,
    }


def mistakes(browser: Client, form: dict[str, Any]) -> str:
    answer = browser.post(page(CostRate, "add"), form)
    assert answer.status_code == 200
    assert CostRate.objects.count() == 0
    return answer.content.decode()


def test_a_rate_is_added_and_looked_at(browser: Client, meter: Meter) -> None:
    CostPolicyFactory.create(organization=meter.organization)
    answer = browser.post(page(CostRate, "add"), typed(meter))
    assert answer.status_code == 302
    rate = CostRate.objects.get()
    assert (rate.vendor, rate.meter, rate.effective_from) == ("anthropic", meter, SINCE)
    shown = browser.get(page(CostRate, "change", rate.id)).content.decode()
    assert "3.00 USD per 1,000,000 × unit" in shown
    assert 'name="definition"' not in shown
    assert 'name="_save"' not in shown
    assert browser.get(page(CostRate, "changelist")).status_code == 200


def test_exact_numbers_stay_exact(browser: Client, meter: Meter) -> None:
    CostPolicyFactory.create(organization=meter.organization)
    amount = '{"charge_model": "per_unit", "unit_amount": 0.000000000001}'
    browser.post(page(CostRate, "add"), typed(meter, definition=amount))
    assert CostRate.objects.get().definition["unit_amount"] == "1E-12"


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("{", "no JSON that can be kept"),
        ("", "This field is required"),
        ("[1]", "Must be an object."),
        ('{"charge_model": "per_unit"}', "unit_amount is required."),
        ('{"charge_model": "flat", "flat_amount": "1"}', "flat needs the total of a period"),
    ],
)
def test_a_definition_that_is_no_cost_is_told_why(
    browser: Client, meter: Meter, definition: str, said: str
) -> None:
    CostPolicyFactory.create(organization=meter.organization)
    assert said in mistakes(browser, typed(meter, definition=definition))


def test_a_meter_that_does_not_add_up_is_told_why(browser: Client, meter: Meter) -> None:
    CostPolicyFactory.create(organization=meter.organization)
    seats = MeterFactory.create(organization=meter.organization, aggregation="max")
    assert "Takes the max of a period" in mistakes(browser, typed(seats))


def test_costs_need_a_policy_first(browser: Client, meter: Meter) -> None:
    assert "Say first, in a cost policy, in which" in mistakes(browser, typed(meter))


def test_no_rate_is_put_behind_one_in_force(browser: Client, meter: Meter) -> None:
    CostRateFactory.create(meter=meter, effective_from=SINCE)
    answer = browser.post(page(CostRate, "add"), typed(meter))
    assert answer.status_code == 200
    answer = browser.post(page(CostRate, "add"), typed(meter, effective_from_0="2024-12-31"))
    assert answer.status_code == 200
    assert "Must be later than the rate" in answer.content.decode()
    assert CostRate.objects.count() == 1


def test_a_neighbours_meter_cannot_be_chosen(browser: Client, meter: Meter) -> None:
    CostPolicyFactory.create(organization=meter.organization)
    stranger = MeterFactory.create()
    assert "Select a valid choice" in mistakes(browser, typed(stranger))


def test_only_a_planned_rate_is_deleted(browser: Client, meter: Meter) -> None:
    planned = CostRateFactory.create(meter=meter, planned=True)
    in_force = CostRateFactory.create(meter=meter)
    assert browser.post(page(CostRate, "delete", in_force.id), {"post": "yes"}).status_code == 403
    assert browser.post(page(CostRate, "delete", planned.id), {"post": "yes"}).status_code == 302
    assert list(CostRate.objects.all()) == [in_force]


def test_a_matrix_is_shown_as_a_table(browser: Client, meter: Meter) -> None:
    cells = [
        {"match": {"model": "<opus>", "prompt": {"gt": "5", "lte": "9"}}, "unit_amount": "15"},
        {"match": {"model": "*"}, "unit_amount": "1"},
        *({"match": {"model": f"m{n}"}, "unit_amount": "2"} for n in range(600)),
    ]
    matrix = {"dimensions": ["model", {"name": "prompt", "expression": "a"}], "cells": cells}
    rate = CostRateFactory.create(
        meter=meter, definition={"charge_model": "per_unit", "matrix": matrix}
    )
    shown = browser.get(page(CostRate, "change", rate.id)).content.decode()
    assert "model = &lt;opus&gt;, prompt &gt; 5 and &lt;= 9" in shown
    assert "15.00 USD per unit" in shown
    assert "and 102 more" in shown


def test_an_organization_has_one_policy(browser: Client, organization: Organization) -> None:
    usd = AssetFactory.create(organization=organization)
    form = {"asset": str(usd.id), "refuse_below_cost": "on"}
    assert browser.post(page(CostPolicy, "add"), form).status_code == 302
    policy = CostPolicy.objects.get()
    assert (policy.asset, policy.refuse_below_cost) == (usd, True)
    assert browser.get(page(CostPolicy, "add")).status_code == 403
    CostRateFactory.create(meter__organization=organization)
    shown = browser.get(page(CostPolicy, "change", policy.id)).content.decode()
    assert 'name="asset"' not in shown
    assert browser.post(page(CostPolicy, "change", policy.id), {}).status_code == 302
    policy.refresh_from_db()
    assert (policy.asset, policy.refuse_below_cost) == (usd, False)


def test_an_analyst_only_looks(organization: Organization, meter: Meter) -> None:
    rate = CostRateFactory.create(meter=meter, planned=True)
    analyst = signed_in(_member(organization, Role.ANALYST))
    assert analyst.get(page(CostRate, "change", rate.id)).status_code == 200
    assert analyst.get(page(CostRate, "add")).status_code == 403
    assert analyst.post(page(CostRate, "delete", rate.id), {"post": "yes"}).status_code == 403
    assert analyst.get(page(CostPolicy, "add")).status_code == 403


def test_a_meter_with_costs_keeps_what_it_counts(browser: Client, meter: Meter) -> None:
    CostRateFactory.create(meter=meter)
    shown = browser.get(page(Meter, "change", meter.id)).content.decode()
    assert 'name="name"' in shown
    assert 'name="quantity_property"' not in shown
