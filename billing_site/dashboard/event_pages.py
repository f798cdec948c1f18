"""The events of a customer: a list of them, and one explained down to the tier and the grant."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import exact_json, tenancy
from accounts.models import Asset, Customer
from accounts.pagination import Place
from billing_site.dashboard import access, customer_tabs, filters
from billing_site.dashboard.access import PageRequest, sign_in_required
from metering import event_lists, explanations
from metering.event_lists import EventLine, EventPlace
from metering.models import Event

EVENTS_PER_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """A page of a customer's events; `cursor` is that of the next one, "" on the last."""

    types: Sequence[str]
    type: str
    day: dt.date | None
    events: Sequence[EventLine]
    cursor: str
    is_first: bool

    @property
    def is_narrow(self) -> bool:
        """Whether some events are left out."""
        return bool(self.type or self.day)


def read(customer: Customer, query: QueryDict) -> EventPage:
    """Return the page that an address asks for."""
    types = event_lists.event_types(customer)
    chosen, day = filters.choice(query, "type", of=types), filters.day(query, "day")
    after, zone = _place(query), ZoneInfo(customer.time_zone)
    events = event_lists.list_events(
        customer,
        limit=EVENTS_PER_PAGE + 1,
        event_type=chosen,
        since=filters.start_of(day, zone),
        until=filters.end_of(day, zone),
        after=after,
    )
    shown = events[:EVENTS_PER_PAGE]
    has_more = len(events) > EVENTS_PER_PAGE
    return EventPage(
        types=types,
        type=chosen,
        day=day,
        events=shown,
        cursor=Place(shown[-1].occurred_at, shown[-1].key).to_cursor() if has_more else "",
        is_first=after is None,
    )


def _place(query: QueryDict) -> EventPlace | None:
    try:
        return EventPlace(*Place.of_cursor(query.get("cursor", "")))
    except ValueError:
        return None


@never_cache
@require_safe
@sign_in_required
def event_list(request: PageRequest, customer_id: uuid.UUID) -> HttpResponse:
    """List a customer's events, the newest first."""
    customer, is_operator = access.find_customer(request.user, customer_id=customer_id)
    with tenancy.transaction_for(customer.organization_id):
        page = read(customer, request.GET)
    context = customer_tabs.context(customer, is_operator=is_operator, tab="events") | {
        "page": page,
    }
    return render(request, "dashboard/events.html", context)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorCost:
    """What vendors took for an event, in all and by the code of the meter."""

    asset: Asset
    amount: Decimal
    parts: Sequence[tuple[str, Decimal]]


def _text(value: object) -> str:
    """Write a property as it came: texts plainly, everything else as JSON, digit for digit."""
    return value if isinstance(value, str) else exact_json.encode(value).decode()


def _cost(event: Event) -> VendorCost | None:
    if event.cost_asset is None or event.cost_amount is None:
        return None
    noted: Mapping[str, str] = event.cost_parts or {}
    parts = [(meter, Decimal(part)) for meter, part in noted.items()]
    return VendorCost(asset=event.cost_asset, amount=event.cost_amount, parts=parts)


@never_cache
@require_safe
@sign_in_required
def event(request: PageRequest, customer_id: uuid.UUID, key: uuid.UUID) -> HttpResponse:
    """Explain one event of a customer. What vendors took for it is for the seller's eyes only."""
    customer, is_operator = access.find_customer(request.user, customer_id=customer_id)
    with tenancy.transaction_for(customer.organization_id):
        try:
            explanation = explanations.explain_event(
                organization_id=customer.organization_id, customer_id=customer.id, key=key
            )
        except explanations.UnknownEvent as error:
            raise Http404 from error
    context = customer_tabs.context(customer, is_operator=is_operator, tab="events") | {
        "explained": explanation,
        "charges": event_lists.charges_of(
            explanation.event, rated=[price.rated for price in explanation.prices]
        ),
        "properties": [
            (name, _text(value)) for name, value in explanation.event.properties.items()
        ],
        "cost": _cost(explanation.event) if is_operator else None,
    }
    return render(request, "dashboard/event.html", context)
