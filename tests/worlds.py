"""Small worlds: a company that sells something, ready to take its customer's events.

Made through the product's own functions, so that everything in a world is true in its books.
"""

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from accounts import ledger
from accounts.burndown import Category
from accounts.models import Asset, CreditAccount, Customer, Organization
from metering import event_drafts, ingestion
from metering.event_drafts import EventDraft, InvalidDraft
from metering.outcomes import Outcome
from pricing import publication, subscriptions
from pricing.models import Meter, PlanVersion, Settle, ShortfallPolicy
from tests.clock import NOW, SINCE
from tests.factories import (
    AssetFactory,
    CustomerFactory,
    MeterFactory,
    OrganizationFactory,
    PlanVersionFactory,
    PriceFactory,
)

VIDEO_CELLS = [
    {"match": {"speed": "fast"}, "unit_amount": "1.00"},
    {"match": {"speed": "standard"}, "unit_amount": "0.40"},
]
VIDEO_PRICE = {
    "charge_model": "per_unit",
    "matrix": {"dimensions": ["speed"], "cells": VIDEO_CELLS},
}


@dataclass(kw_only=True)
class VideoWorld:
    """A company that sells video: 1.00 USD a fast minute, 0.40 a standard one, prepaid."""

    organization: Organization
    usd: Asset
    minutes: Meter
    plan_version: PlanVersion
    customer: Customer
    account: CreditAccount
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def event(self, *, id: str | None = None, **fields: Any) -> EventDraft:  # noqa: A002
        """One fast minute of the customer's, under a new id unless told otherwise."""
        raw = {
            "id": id or f"event-{next(self._numbers)}",
            "type": "video.rendered",
            "customer": self.customer.external_id,
            "properties": {"minutes": "1", "speed": "fast"},
            **fields,
        }
        draft = event_drafts.parse(raw, at=NOW)
        assert isinstance(draft, EventDraft), draft
        return draft

    def minutes_of(self, speed: str, minutes: str, **fields: Any) -> EventDraft:
        """An event of so many minutes."""
        return self.event(properties={"minutes": minutes, "speed": speed}, **fields)

    def used(self, **properties: Any) -> EventDraft:
        """An event with these properties."""
        return self.event(properties=properties)

    def record(
        self, *drafts: EventDraft | InvalidDraft, at: dt.datetime = NOW
    ) -> Sequence[Outcome]:
        """Record events as one set."""
        recorded = ingestion.record_events(
            organization_id=self.organization.id, drafts=drafts, at=at
        )
        return recorded.outcomes

    def grant(self, amount: str, **terms: Any) -> None:
        """Give the customer paid credit."""
        terms = {"category": Category.PAID, "at": SINCE, **terms}
        ledger.grant_credit(account=self.account, amount=Decimal(amount), **terms)

    def balance(self, *, at: dt.datetime = NOW) -> Decimal:
        """Return what the customer has."""
        return ledger.read_balance(self.account, at=at).posted

    def add_customer(self, *, credit: str = "100", **fields: Any) -> "VideoWorld":
        """Subscribe another customer, with credit, and return the world as theirs."""
        return _with_customer(
            organization=self.organization,
            usd=self.usd,
            minutes=self.minutes,
            plan_version=self.plan_version,
            credit=credit,
            **fields,
        )


def open_video_world(
    *,
    credit: str = "100",
    policy: ShortfallPolicy = ShortfallPolicy.BLOCK,
    overdraft_limit: str = "0",
    **customer: Any,
) -> VideoWorld:
    """Open the company, publish its plan, and subscribe a customer with `credit` USD."""
    organization = OrganizationFactory.create()
    usd = AssetFactory.create(organization=organization)
    minutes = MeterFactory.create(
        organization=organization, code="video_minutes", name="Video minutes"
    )
    draft = PlanVersionFactory.create(
        plan__organization=organization,
        shortfall_policy=policy,
        overdraft_limit=Decimal(overdraft_limit),
    )
    PriceFactory.create(plan_version=draft, meter=minutes, asset=usd, definition=VIDEO_PRICE)
    return _with_customer(
        organization=organization,
        usd=usd,
        minutes=minutes,
        plan_version=publication.publish(version=draft, by=None, at=SINCE),
        credit=credit,
        **customer,
    )


def open_world_selling(
    *prices: Mapping[str, Any],
    credit: str = "100",
    policy: ShortfallPolicy = ShortfallPolicy.OVERAGE,
) -> VideoWorld:
    """Open a company that sells at these prices, and subscribe a customer with `credit` USD.

    A price is its definition, with `settle` and a `meter` of these fields beside it when they
    differ from a sum of the property `units` that is charged on events.
    """
    organization = OrganizationFactory.create()
    usd = AssetFactory.create(organization=organization)
    draft = PlanVersionFactory.create(plan__organization=organization, shortfall_policy=policy)
    for number, price in enumerate(prices):
        definition = dict(price)
        settle = definition.pop("settle", Settle.ON_EVENT)
        fields = {"code": f"usage_{number}", "quantity_property": "units"}
        meter = MeterFactory.create(
            organization=organization, **(fields | definition.pop("meter", {}))
        )
        PriceFactory.create(
            plan_version=draft, meter=meter, asset=usd, settle=settle, definition=definition
        )
    return _with_customer(
        organization=organization,
        usd=usd,
        minutes=meter,
        plan_version=publication.publish(version=draft, by=None, at=SINCE),
        credit=credit,
    )


def _with_customer(
    *,
    organization: Organization,
    plan_version: PlanVersion,
    usd: Asset,
    minutes: Meter,
    credit: str,
    **fields: Any,
) -> VideoWorld:
    customer = CustomerFactory.create(organization=organization, **fields)
    subscriptions.subscribe(customer=customer, plan_version=plan_version, at=SINCE)
    world = VideoWorld(
        organization=organization,
        usd=usd,
        minutes=minutes,
        plan_version=plan_version,
        customer=customer,
        account=ledger.open_account(customer=customer, asset=usd),
    )
    if Decimal(credit):
        world.grant(credit)
    return world
