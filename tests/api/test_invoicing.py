"""The API of invoices to come, voids, items, credit notes and seats."""

import uuid
from decimal import Decimal

import pytest

from accounts.models import Scope
from invoicing import closing
from invoicing.models import CreditNote, Invoice, InvoiceItem
from metering.models import BillingPeriod
from pricing.models import ShortfallPolicy, Subscription
from tests.api.callers import Caller, caller_of
from tests.api.tables import row_counts
from tests.clock import DAY
from tests.factories import InvoiceFactory
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> VideoWorld:
    """A company that invoices what credit does not cover, and one customer with none."""
    return open_video_world(credit="0", policy=ShortfallPolicy.OVERAGE)


@pytest.fixture
def owner(shop: VideoWorld) -> Caller:
    """Somebody who may do everything for the company."""
    return caller_of(shop.organization)


def invoiced(shop: VideoWorld) -> Invoice:
    shop.record(shop.minutes_of("fast", "100"))
    end = BillingPeriod.objects.get().ends_at
    closing.close_due_periods(at=end)
    closing.build_due_invoices(at=end + DAY)
    return Invoice.objects.get()


class TestUpcoming:
    def test_is_shown_and_nothing_is_written(self, shop: VideoWorld, owner: Caller) -> None:
        owner.post(
            "invoice-items",
            {
                "customer": shop.customer.external_id,
                "asset": "USD",
                "amount": "12.5",
                "description": "Onboarding",
            },
        )
        before = row_counts()
        answer = owner.get("invoices/upcoming", customer=shop.customer.external_id)
        assert answer.status == 200
        [invoice] = answer.json["invoices"]
        assert (invoice["asset"], invoice["total"]) == ("USD", "12.5")
        assert [each["kind"] for each in invoice["lines"]] == ["item"]
        assert row_counts() == before

    def test_needs_a_customer_with_a_subscription(self, shop: VideoWorld, owner: Caller) -> None:
        assert owner.get("invoices/upcoming").wrong_fields() == ["customer"]
        owner.get("invoices/upcoming", customer="nobody").problem(404, "not_found")
        owner.get("invoices/upcoming", customer="a\0b").problem(404, "not_found")
        Subscription.objects.update(ended_at=shop.plan_version.published_at)
        owner.get("invoices/upcoming", customer=shop.customer.external_id).problem(404)


class TestVoid:
    def test_is_answered_with_the_invoice(self, shop: VideoWorld, owner: Caller) -> None:
        invoice = invoiced(shop)
        answer = owner.post(f"invoices/{invoice.id}/void", {"reason": "Wrong name"})
        assert (answer.status, answer.json["state"]) == (200, "void")
        assert (answer.json["number"], answer.json["void_reason"]) == ("INV-000001", "Wrong name")
        owner.post(f"invoices/{invoice.id}/void", {}).problem(409, "conflict")

    def test_with_reissue_is_answered_with_the_new_one(
        self, shop: VideoWorld, owner: Caller
    ) -> None:
        invoice = invoiced(shop)
        answer = owner.post(f"invoices/{invoice.id}/void", {"reissue": True})
        assert (answer.json["number"], answer.json["replaces"]) == ("INV-000002", str(invoice.id))

    def test_of_a_draft_or_of_no_invoice_is_refused(self, shop: VideoWorld, owner: Caller) -> None:
        owner.post(f"invoices/{uuid.uuid4()}/void", {}).problem(404, "not_found")
        owner.post(f"invoices/{InvoiceFactory.create().id}/void", {}).problem(404, "not_found")

    def test_needs_all_rights(self, shop: VideoWorld) -> None:
        clerk = caller_of(shop.organization, Scope.READ, Scope.CUSTOMERS_WRITE)
        clerk.post(f"invoices/{invoiced(shop).id}/void", {}).problem(403)
        clerk.post("credit-notes", {}).problem(403)
        clerk.post("invoice-items", {}).problem(403)
        assert clerk.get("credit-notes").json["results"] == []


class TestCreditNotes:
    def test_are_given_and_listed(self, shop: VideoWorld, owner: Caller) -> None:
        invoice = invoiced(shop)
        answer = owner.post("credit-notes", {"invoice": str(invoice.id), "amount": "40.25"})
        assert (answer.status, answer.json["number"]) == (201, "CN-000001")
        assert (answer.json["total"], answer.json["invoice"]) == ("40.25", str(invoice.id))
        customer = shop.customer.external_id
        assert owner.get("credit-notes", customer=customer).json["results"] == [answer.json]

    @pytest.mark.parametrize("amount", ["100.01", "0", "-1", "0.001", "NaN", 1e300, None])
    def test_over_an_amount_that_cannot_be_are_refused(
        self, shop: VideoWorld, owner: Caller, amount: object
    ) -> None:
        body = {"invoice": str(invoiced(shop).id), "amount": str(amount) if amount else None}
        assert owner.post("credit-notes", body).wrong_fields() == ["amount"]
        assert not CreditNote.objects.exists()

    def test_are_of_an_invoice_of_ones_own(self, shop: VideoWorld, owner: Caller) -> None:
        other = InvoiceFactory.create()
        for invoice in (str(other.id), str(uuid.uuid4()), "1"):
            body = {"invoice": invoice, "amount": "1"}
            assert owner.post("credit-notes", body).wrong_fields() == ["invoice"]


class TestItems:
    def body(self, shop: VideoWorld, **changed: object) -> dict[str, object]:
        return {
            "customer": shop.customer.external_id,
            "asset": "USD",
            "amount": "12.50",
            "description": "Onboarding",
            **changed,
        }

    def test_are_added_and_say_who_took_them_up(self, shop: VideoWorld, owner: Caller) -> None:
        added = owner.post("invoice-items", self.body(shop))
        assert (added.status, added.json["invoice"], added.json["amount"]) == (201, None, "12.5")
        invoice = invoiced(shop)
        [item] = owner.get("invoice-items", customer=shop.customer.external_id).json["results"]
        assert item == {**added.json, "invoice": str(invoice.id)}
        assert invoice.total == Decimal("112.5")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("amount", "0.001"), ("amount", "1e15"), ("asset", "EUR"), ("description", ""),
            ("amount", "0"), ("surprise", "x"),
        ],
    )  # fmt: skip
    def test_that_cannot_be_invoiced_are_refused(
        self, shop: VideoWorld, owner: Caller, field: str, value: str
    ) -> None:
        assert owner.post("invoice-items", self.body(shop, **{field: value})).wrong_fields() == [
            field
        ]
        assert not InvoiceItem.objects.exists()

    def test_are_for_a_known_customer(self, shop: VideoWorld, owner: Caller) -> None:
        owner.post("invoice-items", self.body(shop, customer="nobody")).problem(404, "not_found")


class TestSeats:
    def test_are_changed(self, shop: VideoWorld, owner: Caller) -> None:
        subscription = Subscription.objects.get()
        answer = owner.post(f"subscriptions/{subscription.id}/seats", {"seats": 12})
        assert (answer.status, answer.json["seats"]) == (200, 12)

    @pytest.mark.parametrize("number", [0, -1, 10**9, "3", 1.5, None])
    def test_that_cannot_be_are_refused(
        self, shop: VideoWorld, owner: Caller, number: object
    ) -> None:
        path = f"subscriptions/{Subscription.objects.get().id}/seats"
        body = {"seats": Decimal(str(number)) if isinstance(number, float) else number}
        assert owner.post(path, body).wrong_fields() == ["seats"]

    def test_of_a_subscription_that_has_ended_stay(self, shop: VideoWorld, owner: Caller) -> None:
        Subscription.objects.update(ended_at=shop.plan_version.published_at)
        path = f"subscriptions/{Subscription.objects.get().id}/seats"
        owner.post(path, {"seats": 2}).problem(409, "conflict")
        owner.post(f"subscriptions/{uuid.uuid4()}/seats", {"seats": 2}).problem(404)
