"""Recording events, one by one and in batches."""

from decimal import Decimal

import pytest

from metering.models import DeadLetter, Event
from pricing.models import ShortfallPolicy
from tests.api.bodies import fast_minutes
from tests.api.callers import Caller, caller_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


class TestOneEvent:
    def test_is_recorded_and_charged(self, api: Caller, video: VideoWorld) -> None:
        answer = api.post("events", fast_minutes(video, "1.5"))
        charge = {
            "asset": "USD",
            "amount": "1.5",
            "overage": "0",
            "balance": "98.5",
            "available": "98.5",
        }
        expected = {"id": "event-1", "status": "recorded", "code": 201, **charge}
        assert answer.status == 201
        assert answer.json == {**expected, "charges": [charge]}
        assert "Idempotent-Replayed" not in answer.headers

    def test_sent_again_is_answered_the_same(self, api: Caller, video: VideoWorld) -> None:
        first = api.post("events", fast_minutes(video, "1.5"))
        api.post("events", fast_minutes(video, "20", id="between"))
        second = api.post("events", fast_minutes(video, "1.5"))
        assert (second.status, second.headers["Idempotent-Replayed"]) == (200, "true")
        assert second.json == {**first.json, "status": "replayed", "code": 200}
        assert video.balance() == Decimal("78.5")

    def test_the_order_of_its_members_does_not_matter(self, api: Caller, video: VideoWorld) -> None:
        body = fast_minutes(video)
        api.post("events", body)
        turned = {name: body[name] for name in reversed(body)}
        assert api.post("events", turned).status == 200

    def test_another_source_makes_another_event(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video))
        assert api.post("events", fast_minutes(video, source="eu")).status == 201
        assert api.get("events/event-1", source="eu").json["source"] == "eu"
        assert api.get("events/event-1").json["source"] == ""

    def test_changed_under_the_same_id_is_a_conflict(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video, "1"))
        problem = api.post("events", fast_minutes(video, "2")).problem(409, "conflict")
        assert (problem["id"], problem["event_status"]) == ("event-1", "conflict")
        assert Event.objects.get().properties["minutes"] == "1"

    def test_beyond_the_balance_is_refused_and_may_come_again(
        self, api: Caller, video: VideoWorld
    ) -> None:
        refused = api.post("events", fast_minutes(video, "100.000000000001"))
        problem = refused.problem(402, "insufficient_credit")
        assert (problem["needed"], problem["available"]) == ("100.000000000001", "100")
        assert not Event.objects.exists()
        video.grant("1")
        assert api.post("events", fast_minutes(video, "100.000000000001")).status == 201

    def test_beyond_the_balance_is_overage_where_the_plan_says_so(self) -> None:
        video = open_video_world(credit="10", policy=ShortfallPolicy.OVERAGE)
        answer = caller_of(video.organization).post("events", fast_minutes(video, "12.5"))
        assert answer.status == 201
        assert (answer.json["overage"], answer.json["balance"]) == ("2.5", "0")

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"customer": "nobody"}, "no_subscription"),
            ({"type": "video.watched"}, "no_price"),
            ({"properties": {"minutes": "1", "speed": "odd"}}, "no_price"),
            ({"properties": {"speed": "fast"}}, "missing_property"),
            ({"properties": {"minutes": "-1", "speed": "fast"}}, "bad_quantity"),
        ],
    )
    def test_without_a_price_is_kept_as_a_dead_letter(
        self, api: Caller, video: VideoWorld, change: dict[str, object], reason: str
    ) -> None:
        problem = api.post("events", fast_minutes(video, **change)).problem(422, reason)
        assert problem["event_status"] == "unpriced"
        assert DeadLetter.objects.get().reason == reason
        assert not Event.objects.exists()

    def test_every_wrong_field_is_named(self, api: Caller) -> None:
        body = {"id": 7, "type": "", "timestamp": "today", "properties": [], "color": "red"}
        wrong = api.post("events", body).wrong_fields()
        assert sorted(wrong) == ["color", "customer", "id", "properties", "timestamp", "type"]


class TestBatch:
    def test_every_event_has_its_own_answer_in_the_order_sent(
        self, api: Caller, video: VideoWorld
    ) -> None:
        api.post("events", fast_minutes(video, id="known"))
        events = [
            fast_minutes(video, "10", id="first"),
            fast_minutes(video, id="known"),
            fast_minutes(video, "10", id="first"),
            fast_minutes(video, "11", id="first"),
            fast_minutes(video, "90", id="too much"),
            {"id": "half"},
            "no event",
            fast_minutes(video, id="whose", customer="nobody"),
            fast_minutes(video, "89", id="last"),
        ]
        answer = api.post("events", {"events": events})
        results = answer.json["results"]
        assert answer.status == 200
        assert [(each["id"], each["code"]) for each in results] == [
            ("first", 201),
            ("known", 200),
            ("first", 200),
            ("first", 409),
            ("too much", 402),
            ("half", 422),
            (None, 422),
            ("whose", 422),
            ("last", 201),
        ]
        assert answer.json["counts"] == {
            "recorded": 2,
            "replayed": 2,
            "conflict": 1,
            "blocked": 1,
            "invalid": 2,
            "unpriced": 1,
        }
        assert results[-1]["balance"] == "0"
        assert results[4]["needed"] == "90"
        assert {error["field"] for error in results[5]["errors"]} == {"type", "customer"}

    def test_of_a_hundred_sent_again_adds_nothing(self, api: Caller, video: VideoWorld) -> None:
        """10 known, 5 beyond the balance, 5 invalid, 10 twice and 70 new ones."""
        known = [fast_minutes(video, id=f"known-{n}") for n in range(10)]
        api.post("events", {"events": known})
        new = [fast_minutes(video, id=f"new-{n}") for n in range(70)]
        blocked = [fast_minutes(video, "1000", id=f"blocked-{n}") for n in range(5)]
        invalid = [fast_minutes(video, id=f"invalid-{n}", timestamp="soon") for n in range(5)]
        batch = {"events": [*known, *blocked, *new, *invalid, *new[:10]]}

        first = api.post("events", batch)
        counts = {"recorded": 70, "replayed": 20, "blocked": 5, "invalid": 5}
        assert first.json["counts"] == counts
        again = api.post("events", batch)
        assert again.json["counts"] == {"replayed": 90, "blocked": 5, "invalid": 5}
        assert video.balance() == 20
        assert Event.objects.count() == 80

    def test_charges_several_customers_at_once(self, api: Caller, video: VideoWorld) -> None:
        other = video.add_customer(credit="5")
        events = [
            fast_minutes(video, "30", id="one"),
            fast_minutes(other, "5", id="two"),
            fast_minutes(other, "1", id="three"),
        ]
        results = api.post("events", {"events": events}).json["results"]
        assert [each["code"] for each in results] == [201, 201, 402]
        assert video.balance() == 70
        assert other.balance() == 0

    @pytest.mark.parametrize("events", [[], {}, None, "all", 3, True])
    def test_needs_a_list_of_events(self, api: Caller, events: object) -> None:
        assert api.post("events", {"events": events}).wrong_fields() == ["events"]

    def test_takes_no_other_member(self, api: Caller, video: VideoWorld) -> None:
        body = {"events": [fast_minutes(video)], "customer": "acme"}
        assert api.post("events", body).wrong_fields() == ["customer"]
        assert not Event.objects.exists()

    def test_takes_ten_thousand_events_and_no_more(self, api: Caller) -> None:
        answer = api.post("events", {"events": [0] * 10_000})
        assert answer.json["counts"] == {"invalid": 10_000}
        assert api.post("events", {"events": [0] * 10_001}).wrong_fields() == ["events"]
