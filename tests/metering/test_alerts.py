"""Spend alerts: one firing for each crossing, in the transaction that crossed, mailed after."""

import smtplib
from decimal import Decimal

import pytest
from django.core import mail
from django.db import transaction

from accounts import ledger
from accounts.burndown import Category
from metering import alerts, sweeping
from metering.models import AlertFiring, SpendAlert
from tests.clock import DAY, HOUR, NOW, SECOND, SINCE
from tests.factories import PortalMembershipFactory, UserFactory
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


def _warn(world: VideoWorld, below: str) -> SpendAlert:
    return SpendAlert.objects.create(
        organization=world.organization, account=world.account, threshold=Decimal(below)
    )


def _firings(world: VideoWorld) -> list[Decimal]:
    firings = AlertFiring.objects.filter(account=world.account).order_by("epoch")
    return [firing.balance for firing in firings]


class TestDecided:
    """With the debit, or not at all."""

    def test_it_fires_once_until_the_balance_has_recovered(self, video: VideoWorld) -> None:
        _warn(video, "98")
        for _ in range(5):
            video.record(video.event())
        assert _firings(video) == [Decimal(97)]
        video.grant("10", at=NOW)
        for _ in range(9):
            video.record(video.event())
        assert _firings(video) == [Decimal(97), Decimal(97)]

    def test_each_crossing_inside_one_batch_is_found(self, video: VideoWorld) -> None:
        _warn(video, "99")
        _warn(video, "50")
        video.record(*(video.minutes_of("fast", "20") for _ in range(4)))
        assert _firings(video) == [Decimal(80), Decimal(40)]

    def test_a_switched_off_alert_is_silent(self, video: VideoWorld) -> None:
        SpendAlert.objects.filter(id=_warn(video, "99").id).update(is_active=False)
        video.record(video.minutes_of("fast", "20"))
        assert _firings(video) == []

    def test_a_rolled_back_debit_fires_nothing(self, video: VideoWorld) -> None:
        _warn(video, "99")
        with transaction.atomic():
            video.record(video.minutes_of("fast", "20"))
            transaction.set_rollback(True)
        assert _firings(video) == []

    def test_an_expiry_that_crosses_fires_from_the_sweep(self) -> None:
        world = open_video_world(credit="0")
        ledger.grant_credit(
            account=world.account, amount=Decimal(50), category=Category.PAID, at=SINCE,
            expires_at=NOW,
        )  # fmt: skip
        _warn(world, "10")
        assert sweeping.settle_due_accounts(at=NOW - SECOND) == 0
        assert sweeping.settle_due_accounts(at=NOW) == 1
        assert sweeping.settle_due_accounts(at=NOW + DAY) == 0
        assert _firings(world) == [Decimal(0)]


class TestDelivered:
    """Mailed by whoever finds the firing."""

    @pytest.fixture
    def world(self, video: VideoWorld) -> VideoWorld:
        _warn(video, "99")
        video.record(video.minutes_of("fast", "20"))
        return video

    def test_the_customer_and_their_people_get_one_mail(self, world: VideoWorld) -> None:
        PortalMembershipFactory.create(
            organization=world.organization,
            customer=world.customer,
            user=UserFactory.create(email="someone@customer.example"),
        )
        assert alerts.deliver_due(at=NOW) == 1
        assert alerts.deliver_due(at=NOW + DAY) == 0
        [message] = mail.outbox
        assert "80.00 USD" in message.subject
        assert "someone@customer.example" in message.to
        firing = AlertFiring.objects.get()
        assert message.extra_headers["Message-ID"] == f"<{firing.id}@drawdown>"
        assert firing.delivered_at == NOW

    def test_a_server_that_is_away_is_tried_again_later(
        self, world: VideoWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise smtplib.SMTPServerDisconnected("away")

        with monkeypatch.context() as away:
            away.setattr(mail.EmailMessage, "send", refuse)
            assert alerts.deliver_due(at=NOW) == 0
        firing = AlertFiring.objects.get()
        assert (firing.attempts, firing.last_error) == (1, "away")
        assert alerts.deliver_due(at=NOW + SECOND) == 0
        assert alerts.deliver_due(at=NOW + HOUR) == 1
        assert len(mail.outbox) == 1

    def test_two_workers_do_not_send_the_same_firing(self, world: VideoWorld) -> None:
        assert alerts.deliver_due(at=NOW) + alerts.deliver_due(at=NOW) == 1
