"""Spend caps and the switch, as integrators set them."""

from typing import Any

import pytest

from tests.api.bodies import fast_minutes
from tests.api.callers import Caller
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

DAILY: dict[str, Any] = {"window": "day", "limit": "2.5", "asset": "USD"}


def path(video: VideoWorld, rest: str) -> str:
    return f"customers/{video.customer.external_id}/{rest}"


def test_a_cap_is_set_read_and_lifted(api: Caller, video: VideoWorld) -> None:
    created = api.post(path(video, "caps"), {**DAILY, "property_name": "speed", "name": "Fast"})
    assert created.status == 201
    assert (created.json["limit"], created.json["used"]) == ("2.5", [])
    api.post("events", fast_minutes(video, "2"))
    [listed] = api.get(path(video, "caps")).json["results"]
    assert listed["used"] == [{"value": "fast", "used": "2"}]
    lifted = api.send("DELETE", path(video, f"caps/{created.json['id']}"))
    assert lifted.status == 204
    assert api.get(path(video, "caps")).json["results"] == []
    api.send("DELETE", path(video, f"caps/{created.json['id']}")).problem(404)


def test_a_refusal_names_the_cap_and_what_would_have_been_needed(
    api: Caller, video: VideoWorld
) -> None:
    cap = api.post(path(video, "caps"), DAILY).json
    problem = api.post("events", fast_minutes(video, "300")).problem(402, "spend_cap")
    assert (problem["limit"], problem["needed"], problem["available"]) == (cap["id"], "300", "2.5")
    assert [each["reason"] for each in problem["refusals"]] == ["spend_cap", "insufficient_credit"]
    [result] = api.post("events", {"events": [fast_minutes(video, "300")]}).json["results"]
    assert result["refusals"] == problem["refusals"]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"window": "fortnight"}, ["window"]),
        ({"limit": "-1"}, ["limit"]),
        ({"limit": "NaN"}, ["limit"]),
        ({"asset": "XXX"}, ["asset"]),
        ({"asset": None}, ["asset"]),
        ({"meter": "nothing"}, ["meter"]),
        ({"property_value": "red"}, ["property_name"]),
        ({"owner": "me"}, ["owner"]),
        ({"extra": "1"}, ["extra"]),
    ],
)
def test_a_cap_that_makes_no_sense_is_refused(
    api: Caller, video: VideoWorld, change: dict[str, Any], fields: list[str]
) -> None:
    assert api.post(path(video, "caps"), {**DAILY, **change}).wrong_fields() == fields


def test_a_cap_needs_something_to_count(api: Caller, video: VideoWorld) -> None:
    body = {"window": "day", "limit": "1"}
    assert api.post(path(video, "caps"), body).wrong_fields() == ["asset"]


def test_usage_is_stopped_and_resumed(api: Caller, video: VideoWorld) -> None:
    assert api.post(path(video, "stop"), {}).json["usage_stopped_at"] is not None
    api.post("events", fast_minutes(video)).problem(402, "usage_stopped")
    assert api.post(path(video, "resume"), {}).json["usage_stopped_at"] is None
    assert api.post("events", fast_minutes(video)).status == 201
