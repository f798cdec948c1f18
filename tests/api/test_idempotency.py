"""Idempotency-Key: a request that moves money moves it once, however often it is sent."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections, transaction

from accounts import exact_json, idempotency
from accounts.models import CreditGrant, StoredAnswer
from tests.api.callers import Answer, Caller, caller_of
from tests.factories import OrganizationFactory
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db

TEN: dict[str, Any] = {"asset": "USD", "amount": "10", "category": "paid"}


def give(
    caller: Caller, video: VideoWorld, *, key: str, body: dict[str, Any] | None = None
) -> Answer:
    return caller.send(
        "POST",
        f"customers/{video.customer.external_id}/grants",
        exact_json.encode(TEN if body is None else body),
        headers={"Idempotency-Key": key},
    )


def grants_of(video: VideoWorld) -> int:
    return CreditGrant.objects.filter(account=video.account).count()


def test_the_same_request_is_answered_the_same_and_done_once(
    api: Caller, video: VideoWorld
) -> None:
    before = grants_of(video)
    first, again = (give(api, video, key="one") for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert first.content == again.content
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert grants_of(video) == before + 1


def test_another_body_under_the_key_is_refused(api: Caller, video: VideoWorld) -> None:
    give(api, video, key="one")
    refused = give(api, video, key="one", body={**TEN, "amount": "11"})
    assert refused.problem(422, "key_reused")["errors"][0]["field"] == "Idempotency-Key"


def test_another_address_under_the_key_is_refused(api: Caller, video: VideoWorld) -> None:
    give(api, video, key="one")
    neighbour = video.add_customer()
    assert give(api, neighbour, key="one").status == 422


def test_a_refusal_is_not_kept(api: Caller, video: VideoWorld) -> None:
    assert give(api, video, key="one", body={**TEN, "amount": "0"}).status == 422
    assert give(api, video, key="one").status == 201


def test_keys_of_two_organizations_are_two(api: Caller, video: VideoWorld) -> None:
    give(api, video, key="one")
    other = open_video_world()
    assert give(caller_of(other.organization), other, key="one").status == 201
    assert StoredAnswer.objects.filter(key="one").count() == 2


@pytest.mark.parametrize("key", ["", "two words", "é", "x" * 256])
def test_a_key_that_cannot_be_kept_is_refused(api: Caller, video: VideoWorld, key: str) -> None:
    assert give(api, video, key=key).wrong_fields() == ["Idempotency-Key"]


def test_without_a_key_every_request_counts(api: Caller, video: VideoWorld) -> None:
    before = grants_of(video)
    for _ in range(2):
        assert api.post(f"customers/{video.customer.external_id}/grants", TEN).status == 201
    assert grants_of(video) == before + 2


@pytest.mark.django_db(transaction=True)
def test_requests_sent_at_once_have_one_effect_and_one_body() -> None:
    video = open_video_world()
    callers = [caller_of(video.organization) for _ in range(3)]
    before = grants_of(video)

    def send(caller: Caller) -> Answer:
        try:
            return give(caller, video, key="one")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(send, callers))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert grants_of(video) == before + 1


@pytest.mark.django_db(transaction=True)
def test_a_request_still_under_way_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "SECONDS_TO_WAIT", 0.2)
    video = open_video_world()
    caller = caller_of(video.organization)
    at_work, answered = threading.Event(), threading.Event()

    def work() -> None:
        with transaction.atomic():
            idempotency.take_turns(video.organization, "one")
            at_work.set()
            answered.wait(10)
        connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work)
        assert at_work.wait(10)
        give(caller, video, key="one").problem(409, "in_progress")
        answered.set()
    assert give(caller, video, key="one").status == 201


def test_an_unknown_customer_is_unknown_with_a_key_too(api: Caller) -> None:
    stranger = caller_of(OrganizationFactory.create())
    answer = stranger.send(
        "POST", "customers/nobody/grants", exact_json.encode(TEN), headers={"Idempotency-Key": "a"}
    )
    answer.problem(404)
