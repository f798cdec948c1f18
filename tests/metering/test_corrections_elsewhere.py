"""Where else an event is remembered: closed periods, invoices, caps, counts, alerts, reports."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from billing_site import self_check
from invoicing import closing
from invoicing.models import Invoice
from metering import caps, corrections, event_lists, margins, usage_reports
from metering.models import (
    Adjustment,
    AlertFiring,
    BillingPeriod,
    CapCounter,
    DistinctValue,
    Event,
    UsageTotal,
)
from metering.spend_caps import Window
from tests.clock import DAY, NOW, SINCE
from tests.factories import SpendAlertFactory
from tests.metering.test_corrections import STEEP, seen, used, void
from tests.price_menu import open_shop
from tests.token_world import open_token_world
from tests.worlds import VideoWorld, open_world_selling

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("checks_at_once")]


@pytest.fixture(autouse=True)
def _books_stay_right() -> Iterator[None]:
    yield
    assert self_check.differences() == []


class TestClosedPeriods:
    AFTER = NOW + 40 * DAY

    def test_an_event_is_voided_before_the_invoice(self) -> None:
        world = open_world_selling(STEEP, credit="0")
        first, _ = used(world, "10"), used(world, "20")
        closing.close_due_periods(at=self.AFTER)
        void(world, first, at=self.AFTER)
        [invoice] = closing.build_invoices(
            organization_id=world.organization.id,
            period_id=BillingPeriod.objects.get(closed_at__isnull=False).id,
            at=self.AFTER,
        )
        assert invoice.total == 11
        assert not Adjustment.objects.waiting_for_credit_note().exists()

    def test_after_the_invoice_the_difference_waits_for_a_credit_note(self) -> None:
        world = open_world_selling({**STEEP, "minimum_amount": "15"}, credit="5")
        first, _ = used(world, "20"), used(world, "10")
        # 11.00 and 1.00 of usage, 3.00 up to the minimum; credit pays 5.00.
        closing.close_due_periods(at=self.AFTER)
        closing.build_due_invoices(at=self.AFTER)
        invoice = Invoice.objects.get()
        assert seen(invoice.total, UsageTotal.objects.get().amount) == (10, 12)
        voided = void(world, first, at=self.AFTER)
        # 10 units alone are 10.00, 9.00 more than they were charged, and 5.00 up to the minimum.
        assert seen(UsageTotal.objects.get().amount, UsageTotal.objects.get().quantity) == (12, 30)
        waiting = Adjustment.objects.waiting_for_credit_note()
        kinds = dict(waiting.values_list("kind", "amount"))
        assert kinds == {"": -2, "minimum": 2}
        [effect] = voided.void.effects
        # What came back of the first event pays for what the others cost more.
        assert seen(effect["returned"], effect["charged"], effect["balance"]) == ("5", "5", "0")
        assert sum(waiting.values_list("overage", flat=True)) == Decimal(effect["overage"]) == 0

    def test_a_lower_bill_is_a_negative_overage(self) -> None:
        world = open_world_selling(STEEP, credit="5")
        _, second = used(world, "10"), used(world, "20")
        closing.close_due_periods(at=self.AFTER)
        closing.build_due_invoices(at=self.AFTER)
        assert Invoice.objects.get().total == 7
        void(world, second, at=self.AFTER)
        [waiting] = Adjustment.objects.waiting_for_credit_note()
        assert seen(waiting.amount, waiting.overage, waiting.is_after_invoice) == (-2, -2, True)
        void(world, second, at=self.AFTER)
        assert Adjustment.objects.count() == 1


class TestWhatElseRemembers:
    def test_spend_caps_get_their_room_back(self, video: VideoWorld) -> None:
        caps.set_cap(
            customer=video.customer,
            window=Window.DAY,
            limit=Decimal(10),
            asset=video.usd,
            at=SINCE,
        )
        draft = video.minutes_of("fast", "9")
        video.record(draft)
        event = Event.objects.get(key=draft.key)
        [counted] = event.counted
        assert seen(counted["bucket"], counted["amount"]) == ("", "9")
        assert video.record(video.minutes_of("fast", "2"))[0].status == "blocked"
        void(video, draft)
        assert CapCounter.objects.get().used == 0
        assert video.record(video.minutes_of("fast", "10"))[0].status == "recorded"

    @pytest.mark.parametrize(("backfill", "status"), [(True, "recorded"), (False, "blocked")])
    def test_a_backfill_takes_no_room_of_today(
        self, video: VideoWorld, backfill: bool, status: str
    ) -> None:
        caps.set_cap(
            customer=video.customer,
            window=Window.DAY,
            limit=Decimal(1),
            asset=video.usd,
            at=SINCE,
        )
        old = {"timestamp": (NOW - 3 * DAY).isoformat(), "backfill": backfill}
        [outcome] = video.record(video.minutes_of("fast", "5", **old))
        assert outcome.status == status

    def test_a_unique_count_forgets_a_value_nobody_else_has(self) -> None:
        shop = open_shop(["users"])
        shop.grant(shop.customers[0], "100")
        ann, bob, again = shop.draft(user="ann"), shop.draft(user="bob"), shop.draft(user="bob")
        shop.record(ann, bob, again)
        void(shop, bob)
        assert seen(DistinctValue.objects.count(), UsageTotal.objects.get().quantity) == (2, 2)
        void(shop, again)
        assert seen(DistinctValue.objects.count(), UsageTotal.objects.get().quantity) == (1, 1)
        shop.record(shop.draft(user="bob"))
        assert UsageTotal.objects.get().quantity == 2

    def test_no_alert_fires_again_for_what_comes_back(self, video: VideoWorld) -> None:
        SpendAlertFactory.create(account=video.account, threshold=Decimal(50))
        video.grant("20", expires_at=NOW + DAY)
        first = video.minutes_of("fast", "80")
        video.record(first)
        fired = AlertFiring.objects.count()
        # 20.00 come back to a grant that has expired, and go again.
        void(video, first, at=NOW + 2 * DAY)
        assert AlertFiring.objects.count() == fired == 1

    def test_reports_leave_it_out(self) -> None:
        world = open_token_world()
        world.pay_vendor()
        kept, gone = (world.call("opus", 1_000_000, 1_000_000) for _ in range(2))
        corrections.void_event(organization_id=world.organization.id, key=gone.key, at=NOW)
        report = margins.report(
            organization_id=world.organization.id,
            start=NOW.date(),
            end=(NOW + DAY).date(),
            group_by=["customer"],
        )
        assert seen(report.total.events, report.total.revenue) == (1, Decimal("11.25"))
        assert report.total.cost == 9
        lines = event_lists.recent_events(kept.customer, limit=5)
        assert {line.key: line.is_voided for line in lines} == {kept.key: False, gone.key: True}

    def test_a_live_page_sees_a_replacement(self, video: VideoWorld) -> None:
        old = (NOW - DAY).isoformat()
        draft = video.event(timestamp=old)
        video.record(draft, video.event())
        before = usage_reports.activity(video.customer)
        spent = usage_reports.spend_by_day(video.customer, at=NOW, days=3)[video.usd.id]
        corrections.replace_event(
            organization_id=video.organization.id,
            key=draft.key,
            draft=video.minutes_of("fast", "7", timestamp=old),
            at=NOW,
        )
        assert usage_reports.activity(video.customer) != before
        now = usage_reports.spend_by_day(video.customer, at=NOW, days=3)[video.usd.id]
        assert [day.amount for day in spent] == [0, 1, 1]
        assert [day.amount for day in now] == [0, 7, 1]
