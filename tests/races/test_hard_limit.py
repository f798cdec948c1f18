"""A hard limit is never exceeded, however many ask at the same moment."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError

from accounts import postings
from billing_site import self_check
from metering.event_drafts import EventDraft
from metering.models import AlertFiring, BillingPeriod, Event
from metering.outcomes import Status
from tests.clock import DAY, NOW
from tests.factories import SpendAlertFactory
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def company() -> VideoWorld:
    """A company and a customer without credit."""
    return open_video_world(credit="0")


def test_200_ask_for_1_and_100_is_there(company: VideoWorld) -> None:
    with crowd_of(200) as crowd:
        for _ in range(20):
            world = company.add_customer(credit="100")
            drafts = [world.event(id=f"{world.account.id} {number}") for number in range(200)]
            answers = crowd.at_once(lambda number: world.record(drafts[number])[0].status)  # noqa: B023
            assert Counter(answers) == {Status.RECORDED: 100, Status.BLOCKED: 100}
            assert world.balance() == 0
            assert Event.objects.filter(customer=world.customer).count() == 100
    assert self_check.differences() == []


def test_ten_ask_for_1_and_9_99_is_there(company: VideoWorld) -> None:
    world = company.add_customer(credit="9.99")
    drafts = [world.event() for _ in range(10)]
    with crowd_of(10) as crowd:
        answers = crowd.at_once(lambda number: world.record(drafts[number])[0].status)
    assert Counter(answers) == {Status.RECORDED: 9, Status.BLOCKED: 1}
    assert world.balance() == Decimal("0.99")
    assert self_check.differences() == []


def test_without_the_lock_the_database_itself_keeps_the_limit(
    company: VideoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock makes it fast and fair; the constraints make it true."""
    read_books = postings.read_books

    def read_unlocked(**asked: Any) -> Any:
        return read_books(**{**asked, "lock": False})

    def status(draft: EventDraft) -> Status | None:
        try:
            return world.record(draft)[0].status
        except IntegrityError:
            return None

    world = company.add_customer(credit="5")
    drafts = [world.event() for _ in range(20)]
    monkeypatch.setattr(postings, "read_books", read_unlocked)
    with crowd_of(20) as crowd:
        answers = crowd.at_once(lambda number: status(drafts[number]))
    assert 1 <= answers.count(Status.RECORDED) <= 5
    assert world.balance() == 5 - answers.count(Status.RECORDED)
    assert self_check.differences() == []


def test_an_alert_fires_once_though_many_events_come_at_its_line(company: VideoWorld) -> None:
    world = company.add_customer(credit="60")
    SpendAlertFactory.create(account=world.account, threshold=Decimal(40))
    drafts = [world.event() for _ in range(40)]
    with crowd_of(40) as crowd:
        crowd.at_once(lambda number: world.record(drafts[number]))
    firing = AlertFiring.objects.get()
    assert firing.balance == 39
    assert self_check.differences() == []


def test_a_period_ends_once_though_many_events_find_it_over(company: VideoWorld) -> None:
    world = company.add_customer()
    world.record(world.event())
    drafts = [world.event() for _ in range(20)]
    with crowd_of(20) as crowd:
        crowd.at_once(lambda number: world.record(drafts[number], at=NOW + 31 * DAY))
    periods = BillingPeriod.objects.filter(customer=world.customer)
    assert sorted(period.closed_at is None for period in periods) == [False, True]
    assert self_check.differences() == []
