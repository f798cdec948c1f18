"""An event is taken back once, whoever asks how often, and while others stream in."""

import random
from collections import Counter
from decimal import Decimal

import pytest

from billing_site import self_check
from invoicing import closing
from metering import corrections, dead_letters
from metering.models import DeadLetter, Event, EventVoid, UsageTotal
from pricing.models import ShortfallPolicy
from tests.clock import DAY, NOW
from tests.price_menu import open_shop
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = 8


def test_a_void_asked_for_at_once_is_one(video: VideoWorld) -> None:
    draft = video.minutes_of("fast", "40")
    video.record(draft)
    with crowd_of(CROWD) as crowd:
        voids = crowd.at_once(
            lambda _: corrections.void_event(
                organization_id=video.organization.id, key=draft.key, at=NOW
            )
        )
    assert Counter(voided.is_new for voided in voids) == {True: 1, False: CROWD - 1}
    assert len({voided.void.id for voided in voids}) == 1
    assert video.balance() == 100
    assert self_check.differences() == []


def test_replacements_at_once_are_one(video: VideoWorld) -> None:
    wrong, right = video.minutes_of("fast", "100"), video.minutes_of("fast", "70")
    video.record(wrong)
    with crowd_of(CROWD) as crowd:
        answers = crowd.at_once(
            lambda _: corrections.replace_event(
                organization_id=video.organization.id, key=wrong.key, draft=right, at=NOW
            )
        )
    statuses = Counter(str(answer.outcome.status) for answer in answers)
    assert statuses == {"recorded": 1, "replayed": CROWD - 1}
    assert video.balance() == 30
    assert self_check.differences() == []


def test_voids_while_events_stream_in_leave_what_stands() -> None:
    shop = open_shop(
        ["graduated", "matrix", "users", "peak"],
        policy=ShortfallPolicy.OVERDRAFT,
        overdraft_limit="1000000",
    )
    shop.grant(shop.customers[0], "50")
    size = ["3", "7.5", "20", "49.999"]
    drafts = [
        [
            shop.draft(tokens=random.Random(7 * row + n).choice(size), user=f"user-{n % 5}")
            for n in range(12)
        ]
        for row in range(CROWD)
    ]

    def work(number: int) -> None:
        for place, draft in enumerate(drafts[number]):
            shop.record(draft)
            if place % 3 == 2:
                gone = [drafts[number][place - 1].key, drafts[number - 1][place - 2].key]
                corrections.void_events(organization_id=shop.organization.id, keys=gone, at=NOW)

    with crowd_of(CROWD) as crowd:
        crowd.at_once(work)
    standing = Event.objects.standing().count()
    assert standing == Event.objects.count() - EventVoid.objects.count()
    counted = UsageTotal.objects.filter(price__meter__code="graduated").get()
    assert counted.events == standing
    used = sum(
        (Decimal(event.properties["tokens"]) for event in Event.objects.standing()), Decimal()
    )
    assert counted.quantity == used
    assert self_check.differences() == []


def test_a_void_races_the_invoice(video: VideoWorld) -> None:
    world = open_video_world(credit="10", policy=ShortfallPolicy.OVERAGE)
    drafts = [world.minutes_of("fast", "6") for _ in range(4)]
    world.record(*drafts)
    after = NOW + 40 * DAY
    closing.close_due_periods(at=after)

    def work(number: int) -> None:
        if number == CROWD - 1:
            closing.build_due_invoices(at=after)
        else:
            key = drafts[number % len(drafts)].key
            corrections.void_event(organization_id=world.organization.id, key=key, at=after)

    with crowd_of(CROWD) as crowd:
        crowd.at_once(work)
    closing.build_due_invoices(at=after)
    assert world.balance(at=after) == 10
    assert self_check.differences() == []


def test_a_dead_letter_and_its_senders_retry_are_one_event(video: VideoWorld) -> None:
    lost = video.event(customer="late-comer")
    video.record(lost)
    other = video.add_customer(external_id="late-comer")
    letter = DeadLetter.objects.get()

    def work(number: int) -> str:
        if number % 2:
            return str(video.record(lost)[0].status)
        replayed = dead_letters.replay(
            organization_id=video.organization.id, letter_id=letter.id, at=NOW
        )
        return str(replayed.outcomes[0].status)

    with crowd_of(CROWD) as crowd:
        statuses = Counter(crowd.at_once(work))
    assert statuses == {"recorded": 1, "replayed": CROWD - 1}
    assert other.balance() == 99
    assert self_check.differences() == []
