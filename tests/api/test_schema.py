"""The published description of the API."""

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.api import contract
from tests.api.bodies import fast_minutes
from tests.api.callers import Caller
from tests.factories import (
    CouponFactory,
    MeterFactory,
    PlanVersionFactory,
    PriceOverrideFactory,
    SubscriptionFactory,
)
from tests.worlds import VideoWorld


def operations() -> list[dict[str, Any]]:
    return [
        operation
        for by_method in contract.schema()["paths"].values()
        for operation in by_method.values()
    ]


def test_is_valid_and_made_without_a_warning() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file="/dev/null")


def test_describes_every_operation_and_its_refusals() -> None:
    for operation in operations():
        assert operation["summary"]
        assert operation["security"] == [{"apiKey": []}]
        refusals = {**operation["responses"]}
        accepted = {status for status in refusals if status < "300"}
        assert accepted
        assert "default" in refusals
        for status in refusals.keys() - accepted:
            assert list(refusals[status]["content"]) == [contract.PROBLEM]


def test_names_every_operation_once() -> None:
    names = [operation["operationId"] for operation in operations()]
    assert len(names) == len(set(names))


def test_is_served_to_everybody_with_its_pages_on_our_own_host(client: Client) -> None:
    schema = client.get("/api/schema/", headers={"Accept": "application/json"})
    assert schema.json()["openapi"].startswith("3.")
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert b"https://" not in page.content
    assert "script-src 'self'" in page["Content-Security-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    ["events?customer={}", "customers", "customers/{}/grants", "customers/{}/alerts",
     "customers/{}/balance", "customers/{}/overrides", "customers/{}/entitlements", "plans",
     "plans/{plan}/versions", "meters", "coupons", "subscriptions", "dead-letters", "invoices"],
)  # fmt: skip
def test_a_list_costs_the_same_however_long_it_is(
    api: Caller,
    video: VideoWorld,
    path: str,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(5):
        video.grant("1")
        alert = {"asset": "USD", "threshold": number}
        api.post(f"customers/{video.customer.external_id}/alerts", alert)
        api.post("events", fast_minutes(video, id=f"event-{number}"))
        api.post("events", fast_minutes(video, id=f"lost-{number}", customer="nobody"))
        CouponFactory.create(organization=video.organization)
        published = PlanVersionFactory.create(plan__organization=video.organization, published=True)
        PlanVersionFactory.create(plan=video.plan_version.plan, number=number + 2, published=True)
        meter = MeterFactory.create(organization=video.organization)
        PriceOverrideFactory.create(
            customer=video.customer, plan=published.plan, meter=meter, asset=video.usd
        )
        SubscriptionFactory.create(
            customer=video.add_customer().customer, plan_version=published, ended=True
        )
    with django_assert_max_num_queries(5):
        plan = video.plan_version.plan.code
        assert api.get(path.format(video.customer.external_id, plan=plan)).status == 200
