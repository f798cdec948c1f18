"""Void and reissue, and an invoice rebuilt from its events."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing_site import self_check
from invoicing import closing, credit_notes, invoice_rows, items, rebuilding, voiding
from invoicing.models import Invoice, InvoiceItem, InvoiceState, TaxProfile, TaxRate
from metering import corrections
from metering.models import Event, UsageTotal
from pricing import coupons
from tests.clock import DAY, HOUR, NOW
from tests.factories import InvoiceFactory, OrganizationFactory
from tests.guarded_tables import refused, run, unguarded
from tests.invoicing.fee_worlds import invoices_of, let_it_be, moment, open_fee_world, said
from tests.worlds import VideoWorld, open_world_selling

pytestmark = pytest.mark.django_db

APRIL, MAY, JUNE = moment("2025-04-01T09:00"), moment("2025-05-01"), moment("2025-06-01")
LATER = NOW.replace(month=4, day=2, hour=0)


@pytest.fixture
def world() -> VideoWorld:
    """A customer with an invoice over 100 and 10% of tax, an item of 50 and half off."""
    world = open_fee_world(
        at=APRIL,
        coupon=lambda organization, _: coupons.create_coupon(
            organization=organization, code="HALF", percent=Decimal(50), at=APRIL
        ),
    )
    TaxRate.objects.create(
        organization=world.organization, code="vat", name="VAT", percent=Decimal(10)
    )
    items.add_item(
        customer=world.customer, asset=world.usd, amount=Decimal(50), description="Help", at=APRIL
    )
    world.record(world.minutes_of("fast", "100"), at=APRIL + DAY)
    let_it_be(MAY + HOUR)
    return world


def void(world: VideoWorld, *, reissue: bool = False) -> Invoice:
    return voiding.void_invoice(
        organization=world.organization,
        invoice_id=invoices_of(world)[0].id,
        at=MAY + DAY,
        reason="Wrong country",
        reissue=reissue,
    )


class TestVoid:
    def test_keeps_the_number_and_lets_items_wait_again(self, world: VideoWorld) -> None:
        invoice = void(world)
        assert (invoice.state, invoice.display_number) == (InvoiceState.VOID, "INV-000001")
        assert InvoiceItem.objects.get().invoice is None
        world.record(world.minutes_of("fast", "1"), at=MAY + 2 * DAY)
        let_it_be(JUNE + HOUR)
        assert said(invoices_of(world)[1]) == ["Video minutes: 1", "Help: 50"]
        assert self_check.differences() == []

    def test_and_reissue_says_the_same_with_taxes_as_they_are_now(self, world: VideoWorld) -> None:
        TaxProfile.objects.create(
            organization=world.organization, customer=world.customer, is_exempt=True
        )
        again = void(world, reissue=True)
        voided, _ = invoices_of(world)
        assert (voided.total, again.total) == (Decimal("82.5"), Decimal(75))
        assert (again.display_number, again.replaces) == ("INV-000002", voided)
        assert said(again) == said(voided)
        assert InvoiceItem.objects.get().invoice == again
        assert self_check.differences() == []

    def test_is_done_once(self, world: VideoWorld) -> None:
        void(world)
        with pytest.raises(voiding.NotVoidable, match="voided before"):
            void(world)

    def test_builds_no_invoice_of_the_period_again(self, world: VideoWorld) -> None:
        void(world)
        assert closing.build_due_invoices(at=MAY + 2 * DAY) == 0

    def test_comes_too_late_after_a_credit_note(self, world: VideoWorld) -> None:
        credit_notes.give(
            organization=world.organization,
            invoice_id=invoices_of(world)[0].id,
            amount=Decimal(1),
            at=MAY + DAY,
        )
        with pytest.raises(voiding.NotVoidable, match="corrected since"):
            void(world)

    def test_of_a_draft_or_of_a_strangers_is_refused(self) -> None:
        draft = InvoiceFactory.create()
        with pytest.raises(voiding.NotVoidable):
            voiding.void_invoice(organization=draft.organization, invoice_id=draft.id, at=NOW)
        with pytest.raises(invoice_rows.UnknownInvoice):
            voiding.void_invoice(
                organization=OrganizationFactory.create(), invoice_id=draft.id, at=NOW
            )

    @pytest.mark.parametrize(
        "change", ["total = 1", "state = 'finalized', voided_at = NULL", "void_reason = 'x'"]
    )
    def test_freezes_it_for_good(self, world: VideoWorld, change: str) -> None:
        void(world)
        with refused("Cannot update or delete a final invoice"):
            run(f"UPDATE invoicing_invoice SET {change}")

    def test_changes_nothing_else_of_it(self, world: VideoWorld) -> None:
        with refused("Cannot update or delete a final invoice"):
            run("UPDATE invoicing_invoice SET state = 'void', voided_at = now(), total = 1")

    def test_a_correction_after_a_reissue_is_made_to_the_new_one(self, world: VideoWorld) -> None:
        again = void(world, reissue=True)
        key = Event.objects.get(customer=world.customer).key
        corrections.void_event(organization_id=world.organization.id, key=key, at=MAY + 2 * DAY)
        let_it_be(MAY + 2 * DAY)
        # Half of 100, and 10% of it, of an invoice that asked for 82.50.
        assert [each.total for each in again.credit_notes.all()] == [55]
        assert self_check.differences() == []


PRICES = {
    "graduated with a flat amount and a minimum": {
        "charge_model": "graduated",
        "tiers": [
            {"up_to": "10", "unit_amount": "1", "flat_amount": "5"},
            {"unit_amount": "0.3337"},
        ],
        "minimum_amount": "30",
    },
    "volume tiers at close": {
        "charge_model": "volume_tiers",
        "tiers": [{"up_to": "5", "unit_amount": "2"}, {"unit_amount": "1.255"}],
        "settle": "at_close",
    },
}


class TestRebuilding:
    @pytest.mark.parametrize("price", PRICES.values(), ids=PRICES)
    def test_comes_to_the_same_cent_also_after_voids(self, price: dict[str, object]) -> None:
        """Law 9, before and after corrections, which come before and after the invoice."""
        world = open_world_selling(price, credit="4.5")
        drafts = [world.used(units=str(each)) for each in (3, 8, 2, 7)]
        world.record(*drafts)
        corrections.void_event(organization_id=world.organization.id, key=drafts[1].key, at=NOW)
        let_it_be(LATER)
        [invoice] = invoices_of(world)
        rebuilt = rebuilding.rebuild(invoice)
        assert (rebuilt.differences, rebuilt.total, rebuilt.events) == ([], invoice.total, 3)
        corrections.void_event(organization_id=world.organization.id, key=drafts[2].key, at=LATER)
        let_it_be(LATER + HOUR)
        assert rebuilding.rebuild(invoice).differences == []

    def test_an_amount_that_was_tampered_with_is_found(self, world: VideoWorld) -> None:
        with unguarded():
            run(
                "UPDATE invoicing_invoiceline SET usage_amount = 99, amount = 99 WHERE amount = 100"
            )
        [invoice] = invoices_of(world)
        found = rebuilding.rebuild(invoice).differences
        assert [each.what for each in found] == ["Video minutes", "Video minutes: usage"]

    def test_by_command(self, world: VideoWorld) -> None:
        out = StringIO()
        slug = world.organization.slug
        call_command("rerate_invoice", "INV-000001", organization=slug, stdout=out)
        assert "1 events come to 82.5 USD, as it says" in out.getvalue()
        with unguarded():
            run(
                "UPDATE metering_event SET properties = jsonb_set(properties, '{minutes}', '\"5\"')"
            )
        with pytest.raises(SystemExit):
            call_command(
                "rerate_invoice", "INV-000001", organization=slug, stdout=out, stderr=StringIO()
            )
        assert "Video minutes: usage: says 100, is 5" in out.getvalue()

    @pytest.mark.parametrize("number", ["INV-000002", "INV", "INV-²", ""])
    def test_of_an_unknown_number_is_refused(self, world: VideoWorld, number: str) -> None:
        with pytest.raises(CommandError, match="has no invoice"):
            call_command("rerate_invoice", number, organization=world.organization.slug)


def test_totals_are_not_read_for_rebuilding() -> None:
    world = open_world_selling({"charge_model": "per_unit", "unit_amount": "2"}, credit="0")
    world.record(world.used(units="3"))
    let_it_be(LATER)
    with unguarded():
        UsageTotal.objects.update(amount=0, quantity=0)
    assert rebuilding.rebuild(invoices_of(world)[0]).differences == []
