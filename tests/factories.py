"""One factory for each model, with traits for the states a row can be in.

A row belongs to the organization of its parent: pass the parent (`customer=...`), or the
organization to the parent's factory (`customer__organization=...`), never both. Factories write
single rows; whoever needs a company with plan, customer and credit opens a world (`tests.worlds`).

Grants come through the ledger, because a grant without its entry is a broken book. Ledger entries
have no factory for the same reason: debit an account to get one.
"""

import hashlib
import uuid
from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from accounts import ledger
from accounts.burndown import Category
from accounts.models import (
    ApiKey,
    Asset,
    CreditAccount,
    CreditGrant,
    Customer,
    Hold,
    HoldState,
    Membership,
    Organization,
    PortalMembership,
    Role,
    Scope,
    User,
)
from invoicing.models import Invoice, InvoiceLine, InvoiceState, NumberSeries
from metering.models import (
    AlertFiring,
    BillingPeriod,
    DeadLetter,
    Event,
    RatedEvent,
    SpendAlert,
    UsageTotal,
)
from pricing.models import (
    Aggregation,
    Meter,
    Plan,
    PlanVersion,
    Price,
    Subscription,
    VersionState,
)
from tests.clock import DAY, NOW, SINCE

PASSWORD = "correct horse battery staple"
"""The password of every person the factory makes."""

_MARCH = NOW.replace(day=1, hour=0)
_APRIL = _MARCH.replace(month=4)


class OrganizationFactory(DjangoModelFactory[Organization]):
    class Meta:
        model = Organization

    slug = factory.Sequence("organization-{}".format)
    name = factory.Sequence("Organization {}".format)


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    class Params:
        staff = factory.Trait(is_superuser=True)

    email = factory.Sequence("person{}@example.com".format)
    name = factory.Sequence("Person {}".format)
    password = PASSWORD

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **fields: Any) -> User:
        return model_class.objects.create_user(**fields)


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    class Params:
        admin = factory.Trait(role=Role.ADMIN)
        analyst = factory.Trait(role=Role.ANALYST)

    organization = factory.SubFactory(OrganizationFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.OWNER


class CustomerFactory(DjangoModelFactory[Customer]):
    class Meta:
        model = Customer

    organization = factory.SubFactory(OrganizationFactory)
    external_id = factory.Sequence("customer-{}".format)
    name = factory.Sequence("Customer {}".format)
    email = factory.LazyAttribute(lambda row: f"{row.external_id}@example.com")


class PortalMembershipFactory(DjangoModelFactory[PortalMembership]):
    class Meta:
        model = PortalMembership

    customer = factory.SubFactory(CustomerFactory)
    organization = factory.SelfAttribute("customer.organization")
    user = factory.SubFactory(UserFactory)


class ApiKeyFactory(DjangoModelFactory[ApiKey]):
    """A stored key that opens no door: its secret is unknown. Issue one to sign in with it."""

    class Meta:
        model = ApiKey

    class Params:
        revoked = factory.Trait(revoked_at=NOW)

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence("Key {}".format)
    prefix = factory.Sequence("dd_test_{}".format)
    key_hash = factory.Sequence(lambda n: hashlib.sha256(str(n).encode()).digest())
    scopes = factory.LazyFunction(lambda: [Scope.ADMIN])


class AssetFactory(DjangoModelFactory[Asset]):
    class Meta:
        model = Asset

    class Params:
        own_unit = factory.Trait(code="credits", name="Credits", scale=0, is_currency=False)

    organization = factory.SubFactory(OrganizationFactory)
    code = "USD"
    name = "US dollar"
    scale = 2


class CreditAccountFactory(DjangoModelFactory[CreditAccount]):
    class Meta:
        model = CreditAccount

    class Params:
        overdraft = factory.Trait(floor=Decimal(-50))

    customer = factory.SubFactory(CustomerFactory)
    organization = factory.SelfAttribute("customer.organization")
    asset = factory.SubFactory(AssetFactory, organization=factory.SelfAttribute("..organization"))


class CreditGrantFactory(DjangoModelFactory[CreditGrant]):
    class Meta:
        model = CreditGrant

    class Params:
        promotional = factory.Trait(category=Category.PROMOTIONAL)
        included = factory.Trait(category=Category.INCLUDED)
        refund = factory.Trait(category=Category.REFUND)
        expiring = factory.Trait(expires_at=NOW + DAY)
        coming = factory.Trait(effective_at=NOW + DAY)

    account = factory.SubFactory(CreditAccountFactory)
    amount = Decimal(100)
    category = Category.PAID
    at = SINCE

    @classmethod
    def _create(cls, model_class: type[CreditGrant], *args: Any, **terms: Any) -> CreditGrant:
        return ledger.grant_credit(**terms)


class HoldFactory(DjangoModelFactory[Hold]):
    class Meta:
        model = Hold

    class Params:
        captured_in_full = factory.Trait(
            state=HoldState.CAPTURED, captured=Decimal(10), ended_at=NOW
        )
        released = factory.Trait(state=HoldState.RELEASED, ended_at=NOW)
        expired = factory.Trait(state=HoldState.EXPIRED, ended_at=NOW)

    account = factory.SubFactory(CreditAccountFactory)
    organization = factory.SelfAttribute("account.organization")
    reference = factory.LazyFunction(uuid.uuid4)
    amount = Decimal(10)
    expires_at = NOW + DAY


class MeterFactory(DjangoModelFactory[Meter]):
    class Meta:
        model = Meter

    class Params:
        counting = factory.Trait(aggregation=Aggregation.COUNT, quantity_property="")

    organization = factory.SubFactory(OrganizationFactory)
    code = factory.Sequence("meter_{}".format)
    name = factory.Sequence("Meter {}".format)
    event_type = "video.rendered"
    aggregation = Aggregation.SUM
    quantity_property = "minutes"


class PlanFactory(DjangoModelFactory[Plan]):
    class Meta:
        model = Plan

    organization = factory.SubFactory(OrganizationFactory)
    code = factory.Sequence("plan-{}".format)
    name = factory.Sequence("Plan {}".format)


class PlanVersionFactory(DjangoModelFactory[PlanVersion]):
    """A draft. One made with `published=True` can take no prices any more."""

    class Meta:
        model = PlanVersion

    class Params:
        published = factory.Trait(state=VersionState.PUBLISHED, published_at=SINCE)

    plan = factory.SubFactory(PlanFactory)
    organization = factory.SelfAttribute("plan.organization")


class PriceFactory(DjangoModelFactory[Price]):
    """A price of a draft: 0.01 USD for each unit."""

    class Meta:
        model = Price

    plan_version = factory.SubFactory(PlanVersionFactory)
    organization = factory.SelfAttribute("plan_version.organization")
    meter = factory.SubFactory(MeterFactory, organization=factory.SelfAttribute("..organization"))
    asset = factory.SubFactory(AssetFactory, organization=factory.SelfAttribute("..organization"))
    definition = factory.LazyFunction(lambda: {"charge_model": "per_unit", "unit_amount": "0.01"})


class SubscriptionFactory(DjangoModelFactory[Subscription]):
    class Meta:
        model = Subscription

    class Params:
        ended = factory.Trait(ended_at=NOW)

    customer = factory.SubFactory(CustomerFactory)
    organization = factory.SelfAttribute("customer.organization")
    plan_version = factory.SubFactory(
        PlanVersionFactory,
        published=True,
        plan__organization=factory.SelfAttribute("...organization"),
    )
    starts_at = SINCE
    anchor_date = SINCE.date()


class BillingPeriodFactory(DjangoModelFactory[BillingPeriod]):
    """The month around the tests' now, open."""

    class Meta:
        model = BillingPeriod

    class Params:
        closed = factory.Trait(closed_at=_APRIL)
        invoiced = factory.Trait(closed_at=_APRIL, invoiced_at=_APRIL)

    subscription = factory.SubFactory(SubscriptionFactory)
    organization = factory.SelfAttribute("subscription.organization")
    customer = factory.SelfAttribute("subscription.customer")
    starts_at = _MARCH
    ends_at = _APRIL


class UsageTotalFactory(DjangoModelFactory[UsageTotal]):
    class Meta:
        model = UsageTotal

    period = factory.SubFactory(BillingPeriodFactory)
    organization = factory.SelfAttribute("period.organization")
    price = factory.SubFactory(
        PriceFactory, plan_version__plan__organization=factory.SelfAttribute("....organization")
    )


class EventFactory(DjangoModelFactory[Event]):
    """An event that cost nothing. Record one through a world to have it rated and paid."""

    class Meta:
        model = Event

    period = factory.SubFactory(BillingPeriodFactory)
    organization = factory.SelfAttribute("period.organization")
    customer = factory.SelfAttribute("period.customer")
    key = factory.LazyFunction(uuid.uuid4)
    external_id = factory.Sequence("event-{}".format)
    type = "video.rendered"
    occurred_at = NOW
    received_at = NOW
    properties = factory.LazyFunction(lambda: {"minutes": "1", "speed": "fast"})
    payload_hash = bytes(16)
    charges = factory.LazyFunction(list)


class RatedEventFactory(DjangoModelFactory[RatedEvent]):
    class Meta:
        model = RatedEvent

    class Params:
        event = factory.SubFactory(EventFactory)

    organization = factory.SelfAttribute("event.organization")
    event_key = factory.SelfAttribute("event.key")
    price = factory.SubFactory(
        PriceFactory, plan_version__plan__organization=factory.SelfAttribute("....organization")
    )
    quantity = Decimal(1)
    amount = Decimal("0.01")
    working = factory.LazyFunction(dict)


class DeadLetterFactory(DjangoModelFactory[DeadLetter]):
    class Meta:
        model = DeadLetter

    class Params:
        resolved = factory.Trait(resolved_at=NOW)

    organization = factory.SubFactory(OrganizationFactory)
    key = factory.LazyFunction(uuid.uuid4)
    external_id = factory.Sequence("dead-{}".format)
    type = "video.rendered"
    customer_external_id = "nobody"
    occurred_at = NOW
    received_at = NOW
    properties = factory.LazyFunction(dict)
    reason = "no_subscription"
    detail = "no subscribed customer has this external id"


class SpendAlertFactory(DjangoModelFactory[SpendAlert]):
    class Meta:
        model = SpendAlert

    account = factory.SubFactory(CreditAccountFactory)
    organization = factory.SelfAttribute("account.organization")
    threshold = Decimal(50)


class AlertFiringFactory(DjangoModelFactory[AlertFiring]):
    class Meta:
        model = AlertFiring

    class Params:
        delivered = factory.Trait(delivered_at=NOW, attempts=1)

    alert = factory.SubFactory(SpendAlertFactory)
    organization = factory.SelfAttribute("alert.organization")
    account = factory.SelfAttribute("alert.account")
    epoch = factory.Sequence(lambda n: n + 1)
    balance = Decimal(49)
    fired_at = NOW


class NumberSeriesFactory(DjangoModelFactory[NumberSeries]):
    class Meta:
        model = NumberSeries

    organization = factory.SubFactory(OrganizationFactory)


class InvoiceFactory(DjangoModelFactory[Invoice]):
    """A draft. One made with `final=True` has no lines and can take none any more."""

    class Meta:
        model = Invoice

    class Params:
        final = factory.Trait(
            state=InvoiceState.FINALIZED,
            number=factory.Sequence(lambda n: n + 1),
            finalized_at=NOW,
        )

    period = factory.SubFactory(BillingPeriodFactory, closed=True)
    organization = factory.SelfAttribute("period.organization")
    customer = factory.SelfAttribute("period.customer")
    asset = factory.SubFactory(AssetFactory, organization=factory.SelfAttribute("..organization"))


class InvoiceLineFactory(DjangoModelFactory[InvoiceLine]):
    class Meta:
        model = InvoiceLine

    invoice = factory.SubFactory(InvoiceFactory)
    organization = factory.SelfAttribute("invoice.organization")
    position = factory.Sequence(lambda n: n)
    description = "Video minutes"
    quantity = Decimal(10)
    usage_amount = Decimal(10)
    credits_applied = Decimal(0)
    amount = Decimal(10)
