"""Random JSON, thrown at every address that takes a body: answered, and never by a 5xx."""

import json
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import contract
from tests.api.callers import Caller
from tests.api.tables import row_counts
from tests.authorized_work import authorize
from tests.clock import DAY
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

ODD_TEXTS = ["", " ", "\0", "\ud800", "٥", "NaN", "1e999999", "-0", "..", "a/b", "e\u0301", "$"]
PLAIN_VALUES = ["acme", "1", "USD", "UTC", "1.0", "2026-01-31T12:00:00Z", "video.rendered"]
TEXTS = st.one_of(st.sampled_from(ODD_TEXTS + PLAIN_VALUES), st.text(max_size=20))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


class Operation(NamedTuple):
    """Something that takes a body."""

    method: str
    path: str
    media_type: str
    members: list[str]


def operations() -> list[Operation]:
    """Return all of them, as the schema has them."""
    return [
        Operation(method.upper(), path, media_type, sorted(set(members(content["schema"]))))
        for path, by_method in contract.schema()["paths"].items()
        for method, operation in by_method.items()
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items()
    ]


def members(shape: dict[str, Any]) -> Iterator[str]:
    """Yield the names a body of this shape may have, at whatever depth."""
    if "$ref" in shape:
        yield from members(contract.schema()["components"]["schemas"][shape["$ref"].split("/")[-1]])
    for inner in [*shape.get("oneOf", []), *([shape["items"]] if "items" in shape else [])]:
        yield from members(inner)
    for name, inner in shape.get("properties", {}).items():
        yield name
        yield from members(inner)


def bodies(operation: Operation) -> st.SearchStrategy[Any]:
    """Bodies, most of them with names that are known here."""
    known = st.dictionaries(st.sampled_from(operation.members), ANYTHING)
    return st.one_of(known, known, st.lists(known, max_size=3), ANYTHING)


@given(data=st.data())
@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_json_breaks_nothing(api: Caller, video: VideoWorld, data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(operations()), label="operation")
    content = json.dumps(data.draw(bodies(operation), label="body")).encode()
    path = operation.path.format(
        external_id=video.customer.external_id,
        authorization_id=authorize(
            video, video.minutes_of("fast", "0"), expires_in=DAY, at=timezone.now()
        ).id,
        grant_id=video.account.grants.earliest("created_at").id,
        letter_id=uuid.uuid4(),
        invoice_id=uuid.uuid4(),
        subscription_id=video.customer.subscriptions.get().id,
        code=video.plan_version.plan.code,
        number=1,
    )
    before = row_counts()
    answer = api.send(operation.method, path, content, content_type=operation.media_type)
    assert answer.status < 500
    assert answer.status < 400 or row_counts() == before
