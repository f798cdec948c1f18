"""The same races as requests: what comes at once meets in the fast lane before it meets a lock.

`LANE_OPERATIONS` says how many things each of the 16 threads does; 1000 before a release.
"""

import os
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts import api_keys
from accounts.models import Scope
from billing_site import self_check
from metering.models import Authorization, Event
from tests.lane import Lane, running_lane
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

OPERATIONS = int(os.environ.get("LANE_OPERATIONS", "15"))
CROWD = 16
EXPECTED = {200, 201, 402, 409}


@pytest.fixture
def world() -> VideoWorld:
    """A company whose customer has 100 USD."""
    return open_video_world()


@pytest.fixture
def lane(world: VideoWorld) -> Iterator[Lane]:
    """The application, asked by a key of the company that may do everything."""
    _, secret = api_keys.issue(organization=world.organization, name="lane", scopes=[Scope.ADMIN])
    with running_lane(secret) as running:
        yield running


def work(minutes: str = "1") -> dict[str, Any]:
    """Work of so many fast minutes, 1.00 USD each."""
    return {"type": "video.rendered", "properties": {"minutes": minutes, "speed": "fast"}}


def event(world: VideoWorld, *, id_: str = "", minutes: str = "1", **more: str) -> dict[str, Any]:
    """An event of the customer's, under a new id unless told otherwise."""
    named = {"id": id_ or uuid.uuid4().hex, "customer": world.customer.external_id}
    return {**work(minutes), **named, **more}


def test_twenty_ask_for_the_last_credit(world: VideoWorld, lane: Lane) -> None:
    last = world.add_customer(credit="7.99")
    bodies = [event(last) for _ in range(20)]
    with crowd_of(20) as crowd:
        answers = crowd.at_once(lambda number: lane.post("events", bodies[number]).status)
    assert Counter(answers) == {201: 7, 402: 13}
    assert last.balance(at=timezone.now()) == Decimal("0.99")
    assert self_check.differences() == []


def test_twenty_authorize_the_last_credit(world: VideoWorld, lane: Lane) -> None:
    last = world.add_customer(credit="7.99")
    body = {"customer": last.customer.external_id, "items": [work()]}
    with crowd_of(20) as crowd:
        answers = crowd.at_once(lambda _: lane.post("authorizations", body).status)
    assert Counter(answers) == {201: 7, 402: 13}
    assert Authorization.objects.filter(customer=last.customer, ended_as="").count() == 7
    assert self_check.differences() == []


def test_one_event_from_twenty_at_once_is_recorded_once(world: VideoWorld, lane: Lane) -> None:
    body = event(world)
    with crowd_of(20) as crowd:
        answers = crowd.at_once(lambda _: lane.post("events", body))
    assert Counter(answer.status for answer in answers) == {201: 1, 200: 19}
    assert len({str(answer.json["charges"]) for answer in answers}) == 1
    assert world.balance(at=timezone.now()) == 99
    assert self_check.differences() == []


@pytest.mark.parametrize("verb", ["authorize", "capture", "extend", "release"])
def test_one_key_from_five_at_once_has_one_effect_and_one_body(
    world: VideoWorld, lane: Lane, verb: str
) -> None:
    asked: dict[str, Any] = {"customer": world.customer.external_id, "items": [work("5")]}
    path, body = "authorizations", asked
    if verb != "authorize":
        made = lane.post("authorizations", asked).json["id"]
        path = f"authorizations/{made}/{verb}"
        bodies: dict[str, dict[str, Any]] = {
            "capture": {"events": [event(world)]},
            "extend": {"items": [work()]},
        }
        body = bodies.get(verb, {})
    key = {"Idempotency-Key": uuid.uuid4().hex}
    with crowd_of(5) as crowd:
        answers = crowd.at_once(lambda _: lane.post(path, body, headers=key))
    assert len({(answer.status, answer.content) for answer in answers}) == 1
    assert answers[0].status in {200, 201}, answers[0]
    assert Authorization.objects.count() == 1
    assert Event.objects.count() == (verb == "capture")
    assert self_check.differences() == []


def live(worlds: list[VideoWorld], lane: Lane, chance: random.Random) -> list[int]:
    """Do this and that by requests; returns how they were answered."""
    statuses, opened = [], []
    for _ in range(OPERATIONS):
        world = chance.choice(worlds)
        customer = world.customer.external_id
        minutes = str(Decimal(chance.randrange(1, 300)) / 100)
        match chance.choice(["one", "one", "many", "authorize", "go on", "go on"]):
            case "one":
                answer = lane.post("events", event(world, minutes=minutes))
            case "many":
                some = [event(each, minutes=minutes) for each in worlds]
                answer = lane.post("events", {"events": chance.sample(some, k=len(some))})
            case "authorize":
                answer = lane.post(
                    "authorizations", {"customer": customer, "items": [work(minutes), work()]}
                )
                if answer.status == 201:
                    opened.append((world, answer.json["id"]))
            case _:
                if not opened:
                    continue
                world, made = chance.choice(opened)
                verb = chance.choice(["capture", "extend", "release"])
                captured = event(world, minutes=minutes, authorization=made)
                body = {"capture": {"events": [captured]}, "extend": {"items": [work()]}}
                answer = lane.post(f"authorizations/{made}/{verb}", body.get(verb, {}))
        statuses.append(answer.status)
    return statuses


def test_everything_at_once_leaves_the_books_right(world: VideoWorld, lane: Lane) -> None:
    worlds = [world, *(world.add_customer(credit="60") for _ in range(2))]
    with crowd_of(CROWD, seconds=120 + OPERATIONS * 2) as crowd:
        lives = crowd.at_once(lambda number: live(worlds, lane, random.Random(number)))
    assert {status for each in lives for status in each} <= EXPECTED
    assert Event.objects.exists()
    assert Authorization.objects.exclude(ended_as="").exists()
    assert all(each.balance(at=timezone.now()) >= 0 for each in worlds)
    assert self_check.differences() == []
