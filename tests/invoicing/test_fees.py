"""Base fees and seats, from sign-up on, as invoices say them."""

from decimal import Decimal

import pytest

from billing_site import self_check
from invoicing import closing, seats
from invoicing.models import InvoiceKind, InvoiceLine, PeriodOpening
from metering.models import BillingPeriod
from pricing.models import FeeTiming, Subscription
from tests.clock import DAY, HOUR
from tests.invoicing.fee_worlds import amounts, invoices_of, let_it_be, moment, open_fee_world, said

pytestmark = pytest.mark.django_db

APRIL = moment("2025-04-01T09:00")
MAY = moment("2025-05-01")
JUNE = moment("2025-06-01")


def test_a_fee_in_advance_is_due_at_sign_up_and_then_with_the_invoice_of_each_period() -> None:
    world = open_fee_world(at=APRIL, base_fee="50")
    let_it_be(APRIL + HOUR)
    world.record(world.minutes_of("fast", "7"), at=APRIL + DAY)
    let_it_be(MAY + HOUR)
    opening, first = invoices_of(world)
    assert (opening.kind, said(opening)) == (InvoiceKind.OPENING, ["Pro: base fee: 50"])
    assert said(first) == ["Video minutes: 7", "Pro: base fee: 50"]
    assert (opening.total, first.total) == amounts(50, 57)
    assert "2025-05-01 to 2025-06-01" in InvoiceLine.objects.get(invoice=first, position=2).note
    assert self_check.differences() == []


def test_doing_it_again_changes_nothing() -> None:
    world = open_fee_world(at=APRIL, base_fee="50")
    for at in (APRIL + HOUR, APRIL + HOUR, MAY + HOUR, MAY + HOUR, MAY + DAY):
        let_it_be(at)
    assert [each.total for each in invoices_of(world)] == [50, 50]
    assert PeriodOpening.objects.count() == 2


def test_a_customer_who_uses_nothing_is_charged_all_the_same() -> None:
    world = open_fee_world(at=APRIL, base_fee="50", base_fee_timing=FeeTiming.ARREARS)
    assert closing.begin_due_periods(at=APRIL + HOUR) == 1
    assert closing.begin_due_periods(at=APRIL + HOUR) == 0
    let_it_be(APRIL + HOUR)
    assert invoices_of(world) == []
    let_it_be(MAY + HOUR)
    [invoice] = invoices_of(world)
    assert said(invoice) == ["Pro: base fee: 50"]


def test_a_trial_of_five_days_leaves_25_of_30() -> None:
    """Vector K2, and the rule stands on the line."""
    world = open_fee_world(at=APRIL, base_fee="50", trial_days=5)
    let_it_be(APRIL + HOUR)
    [invoice] = invoices_of(world)
    assert invoice.total == Decimal("41.67")
    assert "25 of 30 days" in invoice.lines.get().note


def test_a_trial_of_the_whole_period_asks_for_nothing_and_then_for_all() -> None:
    world = open_fee_world(at=APRIL, base_fee="50", trial_days=30)
    let_it_be(APRIL + HOUR)
    assert invoices_of(world) == []
    let_it_be(MAY + HOUR)
    assert [each.total for each in invoices_of(world)] == [50]


def test_a_first_part_period_counts_the_day_of_sign_up() -> None:
    """Vector K3: 16 of 30 days, and not 15 of them."""
    world = open_fee_world(at=moment("2025-04-15T18:00"), base_fee="10")
    Subscription.objects.update(anchor_date="2025-04-01")
    let_it_be(moment("2025-04-15T19:00"))
    [invoice] = invoices_of(world)
    assert (invoice.total, BillingPeriod.objects.get().ends_at) == (Decimal("5.33"), MAY)


def test_seats_in_advance_are_made_up_for_when_they_change() -> None:
    world = open_fee_world(at=APRIL, seat_fee="10", seats=3, included_seats=1)
    let_it_be(APRIL + HOUR)
    subscription = Subscription.objects.get()
    seats.change_seats(subscription=subscription, seats=5, at=moment("2025-04-16T12:00"))
    let_it_be(MAY + HOUR)
    opening, first = invoices_of(world)
    assert said(opening) == ["Pro: seats: 20"]
    assert said(first) == ["Pro: seats given back: -10", "Pro: seats: 20", "Pro: seats: 40"]
    assert self_check.differences() == []


def test_seats_in_arrears_are_charged_for_as_long_as_they_were_there() -> None:
    world = open_fee_world(at=APRIL, seat_fee="10", seats=3, seat_fee_timing=FeeTiming.ARREARS)
    let_it_be(APRIL + HOUR)
    seats.change_seats(subscription=Subscription.objects.get(), seats=6, at=APRIL + 20 * DAY)
    let_it_be(MAY + HOUR)
    assert [said(each) for each in invoices_of(world)] == [["Pro: seats: 20", "Pro: seats: 20"]]


def test_seats_given_back_beyond_what_is_due_are_carried_to_the_next_invoice() -> None:
    world = open_fee_world(at=APRIL, seat_fee="30", seats=10)
    let_it_be(APRIL + HOUR)
    seats.change_seats(subscription=Subscription.objects.get(), seats=1, at=APRIL + 2 * DAY)
    let_it_be(MAY + HOUR)
    let_it_be(JUNE + HOUR)
    opening, first, second = invoices_of(world)
    assert (opening.total, first.total, second.total) == amounts(300, 0, 0)
    # 28 of 30 days of 9 seats less are 252, of which 60 paid for two months of one seat.
    assert said(second)[-1] == "Carried over to the next invoice: 192"
    assert self_check.differences() == []


def test_seats_have_bounds_and_need_a_live_subscription() -> None:
    open_fee_world(at=APRIL, seat_fee="30")
    subscription = Subscription.objects.get()
    with pytest.raises(seats.SeatsRefused):
        seats.change_seats(subscription=subscription, seats=0, at=APRIL + DAY)
    Subscription.objects.update(ended_at=APRIL + DAY)
    with pytest.raises(seats.SeatsRefused, match="has ended"):
        seats.change_seats(subscription=subscription, seats=2, at=APRIL + DAY)
