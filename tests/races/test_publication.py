"""A price cannot slip into a version while it is being published."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from pricing import publication
from pricing.models import Price
from tests.clock import NOW
from tests.factories import MeterFactory, PriceFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_publication_waits_for_a_price_that_is_being_added() -> None:
    price = PriceFactory.create()
    version = price.plan_version
    other = MeterFactory.create(organization=version.organization)
    published = threading.Event()

    def publish() -> None:
        try:
            publication.publish(version=version, by=None, at=NOW)
            published.set()
        finally:
            connection.close()

    publisher = threading.Thread(target=publish)
    with transaction.atomic():
        PriceFactory.create(plan_version=version, meter=other, asset=price.asset)
        publisher.start()
        assert not published.wait(timeout=0.5)
    publisher.join()
    assert published.is_set()
    assert Price.objects.filter(plan_version=version).count() == 2


def test_a_price_that_waits_for_publication_is_refused() -> None:
    price = PriceFactory.create()
    version = price.plan_version
    other = MeterFactory.create(organization=version.organization)
    refused = threading.Event()

    def add() -> None:
        try:
            PriceFactory.create(plan_version=version, meter=other, asset=price.asset)
        except IntegrityError:
            refused.set()
        finally:
            connection.close()

    adder = threading.Thread(target=add)
    with transaction.atomic():
        publication.publish(version=version, by=None, at=NOW)
        adder.start()
        assert not refused.wait(timeout=0.5)
    adder.join()
    assert refused.is_set()
