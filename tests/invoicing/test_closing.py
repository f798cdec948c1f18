"""From a period whose time is over to a finalized invoice."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import transaction

from billing_site import self_check
from invoicing import closing, numbering
from invoicing.models import Invoice, InvoiceLine, InvoiceState, NumberSeries
from metering import billing_periods
from metering.models import BillingPeriod, Event
from pricing.models import ShortfallPolicy
from tests.authorized_work import authorize, capture, event_of, fast_minutes
from tests.clock import DAY, NOW, SECOND
from tests.factories import OrganizationFactory
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_video_world

MONTH_END = NOW.replace(month=4, day=1, hour=0)
LATER = MONTH_END + DAY


def _close(world: VideoWorld) -> Invoice:
    assert closing.close_due_periods(at=LATER) == 1
    assert closing.build_due_invoices(at=LATER) == 1
    return Invoice.objects.get(customer=world.customer)


@pytest.mark.django_db
class TestInvoice:
    """What a closed period becomes."""

    def test_overage_is_due_and_credit_is_shown(self) -> None:
        world = open_video_world(credit="40", policy=ShortfallPolicy.OVERAGE)
        world.record(world.minutes_of("fast", "90"), world.minutes_of("standard", "25"))
        invoice = _close(world)
        line = InvoiceLine.objects.get(invoice=invoice)
        assert (line.quantity, line.usage_amount) == (Decimal(115), Decimal(100))
        assert (line.credits_applied, line.amount) == (Decimal(40), Decimal(60))
        assert (invoice.display_number, invoice.total) == ("INV-000001", Decimal(60))
        assert invoice.state == InvoiceState.FINALIZED

    def test_what_nobody_pays_is_told_and_not_due(self) -> None:
        video = open_video_world(credit="120")
        row = authorize(video, *fast_minutes(video, "100"))
        capture(row, event_of(video, row, "130"))
        invoice = _close(video)
        line = invoice.lines.get()
        assert (line.usage_amount, line.credits_applied, line.uncollected) == (
            Decimal(130),
            Decimal(120),
            Decimal(10),
        )
        assert (line.amount, invoice.total) == (Decimal(0), Decimal(0))
        assert self_check.differences() == []

    def test_usage_covered_by_credit_leaves_nothing_due(self, video: VideoWorld) -> None:
        """Vector L9: finalized at 0.00."""
        video.record(video.minutes_of("fast", "33.333"))
        invoice = _close(video)
        assert invoice.total == 0
        assert invoice.lines.get().credits_applied == Decimal("33.333")

    def test_a_line_is_rounded_once(self) -> None:
        """Vector E7: 0.175 becomes 0.18, and three of 0.0583… are not rounded one by one."""
        world = open_video_world(credit="0", policy=ShortfallPolicy.OVERAGE)
        world.record(*(world.minutes_of("fast", "0.0875") for _ in range(2)))
        assert _close(world).total == Decimal("0.18")

    def test_a_quiet_period_needs_no_invoice(self, video: VideoWorld) -> None:
        video.record(video.event())
        _close(video)
        assert closing.close_due_periods(at=LATER + 31 * DAY) == 1
        assert closing.build_due_invoices(at=LATER + 31 * DAY) == 0
        assert not BillingPeriod.objects.filter(closed_at__isnull=False, invoiced_at=None).exists()

    def test_a_unit_of_the_organizations_own_is_not_invoiced(self, video: VideoWorld) -> None:
        video.usd.is_currency = False
        video.usd.save()
        video.record(video.event())
        closing.close_due_periods(at=LATER)
        assert closing.build_due_invoices(at=LATER) == 0

    def test_nothing_is_due_before_the_period_is_over(self, video: VideoWorld) -> None:
        video.record(video.event())
        assert closing.close_due_periods(at=MONTH_END - SECOND) == 0

    def test_doing_it_again_changes_nothing(self, video: VideoWorld) -> None:
        video.record(video.event())
        invoice = _close(video)
        assert closing.close_due_periods(at=LATER) == closing.build_due_invoices(at=LATER) == 0
        assert (
            closing.build_invoices(
                organization_id=video.organization.id, period_id=invoice.period_id, at=LATER
            )
            == []
        )

    def test_killed_between_closing_and_building_it_is_built_by_the_next_run(
        self, video: VideoWorld
    ) -> None:
        video.record(video.event())
        closing.close_due_periods(at=LATER)
        assert not Invoice.objects.exists()
        assert closing.build_due_invoices(at=LATER + DAY) == 1

    def test_killed_while_building_nothing_is_half_written(
        self, video: VideoWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        video.record(video.event())
        closing.close_due_periods(at=LATER)
        with monkeypatch.context() as dying:
            dying.setattr(numbering, "next_number", lambda **_: 1 / 0)
            with pytest.RaisesGroup(ZeroDivisionError):
                closing.build_due_invoices(at=LATER)
        assert not Invoice.objects.exists()
        assert closing.build_due_invoices(at=LATER) == 1
        assert Invoice.objects.get().number == 1

    def test_a_late_event_goes_to_the_next_period(self, video: VideoWorld) -> None:
        video.record(video.event())
        closed = _close(video).period_id
        draft = video.event(timestamp=NOW.isoformat())
        video.record(draft, at=LATER)
        event = Event.objects.get(key=draft.key)
        assert (event.is_late, event.period_id == closed) == (True, False)
        assert self_check.differences() == []

    def test_the_subscription_that_ended_opens_no_further_period(self, video: VideoWorld) -> None:
        video.record(video.event())
        period = BillingPeriod.objects.get(customer=video.customer)
        period.subscription.ended_at = NOW
        period.subscription.save()
        assert billing_periods.close_if_due(period, at=LATER)
        assert not BillingPeriod.objects.filter(closed_at=None).exists()


def _at_once(size: int, work: Callable[[int], None]) -> None:
    with crowd_of(size) as crowd:
        crowd.at_once(work)


@pytest.mark.django_db(transaction=True)
class TestRaces:
    """Two beats, events that come while a period closes, numbers under rollbacks."""

    def test_two_closers_close_once(self) -> None:
        world = open_video_world()
        world.record(world.event())
        closed: list[int] = []
        invoiced: list[int] = []

        def close(_: int) -> None:
            closed.append(closing.close_due_periods(at=LATER))
            invoiced.append(closing.build_due_invoices(at=LATER))

        _at_once(6, close)
        assert (sum(closed), sum(invoiced)) == (1, 1)
        assert self_check.differences() == []

    def test_events_that_race_with_the_close_land_on_one_invoice_each(self) -> None:
        world = open_video_world(credit="0", policy=ShortfallPolicy.OVERAGE)
        world.record(world.event())

        def work(number: int) -> None:
            if number == 0:
                closing.close_due_periods(at=LATER)
            for attempt in range(5):
                world.record(world.event(id=f"{number}-{attempt}"), at=LATER)

        _at_once(8, work)
        closing.close_due_periods(at=LATER + 31 * DAY)
        closing.build_due_invoices(at=LATER + 31 * DAY)
        totals = Invoice.objects.filter(customer=world.customer).values_list("total", flat=True)
        assert (len(totals), sum(totals)) == (2, Decimal(41))
        assert self_check.differences() == []

    def test_numbers_have_no_gap_whatever_is_rolled_back(self) -> None:
        organization = OrganizationFactory.create()
        taken: list[int] = []

        def take(worker: int) -> None:
            for attempt in range(25):
                with transaction.atomic():
                    number = numbering.next_number(organization_id=organization.id, prefix="INV")
                    if (worker + attempt) % 5 == 0:
                        transaction.set_rollback(True)
                    else:
                        taken.append(number)

        _at_once(8, take)
        assert sorted(taken) == list(range(1, 161))
        assert NumberSeries.objects.get(organization=organization).last_number == 160

    def test_a_number_needs_a_transaction(self) -> None:
        organization = OrganizationFactory.create()
        with pytest.raises(transaction.TransactionManagementError):
            numbering.next_number(organization_id=organization.id, prefix="INV")
