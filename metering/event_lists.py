"""Event lists: what a customer's software reported, a line for each event, the newest first.

Everything here only reads, without locks, and always within one organization.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Q

from accounts.models import Customer
from accounts.money import ZERO, to_wire
from metering.models import BillingPeriod, Event, RatedEvent
from pricing.models import Price

_SUMMARY_PROPERTIES = 4
_SUMMARY_LENGTH = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """How much of one meter an event used."""

    meter: str
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What an event cost in one asset of `scale` places, and the balance right after it.

    `overage` will be invoiced, `uncollected` is paid by nobody; credit paid the rest.
    """

    asset: str
    scale: int
    amount: Decimal
    overage: Decimal
    balance: Decimal
    uncollected: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """One event as a person reads it."""

    key: uuid.UUID
    external_id: str
    type: str
    summary: str
    occurred_at: dt.datetime
    is_late: bool
    is_voided: bool
    quantities: Sequence[Quantity]
    charges: Sequence[Charge]


class EventPlace(NamedTuple):
    """Where an event stands in a list, the newest first."""

    occurred_at: dt.datetime
    key: uuid.UUID


def recent_events(customer: Customer, *, limit: int) -> list[EventLine]:
    """Return the customer's newest events by the time they occurred, newest first."""
    return list_events(customer, limit=limit)


def list_events(
    customer: Customer,
    *,
    limit: int,
    event_type: str = "",
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    after: EventPlace | None = None,
) -> list[EventLine]:
    """Return the customer's events that occurred from `since` on and before `until`, newest first.

    At most `limit` of them, those that follow `after` in the list.
    """
    rows = Event.objects.with_voids().filter(
        organization=customer.organization_id, customer=customer
    )
    if event_type:
        rows = rows.filter(type=event_type)
    if since is not None:
        rows = rows.filter(occurred_at__gte=since)
    if until is not None:
        rows = rows.filter(occurred_at__lt=until)
    if after is not None:
        same_moment = Q(key__lt=after.key) | Q(occurred_at__lt=after.occurred_at)
        rows = rows.filter(same_moment, occurred_at__lte=after.occurred_at)
    events = list(
        rows.order_by("-occurred_at", "-key").only(
            "key", "external_id", "type", "properties", "occurred_at", "is_late", "charges"
        )[:limit]
    )
    rated = _rated_events(customer.organization_id, [event.key for event in events])
    return [_event_line(event, rated.get(event.key, [])) for event in events]


def event_types(customer: Customer) -> list[str]:
    """Return the types of events that the customer's plans have ever priced, by name."""
    versions = BillingPeriod.objects.for_organization(customer.organization_id).filter(
        customer=customer
    )
    types = (
        Price.objects.for_organization(customer.organization_id)
        .filter(plan_version__in=versions.order_by().values("plan_version"))
        .order_by("meter__event_type")
        .values_list("meter__event_type", flat=True)
    )
    return list(types.distinct())


def _rated_events(
    organization_id: uuid.UUID, keys: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[RatedEvent]]:
    rows = (
        RatedEvent.objects.filter(organization=organization_id, event_key__in=keys)
        .select_related("price__meter", "price__asset")
        .order_by("price__meter__code")
    )
    by_event: dict[uuid.UUID, list[RatedEvent]] = defaultdict(list)
    for row in rows:
        by_event[row.event_key].append(row)
    return by_event


def _event_line(event: Event, rated: Sequence[RatedEvent]) -> EventLine:
    counted = {row.price.meter.quantity_property for row in rated}
    return EventLine(
        key=event.key,
        external_id=event.external_id,
        type=event.type,
        summary=summarize(event.properties, without=counted),
        occurred_at=event.occurred_at,
        is_late=event.is_late,
        is_voided=event.voided_at is not None,  # type: ignore[attr-defined]
        quantities=[Quantity(meter=str(row.price.meter), quantity=row.quantity) for row in rated],
        charges=charges_of(event, rated=rated),
    )


def charges_of(event: Event, *, rated: Iterable[RatedEvent]) -> list[Charge]:
    """Return what an event was charged in each asset; `rated` are its rows, with their prices."""
    scales = {row.price.asset.code: row.price.asset.scale for row in rated}
    return [
        Charge(
            asset=charge["asset"],
            scale=scales[charge["asset"]],
            amount=Decimal(charge["amount"]),
            overage=Decimal(charge["overage"]),
            uncollected=Decimal(charge.get("uncollected", 0)),
            balance=Decimal(charge["balance"]),
        )
        for charge in event.charges
    ]


def summarize(properties: Mapping[str, Any], *, without: Collection[str] = ()) -> str:
    """Write the first few plain properties on one line; lists and objects are left out."""
    words = [
        f"{name} {_word(value)}"
        for name, value in properties.items()
        if name not in without and isinstance(value, str | int | Decimal)
    ]
    return " · ".join(words[:_SUMMARY_PROPERTIES])


def _word(value: str | int | Decimal) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = to_wire(value) if isinstance(value, Decimal) else str(value)
    return text if len(text) <= _SUMMARY_LENGTH else f"{text[: _SUMMARY_LENGTH - 1]}…"
