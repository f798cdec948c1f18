"""Two organizations with a row of everything the admin shows, and people to look at it."""

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, Organization, Role, User
from pricing.models import CostPolicy
from tests.clock import DAY, NOW
from tests.factories import (
    AlertFiringFactory,
    ApiKeyFactory,
    AssetFactory,
    AuthorizationFactory,
    BacktestRunFactory,
    BillingPeriodFactory,
    CostRateFactory,
    CouponFactory,
    CouponRedemptionFactory,
    CreditAccountFactory,
    CreditGrantFactory,
    CreditNoteFactory,
    CustomerFactory,
    DeadLetterFactory,
    HoldFactory,
    InvoiceFactory,
    InvoiceItemFactory,
    InvoiceLineFactory,
    InvoicingTermsFactory,
    MembershipFactory,
    MeterFactory,
    OrganizationFactory,
    PlanFactory,
    PlanVersionFactory,
    PortalMembershipFactory,
    PriceFactory,
    PriceOverrideFactory,
    SpendAlertFactory,
    SpendCapFactory,
    SubscriptionFactory,
    TaxProfileFactory,
    TaxRateFactory,
    UserFactory,
)

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
"""Everything registered, so that a page added later is walked without being named."""


class Company:
    """An organization whose every row carries `marker`, in a name or in the address of a person."""

    def __init__(self, marker: str) -> None:
        self.marker = marker
        self.organization = OrganizationFactory.create(slug=marker, name=f"{marker} company")
        self.rows: dict[type[models.Model], models.Model] = {}
        self._fill_accounts()
        self._fill_pricing()
        self._fill_usage()
        self._fill_invoicing()
        assert set(self.rows) == set(MODELS), "every registered model needs a row in this world"

    def _keep(self, *rows: models.Model) -> None:
        self.rows.update({type(row): row for row in rows})

    def _fill_accounts(self) -> None:
        here = {"organization": self.organization}
        owner = MembershipFactory.create(**here, user__email=f"owner@{self.marker}.test")
        self.owner = owner.user
        self.customer = CustomerFactory.create(
            **here, external_id=f"{self.marker}-customer", name=f"{self.marker} customer"
        )
        self.asset = AssetFactory.create(**here, code=self.marker.upper(), name=self.marker)
        self.account = CreditAccountFactory.create(customer=self.customer, asset=self.asset)
        person = UserFactory.create(email=f"portal@{self.marker}.test", name=self.marker)
        self._keep(
            self.organization,
            owner,
            self.owner,
            self.customer,
            self.asset,
            self.account,
            PortalMembershipFactory.create(customer=self.customer, user=person),
            ApiKeyFactory.create(**here, name=f"{self.marker} key"),
            CreditGrantFactory.create(account=self.account, name=self.marker),
            HoldFactory.create(account=self.account),
        )

    def _fill_pricing(self) -> None:
        here = {"organization": self.organization}
        self.meter = MeterFactory.create(**here, code=f"{self.marker}_meter", name=self.marker)
        self.plan = PlanFactory.create(**here, code=self.marker, name=f"{self.marker} plan")
        published = PlanVersionFactory.create(plan=self.plan, published=True)
        self.draft = PlanVersionFactory.create(plan=self.plan, number=2)
        self.price = PriceFactory.create(
            plan_version=self.draft, meter=self.meter, asset=self.asset
        )
        self.subscription = SubscriptionFactory.create(
            customer=self.customer, plan_version=published
        )
        rate = CostRateFactory.create(meter=self.meter, name=self.marker)
        policy = CostPolicy.objects.get(organization=self.organization)
        self._keep(self.meter, self.plan, self.draft, self.subscription, rate, policy)
        self._fill_agreements()

    def _fill_agreements(self) -> None:
        coupon = CouponFactory.create(organization=self.organization, code=f"{self.marker}-coupon")
        self._keep(
            coupon,
            CouponRedemptionFactory.create(coupon=coupon, subscription=self.subscription),
            PriceOverrideFactory.create(
                customer=self.customer, plan=self.plan, meter=self.meter, asset=self.asset
            ),
        )

    def _fill_usage(self) -> None:
        alert = SpendAlertFactory.create(account=self.account)
        period = BillingPeriodFactory.create(subscription=self.subscription, closed_at=NOW)
        invoice = InvoiceFactory.create(period=period, asset=self.asset)
        InvoiceLineFactory.create(invoice=invoice, description=self.marker)
        self._keep(
            alert,
            AlertFiringFactory.create(alert=alert, last_error=self.marker),
            period,
            DeadLetterFactory.create(
                organization=self.organization,
                external_id=f"{self.marker}-dead",
                detail=self.marker,
            ),
            invoice,
            SpendCapFactory.create(customer=self.customer, asset=self.asset, name=self.marker),
            AuthorizationFactory.create(customer=self.customer, quote={self.marker: "1"}),
            BacktestRunFactory.create(plan_version=self.draft, error=self.marker),
        )

    def _fill_invoicing(self) -> None:
        period = BillingPeriodFactory.create(
            subscription=self.subscription,
            closed_at=NOW,
            starts_at=NOW - 30 * DAY,
            ends_at=NOW - 20 * DAY,
        )
        # What it asks for needs no lines, as if credit had given something back.
        final = InvoiceFactory.create(
            period=period, asset=self.asset, final=True, credits=Decimal(-10), total=Decimal(10)
        )
        self._keep(
            CreditNoteFactory.create(invoice=final, reason=self.marker),
            InvoiceItemFactory.create(
                customer=self.customer, asset=self.asset, description=self.marker
            ),
            InvoicingTermsFactory.create(organization=self.organization),
            TaxRateFactory.create(organization=self.organization, name=self.marker),
            TaxProfileFactory.create(customer=self.customer),
        )

    def member(self, role: Role) -> User:
        """Return another member."""
        person: User = UserFactory.create(email=f"other-{role}@{self.marker}.test")
        Membership.objects.create(organization=self.organization, user=person, role=role)
        return person

    def foreign_bytes(self) -> list[str]:
        """Return what must never appear on a page of another organization."""
        return [self.marker, self.marker.upper(), *(str(row.pk) for row in self.rows.values())]


def signed_in(person: User, organization: Organization | None = None) -> Client:
    """Return a browser with the person in it, sitting in `organization` if they must choose."""
    client = Client()
    client.force_login(person)
    if organization is not None:
        client.post(reverse("admin:choose_organization"), {"organization": organization.slug})
    return client


def page(model: type[models.Model], name: str, *args: Any) -> str:
    """Return the address of an admin page."""
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{name}", args=args)


def leaked(content: bytes, company: Company) -> list[str]:
    """Return what of the company's is in the page."""
    text = content.decode()
    return [each for each in company.foreign_bytes() if each in text]
