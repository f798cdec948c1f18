"""Rules that hold for every table, tried on each: a new table cannot be forgotten."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from factory.django import DjangoModelFactory

from accounts.models import (
    AmountField,
    CreditGrant,
    LedgerEntry,
    Organization,
)
from metering.models import PeriodCharge
from pricing.models import (
    Coupon,
    Entitlement,
    EntitlementKind,
    PlanVersion,
    ScheduledChange,
    Subscription,
)
from tests import factories
from tests.clock import NOW
from tests.factories import (
    CreditAccountFactory,
    CreditGrantFactory,
    CustomerFactory,
    EventFactory,
    OrganizationFactory,
    PlanVersionFactory,
    RatedEventFactory,
)
from tests.guarded_tables import refused, run, unguarded

pytestmark = pytest.mark.django_db

MODELS = [
    model
    for app in ("accounts", "pricing", "metering", "invoicing")
    for model in apps.get_app_config(app).get_models()
]
FACTORIES = {
    each._meta.model: each
    for each in vars(factories).values()
    if isinstance(each, type)
    and issubclass(each, DjangoModelFactory)
    and each is not DjangoModelFactory
}


def create(model: type[models.Model], **fields: Any) -> models.Model:
    """Make a row of any model."""
    if model is LedgerEntry:
        return LedgerEntry.objects.get(grant=CreditGrantFactory.create(**fields))
    row: models.Model = FACTORIES[model].create(**fields)
    return row


AMOUNTS = [
    pytest.param(model, field.column, id=f"{model.__name__}.{field.name}")
    for model in MODELS
    for field in model._meta.local_fields
    if isinstance(field, AmountField)
]


@pytest.mark.parametrize(("model", "column"), AMOUNTS)
def test_no_amount_is_ever_nan(model: type[models.Model], column: str) -> None:
    create(model)
    with refused("violates check constraint"), unguarded():
        run(f"UPDATE {model._meta.db_table} SET {column} = 'NaN'")


REFERENCES = [
    pytest.param(model, field.name, id=f"{model.__name__}.{field.name}")
    for model in MODELS
    for field in model._meta.local_fields
    if isinstance(field, models.ForeignKey)
    and hasattr(field.related_model, "organization")
    and model is not LedgerEntry  # Its chain is tried in tests.accounts.test_guards.
]


# What the other tenant's row must be for its tenant to be the one thing wrong with it.
STATES: dict[tuple[type[models.Model], str], dict[str, Any]] = {
    (Subscription, "plan_version"): {"published": True},
    (PeriodCharge, "period"): {"closed": True},
    (ScheduledChange, "plan_version"): {"published": True},
}
# What else the row must say for the other tenant's row to be the one thing wrong with it.
COMPANIONS: dict[tuple[type[models.Model], str], Callable[[Organization], dict[str, Any]]] = {
    (PlanVersion, "customer"): lambda own: {
        "based_on": PlanVersionFactory.create(plan__organization=own)
    },
    (PlanVersion, "based_on"): lambda own: {"customer": CustomerFactory.create(organization=own)},
    (CreditGrant, "cost_basis_asset"): lambda own: {
        "account": CreditAccountFactory.create(customer__organization=own),
        "cost_basis_amount": Decimal(5),
    },
    (Coupon, "asset"): lambda own: {"percent": 0, "amount": Decimal(5)},
    (Entitlement, "meter"): lambda own: {
        "kind": EntitlementKind.METERED,
        "limit_per_period": Decimal(300),
    },
}


@pytest.mark.parametrize(("model", "name"), REFERENCES)
def test_a_row_refers_to_rows_of_its_own_tenant_only(model: type[models.Model], name: str) -> None:
    own = OrganizationFactory.create()
    parent = model._meta.get_field(name).related_model
    assert isinstance(parent, type)
    stranger = create(parent, **STATES.get((model, name), {}))
    companions = COMPANIONS.get((model, name), lambda own: {})
    with refused("same_tenant|tenant|of its own customer"):
        _insert(model, own, {name: stranger, **companions(own)})


def _insert(model: type[models.Model], own: Organization, foreign: dict[str, Any]) -> None:
    if model is CreditGrant:
        terms = {"amount": Decimal(1), "remaining": Decimal(0), "effective_at": NOW}
        CreditGrant.objects.create(organization=own, category="paid", **terms, **foreign)
    else:
        create(model, organization=own, **foreign)


def test_a_rated_event_needs_an_event_of_its_tenant() -> None:
    event = EventFactory.create()
    with refused("of its own tenant"):
        RatedEventFactory.create(
            organization=OrganizationFactory.create(), event_key=event.key, event=event
        )
