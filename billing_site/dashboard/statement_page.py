"""The statement of a customer: what entered and left a balance, entry by entry."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.http import HttpResponseBase, QueryDict
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import tenancy
from accounts.models import Asset, Customer, EntryKind
from accounts.statements import Span
from billing_site.dashboard import access, customer_tabs, filters
from billing_site.dashboard.access import PageRequest, sign_in_required
from metering import statements
from metering.api.ledger import csv_file
from metering.statements import Page, Place

ENTRIES_PER_PAGE = 50
KINDS = {
    EntryKind.GRANT: "Credit added",
    EntryKind.USAGE: "Usage",
    EntryKind.EXPIRY: "Expired",
    EntryKind.VOID: "Taken back",
    EntryKind.REVERSAL: "Given back",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What was asked for; days are those of the customer's time zone, both included."""

    asset: str
    kind: str
    first_day: dt.date | None
    last_day: dt.date | None
    before: int | None

    @classmethod
    def of(cls, query: QueryDict) -> "Filter":
        """Read an address."""
        return cls(
            asset=query.get("asset", ""),
            kind=filters.choice(query, "kind", of=KINDS),
            first_day=filters.day(query, "from"),
            last_day=filters.day(query, "through"),
            before=filters.number(query, "before"),
        )

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds to show, none for all."""
        return [self.kind] if self.kind else []

    @property
    def is_narrow(self) -> bool:
        """Whether some entries are left out."""
        return bool(self.kind or self.first_day or self.last_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One page of one account's entries, with what was there before and after all of them."""

    assets: Sequence[Asset]
    span: Span
    page: Page

    @property
    def change(self) -> Decimal:
        """What all entries of the span come to, of whatever kind."""
        return self.span.closing - self.span.opening


def read(customer: Customer, asked: Filter) -> Statement | None:
    """Return the statement asked for; without an asset, of the busiest; None without any."""
    zone = ZoneInfo(customer.time_zone)
    spans = statements.read_spans(
        customer,
        since=filters.start_of(asked.first_day, zone),
        until=filters.end_of(asked.last_day, zone),
    )
    if not spans:
        return None
    span = _chosen(spans, asked.asset)
    after = Place(account_id=span.account.id, version=asked.before) if asked.before else None
    return Statement(
        assets=[each.account.asset for each in spans],
        span=span,
        page=statements.read_page([span], kinds=asked.kinds, after=after, limit=ENTRIES_PER_PAGE),
    )


def _chosen(spans: Sequence[Span], asset: str) -> Span:
    """Return the account asked for, else the one in which most has happened."""
    named = [span for span in spans if span.account.asset.code == asset]
    return named[0] if named else max(spans, key=lambda span: span.account.version)


@never_cache
@require_safe
@sign_in_required
def statement(request: PageRequest, customer_id: uuid.UUID) -> HttpResponseBase:
    """Show the entries of one balance, or send all of those asked for as a file."""
    customer, is_operator = access.find_customer(request.user, customer_id=customer_id)
    asked = Filter.of(request.GET)
    with tenancy.transaction_for(customer.organization_id):
        shown = read(customer, asked)
    if shown is not None and request.GET.get("format") == "csv":
        return csv_file([shown.span], kinds=asked.kinds, name=customer.external_id)
    context = customer_tabs.context(customer, is_operator=is_operator, tab="statement") | {
        "asked": asked,
        "kinds": KINDS.items(),
        "statement": shown,
    }
    return render(request, "dashboard/statement.html", context)
