"""What the customer's page shows, read across the floors in a fixed number of queries."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Q, QuerySet, Subquery

from accounts.models import CreditAccount, Customer
from accounts.money import ZERO
from billing_site.dashboard import balances, charts, customer_tabs
from invoicing.models import CreditNote, Invoice, InvoiceState
from metering import caps, event_lists, usage_reports
from metering.models import SpendCap
from pricing.models import PlanVersion, ShortfallPolicy, Subscription

CHART_DAYS = 30
EVENTS_SHOWN = 15
INVOICES_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPanel:
    """One asset of the customer: what is left, how long it lasts, what was spent.

    `is_invoiced`: nothing is left and the plan lets usage go on, to be invoiced.
    """

    balance: balances.AccountBalance
    runway: balances.Runway | None
    chart: charts.BarChart
    spent: Decimal
    spent_today: Decimal
    period: usage_reports.PeriodSpend
    is_invoiced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerPage:
    """Everything on the page that may change while somebody looks at it."""

    accounts: Sequence[AccountPanel]
    events: Sequence[event_lists.EventLine]
    invoices: Sequence[Invoice]
    credit_notes: Sequence[CreditNote]
    limits: Sequence[caps.CapState]
    plan_version: PlanVersion | None
    read_at: dt.datetime


def read(customer: Customer, *, at: dt.datetime) -> CustomerPage:
    """Return the page of `customer` as of `at`."""
    accounts = balances.read_accounts(
        organization_id=customer.organization_id, customer_ids=[customer.id], at=at
    )[customer.id]
    plan_version = customer_tabs.plan_version(customer)
    days = usage_reports.spend_by_day(customer, at=at, days=CHART_DAYS)
    periods = usage_reports.spend_in_open_periods(
        organization_id=customer.organization_id, customer_ids=[customer.id]
    )
    invoices = _invoices(customer)
    return CustomerPage(
        accounts=[
            _panel(
                balance,
                days=days.get(balance.asset.id, []),
                period=periods.get((customer.id, balance.asset.id), usage_reports.PeriodSpend()),
                goes_on=_goes_on_unpaid(plan_version),
            )
            for balance in accounts
        ],
        events=event_lists.recent_events(customer, limit=EVENTS_SHOWN),
        invoices=invoices,
        # Notes are about invoices.
        credit_notes=_credit_notes(customer) if invoices else [],
        limits=caps.states(customer=customer, at=at),
        plan_version=plan_version,
        read_at=at,
    )


def version(customer: Customer, *, at: dt.datetime) -> str:
    """Return a short text that changes whenever `read` would show something else.

    It costs five small queries, so that a page that polls is nearly free while nothing happens.
    """
    plan_version = _live_subscriptions(customer).values("plan_version")[:1]
    accounts = (
        CreditAccount.objects.for_organization(customer.organization_id)
        .filter(customer=customer)
        .order_by("id")
        .annotate(due=Count("grants", filter=_due(at)), plan=Subquery(plan_version))
        .values_list("id", "version", "held", "floor", "due", "plan")
    )
    invoices = (
        Invoice.objects.for_organization(customer.organization_id)
        .filter(customer=customer)
        .aggregate(
            count=Count("id"),
            finalized_at=Max("finalized_at"),
            voided_at=Max("voided_at"),
            notes=Count("credit_notes"),
        )
    )
    limits = (
        SpendCap.objects.for_organization(customer.organization_id)
        .filter(customer=customer, is_active=True)
        .order_by("id")
        .values_list("id", "limit", "name")
    )
    local = at.astimezone(ZoneInfo(customer.time_zone))
    # Counts by the hour begin again with it.
    now = local.replace(minute=0, second=0, microsecond=0) if limits else local.date()
    state = (
        list(accounts),
        usage_reports.activity(customer),
        sorted(invoices.items()),
        list(limits),
        customer.usage_stopped_at,
        now,
    )
    return hashlib.blake2b(repr(state).encode(), digest_size=12).hexdigest()


def _due(at: dt.datetime) -> Q:
    """Grants whose time has come although it is not booked yet."""
    return Q(grants__posted_at=None, grants__effective_at__lte=at) | Q(
        grants__expired_at=None, grants__expires_at__lte=at
    )


def _panel(
    balance: balances.AccountBalance,
    *,
    days: Sequence[usage_reports.DaySpend],
    period: usage_reports.PeriodSpend,
    goes_on: bool,
) -> AccountPanel:
    return AccountPanel(
        balance=balance,
        runway=balances.runway(balance.available, days=days) if days else None,
        chart=charts.bar_chart(days),
        spent=sum((day.amount for day in days), ZERO),
        spent_today=days[-1].amount if days else ZERO,
        period=period,
        is_invoiced=goes_on and balance.available <= 0,
    )


def _goes_on_unpaid(plan_version: PlanVersion | None) -> bool:
    """Whether usage that no credit pays is recorded and invoiced, instead of refused."""
    return plan_version is not None and plan_version.shortfall_policy == ShortfallPolicy.OVERAGE


def _invoices(customer: Customer) -> list[Invoice]:
    return list(
        Invoice.objects.for_organization(customer.organization_id)
        .filter(customer=customer, state__in=[InvoiceState.FINALIZED, InvoiceState.VOID])
        .select_related("asset", "period")
        .order_by("-finalized_at")[:INVOICES_SHOWN]
    )


def _credit_notes(customer: Customer) -> list[CreditNote]:
    return list(
        CreditNote.objects.for_organization(customer.organization_id)
        .filter(customer=customer)
        .select_related("asset", "invoice")
        .order_by("-created_at")[:INVOICES_SHOWN]
    )


def _live_subscriptions(customer: Customer) -> QuerySet[Subscription]:
    return Subscription.objects.for_organization(customer.organization_id).filter(
        customer=customer, ended_at=None
    )
