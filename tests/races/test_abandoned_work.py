"""Work that was authorized and never heard of again: what was held for it comes back in time.

`ABANDONED_HOLDS` says how many authorizations are asked for: 10000 before a release.
"""

import datetime as dt
import itertools
import os
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.db.models import Sum

from accounts.models import CreditAccount, CreditGrant, Hold, LedgerEntry
from billing_site import self_check
from metering import sweeping
from metering.models import Authorization, Event, RatedEvent
from metering.outcomes import Status
from tests.authorized_work import authorize, capture, event_of
from tests.clock import NOW, SECOND
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = 8
CUSTOMERS = 20
HOLDS = int(os.environ.get("ABANDONED_HOLDS", "160"))
TIME_TO_LIVE = dt.timedelta(seconds=90)
EACH = HOLDS // CROWD
FACTORS = ("0.5", "1", "3")


def customers() -> list[VideoWorld]:
    """Customers whose promotional credit expires while their work goes on."""
    first = open_video_world(credit="0")
    worlds = [first, *(first.add_customer(credit="0") for _ in range(CUSTOMERS - 1))]
    needed = Decimal(3 * HOLDS) / CUSTOMERS
    for world in worlds:
        world.grant(str(needed / 6), expires_at=NOW + TIME_TO_LIVE / 2, priority=1)
        world.grant(str(needed))
    return worlds


def work(worlds: list[VideoWorld], number: int) -> Iterator[Decimal]:
    """Authorize one minute again and again; yield what was captured by clients that lived on."""
    factors = itertools.cycle(FACTORS)
    for turn in range(EACH):
        world = worlds[(number + turn) % CUSTOMERS]
        at = NOW + turn * TIME_TO_LIVE / EACH
        authorization = authorize(
            world,
            world.minutes_of("fast", "1", id=f"asked {number} {turn}"),
            expires_in=TIME_TO_LIVE,
            at=at,
        )
        if turn % 2:
            continue  # The client was killed.
        minutes = next(factors)
        event = event_of(world, authorization, minutes, id=f"done {number} {turn}")
        done = [capture(authorization, event, at=at + SECOND) for _ in range(2)]
        assert [each.outcomes[0].status for each in done] == [Status.RECORDED, Status.REPLAYED]
        yield Decimal(minutes)


def test_what_was_held_for_clients_that_died_comes_back() -> None:
    worlds = customers()
    with crowd_of(CROWD, seconds=120 + HOLDS) as crowd:
        captured = crowd.at_once(lambda number: list(work(worlds, number)))
    amounts = [amount for each in captured for amount in each]
    assert len(amounts) == HOLDS // 2
    held = CreditAccount.objects.aggregate(held=Sum("held"))["held"]
    assert held > 0

    sweeping.settle_due_accounts(at=NOW + 2 * TIME_TO_LIVE)

    for rows in (CreditAccount.objects, CreditGrant.objects):
        assert not rows.exclude(held=0).exists()
    assert not Hold.objects.filter(state="open").exists()
    assert Authorization.objects.count() == CROWD * EACH
    assert Event.objects.count() == len(amounts)
    taken = LedgerEntry.objects.filter(kind="usage").aggregate(taken=Sum("amount"))["taken"]
    assert -taken == sum(amounts)
    assert not RatedEvent.objects.exclude(uncollected=0).exists()
    assert self_check.differences() == []
