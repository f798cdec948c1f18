"""Two organizations with the same names for everything, one of them marked in every text it has."""

import itertools
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import models

from accounts import api_keys
from accounts.models import ApiKey, Organization, User
from invoicing import closing, credit_notes, items
from invoicing.models import Invoice
from metering import authorizations, corrections
from metering.models import EventVoid
from pricing.models import EntitlementKind, PlanVersion, ShortfallPolicy, Subscription
from tests.clock import DAY, HOUR, NOW
from tests.factories import (
    AlertFiringFactory,
    AssetFactory,
    BacktestResultFactory,
    CostPolicyFactory,
    CostRateFactory,
    CouponFactory,
    CouponRedemptionFactory,
    CreditAccountFactory,
    CustomerFactory,
    EntitlementFactory,
    HoldFactory,
    IncludedCreditFactory,
    InvoiceCorrectionFactory,
    InvoicingTermsFactory,
    MembershipFactory,
    ParkingFactory,
    PeriodDraftingFactory,
    PeriodOpeningFactory,
    PlanVersionFactory,
    PortalMembershipFactory,
    PriceFactory,
    PriceOverrideFactory,
    ProofDifferenceFactory,
    ProofRunFactory,
    ScheduledChangeFactory,
    SeatChangeFactory,
    SpendAlertFactory,
    SpendCapFactory,
    TaxProfileFactory,
    TaxRateFactory,
)
from tests.guarded_tables import unguarded
from tests.worlds import VideoWorld, open_video_world

OURS, THEIRS = "ours", "theirs"
"""The addresses of the two organizations."""

MARK = "foxglove"
AMOUNT = "31337313370061"
"""What the marked organization's customer was given; what is left of it begins the same."""

SHARED_CUSTOMER, SHARED_EVENT, SHARED_PLAN = "acme", "event-1", "pro"
OWN_CUSTOMER, OWN_EVENT, OWN_PLAN, OWN_ASSET = "only-customer", "only-event", "only-plan", "ONLY"
OWN_COUPON = "only-coupon"
"""What the marked organization has and the other one has not."""

# Texts by which rows find each other, or which both organizations are meant to share.
_NAMES = {
    "external_id", "customer_external_id", "code", "event_type", "type", "quantity_property",
    "expression",
    "slug", "source", "cell", "series", "time_zone", "password", "prefix", "feature",
    "property_name", "property_value", "bucket", "let_go_reason", "void_reason",
}  # fmt: skip


class Neighbour:
    """An organization with a row in every table, and somebody in every part."""

    def __init__(self, slug: str) -> None:
        self.world = _furnished(slug)
        self.organization = self.world.organization
        self.customer = self.world.customer
        self.owner: User = MembershipFactory.create(organization=self.organization).user
        self.analyst: User = MembershipFactory.create(
            organization=self.organization, analyst=True
        ).user
        self.portal: User = PortalMembershipFactory.create(customer=self.customer).user
        self.key: ApiKey
        self.key, self.secret = api_keys.issue(
            organization=self.organization, name="key", scopes=["admin"]
        )

    def rows(self, model: type[models.Model]) -> models.QuerySet[Any]:
        """Return the organization's rows of a table, itself and its people among them."""
        if model is Organization:
            return Organization.objects.filter(id=self.organization.id)
        if model is User:
            return User.objects.filter(id__in=[each.id for each in self.people])
        if model is LogEntry:
            return LogEntry.objects.filter(user__in=self.people)
        if not any(field.name == "organization" for field in model._meta.get_fields()):
            return model._base_manager.none()
        return model._base_manager.filter(organization=self.organization)

    @property
    def people(self) -> list[User]:
        """Return everybody of the organization."""
        return [self.owner, self.analyst, self.portal]

    def everything(self) -> dict[str, list[Any]]:
        """Return every value of every row, to be compared with later."""
        return {
            model._meta.label: list(self.rows(model).order_by("pk").values())
            for model in apps.get_models()
        }


def marked(neighbour: Neighbour) -> Neighbour:
    """Write a mark into every text the organization has, past all guards."""
    numbers = itertools.count()
    with unguarded():
        for model in apps.get_models():
            for row in neighbour.rows(model):
                _mark(row, numbers)
    return neighbour


def _mark(row: models.Model, numbers: "itertools.count[int]") -> None:
    for field in row._meta.concrete_fields:
        if isinstance(field, models.EmailField):
            setattr(row, field.name, f"{MARK}-{next(numbers)}@example.com")
        elif isinstance(field, models.CharField | models.TextField):
            if not field.choices and field.name not in _NAMES:
                setattr(row, field.name, f"{MARK} {next(numbers)}"[: field.max_length])
        elif field.name in {"metadata", "properties", "working"}:
            setattr(row, field.name, {**getattr(row, field.name), "note": MARK})
    row.save(force_update=True)


def _furnished(slug: str) -> VideoWorld:
    world = open_video_world(
        credit=AMOUNT if slug == OURS else "40",
        policy=ShortfallPolicy.OVERAGE,
        external_id=SHARED_CUSTOMER,
    )
    Organization.objects.filter(id=world.organization.id).update(slug=slug)
    world.organization.refresh_from_db()
    plan = world.plan_version.plan
    plan.code = SHARED_PLAN
    plan.save()
    text = f"{MARK} {slug}" if slug == OURS else slug
    _agree_terms(world, text)
    draft: PlanVersion = PlanVersionFactory.create(plan=plan, number=2)
    PriceFactory.create(
        plan_version=draft, meter=world.minutes, asset=world.usd, definition=_price_of(text)
    )
    # The one text a policy answers with is the code of its asset.
    CostPolicyFactory.create(
        organization=world.organization, asset__code=MARK if slug == OURS else "USD"
    )
    CostRateFactory.create(meter=world.minutes, vendor=f"vendor-of-{slug}")
    alert = SpendAlertFactory.create(account=world.account)
    AlertFiringFactory.create(alert=alert)
    BacktestResultFactory.create(
        run__plan_version=draft,
        run__refusals=[{"reason": slug, "detail": slug, "events": 1, "example": slug}],
        customer=world.customer,
        asset=world.usd,
        charged=Decimal(AMOUNT),
    )
    HoldFactory.create(account=world.account)
    SpendCapFactory.create(customer=world.customer, asset=world.usd, limit=Decimal(10**12))
    _agree_on_tax(world, slug)
    _use(world)
    _park(world)
    if slug == OURS:
        _add_what_is_its_own(world)
    return world


def _price_of(speed: str) -> dict[str, Any]:
    cells = [{"match": {"speed": speed}, "unit_amount": "0.1"}]
    matrix = {"dimensions": ["speed"], "cells": cells}
    return {"charge_model": "per_unit", "matrix": matrix}


def _agree_terms(world: VideoWorld, text: str) -> None:
    """Fill the tables of terms, coupons, overrides and scheduled changes, past all guards."""
    version, subscription = world.plan_version, Subscription.objects.get(customer=world.customer)
    with unguarded():
        IncludedCreditFactory.create(plan_version=version, asset=world.usd)
        EntitlementFactory.create(
            plan_version=version, feature="motto", kind=EntitlementKind.STATIC, value=text
        )
    coupon = CouponFactory.create(organization=world.organization, code="WELCOME")
    CouponRedemptionFactory.create(subscription=subscription, coupon=coupon)
    PriceOverrideFactory.create(
        customer=world.customer,
        plan=version.plan,
        meter=world.minutes,
        asset=world.usd,
        definition=_price_of(text),
    )
    ScheduledChangeFactory.create(
        subscription=subscription, plan_version=version, effective_at=NOW + 365 * DAY
    )


def _use(world: VideoWorld) -> None:
    authorizations.authorize(
        customer=world.customer, drafts=[world.event()], expires_in=HOUR, at=NOW
    )
    world.record(world.minutes_of("fast", "60", id=SHARED_EVENT))
    world.record(world.event(id="lost", customer="nobody"))
    mistaken = world.event(id="mistaken")
    world.record(mistaken)
    corrections.void_event(organization_id=world.organization.id, key=mistaken.key, at=NOW)
    for text in ("taken up", "waiting"):
        items.add_item(
            customer=world.customer, asset=world.usd, amount=Decimal(7), description=text, at=NOW
        )
        closing.close_due_periods(at=NOW + 31 * DAY)
        closing.build_due_invoices(at=NOW + 31 * DAY)
    invoice = Invoice.objects.get(organization=world.organization)
    note = credit_notes.give(
        organization=world.organization, invoice_id=invoice.id, amount=Decimal(1), at=NOW + 32 * DAY
    )
    InvoiceCorrectionFactory.create(
        void=EventVoid.objects.get(organization=world.organization),
        invoice=invoice,
        credit_note=note,
    )
    PeriodOpeningFactory.create(period=invoice.period)
    PeriodDraftingFactory.create(period=invoice.period)


def _agree_on_tax(world: VideoWorld, slug: str) -> None:
    InvoicingTermsFactory.create(organization=world.organization)
    TaxRateFactory.create(organization=world.organization, name=f"tax of {slug}")
    TaxProfileFactory.create(customer=world.customer)
    SeatChangeFactory.create(subscription=Subscription.objects.get(customer=world.customer))


def _park(world: VideoWorld) -> None:
    run = ProofRunFactory.create(organization=world.organization, differences=1)
    ProofDifferenceFactory.create(run=run, customer=world.customer)
    ParkingFactory.create(run=run, customer=world.customer)


def _add_what_is_its_own(world: VideoWorld) -> None:
    here = world.organization
    customer = CustomerFactory.create(organization=here, external_id=OWN_CUSTOMER)
    asset = AssetFactory.create(organization=here, code=OWN_ASSET)
    CreditAccountFactory.create(customer=customer, asset=asset)
    PlanVersionFactory.create(plan__organization=here, plan__code=OWN_PLAN, published=True)
    CouponFactory.create(organization=here, code=OWN_COUPON)
    world.record(world.event(id=OWN_EVENT), at=NOW + 32 * DAY)
