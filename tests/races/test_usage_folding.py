"""Charts are exact while events are written and folded at the same time."""

import threading
from decimal import Decimal

import pytest
from django.db import transaction

from metering import usage_days, usage_folding
from metering.models import UsageSlot
from tests.clock import DAY, NOW
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

TODAY = [NOW.replace(hour=0, minute=0), NOW.replace(hour=0, minute=0) + DAY]


def spent(world: VideoWorld) -> Decimal:
    return sum(usage_days.spend_between(world.customer, TODAY).values(), Decimal(0))


def test_an_event_that_commits_after_newer_ones_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usage_folding, "_PATIENCE_SECONDS", 0.1)
    slow = open_video_world()
    quick = slow.add_customer()
    drawn, go_on = threading.Event(), threading.Event()

    def record_slowly(_: int) -> None:
        with transaction.atomic():
            slow.record(slow.event())
            drawn.set()
            assert go_on.wait(30)

    def fold_meanwhile(_: int) -> list[int]:
        assert drawn.wait(30)
        quick.record(quick.event(id="quick"))
        meanwhile = usage_folding.fold()
        go_on.set()
        return [meanwhile]

    with crowd_of(2) as crowd:
        answers = crowd.at_once(lambda place: (record_slowly, fold_meanwhile)[place](place))
    assert answers[1] == [0]
    assert usage_folding.fold() == 2
    assert spent(slow) == spent(quick) == 1
    assert UsageSlot.objects.count() == 2


def test_readers_never_see_less_or_twice_while_workers_fold() -> None:
    world = open_video_world(credit="1000")

    def work(place: int) -> list[Decimal]:
        seen = []
        for _ in range(20):
            if place == 0:
                world.record(world.event())
            elif place == 1:
                seen.append(spent(world))
            else:
                usage_folding.fold()
        return seen

    with crowd_of(4) as crowd:
        _, seen, *_ = crowd.at_once(work)
    assert seen == sorted(seen)
    assert all(amount <= 20 for amount in seen)
    usage_folding.fold()
    assert spent(world) == 20
    assert sum(UsageSlot.objects.values_list("charges", flat=True)) == 20
