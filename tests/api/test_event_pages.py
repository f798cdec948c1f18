"""Looking at events again: lists in pages, and one event explained."""

import datetime as dt
from http import HTTPStatus

import pytest
from django.utils import timezone

from tests.api.bodies import fast_minutes
from tests.api.callers import Caller
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


def walk(api: Caller, path: str, **query: object) -> list[list[str]]:
    """Follow `next` from page to page and return the ids on each."""
    answer = api.get(path, **query)
    pages = []
    while answer.status == HTTPStatus.OK:
        pages.append([each["id"] for each in answer.json["results"]])
        if answer.json["next"] is None:
            return pages
        answer = api.get(answer.json["next"])
    raise AssertionError(answer.json)


class TestList:
    def test_is_newest_first_and_of_one_customer(self, api: Caller, video: VideoWorld) -> None:
        other = video.add_customer()
        now = timezone.now()
        for name, age, world in [("old", 3, video), ("new", 1, video), ("their", 2, other)]:
            at = (now - dt.timedelta(days=age)).isoformat()
            api.post("events", fast_minutes(world, id=name, timestamp=at))
        assert walk(api, "events", customer=video.customer.external_id) == [["new", "old"]]
        assert walk(api, "events", customer=other.customer.external_id) == [["their"]]

    def test_shows_an_event_as_it_was_sent(self, api: Caller, video: VideoWorld) -> None:
        sent = fast_minutes(video, "2", timestamp="2026-01-31T23:00:00.5-05:00", source="eu")
        charges = api.post("events", sent).json["charges"]
        [shown] = api.get("events", customer=video.customer.external_id).json["results"]
        assert shown.pop("received_at")
        assert shown == {
            "id": "event-1",
            "source": "eu",
            "type": "video.rendered",
            "customer": video.customer.external_id,
            "timestamp": "2026-02-01T04:00:00.500000Z",
            "late": True,
            "backfill": False,
            "authorization": None,
            "voided_at": None,
            "properties": {"minutes": "2", "speed": "fast"},
            "charges": charges,
        }

    def test_of_one_moment_is_walked_without_loss_or_repetition(
        self, api: Caller, video: VideoWorld
    ) -> None:
        """A batch without timestamps: 1,203 events of the very same moment."""
        ids = [f"event-{n}" for n in range(1203)]
        events = [fast_minutes(video, "0.01", id=each) for each in ids]
        api.post("events", {"events": events})
        pages = walk(api, "events", customer=video.customer.external_id, limit=400)
        assert [len(each) for each in pages] == [400, 400, 400, 3]
        assert sorted(each for page in pages for each in page) == sorted(ids)

    def test_keeps_its_place_while_events_arrive(self, api: Caller, video: VideoWorld) -> None:
        for n in range(4):
            api.post("events", fast_minutes(video, id=f"before-{n}"))
        first = api.get("events", customer=video.customer.external_id, limit=2).json
        api.post("events", fast_minutes(video, id="meanwhile"))
        second = api.get(first["next"]).json
        shown = [each["id"] for page in (first, second) for each in page["results"]]
        assert shown == ["before-3", "before-2", "before-1", "before-0"]
        assert second["next"] is None

    def test_needs_a_customer_that_exists(self, api: Caller) -> None:
        assert api.get("events").wrong_fields() == ["customer"]
        api.get("events", customer="nobody").problem(404, "not_found")

    @pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "", "1.0", "٥", "9" * 5000, "\0"])
    def test_takes_sensible_limits_only(self, api: Caller, video: VideoWorld, limit: str) -> None:
        answer = api.get("events", customer=video.customer.external_id, limit=limit)
        assert answer.wrong_fields() == ["limit"]

    @pytest.mark.parametrize(
        "cursor",
        ["", "x", "%%%", "ä", "\0", "bm90IGEgcGxhY2U", "MjAyNg", "A" * 5000, "cD1OYU4=", "0000"],
    )
    def test_takes_its_own_cursors_only(self, api: Caller, video: VideoWorld, cursor: str) -> None:
        answer = api.get("events", customer=video.customer.external_id, cursor=cursor)
        assert answer.wrong_fields() == ["cursor"]


class TestOneEvent:
    def test_is_explained(self, api: Caller, video: VideoWorld) -> None:
        recorded = api.post("events", fast_minutes(video, "1.5", source="eu"))
        shown = api.get("events/event-1", source="eu").json
        [rated] = shown["rated"]
        [line] = shown["ledger"]
        assert shown["charges"] == recorded.json["charges"]
        assert rated["plan_version"] == str(video.plan_version)
        assert (rated["asset"], rated["quantity"], rated["amount"]) == ("USD", "1.5", "1.5")
        assert rated["working"]["cell"] == '["fast"]'
        assert (line["kind"], line["amount"], line["balance_after"]) == ("usage", "-1.5", "98.5")
        assert line["grant"] == str(video.account.grants.get().id)

    def test_that_drew_on_two_grants_shows_both(self, api: Caller, video: VideoWorld) -> None:
        video.grant("1", priority=1)
        api.post("events", fast_minutes(video, "5"))
        lines = api.get("events/event-1").json["ledger"]
        assert [line["amount"] for line in lines] == ["-1", "-4"]
        assert len({line["grant"] for line in lines}) == 2

    def test_says_who_paid_and_by_which_version(self, api: Caller, video: VideoWorld) -> None:
        video.grant("1", priority=1, name="Gift")
        api.post("events", fast_minutes(video, "5"))
        shown = api.get("events/event-1").json
        assert [(each["name"], each["amount"], each["returned"]) for each in shown["paid_by"]] == [
            ("Gift", "1", "0"),
            ("Paid credit", "4", "0"),
        ]
        [rated] = shown["rated"]
        assert (rated["plan"], rated["version"]) == (video.plan_version.plan.code, 1)
        assert (rated["meter"], rated["where"]) == ("video_minutes", "speed = fast")
        assert (shown["authorization"], shown["voided_at"], shown["counted"]) == (None, None, [])

    @pytest.mark.parametrize(
        "external_id",
        [
            "a/b",
            "a//b/",
            "..",
            "./..",
            "a b",
            "?",
            "#",
            "%2F",
            "ä",
            "a\u0308",
            "🎬",
            "\u2028",
            "a;b=c",
        ],
    )
    def test_is_found_by_any_id(self, api: Caller, video: VideoWorld, external_id: str) -> None:
        assert api.post("events", fast_minutes(video, id=external_id)).status == 201
        shown = api.get("events/" + "".join(f"%{byte:02X}" for byte in external_id.encode()))
        assert shown.json["id"] == external_id

    @pytest.mark.parametrize("source", [None, "", "us", "\0"])
    def test_of_another_source_is_not_found(
        self, api: Caller, video: VideoWorld, source: str | None
    ) -> None:
        api.post("events", fast_minutes(video, source="eu"))
        query = {} if source is None else {"source": source}
        api.get("events/event-1", **query).problem(404, "not_found")
