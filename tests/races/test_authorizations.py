"""Authorizations under a crowd: no more is let go than there is, and each ends once."""

from collections import Counter
from decimal import Decimal

import pytest

from accounts import ledger
from accounts.models import Hold
from billing_site import self_check
from metering import authorizations, caps, sweeping
from metering.authorizations import AuthorizationEnded
from metering.models import Authorization, CapReservation, Event
from metering.outcomes import Status
from metering.spend_caps import Window
from tests.authorized_work import (
    as_it_stands,
    authorize,
    capture,
    event_of,
    fast_minutes,
    reasons_against,
    usd,
)
from tests.clock import HOUR, NOW, SINCE
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)


def test_twenty_ask_for_75_and_500_is_there() -> None:
    """Vector J1, through the engine."""
    video = open_video_world(credit="500")
    with crowd_of(20) as crowd:
        answers = crowd.at_once(lambda _: not reasons_against(video, *fast_minutes(video, "75")))
    assert Counter(answers) == {True: 6, False: 14}
    balance = ledger.read_balance(video.account, at=NOW)
    assert (int(balance.held), int(balance.available)) == (450, 50)
    assert self_check.differences() == []


def test_a_cap_lets_no_more_go_than_it_has_room_for() -> None:
    video = open_video_world(credit="500")
    caps.set_cap(
        customer=video.customer, limit=Decimal(20), window=Window.DAY, asset=video.usd, at=SINCE
    )
    with crowd_of(12) as crowd:
        answers = crowd.at_once(lambda _: not reasons_against(video, *fast_minutes(video, "3")))
    assert answers.count(True) == 6
    assert sum(CapReservation.objects.values_list("amount", flat=True)) == 18


def test_groups_across_two_customers_do_not_wait_in_a_circle() -> None:
    video = open_video_world(credit="500")
    other = video.add_customer()
    with crowd_of(10) as crowd:
        answers = crowd.at_once(
            lambda number: (
                not reasons_against(
                    (video, other)[number % 2],
                    *fast_minutes((video, other)[number % 2], "10", "10"),
                )
            )
        )
    assert answers.count(True) == 10


def _verb(video: VideoWorld, row: Authorization, number: int) -> str:
    """Try to end it one way or another; says how that went."""
    try:
        match number % 4:
            case 0:
                capture(row, event_of(video, row, "3"))
            case 1:
                authorizations.release(authorization=row, at=NOW)
            case 2:
                authorizations.extend(authorization=row, drafts=fast_minutes(video, "1"), at=NOW)
                return "extended"
            case _:
                sweeping.settle_due_accounts(at=NOW + 2 * HOUR)
                return "swept"
    except AuthorizationEnded:
        return "ended"
    return ("captured", "released")[number % 4]


def test_capture_release_and_the_sweeper_at_once_are_one_end() -> None:
    states: Counter[str] = Counter()
    with crowd_of(12) as crowd:
        for _ in range(8):
            video = open_video_world(credit="100")
            caps.set_cap(
                customer=video.customer, limit=Decimal(90), window=Window.DAY, asset=video.usd,
                at=SINCE,
            )  # fmt: skip
            row = authorize(video, *fast_minutes(video, "10"), on_expiry="capture_full")
            answers = Counter(crowd.at_once(lambda number: _verb(video, row, number)))  # noqa: B023
            stands, hold = as_it_stands(row), Hold.objects.get(reference=row.id)
            states[stands.state] += 1
            assert answers["captured"] + answers["released"] == (stands.state != "expired")
            assert stands.state == hold.state
            taken = {"captured": Decimal(3), "released": Decimal(0), "expired": hold.amount}
            balance = ledger.read_balance(video.account, at=NOW)
            assert (balance.posted, balance.held) == (
                Decimal(100) - taken[stands.state],
                Decimal(0),
            )
            assert not CapReservation.objects.filter(ends_at__isnull=False).exists()
    assert self_check.differences() == []


def test_one_capture_sent_by_many_takes_its_events_once() -> None:
    video = open_video_world(credit="100")
    row = authorize(video, *fast_minutes(video, "10"))
    drafts = [event_of(video, row, each) for each in ("1", "2")]
    with crowd_of(10) as crowd:
        captures = crowd.at_once(lambda _: capture(row, *drafts))
    statuses = Counter(outcome.status for each in captures for outcome in each.outcomes)
    assert statuses == {Status.RECORDED: 2, Status.REPLAYED: 18}
    charges = [[each.charges for each in done.outcomes] for done in captures]
    assert all(each == charges[0] for each in charges)
    assert (video.balance(), Event.objects.count()) == (Decimal(97), 2)
    assert self_check.differences() == []


def test_parts_captured_at_once_all_count() -> None:
    video = open_video_world(credit="100")
    row = authorize(video, *fast_minutes(video, "50"))
    with crowd_of(10) as crowd:
        crowd.at_once(
            lambda number: (
                capture(row, event_of(video, row, "2"), final=False)
                if number % 2
                else video.record(event_of(video, row, "2"))
            )
        )
    stands = as_it_stands(row)
    assert (stands.captured, stands.held) == (usd(20), usd(30))
    assert self_check.differences() == []
