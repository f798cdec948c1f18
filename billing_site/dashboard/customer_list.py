"""What the operator's list of customers shows: one page of it in a fixed number of queries."""

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import OuterRef, Q, QuerySet, Subquery

from accounts import parked_customers
from accounts.models import Customer, Organization
from billing_site.dashboard import balances
from metering import usage_reports
from metering.models import Event
from metering.usage_reports import PeriodSpend
from pricing.models import ShortfallPolicy, Subscription

CUSTOMERS_PER_PAGE = 25
SEARCH_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLine:
    """One account of a listed customer.

    `is_invoiced`: nothing is left and the plan lets usage go on, to be invoiced.
    """

    balance: balances.AccountBalance
    period: PeriodSpend
    is_invoiced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerLine:
    """One customer of the list."""

    customer: Customer
    accounts: Sequence[AccountLine]
    last_event_at: dt.datetime | None
    is_parked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerList:
    """One page of an organization's customers."""

    page: Page[Customer]
    lines: Sequence[CustomerLine]
    total: int


def read(
    organization: Organization, *, search: str, page_number: str, at: dt.datetime
) -> CustomerList:
    """Return the customers whose external id or name contains `search`, by external id.

    A page number that is no number, or out of range, gives the nearest page there is.
    """
    customers = Customer.objects.for_organization(organization)
    found = customers.filter(_matches(search)).order_by("external_id")
    page = Paginator(_with_state(found), CUSTOMERS_PER_PAGE).get_page(page_number)
    return CustomerList(
        page=page,
        lines=_lines(organization, list(page.object_list), at=at),
        total=page.paginator.count,
    )


def _matches(search: str) -> Q:
    # PostgreSQL cannot hold a NUL character, so no customer contains one.
    words = search[:SEARCH_LENGTH_MAX].replace("\0", "").split()
    matches = Q()
    for word in words:
        matches &= Q(external_id__icontains=word) | Q(name__icontains=word)
    return matches


def _with_state(customers: QuerySet[Customer]) -> QuerySet[Customer]:
    newest = (
        Event.objects.standing()
        .filter(organization=OuterRef("organization"), customer=OuterRef("pk"))
        .order_by("-occurred_at")
        .values("occurred_at")[:1]
    )
    return customers.annotate(
        last_event_at=Subquery(newest), is_parked=parked_customers.customer_is_parked("pk")
    )


def _lines(
    organization: Organization, customers: Sequence[Customer], *, at: dt.datetime
) -> list[CustomerLine]:
    ids = [customer.id for customer in customers]
    accounts = balances.read_accounts(organization_id=organization.id, customer_ids=ids, at=at)
    periods = usage_reports.spend_in_open_periods(organization_id=organization.id, customer_ids=ids)
    going_on = _going_on_unpaid(organization, ids)
    return [
        CustomerLine(
            customer=customer,
            accounts=[
                AccountLine(
                    balance=balance,
                    period=periods.get((customer.id, balance.asset.id), PeriodSpend()),
                    is_invoiced=customer.id in going_on and balance.available <= 0,
                )
                for balance in _worth_listing(accounts[customer.id])
            ],
            last_event_at=customer.last_event_at,  # type: ignore[attr-defined]
            is_parked=customer.is_parked,  # type: ignore[attr-defined]
        )
        for customer in customers
    ]


def _going_on_unpaid(
    organization: Organization, customer_ids: Collection[uuid.UUID]
) -> set[uuid.UUID]:
    """Return those whose plan invoices what no credit pays, instead of refusing it."""
    subscriptions = Subscription.objects.for_organization(organization).filter(
        customer__in=customer_ids,
        ended_at=None,
        plan_version__shortfall_policy=ShortfallPolicy.OVERAGE,
    )
    return set(subscriptions.values_list("customer_id", flat=True))


def _worth_listing(
    accounts: Sequence[balances.AccountBalance],
) -> Sequence[balances.AccountBalance]:
    """Leave out accounts that were never used, unless the customer has no other."""
    used = [account for account in accounts if account.standing != balances.Standing.UNUSED]
    return used or accounts
