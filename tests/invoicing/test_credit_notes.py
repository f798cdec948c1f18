"""Credit notes: for events voided after their invoice, and given by an operator."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_site import self_check
from invoicing import credit_notes, invoice_rows
from invoicing.models import CreditNote, Invoice, InvoiceCorrection, InvoiceItem, TaxRate
from metering import corrections
from pricing import coupons
from pricing.models import Duration
from tests.clock import DAY, HOUR, NOW
from tests.invoicing.fee_worlds import amounts, invoices_of, let_it_be, moment, open_fee_world
from tests.worlds import VideoWorld, open_world_selling

pytestmark = pytest.mark.django_db

APRIL, MAY = moment("2025-04-01T09:00"), moment("2025-05-01")
LATER = NOW.replace(month=4, day=2, hour=0)


def world_with_tax(percent: str = "10") -> VideoWorld:
    world = open_fee_world(at=APRIL)
    TaxRate.objects.create(
        organization=world.organization, code="vat", name="VAT", percent=Decimal(percent)
    )
    return world


def asked_for(world: VideoWorld) -> Decimal:
    """Return what all invoices of the customer ask for, less what notes have given back."""
    notes = sum(each.total for each in CreditNote.objects.filter(customer=world.customer))
    return sum((each.total for each in invoices_of(world)), Decimal(0)) - notes


class TestVoidedEvents:
    def test_are_given_back_with_their_tax(self) -> None:
        world = world_with_tax()
        kept, wrong = world.minutes_of("fast", "30"), world.minutes_of("fast", "70")
        world.record(kept, wrong, at=APRIL + DAY)
        let_it_be(MAY + HOUR)
        corrections.void_event(organization_id=world.organization.id, key=wrong.key, at=MAY + DAY)
        let_it_be(MAY + DAY)
        note = CreditNote.objects.get()
        assert note.display_number == "CN-000001"
        assert (note.subtotal, note.tax, note.total) == amounts(70, 7, 77)
        assert note.lines == [{"description": "Video minutes", "amount": "70"}]
        assert note.taxes == [{"name": "VAT", "percent": "10", "amount": "7"}]
        assert asked_for(world) == 33
        assert self_check.differences() == []

    def test_are_given_back_once(self) -> None:
        world = world_with_tax()
        wrong = world.minutes_of("fast", "70")
        world.record(wrong, at=APRIL + DAY)
        let_it_be(MAY + HOUR)
        for _ in range(3):
            corrections.void_event(
                organization_id=world.organization.id, key=wrong.key, at=MAY + DAY
            )
            let_it_be(MAY + DAY)
        assert (CreditNote.objects.count(), InvoiceCorrection.objects.count()) == (1, 1)

    def test_that_credit_had_paid_make_no_note(self) -> None:
        world = world_with_tax()
        world.grant("100")
        wrong = world.minutes_of("fast", "70")
        world.record(wrong, at=APRIL + DAY)
        let_it_be(MAY + HOUR)
        corrections.void_event(organization_id=world.organization.id, key=wrong.key, at=MAY + DAY)
        let_it_be(MAY + DAY)
        assert (CreditNote.objects.count(), InvoiceCorrection.objects.count()) == (0, 1)
        assert world.balance(at=MAY + DAY) == 100

    def test_leave_what_a_minimum_asks_for(self) -> None:
        price = {"charge_model": "per_unit", "unit_amount": "2", "minimum_amount": "50"}
        world = open_world_selling(price, credit="0")
        kept, wrong = world.used(units="5"), world.used(units="30")
        world.record(kept, wrong)
        let_it_be(LATER)
        corrections.void_event(organization_id=world.organization.id, key=wrong.key, at=LATER)
        let_it_be(LATER + HOUR)
        assert [each.total for each in invoices_of(world)] == [70]
        assert asked_for(world) == 50
        assert self_check.differences() == []

    def test_never_come_to_more_than_the_invoice_when_an_operator_was_faster(self) -> None:
        world = world_with_tax()
        wrong = world.minutes_of("fast", "70")
        world.record(wrong, at=APRIL + DAY)
        let_it_be(MAY + HOUR)
        give(world, "60")
        corrections.void_event(organization_id=world.organization.id, key=wrong.key, at=MAY + DAY)
        let_it_be(MAY + DAY)
        assert asked_for(world) == 0
        assert self_check.differences() == []


def give(world: VideoWorld, amount: str) -> CreditNote:
    [invoice] = invoices_of(world)
    return credit_notes.give(
        organization=world.organization,
        invoice_id=invoice.id,
        amount=Decimal(amount),
        reason="Sorry",
        at=MAY + DAY,
    )


class TestOperators:
    @pytest.fixture
    def world(self) -> VideoWorld:
        world = world_with_tax()
        world.record(world.minutes_of("fast", "100"), at=APRIL + DAY)
        let_it_be(MAY + HOUR)
        return world

    def test_give_back_a_part_tax_included(self, world: VideoWorld) -> None:
        note = give(world, "11")
        assert (note.subtotal, note.tax, note.total) == amounts(10, 1, 11)
        assert give(world, "99").display_number == "CN-000002"
        assert asked_for(world) == 0
        assert self_check.differences() == []

    @pytest.mark.parametrize("amount", ["0", "-5", "110.01", "0.001"])
    def test_do_not_give_back_what_cannot_be(self, world: VideoWorld, amount: str) -> None:
        with pytest.raises(credit_notes.NoteRefused):
            give(world, amount)

    def test_do_not_give_back_more_in_parts(self, world: VideoWorld) -> None:
        give(world, "100")
        with pytest.raises(credit_notes.NoteRefused, match="more than the 10 left"):
            give(world, "10.01")

    def test_need_an_invoice_of_their_own(self, world: VideoWorld) -> None:
        stranger = world_with_tax()
        [invoice] = invoices_of(world)
        with pytest.raises(invoice_rows.UnknownInvoice):
            credit_notes.give(
                organization=stranger.organization,
                invoice_id=invoice.id,
                amount=Decimal(1),
                at=MAY + DAY,
            )


TIERS = {
    "charge_model": "graduated",
    "tiers": [{"up_to": "10", "unit_amount": "1.005"}, {"unit_amount": "0.333"}],
}


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    units=st.lists(st.integers(1, 15), min_size=2, max_size=5),
    percent=st.sampled_from(["0", "8.25", "19"]),
    off=st.sampled_from([None, "10", "33.3"]),
    credit=st.sampled_from(["0", "3.5"]),
    data=st.data(),
)
def test_law_8_invoice_and_note_come_to_what_the_invoice_would_have_been(
    units: list[int], percent: str, off: str | None, credit: str, data: st.DataObject
) -> None:
    wrong = data.draw(st.sets(st.sampled_from(range(len(units))), min_size=1))
    voided = _life(units, percent, off, credit)
    drafts = [voided.used(units=str(each)) for each in units]
    voided.record(*drafts)
    let_it_be(LATER)
    for place in sorted(wrong):
        corrections.void_event(
            organization_id=voided.organization.id, key=drafts[place].key, at=LATER
        )
        let_it_be(LATER + HOUR)
    straight = _life(units, percent, off, credit)
    straight.record(
        *(straight.used(units=str(each)) for n, each in enumerate(units) if n not in wrong)
    )
    let_it_be(LATER)
    items = InvoiceItem.objects.filter(customer=voided.customer)
    assert not items.exists()
    # What credit has paid of the usage that went is credit again, and pays nothing afterwards.
    returned = voided.balance(at=LATER + HOUR) - straight.balance(at=LATER + HOUR)
    if not returned:
        assert asked_for(voided) == asked_for(straight)
    assert self_check.differences() == []


def _life(units: list[int], percent: str, off: str | None, credit: str) -> VideoWorld:
    world = open_world_selling(TIERS, credit=credit)
    TaxRate.objects.create(
        organization=world.organization, code="vat", name="VAT", percent=Decimal(percent)
    )
    if off is not None:
        coupon = coupons.create_coupon(
            organization=world.organization, code="OFF", percent=Decimal(off), at=NOW,
            duration=Duration.FOREVER,
        )  # fmt: skip
        coupons.redeem(coupon=coupon, subscription=world.customer.subscriptions.get(), at=NOW)
    return world


def test_numbers_of_notes_and_invoices_are_two_series() -> None:
    world = world_with_tax()
    world.record(world.minutes_of("fast", "100"), at=APRIL + DAY)
    let_it_be(MAY + HOUR)
    give(world, "1")
    numbers = [Invoice.objects.get().display_number, CreditNote.objects.get().display_number]
    assert numbers == ["INV-000001", "CN-000001"]
