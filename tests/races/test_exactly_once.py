"""An event is billed exactly once, whoever sends it how often and at the same moment."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest

from billing_site import self_check
from metering.event_drafts import EventDraft
from metering.models import Event, RatedEvent
from metering.outcomes import Outcome, Status
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = 1_000
SENDERS = 20
BATCH = 50


@pytest.fixture
def customers() -> list[VideoWorld]:
    """Four customers of one company, each with enough for all of their events."""
    company = open_video_world(credit=str(KEYS))
    return [company, *(company.add_customer(credit=str(KEYS)) for _ in range(3))]


def send_all(world: VideoWorld, drafts: Sequence[EventDraft], *, seed: int) -> list[Outcome]:
    """Send every event once, in an order and in batches of this sender's own."""
    shuffled = random.Random(seed).sample(drafts, k=len(drafts))
    outcomes: list[Outcome] = []
    for start in range(0, len(shuffled), BATCH):
        outcomes += world.record(*shuffled[start : start + BATCH])
    return outcomes


def test_1000_keys_sent_20_times_at_once_are_1000_events(customers: list[VideoWorld]) -> None:
    drafts = [customers[number % 4].event(id=f"key-{number}") for number in range(KEYS)]
    with crowd_of(SENDERS) as crowd:
        answers = crowd.at_once(lambda seed: send_all(customers[0], drafts, seed=seed))
    by_key = defaultdict(list)
    for outcome in [each for sender in answers for each in sender]:
        by_key[outcome.external_id].append(outcome)
    assert len(by_key) == Event.objects.count() == RatedEvent.objects.count() == KEYS
    for outcomes in by_key.values():
        statuses = Counter(outcome.status for outcome in outcomes)
        assert statuses == {Status.RECORDED: 1, Status.REPLAYED: SENDERS - 1}
        assert all(outcome.charges == outcomes[0].charges for outcome in outcomes)
    assert [world.balance() for world in customers] == [KEYS - KEYS // 4] * 4
    assert self_check.differences() == []


def test_500_changed_payloads_are_500_conflicts(customers: list[VideoWorld]) -> None:
    world = customers[0]
    world.record(*(world.event(id=f"key-{number}") for number in range(500)))
    changed = [world.minutes_of("fast", "2", id=f"key-{number}") for number in range(500)]
    with crowd_of(SENDERS) as crowd:
        answers = crowd.at_once(lambda number: world.record(*changed[number::SENDERS]))
    statuses = Counter(outcome.status for sender in answers for outcome in sender)
    assert statuses == {Status.CONFLICT: 500}
    assert world.balance() == KEYS - 500
    assert self_check.differences() == []


def test_one_key_for_two_customers_is_one_event_and_one_conflict(
    customers: list[VideoWorld],
) -> None:
    with crowd_of(2) as crowd:
        for round_ in range(25):
            drafts = [world.event(id=f"shared-{round_}") for world in customers[:2]]
            answers = crowd.at_once(
                lambda number: customers[number].record(drafts[number])[0].status  # noqa: B023
            )
            assert Counter(answers) == {Status.RECORDED: 1, Status.CONFLICT: 1}
    assert Event.objects.count() == 25
    assert self_check.differences() == []


def test_the_same_batch_sent_at_once_is_recorded_by_one_sender(
    customers: list[VideoWorld],
) -> None:
    world = customers[0]
    drafts = [world.event() for _ in range(BATCH)]
    with crowd_of(SENDERS) as crowd:
        answers = crowd.at_once(lambda _: {each.status for each in world.record(*drafts)})
    assert answers.count({Status.RECORDED}) == 1
    assert answers.count({Status.REPLAYED}) == SENDERS - 1
    assert self_check.differences() == []
