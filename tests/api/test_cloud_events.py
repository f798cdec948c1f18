"""The CloudEvents format, alone and in batches."""

from typing import Any

import pytest

from metering.models import Event
from tests.api.bodies import cloud_event, fast_minutes
from tests.api.callers import Answer, Caller
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


def send(api: Caller, event: object) -> Answer:
    return api.post("events", event, content_type="application/cloudevents+json")


def send_batch(api: Caller, *events: object) -> Answer:
    return api.post("events", list(events), content_type="application/cloudevents-batch+json")


class TestOneEvent:
    def test_is_recorded_without_a_word(self, api: Caller, video: VideoWorld) -> None:
        answer = send(api, cloud_event(video, time="2026-01-31T12:00:00Z"))
        assert (answer.status, answer.content) == (204, b"")
        shown = api.get("events/event-1", source="/renderers/7").json
        assert (shown["customer"], shown["type"]) == (video.customer.external_id, "video.rendered")
        assert shown["timestamp"] == "2026-01-31T12:00:00Z"
        assert shown["properties"] == {"minutes": "1", "speed": "fast"}
        assert video.balance() == 99

    def test_sent_again_is_a_replay_whatever_its_trace(
        self, api: Caller, video: VideoWorld
    ) -> None:
        send(api, cloud_event(video, traceparent="00-1"))
        again = send(api, cloud_event(video, traceparent="00-2", partitionkey="7"))
        assert (again.status, again.headers["Idempotent-Replayed"]) == (204, "true")
        assert Event.objects.count() == 1

    def test_is_the_same_event_as_in_our_own_format(self, api: Caller, video: VideoWorld) -> None:
        send(api, cloud_event(video))
        assert api.post("events", fast_minutes(video, source="/renderers/7")).status == 200

    def test_changed_is_a_conflict(self, api: Caller, video: VideoWorld) -> None:
        send(api, cloud_event(video))
        changed = cloud_event(video, data={"minutes": "2", "speed": "fast"})
        send(api, changed).problem(409, "conflict")

    def test_beyond_the_balance_is_refused(self, api: Caller, video: VideoWorld) -> None:
        dear = cloud_event(video, data={"minutes": "101", "speed": "fast"})
        send(api, dear).problem(402, "insufficient_credit")

    @pytest.mark.parametrize(
        "content_type", [None, "application/json", "application/vnd.x.v1+json; charset=utf-8"]
    )
    def test_takes_any_kind_of_json(
        self, api: Caller, video: VideoWorld, content_type: str | None
    ) -> None:
        assert send(api, cloud_event(video, datacontenttype=content_type)).status == 204

    @pytest.mark.parametrize(
        ("change", "wrong"),
        [
            ({"specversion": "0.3"}, "specversion"),
            ({"specversion": None}, "specversion"),
            ({"id": ""}, "id"),
            ({"source": None}, "source"),
            ({"source": 7}, "source"),
            ({"type": None}, "type"),
            ({"subject": None}, "subject"),
            ({"time": "yesterday"}, "time"),
            ({"data": "text"}, "data"),
            ({"data": {"a": "\0"}}, "data"),
            ({"data_base64": "AAAA"}, "data_base64"),
            ({"datacontenttype": "text/xml"}, "datacontenttype"),
            ({"datacontenttype": 7}, "datacontenttype"),
            ({"Data": {}}, "Data"),
            ({"trace-id": "7"}, "trace-id"),
        ],
    )
    def test_tells_mistakes_by_the_names_of_the_format(
        self, api: Caller, video: VideoWorld, change: dict[str, Any], wrong: str
    ) -> None:
        assert send(api, cloud_event(video, **change)).wrong_fields() == [wrong]
        assert not Event.objects.exists()

    @pytest.mark.parametrize("body", [[], [{}], "x", 1, None, {}])
    def test_has_to_be_an_event(self, api: Caller, body: object) -> None:
        assert send(api, body).wrong_fields()


class TestBatch:
    def test_wholly_accepted_is_answered_without_a_word(
        self, api: Caller, video: VideoWorld
    ) -> None:
        events = [cloud_event(video, id=f"event-{n}") for n in range(5)]
        for _ in range(2):
            answer = send_batch(api, *events)
            assert (answer.status, answer.content) == (204, b"")
        assert Event.objects.count() == 5

    def test_may_be_empty(self, api: Caller) -> None:
        assert send_batch(api).status == 204

    def test_partly_refused_is_no_success(self, api: Caller, video: VideoWorld) -> None:
        dear = cloud_event(video, id="dear", data={"minutes": "500", "speed": "fast"})
        answer = send_batch(api, cloud_event(video), dear)
        problem = answer.problem(402, "partly_refused")
        assert [each["code"] for each in problem["results"]] == [201, 402]
        assert problem["counts"] == {"recorded": 1, "blocked": 1}
        video.grant("500")
        assert send_batch(api, cloud_event(video), dear).status == 204

    def test_refused_for_several_reasons_is_invalid(self, api: Caller, video: VideoWorld) -> None:
        dear = cloud_event(video, id="dear", data={"minutes": "500", "speed": "fast"})
        problem = send_batch(api, dear, {}, cloud_event(video)).problem(422, "partly_refused")
        assert [each["code"] for each in problem["results"]] == [402, 422, 201]

    @pytest.mark.parametrize("body", [{}, {"events": []}, "x", None, [0] * 10_001])
    def test_has_to_be_a_list_of_up_to_ten_thousand(self, api: Caller, body: object) -> None:
        answer = api.post("events", body, content_type="application/cloudevents-batch+json")
        assert answer.wrong_fields() == ["events"]
