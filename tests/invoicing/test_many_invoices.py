"""Many periods at once: several currencies, many hands, and one period that cannot be invoiced."""

import itertools
import os
import threading
from decimal import Decimal

import pytest
from django.db import DatabaseError, DataError

from accounts.models import Asset, Customer
from billing_site import self_check
from invoicing import closing, credit_notes, numbering, voiding
from invoicing.models import CreditNote, Invoice, InvoiceState
from metering.models import BillingPeriod
from pricing import publication, subscriptions
from pricing.models import PlanVersion, ShortfallPolicy
from tests.clock import DAY, NOW, SINCE
from tests.factories import AssetFactory, CustomerFactory, PlanVersionFactory, PriceFactory
from tests.races.crowds import crowd_of
from tests.worlds import VIDEO_PRICE, VideoWorld, open_video_world

LATER = NOW + 31 * DAY
INVOICES = int(os.environ.get("INVOICES_AT_ONCE", "200"))
"""How many are built at once; a thousand take some minutes."""


def open_overage_world() -> VideoWorld:
    return open_video_world(credit="0", policy=ShortfallPolicy.OVERAGE)


def subscribed_in_two_currencies(world: VideoWorld) -> Customer:
    version: PlanVersion = PlanVersionFactory.create(
        plan__organization=world.organization, shortfall_policy=ShortfallPolicy.OVERAGE
    )
    euro: Asset = AssetFactory.create(organization=world.organization, code="EUR")
    for asset in (world.usd, euro):
        PriceFactory.create(
            plan_version=version, meter=world.minutes, asset=asset, definition=VIDEO_PRICE
        )
    published = publication.publish(version=version, by=None, at=SINCE)
    customer: Customer = CustomerFactory.create(organization=world.organization)
    subscriptions.subscribe(customer=customer, plan_version=published, at=SINCE)
    return customer


@pytest.mark.django_db
def test_each_currency_has_an_invoice_of_its_own() -> None:
    world = open_overage_world()
    customer = subscribed_in_two_currencies(world)
    world.record(world.minutes_of("fast", "7.125", customer=customer.external_id))
    closing.close_due_periods(at=LATER)
    assert closing.build_due_invoices(at=LATER) == 2
    invoices = Invoice.objects.order_by("asset__code")
    assert [each.asset.code for each in invoices] == ["EUR", "USD"]
    assert {each.total for each in invoices} == {Decimal("7.13")}
    assert {each.display_number for each in invoices} == {"INV-000001", "INV-000002"}


@pytest.mark.django_db
def test_one_period_that_cannot_be_invoiced_keeps_nobody_else_waiting() -> None:
    """Its two cells fit the database each, and their sum on one line does not."""
    world = open_overage_world()
    healthy = [world.add_customer(credit="0") for _ in range(3)]
    for number, each in enumerate((world, *healthy)):
        each.record(each.event(id=str(number)))
    world.record(world.minutes_of("fast", "9" * 26), world.minutes_of("standard", "9" * 26))
    closing.close_due_periods(at=LATER)

    with pytest.RaisesGroup(DataError):
        closing.build_due_invoices(at=LATER)
    billed = {invoice.customer for invoice in Invoice.objects.all()}
    assert billed == {each.customer for each in healthy}
    parked = BillingPeriod.objects.get(closed_at__isnull=False, invoiced_at=None)
    assert parked.customer == world.customer
    assert numbers() == [1, 2, 3]


def numbers() -> list[int | None]:
    return list(Invoice.objects.order_by("number").values_list("number", flat=True))


@pytest.mark.django_db(transaction=True)
def test_many_hands_finalize_many_invoices_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight workers build the same invoices while every third attempt is rolled back late."""
    world = open_overage_world()
    for number in range(INVOICES):
        customer = world.customer if number == 0 else world.add_customer(credit="0").customer
        world.record(world.event(id=str(number), customer=customer.external_id))
    closing.close_due_periods(at=LATER)
    fail_every_third_number(monkeypatch)

    failures: list[int] = []

    def work(_: int) -> None:
        while BillingPeriod.objects.filter(closed_at__isnull=False, invoiced_at=None).exists():
            try:
                closing.build_due_invoices(at=LATER)
            except* DatabaseError:
                failures.append(1)

    with crowd_of(8) as crowd:
        crowd.at_once(work)
    assert failures
    assert numbers() == list(range(1, INVOICES + 1))
    assert not Invoice.objects.exclude(state=InvoiceState.FINALIZED, total=1).exists()
    assert self_check.differences() == []


def fail_every_third_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the number and then fail, as a connection may that breaks at the worst moment."""
    next_number = numbering.next_number
    attempts, one_by_one = itertools.count(), threading.Lock()

    def failing(**arguments: object) -> int:
        number = next_number(**arguments)  # type: ignore[arg-type]
        with one_by_one:
            attempt = next(attempts)
        if attempt % 3 == 0:
            raise DatabaseError("the connection broke")
        return number

    monkeypatch.setattr(numbering, "next_number", failing)


@pytest.mark.django_db(transaction=True)
def test_many_hands_take_back_and_credit_without_a_gap() -> None:
    """Eight workers void, reissue and credit the same invoices; each happens once."""
    world = open_overage_world()
    for number in range(6):
        customer = world.customer if number == 0 else world.add_customer(credit="0").customer
        world.record(world.event(id=str(number), customer=customer.external_id))
    closing.close_due_periods(at=LATER)
    closing.build_due_invoices(at=LATER)
    ids = list(Invoice.objects.order_by("number").values_list("id", flat=True))

    def work(worker: int) -> None:
        for place, invoice_id in enumerate(ids):
            try:
                if place % 2:
                    voiding.void_invoice(
                        organization=world.organization,
                        invoice_id=invoice_id,
                        at=LATER,
                        reissue=True,
                    )
                else:
                    credit_notes.give(
                        organization=world.organization,
                        invoice_id=invoice_id,
                        amount=Decimal("0.15"),
                        at=LATER,
                    )
            except (voiding.NotVoidable, credit_notes.NoteRefused):
                continue

    with crowd_of(8) as crowd:
        crowd.at_once(work)
    # Three are taken back once, and of each of the others six times 0.15 fit into 1.00.
    assert numbers() == list(range(1, 10))
    assert sorted(CreditNote.objects.values_list("number", flat=True)) == list(range(1, 19))
    assert self_check.differences() == []
