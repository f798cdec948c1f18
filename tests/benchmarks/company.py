"""The company that is measured: a matrix price, and 1,000 customers with two grants each."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from accounts import api_keys, ledger
from accounts.burndown import Category
from accounts.models import Organization, Scope
from pricing import publication, subscriptions
from tests.benchmarks import load
from tests.benchmarks.yardsticks import BATCH, CUSTOMERS
from tests.clock import SINCE
from tests.factories import (
    AssetFactory,
    CustomerFactory,
    MeterFactory,
    OrganizationFactory,
    PlanVersionFactory,
    PriceFactory,
)

EVENTS = "/api/v1/events"
_SPEEDS = ("batch", "slow", "standard", "fast")
_PRICE = {
    "charge_model": "per_unit",
    "unit_size": "1000",
    "matrix": {
        "dimensions": ["model", "speed"],
        "cells": [
            {
                "match": {"model": f"model-{model}", "speed": speed},
                "unit_amount": str(Decimal(model + 1) / 1000),
            }
            for model in range(25)
            for speed in _SPEEDS
        ],
    },
}


@dataclass(frozen=True, kw_only=True)
class Company:
    """An organization with a key; its customers are called customer-1, customer-2 …"""

    organization: Organization
    secret: str

    def events(self, *, customers: int = CUSTOMERS) -> Iterator[dict[str, object]]:
        """Yield events that were never sent, over so many customers in turn."""
        number = 0
        while True:
            yield {
                "id": str(uuid.uuid4()),
                "type": "llm.call",
                "customer": f"customer-{1 + number % customers}",
                "properties": {
                    "tokens": 100 + number % 7,
                    "model": f"model-{number % 25}",
                    "speed": _SPEEDS[number % len(_SPEEDS)],
                },
            }
            number += 1

    def singles(self, count: int, *, customers: int = CUSTOMERS, path: str = EVENTS) -> list[bytes]:
        """Return so many requests of one event each."""
        events = self.events(customers=customers)
        return [self.request(next(events), path=path) for _ in range(count)]

    def batches(self, count: int, *, customers: int = CUSTOMERS) -> list[bytes]:
        """Return so many requests of 1,000 events each."""
        events = self.events(customers=customers)
        return [
            self.request({"events": [next(events) for _ in range(BATCH)]}) for _ in range(count)
        ]

    def work(self, items: int, *, customer: int) -> bytes:
        """Return a request to authorize so much work of one customer as a unit."""
        events = self.events()
        asked = [next(events) for _ in range(items)]
        body = {
            "customer": f"customer-{customer}",
            "items": [{name: each[name] for name in ("type", "properties")} for each in asked],
        }
        return self.request(body, path="/api/v1/authorizations")

    def request(self, body: object, *, path: str = EVENTS) -> bytes:
        """Return a request to the API that is signed with the company's key."""
        headers = {"Authorization": f"Bearer {self.secret}"}
        return load.request(path, json.dumps(body).encode(), headers=headers)


@transaction.atomic  # A thousand customers are many flushes otherwise.
def open_company(*, customers: int = CUSTOMERS) -> Company:
    """Open the company through the product's own functions."""
    organization = OrganizationFactory.create()
    usd = AssetFactory.create(organization=organization)
    tokens = MeterFactory.create(
        organization=organization, code="tokens", event_type="llm.call", quantity_property="tokens"
    )
    draft = PlanVersionFactory.create(plan__organization=organization)
    PriceFactory.create(plan_version=draft, meter=tokens, asset=usd, definition=_PRICE)
    version = publication.publish(version=draft, by=None, at=SINCE)
    for number in range(1, customers + 1):
        customer = CustomerFactory.create(
            organization=organization, external_id=f"customer-{number}"
        )
        subscriptions.subscribe(customer=customer, plan_version=version, at=SINCE)
        account = ledger.open_account(customer=customer, asset=usd)
        for category, amount in ((Category.PROMOTIONAL, 5), (Category.PAID, 1_000_000)):
            ledger.grant_credit(
                account=account, amount=Decimal(amount), category=category, at=SINCE
            )
    _, secret = api_keys.issue(
        organization=organization,
        name="benchmark",
        scopes=[Scope.EVENTS_WRITE, Scope.READ, Scope.ADMIN],
    )
    return Company(organization=organization, secret=secret)
