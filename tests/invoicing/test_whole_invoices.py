"""Items, coupons, taxes, credit, drafts: what an invoice is made of beside usage and fees."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Asset, Organization
from billing_site import self_check
from invoicing import closing, items, upcoming
from invoicing.models import (
    InvoiceItem,
    InvoiceState,
    InvoicingTerms,
    TaxProfile,
    TaxRate,
)
from invoicing.reckoning import CreditsTiming
from metering import corrections
from pricing import coupons
from pricing.models import Coupon, CouponRedemption, Duration
from tests.api.tables import row_counts
from tests.clock import DAY, HOUR
from tests.invoicing.fee_worlds import amounts, invoices_of, let_it_be, moment, open_fee_world, said
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

APRIL, MAY, JUNE = moment("2025-04-01T09:00"), moment("2025-05-01"), moment("2025-06-01")


def half_off(organization: Organization, usd: Asset) -> Coupon:
    return coupons.create_coupon(
        organization=organization, code="HALF", percent=Decimal(50), at=APRIL
    )


def used_in_april(minutes: str = "100", **terms: Any) -> VideoWorld:
    world = open_fee_world(at=APRIL, **terms)
    world.record(world.minutes_of("fast", minutes), at=APRIL + DAY)
    return world


def add_tax(world: VideoWorld, percent: str, **fields: Any) -> None:
    code = f"vat_{percent}_{fields.get('country', 'any').lower()}"
    TaxRate.objects.create(
        organization=world.organization, code=code, name="VAT", percent=Decimal(percent), **fields
    )


def add_item(world: VideoWorld, amount: str) -> InvoiceItem:
    return items.add_item(
        customer=world.customer,
        asset=world.usd,
        amount=Decimal(amount),
        description="Onboarding",
        at=APRIL + DAY,
    )


class TestItems:
    def test_are_taken_up_once_by_the_next_invoice(self) -> None:
        world = used_in_april()
        item = add_item(world, "250.50")
        let_it_be(MAY + HOUR)
        let_it_be(JUNE + HOUR)
        [invoice] = invoices_of(world)
        assert said(invoice) == ["Video minutes: 100", "Onboarding: 250.5"]
        item.refresh_from_db()
        assert item.invoice == invoice

    @pytest.mark.parametrize("amount", ["0", "-1", "0.001"])
    def test_have_an_amount_that_can_be_asked_for(self, amount: str) -> None:
        world = used_in_april()
        with pytest.raises(items.ItemRefused):
            add_item(world, amount)

    def test_are_in_a_currency(self) -> None:
        world = used_in_april()
        world.usd.is_currency = False
        with pytest.raises(items.ItemRefused, match="no currency"):
            add_item(world, "1")


class TestCoupons:
    def test_that_count_once_count_on_one_bill(self) -> None:
        world = used_in_april(coupon=half_off)
        let_it_be(MAY + HOUR)
        world.record(world.minutes_of("fast", "10"), at=MAY + DAY)
        let_it_be(JUNE + HOUR)
        assert [said(each) for each in invoices_of(world)] == [
            ["Video minutes: 100", "Coupon HALF: -50"],
            ["Video minutes: 10"],
        ]
        assert CouponRedemption.objects.get().periods_used == 1

    def test_that_find_nothing_to_take_are_kept(self) -> None:
        world = open_fee_world(at=APRIL, coupon=half_off)
        world.grant("100")
        world.record(world.minutes_of("fast", "100"), at=APRIL + DAY)
        let_it_be(MAY + HOUR)
        assert invoices_of(world)[0].total == 0
        assert CouponRedemption.objects.get().periods_used == 0

    def test_for_ever_count_on_every_bill(self) -> None:
        def forever(organization: Organization, usd: Asset) -> Coupon:
            return coupons.create_coupon(
                organization=organization, code="ALWAYS", amount=Decimal(30), asset=usd,
                duration=Duration.FOREVER, at=APRIL,
            )  # fmt: skip

        world = open_fee_world(at=APRIL, base_fee="20", coupon=forever)
        let_it_be(APRIL + HOUR)
        let_it_be(MAY + HOUR)
        assert [each.total for each in invoices_of(world)] == [0, 0]  # Vector L4: not carried.
        assert CouponRedemption.objects.get().periods_used == 2


class TestTaxes:
    def test_are_those_of_the_customers_country(self) -> None:
        world = used_in_april()
        add_tax(world, "19", country="DE")
        add_tax(world, "8.25")
        TaxProfile.objects.create(
            organization=world.organization, customer=world.customer, country="DE"
        )
        let_it_be(MAY + HOUR)
        [invoice] = invoices_of(world)
        assert (invoice.subtotal, invoice.tax, invoice.total) == amounts(100, 19, 119)
        assert self_check.differences() == []

    def test_elsewhere_are_those_of_no_country_and_do_not_compound(self) -> None:
        """Vector L3."""
        world = used_in_april()
        add_tax(world, "19", country="DE")
        add_tax(world, "6")
        add_tax(world, "2")
        let_it_be(MAY + HOUR)
        assert invoices_of(world)[0].total == 108

    def test_are_not_there_for_the_exempt(self) -> None:
        world = used_in_april()
        add_tax(world, "6")
        TaxProfile.objects.create(
            organization=world.organization, customer=world.customer, is_exempt=True
        )
        let_it_be(MAY + HOUR)
        assert invoices_of(world)[0].total == 100

    def test_are_those_agreed_on_whatever_the_country(self) -> None:
        world = used_in_april()
        add_tax(world, "19", country="DE")
        add_tax(world, "7", country="FR")
        TaxProfile.objects.create(
            organization=world.organization,
            customer=world.customer,
            country="DE",
            rate_codes=["vat_7_fr"],
        )
        let_it_be(MAY + HOUR)
        assert invoices_of(world)[0].total == 107

    def test_in_the_price_add_nothing(self) -> None:
        world = used_in_april("119")
        add_tax(world, "19", is_inclusive=True)
        let_it_be(MAY + HOUR)
        [invoice] = invoices_of(world)
        assert (invoice.total, invoice.tax, invoice.taxes.get().amount) == amounts(119, 0, 19)

    def test_count_on_what_credit_has_paid_if_the_organization_says_so(self) -> None:
        world = open_fee_world(at=APRIL)
        InvoicingTerms.objects.create(
            organization=world.organization, credits_timing=CreditsTiming.AFTER_TAX
        )
        add_tax(world, "10")
        world.grant("40")
        world.record(world.minutes_of("fast", "100"), at=APRIL + DAY)
        let_it_be(MAY + HOUR)
        [invoice] = invoices_of(world)
        assert (invoice.subtotal, invoice.tax, invoice.credits, invoice.total) == amounts(
            100, 10, 40, 70
        )
        assert self_check.differences() == []


class TestDrafts:
    @pytest.fixture
    def world(self) -> VideoWorld:
        world = used_in_april()
        InvoicingTerms.objects.create(organization=world.organization, grace_seconds=86_400)
        return world

    def test_last_as_long_as_the_grace_time(self, world: VideoWorld) -> None:
        let_it_be(MAY + HOUR)
        [draft] = invoices_of(world)
        assert draft.state == InvoiceState.DRAFT
        assert draft.total == 100
        let_it_be(MAY + DAY)
        [invoice] = invoices_of(world)
        assert (invoice.id, invoice.display_number) == (draft.id, "INV-000001")

    def test_take_up_what_changes_in_the_meantime(self, world: VideoWorld) -> None:
        wrong = world.minutes_of("fast", "11")
        world.record(wrong, at=APRIL + 2 * DAY)
        let_it_be(MAY + HOUR)
        assert invoices_of(world)[0].total == 111
        corrections.void_event(
            organization_id=world.organization.id, key=wrong.key, at=MAY + 2 * HOUR
        )
        let_it_be(MAY + 3 * HOUR)
        assert invoices_of(world)[0].total == 100
        let_it_be(MAY + 2 * DAY)
        assert [each.total for each in invoices_of(world)] == [100]
        assert self_check.differences() == []

    def test_are_not_built_again_when_nothing_has_changed(self, world: VideoWorld) -> None:
        let_it_be(MAY + HOUR)
        lines = list(invoices_of(world)[0].lines.values_list("id", flat=True))
        let_it_be(MAY + 2 * HOUR)
        assert list(invoices_of(world)[0].lines.values_list("id", flat=True)) == lines

    def test_count_no_coupon_and_take_no_item(self, world: VideoWorld) -> None:
        add_item(world, "5")
        let_it_be(MAY + HOUR)
        assert invoices_of(world)[0].total == 105
        assert InvoiceItem.objects.get().invoice is None


class TestPreview:
    def test_says_what_the_invoice_will_say_and_changes_nothing(self) -> None:
        world = used_in_april(coupon=half_off, base_fee="20", trial_days=3)
        add_tax(world, "10")
        add_item(world, "7")
        let_it_be(APRIL + 2 * DAY)
        world.grant("30", at=APRIL + 2 * DAY)
        world.record(world.minutes_of("fast", "55.555"), at=APRIL + 3 * DAY)
        before = row_counts()
        [drawn] = upcoming.preview(customer=world.customer, at=APRIL + 4 * DAY).drawings
        assert row_counts() == before
        let_it_be(MAY + HOUR)
        invoice = invoices_of(world)[-1]
        assert drawn.reckoned.total == invoice.total
        assert [f"{each.description}: {each.amount.normalize():f}" for each in [
            *drawn.reckoned.lines, *drawn.reckoned.taken,
        ]] == said(invoice)  # fmt: skip

    def test_needs_a_subscription(self) -> None:
        world = open_fee_world(at=APRIL)
        world.customer.subscriptions.update(ended_at=APRIL + DAY)
        with pytest.raises(upcoming.NotSubscribed):
            upcoming.preview(customer=world.customer, at=APRIL + 2 * DAY)

    def test_of_a_customer_who_has_used_nothing(self) -> None:
        world = open_fee_world(at=APRIL, base_fee="20")
        [drawn] = upcoming.preview(customer=world.customer, at=APRIL + DAY).drawings
        assert drawn.reckoned.total == 40  # Of this period, and of the next in advance.


def test_nothing_is_begun_before_its_time() -> None:
    open_fee_world(at=APRIL, base_fee="20")
    assert closing.begin_due_periods(at=APRIL - DAY) == 0
    assert closing.open_due_periods(at=APRIL - DAY) == 0
