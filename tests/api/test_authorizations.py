"""Authorizations over the API: asked before the work, captured after it."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from accounts import exact_json
from accounts.models import CreditGrant
from metering import authorizations
from metering.models import Authorization, Event
from tests.api.bodies import fast_minutes
from tests.api.callers import Answer, Caller, caller_of
from tests.clock import DAY
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


def work(video: VideoWorld, *minutes: str, **terms: Any) -> dict[str, Any]:
    """Ask for so many fast minutes, an item each."""
    items = [
        {"type": "video.rendered", "properties": {"minutes": each, "speed": "fast"}}
        for each in minutes
    ]
    return {"customer": video.customer.external_id, "items": items, **terms}


def events(*minutes: str, **fields: Any) -> dict[str, Any]:
    """Tell of so many fast minutes, an event each, and leave the customer out."""
    return {
        "events": [
            {
                "id": f"done-{number}",
                "type": "video.rendered",
                "properties": {"minutes": each, "speed": "fast"},
            }
            for number, each in enumerate(minutes)
        ],
        **fields,
    }


def authorized(api: Caller, video: VideoWorld, *minutes: str, **terms: Any) -> str:
    answer = api.post("authorizations", work(video, *minutes, **terms))
    assert answer.status == 201, answer.json
    return str(answer.json["id"])


class TestAsking:
    def test_the_answer_says_what_it_will_cost_and_what_pays(
        self, api: Caller, video: VideoWorld
    ) -> None:
        answer = api.post("authorizations", work(video, "1.5", "2"))
        told = answer.json
        assert answer.status == 201
        assert answer.headers["Location"] == f"/api/v1/authorizations/{told['id']}"
        assert (told["state"], told["customer"]) == ("open", video.customer.external_id)
        assert (told["quote"], told["held"]) == ({"USD": "3.5"}, {"USD": "3.5"})
        assert (told["captured"], told["reported"]) == ({"USD": "0"}, {"USD": "0"})
        [pays] = told["pays"]
        assert (pays["category"], pays["amount"], pays["asset"]) == ("paid", "3.5", "USD")
        assert pays["grant"] == str(CreditGrant.objects.get().id)
        [first, _] = told["items"]
        assert (first["id"], first["type"]) == (None, "video.rendered")
        assert first["prices"][0]["steps"] == [
            {"label": "all units", "units": "1.5", "unit_amount": "1", "flat_amount": "0",
             "amount": "1.5"}
        ]  # fmt: skip
        assert api.get(answer.headers["Location"]).json == told

    def test_ten_minutes_unless_told_otherwise(self, api: Caller, video: VideoWorld) -> None:
        told = api.post("authorizations", work(video, "1")).json
        row = Authorization.objects.get(id=told["id"])
        assert (row.expires_at - row.created_at).total_seconds() == 600
        assert (told["on_expiry"], told["ended_at"]) == ("release", None)

    def test_a_refusal_tells_every_reason_and_which_item(
        self, api: Caller, video: VideoWorld
    ) -> None:
        customer = f"customers/{video.customer.external_id}"
        api.post(f"{customer}/caps", {"window": "day", "limit": "5", "asset": "USD"})
        problem = api.post("authorizations", work(video, "4", "200")).problem(402, "spend_cap")
        assert (problem["needed"], problem["available"], problem["field"]) == (
            "200", "1", "items[1]",
        )  # fmt: skip
        assert [each["reason"] for each in problem["refusals"]] == [
            "spend_cap", "insufficient_credit",
        ]  # fmt: skip
        assert problem["refusals"][1]["needed"] == "204"
        assert not Authorization.objects.exists()

    def test_what_has_no_price_is_named(self, api: Caller, video: VideoWorld) -> None:
        body = work(video, "1", "1")
        body["items"][1]["type"] = "other"
        assert api.post("authorizations", body).wrong_fields() == ["items[1]"]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"customer": "nobody"}, "customer"),
            ({"items": []}, "items"),
            ({"items": [{"type": "a"}] * 1001}, "items"),
            ({"items": ["a"]}, "items[0].event"),
            ({"items": [{"type": "a", "customer": "other"}]}, "items[0].customer"),
            ({"items": [{"type": "a", "authorization": str(uuid.uuid4())}]},
             "items[0].authorization"),
            ({"expires_in": 0}, "expires_in"),
            ({"expires_in": 86_401}, "expires_in"),
            ({"expires_in": "600"}, "expires_in"),
            ({"on_expiry": "capture"}, "on_expiry"),
            ({"hold": True}, "hold"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named(
        self, api: Caller, video: VideoWorld, change: dict[str, Any], field: str
    ) -> None:
        assert api.post("authorizations", work(video, "1") | change).wrong_fields() == [field]


class TestCapturing:
    def test_what_the_work_came_to_is_recorded(self, api: Caller, video: VideoWorld) -> None:
        id_ = authorized(api, video, "10")
        answer = api.post(f"authorizations/{id_}/capture", events("3", "4"))
        assert (answer.status, answer.json["state"]) == (200, "captured")
        assert (answer.json["captured"], answer.json["held"]) == ({"USD": "7"}, {"USD": "0"})
        assert [each["status"] for each in answer.json["results"]] == ["recorded"] * 2
        assert answer.json["results"][1]["available"] == "93"
        assert answer.json["counts"] == {"recorded": 2}
        assert api.get("events/done-0").json["authorization"] == id_
        again = api.post(f"authorizations/{id_}/capture", events("3", "4"))
        assert (again.status, again.json["counts"]) == (200, {"replayed": 2})

    def test_an_event_may_name_it_instead(self, api: Caller, video: VideoWorld) -> None:
        id_ = authorized(api, video, "10")
        body = fast_minutes(video, "3", id="done-0", authorization=id_)
        assert api.post("events", body).status == 201
        again = api.post(f"authorizations/{id_}/capture", events("3", final=False))
        assert again.json["counts"] == {"replayed": 1}
        assert again.json["held"] == {"USD": "7"}

    @pytest.mark.parametrize("id_", ["0192f0c0-0000-7000-8000-000000000000", "x", "", 7, ["a"]])
    def test_an_event_that_names_none_of_its_customers(
        self, api: Caller, video: VideoWorld, id_: object
    ) -> None:
        body = fast_minutes(video, authorization=id_)
        assert api.post("events", body).wrong_fields() == ["authorization"]

    def test_an_event_that_names_one_that_has_ended(self, api: Caller, video: VideoWorld) -> None:
        id_ = authorized(api, video, "10")
        api.post(f"authorizations/{id_}/release", {})
        answer = api.post("events", fast_minutes(video, authorization=id_))
        assert answer.problem(409, "authorization_ended")["event_status"] == "conflict"

    def test_more_than_there_is_says_what_nobody_pays(self, api: Caller) -> None:
        video = open_video_world(credit="10")
        caller = caller_of(video.organization)
        id_ = authorized(caller, video, "10")
        [told] = caller.post(f"authorizations/{id_}/capture", events("13")).json["results"]
        assert (told["amount"], told["uncollected"], told["balance"]) == ("13", "3", "0")
        assert caller.get("events/done-0").json["rated"][0]["uncollected"] == "3"

    def test_new_work_after_the_end_is_told_how_it_ended(
        self, api: Caller, video: VideoWorld
    ) -> None:
        id_ = authorized(api, video, "10")
        api.post(f"authorizations/{id_}/release", {})
        for verb, body in (
            ("capture", events("1")),
            ("capture", {}),
            ("extend", {"expires_in": 60}),
            ("report", {"amounts": {"USD": "1"}}),
            ("release", {}),
        ):
            problem = api.post(f"authorizations/{id_}/{verb}", body).problem(
                409, "authorization_ended"
            )
            assert problem["state"] == "released"
        assert not Event.objects.exists()

    def test_what_cannot_be_priced_is_told_and_the_rest_goes_on(
        self, api: Caller, video: VideoWorld
    ) -> None:
        id_ = authorized(api, video, "10")
        answer = api.post(f"authorizations/{id_}/capture", events("x", "4"))
        assert answer.json["counts"] == {"unpriced": 1, "recorded": 1}
        assert (answer.json["state"], len(api.get("dead-letters").json["results"])) == (
            "captured", 1,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("event", "field"),
        [
            ({"id": ""}, "id"),
            ({"customer": "other"}, "customer"),
            ({"authorization": str(uuid.uuid4())}, "authorization"),
            ({"timestamp": "now"}, "timestamp"),
            ({"cost": "1"}, "cost"),
        ],
    )
    def test_a_malformed_event_is_named_and_nothing_ends(
        self, api: Caller, video: VideoWorld, event: dict[str, Any], field: str
    ) -> None:
        id_ = authorized(api, video, "10")
        body = events("1", "2")
        body["events"][1] |= event
        answer = api.post(f"authorizations/{id_}/capture", body)
        assert answer.wrong_fields() == [f"events[1].{field}"]
        assert api.get(f"authorizations/{id_}").json["state"] == "open"

    @pytest.mark.parametrize(
        "body", [{"final": False}, {"events": [], "final": False}, {"final": "yes"}, {"all": 1}]
    )
    def test_a_capture_of_nothing_is_refused(
        self, api: Caller, video: VideoWorld, body: dict[str, Any]
    ) -> None:
        id_ = authorized(api, video, "10")
        assert len(api.post(f"authorizations/{id_}/capture", body).wrong_fields()) == 1


class TestGoingOn:
    def test_more_work_and_more_time(self, api: Caller, video: VideoWorld) -> None:
        id_ = authorized(api, video, "10")
        body = {"items": work(video, "5")["items"], "expires_in": 3600}
        told = api.post(f"authorizations/{id_}/extend", body).json
        assert (told["quote"], len(told["items"])) == ({"USD": "15"}, 2)
        refused = api.post(f"authorizations/{id_}/extend", {"items": work(video, "100")["items"]})
        refused.problem(402, "insufficient_credit")

    @pytest.mark.parametrize(
        ("body", "field"),
        [({}, "items"), ({"expires_in": 86_400}, "expires_in"), ({"items": []}, "items")],
    )
    def test_an_extension_that_is_none(
        self, api: Caller, video: VideoWorld, body: dict[str, Any], field: str
    ) -> None:
        row = authorizations.authorize(
            customer=video.customer,
            drafts=[video.event()],
            expires_in=DAY,
            at=timezone.now() - DAY / 2,
        ).authorization.row
        assert api.post(f"authorizations/{row.id}/extend", body).wrong_fields() == [field]

    def test_progress_in_amounts_and_in_events(self, api: Caller, video: VideoWorld) -> None:
        id_ = authorized(api, video, "10", on_expiry="capture_reported")
        path = f"authorizations/{id_}/report"
        assert api.post(path, {"amounts": {"USD": "2.5"}}).json["reported"] == {"USD": "2.5"}
        told = api.post(path, {"items": work(video, "3", "1")["items"]}).json
        assert told["reported"] == {"USD": "4"}

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "amounts"),
            ({"amounts": {"EUR": "1"}}, "amounts.EUR"),
            ({"amounts": {"USD": "-1"}}, "amounts.USD"),
            ({"amounts": {"USD": "x"}}, "amounts.USD"),
            ({"amounts": {}, "items": [{"type": "video.rendered"}]}, "amounts"),
            ({"items": [{"type": "other"}]}, "items[0]"),
        ],
    )
    def test_a_report_that_is_none(
        self, api: Caller, video: VideoWorld, body: dict[str, Any], field: str
    ) -> None:
        id_ = authorized(api, video, "10")
        assert api.post(f"authorizations/{id_}/report", body).wrong_fields() == [field]


class TestListing:
    def test_by_customer_and_state_and_page(self, api: Caller, video: VideoWorld) -> None:
        first, second, third = (authorized(api, video, "1") for _ in range(3))
        api.post(f"authorizations/{first}/release", {})
        api.post(f"authorizations/{second}/capture", events("1"))
        states = {
            state: [each["id"] for each in api.get("authorizations", state=state).json["results"]]
            for state in ("open", "captured", "released", "expired")
        }
        assert states == {"open": [third], "captured": [second], "released": [first], "expired": []}
        page = api.get("authorizations", limit=2, customer=video.customer.external_id).json
        assert [each["id"] for each in page["results"]] == [third, second]
        assert [each["id"] for each in api.get(page["next"]).json["results"]] == [first]

    def test_an_unknown_customer_or_state(self, api: Caller) -> None:
        api.get("authorizations", customer="nobody").problem(404)
        assert api.get("authorizations", state="ended").wrong_fields() == ["state"]


def test_somebody_elses_is_as_unknown_as_none(api: Caller, video: VideoWorld) -> None:
    theirs = open_video_world()
    stranger = caller_of(theirs.organization)
    id_ = authorized(api, video, "1")
    for known in (id_, str(uuid.uuid4())):
        stranger.get(f"authorizations/{known}").problem(404)
        for verb, body in (
            ("capture", {}), ("extend", {"expires_in": 1}), ("release", {}),
            ("report", {"amounts": {}}),
        ):  # fmt: skip
            stranger.post(f"authorizations/{known}/{verb}", body).problem(404)
    assert stranger.get("authorizations").json["results"] == []
    assert api.get(f"authorizations/{id_}").json["state"] == "open"


POSTS: list[tuple[str, dict[str, Any]]] = [
    ("extend", {"items": [{"type": "video.rendered", "properties": {"minutes": "1",
                                                                    "speed": "fast"}}]}),
    ("report", {"amounts": {"USD": "1"}}),
    ("capture", {"final": True}),
    ("capture", events("1", final=False)),
    ("release", {}),
]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_each_post_at_once_under_one_key_has_one_effect_and_one_body() -> None:
    video = open_video_world()
    callers = [caller_of(video.organization) for _ in range(3)]

    def at_once(path: str, body: dict[str, Any]) -> list[Answer]:
        key = uuid.uuid4().hex

        def send(caller: Caller) -> Answer:
            try:
                return caller.send(
                    "POST", path, exact_json.encode(body), headers={"Idempotency-Key": key}
                )
            finally:
                connections.close_all()

        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(send, callers))
        assert len({(answer.status, answer.content) for answer in answers}) == 1
        assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 2
        return answers

    for verb, body in POSTS:
        answers = at_once("authorizations", work(video, "10"))
        assert answers[0].status == 201
        row = Authorization.objects.latest("created_at")
        told = at_once(f"authorizations/{row.id}/{verb}", body)[0]
        assert told.status == 200
        if verb == "extend":
            assert told.json["held"] == {"USD": "11"}
    assert Authorization.objects.count() == len(POSTS)
