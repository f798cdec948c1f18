"""A company that sells tokens of other companies' models, and pays for them."""

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from accounts import ledger
from accounts.burndown import Category
from accounts.models import Asset, Customer, Organization
from metering import event_drafts, ingestion
from metering.event_drafts import EventDraft
from metering.models import Event
from pricing import cost_rates, publication, subscriptions
from pricing.models import Meter, PlanVersion
from tests.clock import NOW, SINCE
from tests.factories import (
    AssetFactory,
    CustomerFactory,
    MeterFactory,
    OrganizationFactory,
    PlanVersionFactory,
    PriceFactory,
)


def by_model(amounts: Mapping[str, str]) -> dict[str, Any]:
    """A price of a million tokens by model."""
    cells = [{"match": {"model": name}, "unit_amount": each} for name, each in amounts.items()]
    return {
        "charge_model": "per_unit",
        "unit_size": "1000000",
        "matrix": {"dimensions": ["model"], "cells": cells},
    }


SALES = {
    "input_tokens": {"opus": "1.25", "haiku": "0.50"},
    "output_tokens": {"opus": "10", "haiku": "2"},
}
COSTS = {
    "input_tokens": {"opus": "1", "haiku": "0.80"},
    "output_tokens": {"opus": "8", "haiku": "4"},
}
"""By meter, what a million tokens of each model are sold at and bought at."""


@dataclass(kw_only=True)
class TokenWorld:
    """Opus sold above cost, haiku below it; llama, which only is sold, costs nobody knows what."""

    organization: Organization
    usd: Asset
    meters: dict[str, Meter]
    plan_version: PlanVersion
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def add_customer(self, external_id: str) -> Customer:
        """Subscribe a customer with 1,000 USD."""
        customer: Customer = CustomerFactory.create(
            organization=self.organization, external_id=external_id
        )
        subscriptions.subscribe(customer=customer, plan_version=self.plan_version, at=SINCE)
        account = ledger.open_account(customer=customer, asset=self.usd)
        ledger.grant_credit(
            account=account, amount=Decimal(1_000), category=Category.PAID, at=SINCE
        )
        return customer

    def pay_vendor(
        self, amounts: Mapping[str, Mapping[str, str]] = COSTS, *, since: dt.datetime = SINCE
    ) -> None:
        """Write what the vendor takes from a moment on, by meter and model."""
        cost_rates.set_policy(asset=self.usd, refuse_below_cost=False)
        for code, each in amounts.items():
            cost_rates.add_rate(
                meter=self.meters[code],
                vendor="anthropic",
                definition=by_model(each),
                effective_from=since,
                at=SINCE,
            )

    def call(
        self, model: str, tokens_in: int, tokens_out: int, *, customer: str = "acme", **fields: Any
    ) -> Event:
        """Record a call of a model and return it as it is stored."""
        used = {"input_tokens": tokens_in, "output_tokens": tokens_out}
        raw = {
            "id": f"call-{next(self._numbers)}",
            "type": "completion",
            "customer": customer,
            "properties": {"model": model, **used, **fields.pop("properties", {})},
            **fields,
        }
        draft = event_drafts.parse(raw, at=NOW)
        assert isinstance(draft, EventDraft), draft
        [outcome] = ingestion.record_events(
            organization_id=self.organization.id, drafts=[draft], at=NOW
        ).outcomes
        assert outcome.status == "recorded", outcome
        return Event.objects.get(organization=self.organization, key=draft.key)


def open_token_world() -> TokenWorld:
    """Open the company and subscribe its customer acme; what it pays is not written yet."""
    organization = OrganizationFactory.create()
    usd = AssetFactory.create(organization=organization)
    meters = {
        code: MeterFactory.create(
            organization=organization, code=code, event_type="completion", quantity_property=code
        )
        for code in SALES
    }
    draft = PlanVersionFactory.create(plan__organization=organization)
    for code, amounts in SALES.items():
        PriceFactory.create(
            plan_version=draft,
            meter=meters[code],
            asset=usd,
            definition=by_model({**amounts, "llama": "1"}),
        )
    world = TokenWorld(
        organization=organization,
        usd=usd,
        meters=meters,
        plan_version=publication.publish(version=draft, by=None, at=SINCE),
    )
    world.add_customer("acme")
    return world
