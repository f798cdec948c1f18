"""Taking events back over the API, and putting others in their place."""

import pytest

from accounts import exact_json
from metering.models import Event, EventVoid
from tests.api.bodies import fast_minutes
from tests.api.callers import Caller, caller_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


def balance(api: Caller, video: VideoWorld) -> str:
    [asset] = api.get(f"customers/{video.customer.external_id}/balance").json["balances"]
    return str(asset["posted"])


class TestVoid:
    def test_gives_back_and_says_what(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video, "30"))
        answer = api.post("events/event-1/void", {"reason": "sent twice"})
        assert answer.status == 200
        assert answer.json["effects"] == [
            {
                "asset": "USD",
                "returned": "30",
                "charged": "0",
                "overage": "0",
                "balance": "100",
                "available": "100",
            }
        ]
        assert (answer.json["id"], answer.json["reason"]) == ("event-1", "sent twice")
        assert balance(api, video) == "100"

    def test_again_answers_the_same(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video))
        first = api.post("events/event-1/void", {})
        again = api.post("events/event-1/void", {"reason": "another"})
        assert first.json == again.json
        assert again.headers["Idempotent-Replayed"] == "true"
        assert EventVoid.objects.count() == 1

    def test_finds_an_event_by_its_source(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video, source="eu"))
        api.post("events/event-1/void", {}).problem(404, "not_found")
        answer = api.send("POST", "events/event-1/void", b"{}", query={"source": "eu"})
        assert (answer.status, answer.json["source"]) == (200, "eu")

    def test_of_a_neighbours_event_finds_nothing(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video))
        stranger = caller_of(open_video_world().organization)
        stranger.post("events/event-1/void", {}).problem(404, "not_found")
        body = {"event": fast_minutes(video, id="event-2")}
        stranger.post("events/event-1/replace", body).problem(404, "not_found")
        assert not EventVoid.objects.exists()

    def test_is_seen_on_the_event_and_in_lists(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video))
        api.post("events", fast_minutes(video, id="event-2"))
        assert api.get("events/event-1").json["voided_at"] is None
        voided_at = api.post("events/event-1/void", {}).json["voided_at"]
        shown = api.get("events/event-1").json
        assert shown["voided_at"] == voided_at
        assert [entry["kind"] for entry in shown["ledger"]] == ["usage", "reversal"]
        listed = {"customer": video.customer.external_id}
        for voided, ids in (("true", ["event-1"]), ("false", ["event-2"])):
            found = api.get("events", voided=voided, **listed).json["results"]
            assert [each["id"] for each in found] == ids
        api.get("events", voided="perhaps", **listed).problem(422, "invalid")

    def test_of_an_event_that_is_sent_again_stays(self, api: Caller, video: VideoWorld) -> None:
        sent = fast_minutes(video)
        api.post("events", sent)
        api.post("events/event-1/void", {})
        again = api.post("events", sent)
        assert (again.status, again.json["status"]) == (200, "replayed")
        assert balance(api, video) == "100"

    def test_of_an_id_that_is_a_path(self, api: Caller, video: VideoWorld) -> None:
        # Encoded, so that the schema does not take them for the addresses of voids.
        addresses = {"void": "%76oid", "a/void": "a%2Fvoid", "a/replace": "a%2Freplace", "a": "a"}
        for name, address in addresses.items():
            api.post("events", fast_minutes(video, id=name))
            assert api.get(f"events/{address}").json["id"] == name
        assert api.post("events/a%2Fvoid/void", {}).json["id"] == "a/void"

    def test_of_many_answers_each(self, api: Caller, video: VideoWorld) -> None:
        for number in range(3):
            api.post("events", fast_minutes(video, id=f"event-{number}"))
        ids = ["event-2", "unknown", "event-0", "event-2"]
        answer = api.post("events/void", {"ids": ids})
        assert [each["status"] for each in answer.json["results"]] == [
            "voided", "not_found", "voided", "voided",
        ]  # fmt: skip
        assert answer.json["counts"] == {"voided": 3, "not_found": 1}
        assert balance(api, video) == "99"

    def test_takes_an_idempotency_key(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video))
        answers = [
            api.send("POST", "events/event-1/void", b"{}", headers={"Idempotency-Key": "k"})
            for _ in range(2)
        ]
        assert answers[0].content == answers[1].content
        assert answers[1].headers["Idempotent-Replayed"] == "true"


class TestReplace:
    def test_voids_and_records(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video, "100"))
        # Only what the wrong event gives back pays for the right one.
        body = {"event": fast_minutes(video, "60", id="event-2"), "reason": "wrong"}
        answer = api.post("events/event-1/replace", body)
        assert answer.status == 201
        assert answer.json["voided"]["effects"][0]["returned"] == "100"
        assert (answer.json["event"]["status"], answer.json["event"]["amount"]) == (
            "recorded", "60",
        )  # fmt: skip
        assert balance(api, video) == "40"
        again = api.post("events/event-1/replace", body)
        assert (again.status, again.json["event"]["status"]) == (200, "replayed")
        assert balance(api, video) == "40"

    def test_that_is_refused_voids_nothing(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video))
        refused = {
            402: fast_minutes(video, "101", id="event-2"),
            422: fast_minutes(video, "x", id="event-2"),
        }
        for status, event in refused.items():
            api.post("events/event-1/replace", {"event": event}).problem(status)
        assert not EventVoid.objects.exists()
        assert Event.objects.count() == 1
        assert balance(api, video) == "99"
        assert api.get("dead-letters").json["results"] == []

    def test_needs_an_id_of_its_own(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video))
        same = {"event": fast_minutes(video, "2")}
        assert api.post("events/event-1/replace", same).wrong_fields() == ["event.id"]
        api.post("events", fast_minutes(video, id="taken"))
        taken = {"event": fast_minutes(video, "2", id="taken")}
        api.post("events/event-1/replace", taken).problem(409, "conflict")
        wrong = {"event": fast_minutes(video, id="event-2", customer=7)}
        assert api.post("events/event-1/replace", wrong).wrong_fields() == ["event.customer"]

    def test_of_a_voided_event_is_a_conflict(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video))
        api.post("events/event-1/void", {})
        body = {"event": fast_minutes(video, id="event-2")}
        api.post("events/event-1/replace", body).problem(409, "already_voided")

    def test_may_be_another_customers(self, api: Caller, video: VideoWorld) -> None:
        other = video.add_customer(external_id="other")
        api.post("events", fast_minutes(video, "7"))
        body = {"event": fast_minutes(other, "7", id="event-2")}
        assert api.post("events/event-1/replace", body).status == 201
        assert (balance(api, video), balance(api, other)) == ("100", "93")


class TestBackfill:
    def test_is_shown_and_filtered(self, api: Caller, video: VideoWorld) -> None:
        old = {"timestamp": "2025-02-01T00:00:00Z", "backfill": True}
        api.post("events", fast_minutes(video, **old))
        api.post("events", fast_minutes(video, id="event-2"))
        listed = {"customer": video.customer.external_id}
        [found] = api.get("events", backfill="true", **listed).json["results"]
        assert (found["id"], found["backfill"], found["late"]) == ("event-1", True, True)
        [found] = api.get("events", backfill="false", **listed).json["results"]
        assert (found["id"], found["backfill"]) == ("event-2", False)

    def test_is_another_payload_only_when_it_is_said(self, api: Caller, video: VideoWorld) -> None:
        sent = fast_minutes(video, timestamp="2025-02-01T00:00:00Z")
        api.post("events", sent)
        assert api.post("events", {**sent, "backfill": False}).json["status"] == "replayed"
        api.post("events", {**sent, "backfill": True}).problem(409, "conflict")

    @pytest.mark.parametrize("value", ["yes", 1, []])
    def test_is_true_or_false(self, api: Caller, video: VideoWorld, value: object) -> None:
        assert api.post("events", fast_minutes(video, backfill=value)).wrong_fields() == [
            "backfill"
        ]

    def test_says_when_it_was(self, api: Caller, video: VideoWorld) -> None:
        answer = api.post("events", fast_minutes(video, backfill=True))
        assert answer.wrong_fields() == ["timestamp"]


class TestDeadLetters:
    def letter(self, api: Caller) -> str:
        [found] = api.get("dead-letters").json["results"]
        return str(found["id"])

    def test_are_mended_and_recorded(self, api: Caller, video: VideoWorld) -> None:
        sent = fast_minutes(video, "x", source="eu")
        api.post("events", sent).problem(422)
        mended = {"properties": {"minutes": "5", "speed": "fast"}}
        address = f"dead-letters/{self.letter(api)}/replay"
        answer = api.post(address, mended)
        assert (answer.status, answer.json["id"], answer.json["amount"]) == (201, "event-1", "5")
        assert api.get("dead-letters").json["results"] == []
        assert api.get("events/event-1", source="eu").json["properties"]["minutes"] == "5"
        assert (api.post(address, mended).status, balance(api, video)) == (200, "95")
        # The client's own retry of what it once sent is no conflict, and is not charged again.
        again = api.post("events", sent)
        assert (again.json["status"], again.json["amount"]) == ("replayed", "5")
        api.post("events", fast_minutes(video, "5", source="eu")).problem(409, "conflict")

    def test_are_recorded_as_they_are_once_the_customer_is_there(
        self, api: Caller, video: VideoWorld
    ) -> None:
        sent = fast_minutes(video, customer="late-comer")
        api.post("events", sent).problem(422)
        video.add_customer(external_id="late-comer")
        assert api.post(f"dead-letters/{self.letter(api)}/replay", {}).status == 201
        assert api.post("events", sent).json["status"] == "replayed"

    def test_that_are_dead_still_say_why(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video, "x")).problem(422)
        address = f"dead-letters/{self.letter(api)}/replay"
        api.post(address, {"customer": "nobody"}).problem(422, "no_subscription")
        [letter] = api.get("dead-letters").json["results"]
        assert (letter["customer"], letter["reason"]) == ("nobody", "no_subscription")
        assert api.post(address, {"customer": 7}).wrong_fields() == ["customer"]
        assert api.post(address, {"id": "new"}).wrong_fields() == ["id"]

    def test_that_cannot_be_paid_stay(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video, "x")).problem(422)
        mended = {"properties": {"minutes": "500", "speed": "fast"}}
        api.post(f"dead-letters/{self.letter(api)}/replay", mended).problem(402)
        [letter] = api.get("dead-letters").json["results"]
        assert letter["properties"]["minutes"] == "x"

    def test_of_a_neighbour_are_not_found(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video, "x")).problem(422)
        stranger = caller_of(open_video_world().organization)
        stranger.post(f"dead-letters/{self.letter(api)}/replay", {}).problem(404, "not_found")

    def test_are_replayed_by_the_many(self, api: Caller, video: VideoWorld) -> None:
        for number in range(4):
            api.post("events", fast_minutes(video, id=f"lost-{number}", customer="late-comer"))
        api.post("events", fast_minutes(video, "x"))
        video.add_customer(external_id="late-comer")
        asked = {"reason": "no_subscription", "customer": "late-comer", "limit": 3}
        answer = api.post("dead-letters/replay", asked).json
        assert [each["id"] for each in answer["results"]] == ["lost-0", "lost-1", "lost-2"]
        assert (answer["counts"], answer["left"]) == ({"recorded": 3}, 1)
        answer = api.post("dead-letters/replay", {}).json
        assert (answer["counts"], answer["left"]) == ({"recorded": 1, "unpriced": 1}, 1)
        assert api.post("dead-letters/replay", {"limit": 0}).wrong_fields() == ["limit"]
        assert len(api.get("dead-letters", reason="no_subscription").json["results"]) == 0


def test_an_effect_reads_back_byte_for_byte(api: Caller, video: VideoWorld) -> None:
    api.post("events", fast_minutes(video))
    first = api.post("events/event-1/void", {})
    assert exact_json.encode(first.json) == exact_json.encode(
        api.post("events/event-1/void", {}).json
    )
