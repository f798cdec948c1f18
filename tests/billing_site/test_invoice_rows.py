"""The invoices and credit notes on a customer's page."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from billing_site.dashboard import customer_page
from invoicing import closing, credit_notes, voiding
from invoicing.models import Invoice
from pricing.models import ShortfallPolicy
from tests.clock import DAY, NOW
from tests.factories import PortalMembershipFactory
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db
LATER = NOW + 31 * DAY


@pytest.fixture
def world() -> VideoWorld:
    """A customer with an invoice over 100."""
    world = open_video_world(credit="0", policy=ShortfallPolicy.OVERAGE)
    world.record(world.minutes_of("fast", "100"))
    closing.close_due_periods(at=LATER)
    closing.build_due_invoices(at=LATER)
    return world


def page(world: VideoWorld) -> str:
    client = Client()
    client.force_login(PortalMembershipFactory.create(customer=world.customer).user)
    return client.get(reverse("customer", args=[world.customer.id])).content.decode()


def credit(world: VideoWorld) -> None:
    credit_notes.give(
        organization=world.organization,
        invoice_id=Invoice.objects.get().id,
        amount=Decimal("12.5"),
        reason="<b>Sorry</b>",
        at=LATER,
    )


def test_a_credit_note_stands_below_its_invoice(world: VideoWorld) -> None:
    before = customer_page.version(world.customer, at=LATER)
    credit(world)
    text = page(world)
    assert "Credit note for INV-000001: &lt;b&gt;Sorry&lt;/b&gt;" in text
    assert ">12.50<small>" in text
    assert customer_page.version(world.customer, at=LATER) != before


def test_a_voided_invoice_says_so(world: VideoWorld) -> None:
    before = customer_page.version(world.customer, at=LATER)
    voiding.void_invoice(
        organization=world.organization, invoice_id=Invoice.objects.get().id, at=LATER
    )
    assert '<span class="chip">Void</span>' in page(world)
    assert customer_page.version(world.customer, at=LATER) != before
