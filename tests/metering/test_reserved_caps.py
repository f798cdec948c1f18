"""Spend caps and authorizations: reserved while they are open, given back when they are not."""

from decimal import Decimal
from typing import Any

import pytest

from accounts import ledger
from accounts.burndown import Category
from billing_site import self_check
from metering import authorizations, caps, sweeping
from metering.models import CapCounter, CapReservation, SpendCap
from metering.outcomes import Status
from metering.spend_caps import Window
from tests.authorized_work import authorize, capture, event_of, fast_minutes, reasons_against
from tests.clock import DAY, HOUR, NOW, SINCE
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def books_stay_right(db: None) -> object:
    yield
    assert self_check.differences() == []


def capped(video: VideoWorld, limit: str, **terms: Any) -> SpendCap:
    terms = {"window": Window.MONTH, "asset": video.usd, **terms}
    return caps.set_cap(customer=video.customer, limit=Decimal(limit), at=SINCE, **terms)


def used(video: VideoWorld, *, at: Any = NOW) -> Decimal:
    """Return what the only cap has, used and reserved."""
    windows = caps.used_now(customer=video.customer, at=at).values()
    return sum((count for window in windows for count in window.values()), Decimal(0))


def test_what_is_reserved_leaves_no_room(video: VideoWorld) -> None:
    cap = capped(video, "10")
    authorize(video, *fast_minutes(video, "4", "2"))
    assert used(video) == 6
    [reason] = reasons_against(video, *fast_minutes(video, "3", "2"))
    assert reason.pop("detail")
    assert reason == {
        "reason": "spend_cap", "asset": "USD", "limit": str(cap.id), "needed": "2",
        "available": "1", "field": "items[1]",
    }  # fmt: skip
    [outcome] = video.record(video.minutes_of("fast", "5"))
    assert outcome.status == Status.BLOCKED


def test_a_refused_group_reserves_nothing(video: VideoWorld) -> None:
    capped(video, "10")
    assert reasons_against(video, *fast_minutes(video, "6", "6"))
    assert used(video) == 0
    assert not CapReservation.objects.exists()


def test_credit_and_cap_are_both_told_the_greater_lack_first(video: VideoWorld) -> None:
    capped(video, "10")
    found = reasons_against(video, *fast_minutes(video, "8", "150"))
    assert [each["reason"] for each in found] == ["spend_cap", "insufficient_credit"]
    assert [each.get("field") for each in found] == ["items[1]", None]


def test_a_capture_moves_it_from_reserved_to_used(video: VideoWorld) -> None:
    capped(video, "10")
    row = authorize(video, *fast_minutes(video, "6"))
    capture(row, event_of(video, row, "2"), final=False)
    assert (used(video), CapCounter.objects.get().used) == (Decimal(6), Decimal(2))
    assert CapReservation.objects.get().amount == 4
    capture(row, event_of(video, row, "1"))
    assert used(video) == 3
    assert not CapReservation.objects.exists()


def test_a_capture_beyond_the_cap_is_counted_and_not_refused(video: VideoWorld) -> None:
    capped(video, "10")
    row = authorize(video, *fast_minutes(video, "6"))
    assert capture(row, event_of(video, row, "25")).outcomes[0].status == Status.RECORDED
    assert used(video) == 25


def test_an_event_that_names_its_authorization_gives_back_as_well(video: VideoWorld) -> None:
    capped(video, "10")
    row = authorize(video, *fast_minutes(video, "8"))
    outcomes = video.record(event_of(video, row, "8"), video.minutes_of("fast", "2"))
    assert [each.status for each in outcomes] == [Status.RECORDED] * 2
    assert used(video) == 10


def test_a_release_gives_it_back(video: VideoWorld) -> None:
    capped(video, "10")
    row = authorize(video, *fast_minutes(video, "8"))
    authorizations.release(authorization=row, at=NOW)
    assert used(video) == 0


def test_an_extension_reserves_more_and_longer(video: VideoWorld) -> None:
    capped(video, "10")
    row = authorize(video, *fast_minutes(video, "4"))
    authorizations.extend(authorization=row, drafts=fast_minutes(video, "3"), at=NOW)
    assert used(video) == 7
    authorizations.extend(authorization=row, expires_in=2 * HOUR, at=NOW)
    assert (used(video, at=NOW + HOUR), used(video, at=NOW + 2 * HOUR)) == (Decimal(7), Decimal(0))
    with pytest.raises(authorizations.Refused):
        authorizations.extend(authorization=row, drafts=fast_minutes(video, "4"), at=NOW)
    assert used(video) == 7


def test_time_gives_it_back_whoever_books_the_end(video: VideoWorld) -> None:
    capped(video, "10")
    authorize(video, *fast_minutes(video, "8"))
    at = NOW + HOUR
    # A verb of the ledger, which knows nothing of caps.
    ledger.expire(organization_id=video.organization.id, account_ids=[video.account.id], at=at)
    assert used(video, at=at) == 0
    assert video.record(video.minutes_of("fast", "9"), at=at)[0].status == Status.RECORDED


def test_the_sweeper_leaves_no_row_behind(video: VideoWorld) -> None:
    capped(video, "10")
    authorize(video, *fast_minutes(video, "8"))
    sweeping.settle_due_accounts(at=NOW + HOUR)
    assert not CapReservation.objects.exists()


@pytest.mark.parametrize("swept", [True, False])
def test_what_an_expiry_takes_in_full_goes_on_counting(video: VideoWorld, swept: bool) -> None:
    capped(video, "10")
    capped(video, "100", asset=None, meter=video.minutes)
    authorize(video, *fast_minutes(video, "8"), on_expiry="capture_full")
    assert used(video) == 16
    at = NOW + HOUR
    if swept:
        sweeping.settle_due_accounts(at=at)
    # The minutes were not used by anybody, the money was taken.
    assert used(video, at=at) == 8
    assert video.record(video.minutes_of("fast", "3"), at=at)[0].status == Status.BLOCKED


def test_each_value_is_reserved_apart(video: VideoWorld) -> None:
    capped(video, "10", property_name="team")
    team = {"minutes": "6", "speed": "fast"}
    row = authorize(video, *(video.used(**team, team=name) for name in ("red", "blue")))
    [reason] = reasons_against(video, video.used(**team, team="red"))
    assert reason["available"] == "4"
    event = video.event(properties={**team, "team": "red"}, authorization=str(row.id))
    capture(row, event, final=False)
    reserved = CapReservation.objects.order_by("bucket").values_list("bucket", "amount")
    assert list(reserved) == [("blue", Decimal(6)), ("red", Decimal(0))]


def test_work_captured_on_another_day_counts_on_that_day(video: VideoWorld) -> None:
    capped(video, "10", window=Window.DAY)
    row = authorize(video, *fast_minutes(video, "8"), expires_in=DAY)
    tomorrow = NOW + 20 * HOUR
    assert used(video, at=tomorrow) == 0
    capture(row, event_of(video, row, "5"), at=tomorrow, final=False)
    assert (used(video, at=tomorrow), used(video)) == (Decimal(5), Decimal(3))


def test_a_lifted_cap_is_given_back_as_well(video: VideoWorld) -> None:
    cap = capped(video, "10")
    row = authorize(video, *fast_minutes(video, "8"))
    caps.lift_cap(cap)
    capture(row, event_of(video, row, "5"))
    assert not CapReservation.objects.exists()


def test_what_a_limited_grant_reserved_may_be_taken_at_expiry(video: VideoWorld) -> None:
    video.grant("5", category=Category.PROMOTIONAL, meters=["video_minutes"])
    authorize(video, *fast_minutes(video, "4"), on_expiry="capture_full")
    sweeping.settle_due_accounts(at=NOW + HOUR)
    assert video.balance() == 101
