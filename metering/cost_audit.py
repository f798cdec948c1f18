"""The audit of costs: what vendors took for each event, computed again from the rates.

A rate written later does not change what an event was stored with, so each event is held against
the rates that were known when it was received. It cannot be said in SQL, because a rate may match
by an expression; so every event is read, and the audit is asked for by name.
"""

import datetime as dt
import uuid
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

from accounts import money
from accounts.checks import DIFFERENCES_MAX, Difference
from metering.models import Event
from pricing import costs
from pricing.costs import CostHistory, EventCost
from pricing.models import CostPolicy

_PROMISE = "an event was stored with what vendors took for it"
_EVENTS_AT_ONCE = 5_000
# An event and a rate that were written at the same time did not have to see each other.
_SLACK = dt.timedelta(seconds=10)


class _Known:
    """The rates of an organization as they were known at any moment."""

    def __init__(self, history: CostHistory) -> None:
        self._history = history
        self._written = sorted({rate.created_at for rate in history.rates})
        self._histories: dict[int, CostHistory] = {}

    def at(self, moment: dt.datetime) -> CostHistory:
        number = bisect_right(self._written, moment)
        if number not in self._histories:
            self._histories[number] = self._history.known_at(moment)
        return self._histories[number]


def differences() -> list[Difference]:
    """Return the events whose cost is not what their rates make it, at most the first 1,000.

    Reads every event of every organization that keeps costs.
    """
    organizations = CostPolicy.objects.order_by("organization").values_list(
        "organization", flat=True
    )
    found = (each for organization in organizations for each in _differences_of(organization))
    return list(islice(found, DIFFERENCES_MAX))


def _differences_of(organization_id: uuid.UUID) -> Iterator[Difference]:
    known = _Known(costs.history(organization_id))
    events = Event.objects.filter(organization=organization_id).only(
        "key", "type", "properties", "occurred_at", "received_at",
        "cost_amount", "cost_asset", "cost_parts",
    )  # fmt: skip
    for event in events.order_by().iterator(chunk_size=_EVENTS_AT_ONCE):
        stored = _stored(event)
        moments = (event.received_at, event.received_at - _SLACK, event.received_at + _SLACK)
        right = [_computed(event, known.at(moment)) for moment in moments]
        if stored not in right:
            yield Difference(
                _PROMISE,
                organization_id,
                f"event {event.key}",
                f"stored with {_written(stored)}, its rates make {_written(right[0])}",
            )


def _stored(event: Event) -> EventCost | None:
    if event.cost_asset_id is None or event.cost_parts is None:
        return None
    parts = {meter: money.parse(part) for meter, part in event.cost_parts.items()}
    return EventCost(event.cost_asset_id, parts)


def _computed(event: Event, history: CostHistory) -> EventCost | None:
    return history.cost_of(event.type, event.properties, occurred_at=event.occurred_at)


def _written(cost: EventCost | None) -> str:
    return "no cost" if cost is None else money.to_wire(cost.amount)
