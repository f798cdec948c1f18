"""The prices in force, compiled."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pricing import catalog
from pricing.catalog import NotPublished
from tests.factories import MeterFactory, PlanVersionFactory
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


def test_a_published_version_is_compiled_with_its_prices(video: VideoWorld) -> None:
    plan = catalog.compiled_plan(video.plan_version.id)
    [price] = plan.prices_for("video.rendered")
    assert (price.asset_code, price.compiled.meter.code) == ("USD", "video_minutes")
    assert plan.shortfall_policy == "block"
    assert plan.price(price.price_id) is price
    assert not plan.prices_for("audio.rendered")
    assert not plan.unique_counts_for("video.rendered")


def test_it_is_compiled_once(video: VideoWorld) -> None:
    first = catalog.compiled_plan(video.plan_version.id)
    with CaptureQueriesContext(connection) as queries:
        assert catalog.compiled_plan(video.plan_version.id) is first
    assert len(queries) == 0


def test_a_draft_is_not_in_the_catalog() -> None:
    draft = PlanVersionFactory.create()
    with pytest.raises(NotPublished):
        catalog.compiled_plan(draft.id)


def test_a_meter_that_counts_is_read_as_such(video: VideoWorld) -> None:
    price = video.plan_version.prices.get()
    price.meter = MeterFactory.create(organization=video.organization, counting=True)
    assert catalog.meter_spec(price).aggregation == "count"
