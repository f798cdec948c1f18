"""What time brings to accounts at rest."""

import uuid
from decimal import Decimal
from typing import Any

import pytest

from accounts import ledger
from accounts.ledger import Part
from accounts.models import CreditGrant, Hold, LedgerEntry
from billing_site import self_check
from metering import sweeping
from metering.models import AlertFiring
from tests.clock import DAY, HOUR, NOW, SECOND
from tests.factories import SpendAlertFactory
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


def test_every_account_of_every_organization_is_swept_once() -> None:
    for world in (open_video_world(), open_video_world()):
        world.grant("5", expires_at=NOW)
        world.grant("7", effective_at=NOW)
    assert sweeping.settle_due_accounts(at=NOW - HOUR) == 0
    assert sweeping.settle_due_accounts(at=NOW) == 4
    assert sweeping.settle_due_accounts(at=NOW) == 0
    assert self_check.differences() == []


def test_many_accounts_are_swept_a_few_at_a_time(
    video: VideoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "ACCOUNTS_PER_TRANSACTION", 2)
    for _ in range(5):
        video.add_customer().grant("5", expires_at=NOW)
    assert sweeping.settle_due_accounts(at=NOW) == 5
    assert LedgerEntry.objects.filter(kind="expiry").count() == 5


def test_a_grant_that_was_used_up_is_only_noted(video: VideoWorld) -> None:
    video.grant("1", expires_at=NOW + HOUR)
    video.record(video.event())
    assert sweeping.settle_due_accounts(at=NOW + DAY) == 0
    assert CreditGrant.objects.get(amount=1).expired_at == NOW + DAY


def hold(world: VideoWorld, amount: str, **terms: Any) -> None:
    """Hold for an hour before now."""
    ledger.hold(
        account=world.account,
        reference=uuid.uuid4(),
        parts=[Part("video_minutes", Decimal(amount))],
        expires_at=NOW,
        at=NOW - HOUR,
        **terms,
    )


def test_holds_end_when_their_time_is_over(video: VideoWorld) -> None:
    for amount in ("0", "60"):
        hold(video, amount)
    assert sweeping.settle_due_accounts(at=NOW - SECOND) == 0
    assert sweeping.settle_due_accounts(at=NOW) == 2
    assert sweeping.settle_due_accounts(at=NOW) == 0
    assert set(Hold.objects.values_list("state", flat=True)) == {"expired"}
    assert self_check.differences() == []


@pytest.fixture
def watched() -> VideoWorld:
    """A customer with 40 that last and 60 that expire now, warned below 50."""
    world = open_video_world(credit="40")
    world.grant("60", expires_at=NOW)
    SpendAlertFactory.create(account=world.account, threshold=Decimal(50))
    return world


def test_an_expiry_warns(watched: VideoWorld) -> None:
    sweeping.settle_due_accounts(at=NOW)
    assert AlertFiring.objects.get().balance == 40


def test_a_hold_that_is_taken_unclaimed_warns(video: VideoWorld) -> None:
    SpendAlertFactory.create(account=video.account, threshold=Decimal(50))
    hold(video, "60", on_expiry="capture_full")
    assert sweeping.settle_due_accounts(at=NOW) == 2
    assert AlertFiring.objects.get().balance == 40


def test_a_grant_in_between_does_not_hide_an_expiry(watched: VideoWorld) -> None:
    watched.grant("1", at=NOW)
    assert watched.balance() == 41
    sweeping.settle_due_accounts(at=NOW)
    assert AlertFiring.objects.get().balance == 41


def test_a_reversal_in_between_does_not_hide_an_expiry(watched: VideoWorld) -> None:
    watched.record(watched.event(), at=NOW - HOUR)
    watched.grant("2", expires_at=NOW + HOUR)
    ledger.reverse(entry=LedgerEntry.objects.get(kind="usage"), at=NOW)
    sweeping.settle_due_accounts(at=NOW)
    assert AlertFiring.objects.get().balance == 42
    assert self_check.differences() == []


def test_a_grant_that_lifts_the_balance_again_leaves_nothing_to_warn_of(
    watched: VideoWorld,
) -> None:
    watched.grant("100", at=NOW)
    sweeping.settle_due_accounts(at=NOW)
    assert not AlertFiring.objects.exists()
