"""Asking what events would cost."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from metering.models import DeadLetter
from tests.api.bodies import fast_minutes
from tests.api.callers import Caller
from tests.api.tables import row_counts
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


def question(video: VideoWorld, *quantities: object, **fields: Any) -> dict[str, Any]:
    """Ask about so many minutes, an event each, without ids."""
    events = [
        {name: value for name, value in fast_minutes(video, each, **fields).items() if name != "id"}
        for each in quantities
    ]
    return {"customer": video.customer.external_id, "events": events}


def asked(video: VideoWorld, event: object) -> dict[str, Any]:
    return {"customer": video.customer.external_id, "event": event}


def test_the_answer_says_what_it_costs_and_what_pays(api: Caller, video: VideoWorld) -> None:
    answer = api.post("quotes", question(video, "1.5", "2"))
    first, second = answer.json["events"]
    charge = {
        "asset": "USD",
        "amount": "1.5",
        "overage": "0",
        "balance": "98.5",
        "available": "98.5",
    }
    assert answer.status == 200
    assert (first["status"], first["charges"]) == ("quoted", [charge])
    assert second["charges"][0]["balance"] == "96.5"
    [price] = first["prices"]
    assert price["steps"] == [
        {"label": "all units", "units": "1.5", "unit_amount": "1", "flat_amount": "0",
         "amount": "1.5"}
    ]  # fmt: skip
    [draw] = first["draws"]
    assert (draw["category"], draw["asset"], draw["amount"]) == ("paid", "USD", "1.5")
    assert (answer.json["blocked"], first["blocked_by"]) == (False, None)
    assert answer.json["totals"] == [
        {"asset": "USD", "amount": "3.5", "overage": "0", "refused": "0", "balance": "96.5",
         "available": "96.5"}
    ]  # fmt: skip


def test_the_same_event_recorded_costs_the_same(api: Caller, video: VideoWorld) -> None:
    event = fast_minutes(video, "0.000000000001")
    quoted = api.post("quotes", asked(video, event)).json["events"][0]
    assert quoted["id"] == "event-1"
    assert quoted["charges"] == api.post("events", event).json["charges"]


def test_nothing_is_left_of_a_quote(api: Caller, video: VideoWorld) -> None:
    before = row_counts()
    api.post("quotes", question(video, "1", "x", "1000"))
    assert row_counts() == before
    assert not DeadLetter.objects.exists()
    assert video.balance() == 100


def test_beyond_the_balance_is_an_answer_and_no_refusal(api: Caller, video: VideoWorld) -> None:
    [event] = question(video, "100.01")["events"]
    for body in (question(video, "100.01"), asked(video, event)):
        answer = api.post("quotes", body)
        assert (answer.status, answer.json["blocked"]) == (200, True)
        [quoted] = answer.json["events"]
        blocked_by = quoted["blocked_by"]
        assert (blocked_by["reason"], blocked_by["asset"]) == ("insufficient_credit", "USD")
        assert (blocked_by["needed"], blocked_by["available"]) == ("100.01", "100")
        assert quoted["detail"] == "The event costs 100.01 USD and 100 is available."
        assert answer.json["totals"][0]["refused"] == "100.01"


def test_every_event_has_its_own_answer(api: Caller, video: VideoWorld) -> None:
    body = question(video, "1", "-1")
    body["events"] += [
        {"type": "video.watched"},
        {"type": 1, "color": "red"},
        None,
        {"type": "video.rendered", "customer": "somebody else"},
    ]
    events = api.post("quotes", body).json["events"]
    assert [event["status"] for event in events] == [
        "quoted", "unpriced", "unpriced", "invalid", "invalid", "invalid",
    ]  # fmt: skip
    assert [event.get("reason") for event in events] == [
        None, "bad_quantity", "no_price", "invalid", "invalid", "invalid",
    ]  # fmt: skip
    wrong = [[error["field"] for error in event.get("errors", [])] for event in events]
    assert wrong == [[], [], [], ["color", "type"], ["event"], ["customer"]]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"type": "video.watched"}, "no_price"),
        ({"properties": {"speed": "fast"}}, "missing_property"),
        ({"type": ""}, "invalid"),
        ({"customer": "somebody else"}, "invalid"),
    ],
)
def test_one_event_is_refused_like_a_recorded_one(
    api: Caller, video: VideoWorld, change: dict[str, object], kind: str
) -> None:
    problem = api.post("quotes", asked(video, fast_minutes(video, **change))).problem(422, kind)
    assert problem["event_status"] == ("invalid" if kind == "invalid" else "unpriced")


def test_an_unknown_customer_has_no_subscription(api: Caller, video: VideoWorld) -> None:
    body = {"customer": "nobody", "event": {"type": "video.rendered"}}
    api.post("quotes", body).problem(422, "no_subscription")
    several = api.post("quotes", {"customer": "nobody", "events": [{"type": "video.rendered"}]})
    assert several.json["events"][0]["reason"] == "no_subscription"
    assert several.json["totals"] == []


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"customer": 7}, ["customer"]),
        ({"customer": None}, ["customer"]),
        ({"customer": ""}, ["customer"]),
        ({"customer": "x" * 201}, ["customer"]),
        ({"events": []}, ["events"]),
        ({"events": {}}, ["events"]),
        ({"events": [0] * 1001}, ["events"]),
        ({"event": {}}, ["events"]),
        ({"color": "red"}, ["color"]),
    ],
)
def test_what_is_no_question_is_refused(
    api: Caller, video: VideoWorld, change: dict[str, object], wrong: list[str]
) -> None:
    assert api.post("quotes", question(video, "1") | change).wrong_fields() == wrong


def test_a_question_needs_events(api: Caller, video: VideoWorld) -> None:
    body = {"customer": video.customer.external_id}
    assert api.post("quotes", body).wrong_fields() == ["events"]


def test_a_thousand_events_cost_no_more_queries_than_one(
    api: Caller, video: VideoWorld, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for count in (1, 1000):
        with django_assert_max_num_queries(17):
            answer = api.post("quotes", question(video, *["0.1"] * count))
        assert len(answer.json["events"]) == count
