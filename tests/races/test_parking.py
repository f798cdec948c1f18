"""Parking a customer while its invoice is being built: one comes first, and the other sees it."""

import threading

import pytest
from django.db import connection, transaction

from accounts import parked_customers
from accounts.models import Parking
from invoicing import closing
from invoicing.models import Invoice
from metering.models import BillingPeriod
from tests.clock import DAY, NOW
from tests.factories import ProofRunFactory
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOW + 30 * DAY


@pytest.fixture
def due() -> VideoWorld:
    """A customer with a closed period that is to be invoiced."""
    world = open_video_world()
    world.record(world.event())
    closing.close_due_periods(at=LATER)
    return world


def build(world: VideoWorld) -> int:
    period = BillingPeriod.objects.get(customer=world.customer, closed_at__isnull=False)
    here = {"organization_id": world.organization.id, "period_id": period.id}
    return len(closing.build_invoices(**here, at=LATER))


def test_an_invoice_waits_for_the_parking_and_is_not_built(due: VideoWorld) -> None:
    found = ProofRunFactory.create(organization=due.organization)
    parked = threading.Event()

    def park() -> int:
        with transaction.atomic():
            parked_customers.park(run=found, promises={due.customer.id: "broken"}, at=NOW)
            parked.set()
            assert not _waits_in_vain()
        return 0

    def take_part(number: int) -> int:
        if number == 0:
            return park()
        parked.wait(10)
        return build(due)

    with crowd_of(2) as crowd:
        assert crowd.at_once(take_part) == [0, 0]
    assert not Invoice.objects.exists()


def _waits_in_vain() -> bool:
    """Give the other a moment to come to the lock; True if none is waiting for it."""
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute(
                "SELECT count(*), pg_sleep(0.02) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchall()[0][0]:
                return False
            cursor.execute("SELECT pg_stat_clear_snapshot()")
    return True


def test_any_order_ends_with_an_invoice_or_without(due: VideoWorld) -> None:
    found = ProofRunFactory.create(organization=due.organization)

    def take_part(number: int) -> int:
        if number:
            return build(due)
        with transaction.atomic():
            parked_customers.park(run=found, promises={due.customer.id: "broken"}, at=NOW)
        return 0

    with crowd_of(4) as crowd:
        assert sum(crowd.at_once(take_part)) == Invoice.objects.count() <= 1
    assert Parking.objects.count() == 1
