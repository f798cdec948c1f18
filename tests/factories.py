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

from factory.declarations import (
    LazyAttribute,
    LazyFunction,
    SelfAttribute,
    Sequence,
    SubFactory,
    Trait,
)
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
    HoldDraw,
    HoldState,
    Membership,
    Organization,
    Parking,
    PortalMembership,
    ProofDifference,
    ProofRun,
    Role,
    Scope,
    StoredAnswer,
    User,
)
from invoicing.models import (
    CreditNote,
    Invoice,
    InvoiceCorrection,
    InvoiceItem,
    InvoiceLine,
    InvoiceState,
    InvoiceTax,
    InvoicingTerms,
    NumberSeries,
    PeriodDrafting,
    PeriodOpening,
    SeatChange,
    TaxProfile,
    TaxRate,
)
from metering.models import (
    Adjustment,
    AlertFiring,
    Authorization,
    BacktestResult,
    BacktestRun,
    BacktestState,
    BillingPeriod,
    CapCounter,
    CapReservation,
    DeadLetter,
    DistinctValue,
    Ending,
    Event,
    EventVoid,
    PeriodCharge,
    RatedEvent,
    SpendAlert,
    SpendCap,
    UsageFold,
    UsageSlot,
    UsageTotal,
)
from pricing.models import (
    Aggregation,
    CostPolicy,
    CostRate,
    Coupon,
    CouponRedemption,
    Entitlement,
    IncludedCredit,
    Meter,
    Plan,
    PlanVersion,
    Price,
    PriceOverride,
    ScheduledChange,
    Subscription,
    VersionState,
)
from pricing.period_charges import Kind
from tests.clock import DAY, NEVER_PAST, NOW, SECOND, SINCE

PASSWORD = "correct horse battery staple"
"""The password of every person the factory makes."""

_MARCH = NOW.replace(day=1, hour=0)
_APRIL = _MARCH.replace(month=4)


class OrganizationFactory(DjangoModelFactory[Organization]):
    class Meta:
        model = Organization

    slug = Sequence("organization-{}".format)
    name = Sequence("Organization {}".format)


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    class Params:
        staff = Trait(is_superuser=True)

    email = Sequence("person{}@example.com".format)
    name = Sequence("Person {}".format)
    password = PASSWORD

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **fields: Any) -> User:
        return model_class.objects.create_user(**fields)


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    class Params:
        admin = Trait(role=Role.ADMIN)
        analyst = Trait(role=Role.ANALYST)

    organization = SubFactory(OrganizationFactory)
    user = SubFactory(UserFactory)
    role = Role.OWNER


class CustomerFactory(DjangoModelFactory[Customer]):
    class Meta:
        model = Customer

    organization = SubFactory(OrganizationFactory)
    external_id = Sequence("customer-{}".format)
    name = Sequence("Customer {}".format)
    email = LazyAttribute(lambda row: f"{row.external_id}@example.com")


class PortalMembershipFactory(DjangoModelFactory[PortalMembership]):
    class Meta:
        model = PortalMembership

    customer = SubFactory(CustomerFactory)
    organization = SelfAttribute("customer.organization")
    user = SubFactory(UserFactory)


class ApiKeyFactory(DjangoModelFactory[ApiKey]):
    """A stored key that opens no door: its secret is unknown. Issue one to sign in with it."""

    class Meta:
        model = ApiKey

    class Params:
        revoked = Trait(revoked_at=NOW)

    organization = SubFactory(OrganizationFactory)
    name = Sequence("Key {}".format)
    prefix = Sequence("dd_test_{}".format)
    key_hash = Sequence(lambda n: hashlib.sha256(str(n).encode()).digest())
    scopes = LazyFunction(lambda: [Scope.ADMIN])


class AssetFactory(DjangoModelFactory[Asset]):
    """An organization's US dollar, the same one however often it is asked for."""

    class Meta:
        model = Asset
        django_get_or_create = ("organization", "code")

    class Params:
        own_unit = Trait(code="credits", name="Credits", scale=0, is_currency=False)

    organization = SubFactory(OrganizationFactory)
    code = "USD"
    name = "US dollar"
    scale = 2


class CreditAccountFactory(DjangoModelFactory[CreditAccount]):
    class Meta:
        model = CreditAccount

    class Params:
        overdraft = Trait(floor=Decimal(-50))

    customer = SubFactory(CustomerFactory)
    organization = SelfAttribute("customer.organization")
    asset = SubFactory(AssetFactory, organization=SelfAttribute("..organization"))


class CreditGrantFactory(DjangoModelFactory[CreditGrant]):
    class Meta:
        model = CreditGrant

    class Params:
        promotional = Trait(category=Category.PROMOTIONAL)
        included = Trait(category=Category.INCLUDED)
        refund = Trait(category=Category.REFUND)
        expiring = Trait(expires_at=NOW + DAY)
        coming = Trait(effective_at=NOW + DAY)

    account = SubFactory(CreditAccountFactory)
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
        captured_in_full = Trait(state=HoldState.CAPTURED, captured=Decimal(10), ended_at=NOW)
        released = Trait(state=HoldState.RELEASED, ended_at=NOW)
        expired = Trait(state=HoldState.EXPIRED, ended_at=NOW)

    account = SubFactory(CreditAccountFactory)
    organization = SelfAttribute("account.organization")
    reference = LazyFunction(uuid.uuid4)
    amount = Decimal(10)
    expires_at = NOW + DAY


class HoldDrawFactory(DjangoModelFactory[HoldDraw]):
    class Meta:
        model = HoldDraw

    class Params:
        on_grant = Trait(
            grant=SubFactory(CreditGrantFactory, account=SelfAttribute("..hold.account"))
        )

    hold = SubFactory(HoldFactory)
    organization = SelfAttribute("hold.organization")
    meter = "tokens"
    amount = Decimal(10)


class MeterFactory(DjangoModelFactory[Meter]):
    class Meta:
        model = Meter

    class Params:
        counting = Trait(aggregation=Aggregation.COUNT, quantity_property="")

    organization = SubFactory(OrganizationFactory)
    code = Sequence("meter_{}".format)
    name = Sequence("Meter {}".format)
    event_type = "video.rendered"
    aggregation = Aggregation.SUM
    quantity_property = "minutes"


class PlanFactory(DjangoModelFactory[Plan]):
    class Meta:
        model = Plan

    organization = SubFactory(OrganizationFactory)
    code = Sequence("plan-{}".format)
    name = Sequence("Plan {}".format)


class PlanVersionFactory(DjangoModelFactory[PlanVersion]):
    """A draft. One made with `published=True` can take no prices any more."""

    class Meta:
        model = PlanVersion

    class Params:
        published = Trait(state=VersionState.PUBLISHED, published_at=SINCE)

    plan = SubFactory(PlanFactory)
    organization = SelfAttribute("plan.organization")


class PriceFactory(DjangoModelFactory[Price]):
    """A price of a draft: 0.01 USD for each unit."""

    class Meta:
        model = Price

    plan_version = SubFactory(PlanVersionFactory)
    organization = SelfAttribute("plan_version.organization")
    meter = SubFactory(MeterFactory, organization=SelfAttribute("..organization"))
    asset = SubFactory(AssetFactory, organization=SelfAttribute("..organization"))
    definition = LazyFunction(lambda: {"charge_model": "per_unit", "unit_amount": "0.01"})


class CostPolicyFactory(DjangoModelFactory[CostPolicy]):
    """An organization's cost policy, in dollars, the same one however often it is asked for."""

    class Meta:
        model = CostPolicy
        django_get_or_create = ("organization",)

    organization = SubFactory(OrganizationFactory)
    asset = SubFactory(AssetFactory, organization=SelfAttribute("..organization"))


class CostRateFactory(DjangoModelFactory[CostRate]):
    """What a vendor charges: 0.002 USD for each unit."""

    class Meta:
        model = CostRate

    class Params:
        planned = Trait(effective_from=NEVER_PAST)

    meter = SubFactory(MeterFactory)
    organization = SelfAttribute("meter.organization")
    vendor = "anthropic"
    effective_from = SINCE
    definition = LazyFunction(lambda: {"charge_model": "per_unit", "unit_amount": "0.002"})
    created_at = SINCE

    @classmethod
    def _create(cls, model_class: type[CostRate], *args: Any, **fields: Any) -> CostRate:
        CostPolicyFactory.create(organization=fields["organization"])
        rate: CostRate = super()._create(model_class, *args, **fields)
        return rate


class IncludedCreditFactory(DjangoModelFactory[IncludedCredit]):
    """500 USD with each period of a draft."""

    class Meta:
        model = IncludedCredit

    plan_version = SubFactory(PlanVersionFactory)
    organization = SelfAttribute("plan_version.organization")
    asset = SubFactory(AssetFactory, organization=SelfAttribute("..organization"))
    amount = Decimal(500)


class EntitlementFactory(DjangoModelFactory[Entitlement]):
    """A feature that a draft switches on."""

    class Meta:
        model = Entitlement

    plan_version = SubFactory(PlanVersionFactory)
    organization = SelfAttribute("plan_version.organization")
    feature = Sequence("feature_{}".format)


class SubscriptionFactory(DjangoModelFactory[Subscription]):
    class Meta:
        model = Subscription

    class Params:
        ended = Trait(ended_at=NOW)

    customer = SubFactory(CustomerFactory)
    organization = SelfAttribute("customer.organization")
    plan_version = SubFactory(
        PlanVersionFactory,
        published=True,
        plan__organization=SelfAttribute("...organization"),
    )
    starts_at = SINCE
    anchor_date = SINCE.date()


class ScheduledChangeFactory(DjangoModelFactory[ScheduledChange]):
    """Another plan's version, from tomorrow on."""

    class Meta:
        model = ScheduledChange

    subscription = SubFactory(SubscriptionFactory)
    organization = SelfAttribute("subscription.organization")
    customer = SelfAttribute("subscription.customer")
    plan_version = SubFactory(
        PlanVersionFactory,
        published=True,
        plan__organization=SelfAttribute("...organization"),
    )
    effective_at = NOW + DAY


class CouponFactory(DjangoModelFactory[Coupon]):
    """A quarter off the next bill."""

    class Meta:
        model = Coupon

    organization = SubFactory(OrganizationFactory)
    code = Sequence("COUPON-{}".format)
    name = Sequence("Coupon {}".format)
    percent = Decimal(25)


class CouponRedemptionFactory(DjangoModelFactory[CouponRedemption]):
    class Meta:
        model = CouponRedemption

    subscription = SubFactory(SubscriptionFactory)
    organization = SelfAttribute("subscription.organization")
    coupon = SubFactory(CouponFactory, organization=SelfAttribute("..organization"))
    redeemed_at = NOW


class PriceOverrideFactory(DjangoModelFactory[PriceOverride]):
    """Half a cent for each unit."""

    class Meta:
        model = PriceOverride

    customer = SubFactory(CustomerFactory)
    organization = SelfAttribute("customer.organization")
    plan = SubFactory(PlanFactory, organization=SelfAttribute("..organization"))
    meter = SubFactory(MeterFactory, organization=SelfAttribute("..organization"))
    asset = SubFactory(AssetFactory, organization=SelfAttribute("..organization"))
    definition = LazyFunction(lambda: {"charge_model": "per_unit", "unit_amount": "0.005"})


class BillingPeriodFactory(DjangoModelFactory[BillingPeriod]):
    """The month around the tests' now, open."""

    class Meta:
        model = BillingPeriod

    class Params:
        closed = Trait(closed_at=_APRIL)
        invoiced = Trait(closed_at=_APRIL, invoiced_at=_APRIL)

    subscription = SubFactory(SubscriptionFactory)
    organization = SelfAttribute("subscription.organization")
    customer = SelfAttribute("subscription.customer")
    plan_version = SelfAttribute("subscription.plan_version")
    starts_at = _MARCH
    ends_at = _APRIL


class UsageTotalFactory(DjangoModelFactory[UsageTotal]):
    class Meta:
        model = UsageTotal

    period = SubFactory(BillingPeriodFactory)
    organization = SelfAttribute("period.organization")
    price = SubFactory(
        PriceFactory, plan_version__plan__organization=SelfAttribute("....organization")
    )


class PeriodChargeFactory(DjangoModelFactory[PeriodCharge]):
    class Meta:
        model = PeriodCharge

    period = SubFactory(BillingPeriodFactory, closed=True)
    organization = SelfAttribute("period.organization")
    price = SubFactory(
        PriceFactory, plan_version__plan__organization=SelfAttribute("....organization")
    )
    kind = Kind.MINIMUM
    amount = Decimal(10)


class DistinctValueFactory(DjangoModelFactory[DistinctValue]):
    class Meta:
        model = DistinctValue

    period = SubFactory(BillingPeriodFactory)
    organization = SelfAttribute("period.organization")
    price = SubFactory(
        PriceFactory, plan_version__plan__organization=SelfAttribute("....organization")
    )
    value_hash = LazyFunction(uuid.uuid4)


class UsageFoldFactory(DjangoModelFactory[UsageFold]):
    class Meta:
        model = UsageFold

    organization = SubFactory(OrganizationFactory)


class UsageSlotFactory(DjangoModelFactory[UsageSlot]):
    class Meta:
        model = UsageSlot

    customer = SubFactory(CustomerFactory)
    organization = SelfAttribute("customer.organization")
    starts_at = _MARCH
    asset = SubFactory(AssetFactory, organization=SelfAttribute("..organization"))
    amount = Decimal(1)
    charges = 1


class EventFactory(DjangoModelFactory[Event]):
    """An event that cost nothing. Record one through a world to have it rated and paid."""

    class Meta:
        model = Event

    period = SubFactory(BillingPeriodFactory)
    organization = SelfAttribute("period.organization")
    customer = SelfAttribute("period.customer")
    key = LazyFunction(uuid.uuid4)
    external_id = Sequence("event-{}".format)
    type = "video.rendered"
    occurred_at = NOW
    received_at = NOW
    properties = LazyFunction(lambda: {"minutes": "1", "speed": "fast"})
    payload_hash = bytes(16)
    charges = LazyFunction(list)
    cost_asset = None
    cost_amount = LazyAttribute(lambda row: row.cost_asset and Decimal("0.002"))
    cost_parts = LazyAttribute(lambda row: row.cost_asset and {"meter": "0.002"})


class RatedEventFactory(DjangoModelFactory[RatedEvent]):
    class Meta:
        model = RatedEvent

    class Params:
        event = SubFactory(EventFactory)

    organization = SelfAttribute("event.organization")
    event_key = SelfAttribute("event.key")
    price = SubFactory(
        PriceFactory, plan_version__plan__organization=SelfAttribute("....organization")
    )
    quantity = Decimal(1)
    amount = Decimal("0.01")
    working = LazyFunction(dict)


class EventVoidFactory(DjangoModelFactory[EventVoid]):
    """A void of an event that cost nothing."""

    class Meta:
        model = EventVoid

    class Params:
        event = SubFactory(EventFactory)

    organization = SelfAttribute("event.organization")
    event_key = SelfAttribute("event.key")
    customer = SelfAttribute("event.customer")
    voided_at = NOW


class AdjustmentFactory(DjangoModelFactory[Adjustment]):
    class Meta:
        model = Adjustment

    class Params:
        event = SubFactory(EventFactory)

    void = SubFactory(EventVoidFactory, event=SelfAttribute("..event"))
    organization = SelfAttribute("event.organization")
    period = SelfAttribute("event.period")
    price = SubFactory(
        PriceFactory, plan_version__plan__organization=SelfAttribute("....organization")
    )
    events = -1
    quantity = Decimal(-1)


class DeadLetterFactory(DjangoModelFactory[DeadLetter]):
    class Meta:
        model = DeadLetter

    class Params:
        resolved = Trait(resolved_at=NOW)

    organization = SubFactory(OrganizationFactory)
    key = LazyFunction(uuid.uuid4)
    external_id = Sequence("dead-{}".format)
    type = "video.rendered"
    customer_external_id = "nobody"
    occurred_at = NOW
    received_at = NOW
    properties = LazyFunction(dict)
    reason = "no_subscription"
    detail = "no subscribed customer has this external id"


class BacktestRunFactory(DjangoModelFactory[BacktestRun]):
    """A backtest of a draft, waiting."""

    class Meta:
        model = BacktestRun

    class Params:
        running = Trait(
            state=BacktestState.RUNNING, started_at=NOW, events_total=200, events_done=50
        )
        done = Trait(
            state=BacktestState.DONE,
            started_at=NOW,
            finished_at=NOW,
            events_total=200,
            events_done=200,
        )
        failed = Trait(state=BacktestState.FAILED, finished_at=NOW, error="The draft was changed.")

    plan_version = SubFactory(PlanVersionFactory)
    organization = SelfAttribute("plan_version.organization")
    range_starts_at = SINCE
    range_ends_at = NOW
    requested_at = NOW


class BacktestResultFactory(DjangoModelFactory[BacktestResult]):
    class Meta:
        model = BacktestResult

    run = SubFactory(BacktestRunFactory, done=True)
    organization = SelfAttribute("run.organization")
    customer = SubFactory(CustomerFactory, organization=SelfAttribute("..organization"))
    asset = SubFactory(AssetFactory, organization=SelfAttribute("..organization"))
    charged = Decimal(10)
    would_be = Decimal(12)
    events = 3
    replayed_at = NOW


class SpendAlertFactory(DjangoModelFactory[SpendAlert]):
    class Meta:
        model = SpendAlert

    account = SubFactory(CreditAccountFactory)
    organization = SelfAttribute("account.organization")
    threshold = Decimal(50)


class AlertFiringFactory(DjangoModelFactory[AlertFiring]):
    class Meta:
        model = AlertFiring

    class Params:
        delivered = Trait(delivered_at=NOW, attempts=1)

    alert = SubFactory(SpendAlertFactory)
    organization = SelfAttribute("alert.organization")
    account = SelfAttribute("alert.account")
    epoch = Sequence(lambda n: n + 1)
    balance = Decimal(49)
    fired_at = NOW


class ProofRunFactory(DjangoModelFactory[ProofRun]):
    """A full pass that found nothing."""

    class Meta:
        model = ProofRun

    class Params:
        unfinished = Trait(finished_at=None)

    organization = SubFactory(OrganizationFactory)
    started_at = Sequence(lambda n: NOW + n * SECOND)
    alive_at = SelfAttribute("started_at")
    finished_at = SelfAttribute("started_at")


class ProofDifferenceFactory(DjangoModelFactory[ProofDifference]):
    class Meta:
        model = ProofDifference

    run = SubFactory(ProofRunFactory)
    organization = SelfAttribute("run.organization")
    customer = SubFactory(CustomerFactory, organization=SelfAttribute("..organization"))
    promise = "a balance is the sum of its entries"
    subject = "account"
    detail = "has 7, its entries add up to 3"


class ParkingFactory(DjangoModelFactory[Parking]):
    class Meta:
        model = Parking

    customer = SubFactory(CustomerFactory)
    organization = SelfAttribute("customer.organization")
    run = SubFactory(ProofRunFactory, organization=SelfAttribute("..organization"))
    promise = "a balance is the sum of its entries"


class StoredAnswerFactory(DjangoModelFactory[StoredAnswer]):
    class Meta:
        model = StoredAnswer

    organization = SubFactory(OrganizationFactory)
    key = Sequence("key-{}".format)
    fingerprint = LazyFunction(uuid.uuid4)
    status = 201
    content = "{}"


class SpendCapFactory(DjangoModelFactory[SpendCap]):
    """100 USD a month."""

    class Meta:
        model = SpendCap

    customer = SubFactory(CustomerFactory)
    organization = SelfAttribute("customer.organization")
    asset = SubFactory(AssetFactory, organization=SelfAttribute("..organization"))
    limit = Decimal(100)


class CapCounterFactory(DjangoModelFactory[CapCounter]):
    class Meta:
        model = CapCounter

    cap = SubFactory(SpendCapFactory)
    organization = SelfAttribute("cap.organization")
    window_starts_at = _MARCH
    used = Decimal(10)


class AuthorizationFactory(DjangoModelFactory[Authorization]):
    """Without a hold, which only the ledger makes."""

    class Meta:
        model = Authorization

    class Params:
        released = Trait(ended_as=Ending.RELEASED, ended_at=NOW)

    customer = SubFactory(CustomerFactory)
    organization = SelfAttribute("customer.organization")
    quote = LazyFunction(lambda: {"USD": "10"})
    items = LazyFunction(list)
    expires_at = NOW + DAY
    created_at = NOW


class CapReservationFactory(DjangoModelFactory[CapReservation]):
    class Meta:
        model = CapReservation

    authorization = SubFactory(AuthorizationFactory)
    organization = SelfAttribute("authorization.organization")
    cap = SubFactory(SpendCapFactory, customer=SelfAttribute("..authorization.customer"))
    window_starts_at = _MARCH
    amount = Decimal(10)
    ends_at = NOW + DAY


class NumberSeriesFactory(DjangoModelFactory[NumberSeries]):
    class Meta:
        model = NumberSeries

    organization = SubFactory(OrganizationFactory)


class InvoiceFactory(DjangoModelFactory[Invoice]):
    """A draft. One made with `final=True` has no lines and can take none any more."""

    class Meta:
        model = Invoice

    class Params:
        final = Trait(
            state=InvoiceState.FINALIZED,
            number=Sequence(lambda n: n + 1),
            finalized_at=NOW,
        )

    period = SubFactory(BillingPeriodFactory, closed=True)
    organization = SelfAttribute("period.organization")
    customer = SelfAttribute("period.customer")
    asset = SubFactory(AssetFactory, organization=SelfAttribute("..organization"))


class InvoiceItemFactory(DjangoModelFactory[InvoiceItem]):
    class Meta:
        model = InvoiceItem

    customer = SubFactory(CustomerFactory)
    organization = SelfAttribute("customer.organization")
    asset = SubFactory(AssetFactory, organization=SelfAttribute("..organization"))
    description = "Setting up"
    amount = Decimal(25)
    created_at = NOW


class InvoiceTaxFactory(DjangoModelFactory[InvoiceTax]):
    class Meta:
        model = InvoiceTax

    invoice = SubFactory(InvoiceFactory)
    organization = SelfAttribute("invoice.organization")
    position = Sequence(lambda n: n)
    name = "VAT"
    percent = Decimal(19)
    taxable = Decimal(10)
    amount = Decimal("1.9")


class InvoicingTermsFactory(DjangoModelFactory[InvoicingTerms]):
    class Meta:
        model = InvoicingTerms

    organization = SubFactory(OrganizationFactory)


class TaxRateFactory(DjangoModelFactory[TaxRate]):
    class Meta:
        model = TaxRate

    organization = SubFactory(OrganizationFactory)
    code = Sequence(lambda n: f"vat_{n}")
    name = "VAT"
    percent = Decimal(19)


class TaxProfileFactory(DjangoModelFactory[TaxProfile]):
    class Meta:
        model = TaxProfile

    customer = SubFactory(CustomerFactory)
    organization = SelfAttribute("customer.organization")


class SeatChangeFactory(DjangoModelFactory[SeatChange]):
    class Meta:
        model = SeatChange

    subscription = SubFactory(SubscriptionFactory)
    organization = SelfAttribute("subscription.organization")
    seats_before = 1
    seats = 2
    effective_at = NOW


class PeriodOpeningFactory(DjangoModelFactory[PeriodOpening]):
    class Meta:
        model = PeriodOpening

    period = SubFactory(BillingPeriodFactory)
    organization = SelfAttribute("period.organization")
    invoiced_at = NOW


class PeriodDraftingFactory(DjangoModelFactory[PeriodDrafting]):
    class Meta:
        model = PeriodDrafting

    period = SubFactory(BillingPeriodFactory, closed=True)
    organization = SelfAttribute("period.organization")
    drafted_at = NOW


class CreditNoteFactory(DjangoModelFactory[CreditNote]):
    """Of an invoice over 10."""

    class Meta:
        model = CreditNote

    invoice = SubFactory(InvoiceFactory, final=True, credits=Decimal(-10), total=Decimal(10))
    organization = SelfAttribute("invoice.organization")
    customer = SelfAttribute("invoice.customer")
    asset = SelfAttribute("invoice.asset")
    number = Sequence(lambda n: n + 1)
    subtotal = Decimal(4)
    total = Decimal(4)
    created_at = NOW


class InvoiceCorrectionFactory(DjangoModelFactory[InvoiceCorrection]):
    class Meta:
        model = InvoiceCorrection

    void = SubFactory(EventVoidFactory)
    organization = SelfAttribute("void.organization")
    invoice = SubFactory(
        InvoiceFactory,
        period__subscription__customer__organization=SelfAttribute(".....organization"),
    )


class InvoiceLineFactory(DjangoModelFactory[InvoiceLine]):
    class Meta:
        model = InvoiceLine

    invoice = SubFactory(InvoiceFactory)
    organization = SelfAttribute("invoice.organization")
    position = Sequence(lambda n: n)
    description = "Video minutes"
    quantity = Decimal(10)
    usage_amount = Decimal(10)
    credits_applied = Decimal(0)
    amount = Decimal(10)
