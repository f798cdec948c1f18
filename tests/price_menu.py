"""A price of every kind there is, and a company that sells any choice of them."""

import datetime as dt
import itertools
from collections.abc import Collection, Iterator, Sequence
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
from pricing.models import Aggregation, Meter, Plan, PlanVersion, Settle, ShortfallPolicy
from tests.clock import NOW, SINCE
from tests.factories import (
    AssetFactory,
    CustomerFactory,
    MeterFactory,
    OrganizationFactory,
    PlanFactory,
    PlanVersionFactory,
    PriceFactory,
)

EVENT_TYPE = "call"
_LONG_AFTER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
CLOSE, EVENT = Settle.AT_CLOSE, Settle.ON_EVENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Dish:
    """A meter and a price of it."""

    aggregation: Aggregation
    definition: dict[str, Any]
    measures: str = ""
    expression: str = ""
    settle: Settle = EVENT
    asset: str = "USD"
    event_type: str = EVENT_TYPE


def _dish(aggregation: str, measures: str, definition: dict[str, Any], **terms: Any) -> Dish:
    return Dish(
        aggregation=Aggregation(aggregation), measures=measures, definition=definition, **terms
    )


def _by_model(**terms: Any) -> dict[str, Any]:
    dear = {"tiers": [{"up_to": "50", "unit_amount": "0.3", "flat_amount": "2"},
                      {"up_to": None, "unit_amount": "0.2"}]}  # fmt: skip
    cells = [
        {"match": {"model": "large"}, **dear},
        {"match": {"model": "small"}, "unit_amount": "0.07"},
        {"match": {}, "unit_amount": "0.11"},
    ]
    return {"matrix": {"dimensions": ["model"], "cells": cells}, **terms}


TIERS = [
    {"up_to": "10", "unit_amount": "1.10", "flat_amount": "3"},
    {"up_to": "100", "unit_amount": "0.70", "flat_amount": "1"},
    {"up_to": None, "unit_amount": "0.31"},
]
STEPS = [{"up_to": "20", "flat_amount": "5"}, {"up_to": None, "flat_amount": "42.5"}]
SHARES = {
    "charge_model": "percentage",
    "percentage": "1.7",
    "fixed_amount": "0.30",
    "minimum_per_event": "0.5",
    "free_events": "2",
}
MENU = {
    "per_unit": _dish("sum", "tokens", {"charge_model": "per_unit", "unit_amount": "0.37",
                                        "unit_size": "3"}),
    "rounded": _dish("sum", "tokens", {"charge_model": "per_unit", "unit_amount": "2",
                                       "unit_size": "7", "rounding": "up"}),
    "package": _dish("sum", "tokens", {"charge_model": "package", "unit_amount": "4",
                                       "package_size": "25"}),
    "graduated": _dish("sum", "tokens", {"charge_model": "graduated", "tiers": TIERS}),
    "flat": _dish("count", "", {"charge_model": "flat", "flat_amount": "9.99"}),
    "matrix": _dish("sum", "tokens", _by_model()),
    "pooled": _dish("sum", "tokens", _by_model(included="30", tiers_count="over_all_cells")),
    "expression": Dish(aggregation=Aggregation.SUM, expression="tokens * 2 + 1",
                       definition={"charge_model": "per_unit", "unit_amount": "0.01"}),
    "percentage": _dish("sum", "volume", SHARES),
    "dynamic": _dish("count", "", {"charge_model": "dynamic", "multiplier": "1.25",
                                   "amount_property": "volume"}),
    "users": _dish("unique_count", "user", {"charge_model": "graduated", "tiers": [
        {"up_to": "1", "unit_amount": "0"}, {"up_to": None, "unit_amount": "7"}]}),
    "peak": _dish("max", "level", {"charge_model": "per_unit", "unit_amount": "0.9"}),
    "committed": _dish("sum", "tokens", {"charge_model": "per_unit", "unit_amount": "0.5",
                                         "commitment": {"amount": "20", "overage_factor": "1.5"}}),
    "capped": _dish("sum", "tokens", {"charge_model": "per_unit", "unit_amount": "0.5",
                                      "minimum_amount": "5", "maximum_amount": "30"}),
    "later": _dish("sum", "tokens", {"charge_model": "graduated", "tiers": TIERS,
                                     "included": "5"}, settle=CLOSE),
    "volume": _dish("sum", "tokens", {"charge_model": "volume_tiers", "tiers": TIERS},
                    settle=CLOSE),
    "stairs": _dish("count", "", {"charge_model": "stairstep", "tiers": STEPS}, settle=CLOSE),
    "average": _dish("average", "level", _by_model(), settle=CLOSE),
    "latest": _dish("latest", "level", {"charge_model": "per_unit", "unit_amount": "0.2"},
                    settle=CLOSE),
    "least": _dish("min", "level", {"charge_model": "per_unit", "unit_amount": "0.2"},
                   settle=CLOSE),
    "stored": _dish("weighted_sum", "level", {"charge_model": "per_unit", "unit_amount": "1.3"},
                    settle=CLOSE),
    "people": _dish("unique_count", "user", {"charge_model": "per_unit", "unit_amount": "4",
                                             "included": "1"}, settle=CLOSE),
    "credits": _dish("sum", "tokens", {"charge_model": "per_unit", "unit_amount": "3",
                                       "unit_size": "10"}, asset="credits"),
}  # fmt: skip
"""What can be sold, by name."""

PROPERTIES = {"tokens": "12.5", "model": "large", "user": "ann", "volume": "80", "level": "6"}
"""What an event needs to be priced by all of it."""


@dataclass(kw_only=True)
class Shop:
    """A company that sells a choice of the menu, and its customers."""

    organization: Organization
    assets: dict[str, Asset]
    plan: Plan
    plan_version: PlanVersion
    meters: dict[str, Meter] = field(default_factory=dict)
    customers: list[Customer] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def draft(self, customer: Customer | None = None, **fields: Any) -> EventDraft:
        """Return an event under a new id, of the first customer unless told otherwise."""
        given = {"timestamp": None, **fields.pop("raw", {})}
        raw = {
            "id": f"call-{next(self._numbers)}",
            "type": EVENT_TYPE,
            "customer": (customer or self.customers[0]).external_id,
            **given,
            "properties": {**PROPERTIES, **fields},
        }
        draft = event_drafts.parse(raw, at=_LONG_AFTER)
        assert isinstance(draft, EventDraft), draft
        return draft

    def record(
        self, *drafts: EventDraft | InvalidDraft, at: dt.datetime = NOW
    ) -> Sequence[Outcome]:
        """Record events as one set."""
        recorded = ingestion.record_events(
            organization_id=self.organization.id, drafts=drafts, at=at
        )
        return recorded.outcomes

    def grant(self, customer: Customer, amount: str, *, asset: str = "USD", **terms: Any) -> None:
        """Give a customer credit."""
        account = CreditAccount.objects.get(customer=customer, asset=self.assets[asset])
        terms = {"category": Category.PAID, "at": SINCE, **terms}
        ledger.grant_credit(account=account, amount=Decimal(amount), **terms)

    def subscribe(self, *, at: dt.datetime = SINCE, **fields: Any) -> Customer:
        """Put a new customer on the plan."""
        customer: Customer = CustomerFactory.create(organization=self.organization, **fields)
        subscriptions.subscribe(customer=customer, plan_version=self.plan_version, at=at)
        self.customers.append(customer)
        return customer

    def draft_version(self, dishes: dict[str, Dish], **terms: Any) -> PlanVersion:
        """Write the next version of the plan, not published yet."""
        draft: PlanVersion = PlanVersionFactory.create(plan=self.plan, number=2, **terms)
        self._price(draft, dishes)
        return draft

    def _price(self, version: PlanVersion, dishes: dict[str, Dish]) -> None:
        for name, dish in dishes.items():
            PriceFactory.create(
                plan_version=version,
                meter=self._meter(name, dish),
                asset=self.assets[dish.asset],
                settle=dish.settle,
                definition=dish.definition,
            )

    def _meter(self, name: str, sold: Dish) -> Meter:
        if name not in self.meters:
            dish = MENU.get(name, sold)
            known = Meter.objects.filter(organization=self.organization, code=name).first()
            self.meters[name] = known or MeterFactory.create(
                organization=self.organization,
                code=name,
                event_type=dish.event_type,
                aggregation=dish.aggregation,
                quantity_property=dish.measures,
                expression=dish.expression,
            )
        return self.meters[name]


def open_shop(
    names: Collection[str],
    *,
    policy: ShortfallPolicy = ShortfallPolicy.BLOCK,
    overdraft_limit: str = "0",
    also: dict[str, Dish] | None = None,
    organization: Organization | None = None,
) -> Shop:
    """Open a company that sells what is named of the menu, and subscribe one customer.

    `also` names meters of the menu that are sold otherwise, and what is not on it; in an
    `organization` that exists, the plan is another one beside those there are.
    """
    organization = organization or OrganizationFactory.create()
    plan = PlanFactory.create(organization=organization)
    version = PlanVersionFactory.create(
        plan=plan, shortfall_policy=policy, overdraft_limit=Decimal(overdraft_limit)
    )
    shop = Shop(
        organization=organization,
        assets={
            "USD": AssetFactory.create(organization=organization),
            "credits": AssetFactory.create(organization=organization, own_unit=True),
        },
        plan=plan,
        plan_version=version,
    )
    shop._price(version, {name: MENU[name] for name in names} | (also or {}))
    shop.plan_version = publication.publish(version=version, by=None, at=SINCE)
    shop.subscribe()
    return shop
