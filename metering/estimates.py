"""Estimates: what the work of several events would cost together, and whether it may go ahead.

Events are rated in order, each after those before it, against everything as it stands under the
locks of the customer's accounts. Credit is decided on the sum of each asset, so that a group goes
ahead as a whole or not at all, also across assets and meters. Nothing here writes.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from accounts import ledger
from accounts.money import ZERO
from metering import quoting, refusals
from metering.event_drafts import EventDraft
from metering.permits import RatedPrice, Refused, by_asset, parts_of
from metering.refusals import Refusal
from metering.spend_caps import Counted
from metering.subscribers import Subscriber, Subscribers
from pricing.aggregation import Unpriceable


class Unpriced(Exception):
    """Some events cannot be priced; `reasons` say why, with the field each of them is in."""

    def __init__(self, reasons: Sequence[tuple[str, Unpriceable]]) -> None:
        super().__init__("; ".join(f"{name}: {error.detail}" for name, error in reasons))
        self.reasons = reasons


@dataclass(slots=True, kw_only=True)
class Estimate:
    """What a group of events would cost: `parts` and `assets`, which are codes, by asset id.

    `items` are the events as they are answered; `refusals` what caps and the plan have against
    single ones.
    """

    assets: dict[uuid.UUID, str] = field(default_factory=dict)
    parts: dict[uuid.UUID, list[ledger.Part]] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def amounts(self) -> dict[str, Decimal]:
        """What it comes to, by asset code."""
        return {
            code: sum((part.amount for part in self.parts[asset_id]), ZERO)
            for asset_id, code in self.assets.items()
        }

    def add(self, draft: EventDraft, rated: Sequence[RatedPrice]) -> None:
        """Count one event."""
        for asset_id, charged in by_asset(rated).items():
            self.parts[asset_id] = _merged([*self.parts.get(asset_id, ()), *parts_of(charged)])
        lines = [line.to_wire() for line in quoting.lines_of(rated, overages={})]
        for line in lines:
            del line["overage"]  # Known only of the whole.
        self.items.append({"id": draft.external_id or None, "type": draft.type, "prices": lines})


def _merged(parts: Iterable[ledger.Part]) -> list[ledger.Part]:
    amounts: dict[str, Decimal] = {}
    for part in parts:
        amounts[part.meter] = amounts.get(part.meter, ZERO) + part.amount
    return [ledger.Part(meter, amount) for meter, amount in amounts.items()]


def subscriber_of(subscribers: Subscribers, drafts: Sequence[EventDraft]) -> Subscriber:
    """Return the one customer of these drafts. Raises Unpriced for one without a subscription."""
    try:
        return subscribers.of(drafts[0])
    except Unpriceable as error:
        raise Unpriced([("customer", error)]) from error


def estimate(
    subscribers: Subscribers, subscriber: Subscriber, drafts: Sequence[EventDraft]
) -> Estimate:
    """Rate events of one customer, each after those before it. Raises Unpriced.

    The totals and caps of `subscribers` move in memory, as if the events had happened.
    """
    estimated = Estimate()
    unpriced = []
    for place, draft in enumerate(drafts):
        for price in subscriber.plan.prices_for(draft.type):
            # Whatever events of this type are charged in, also one its meter does not count.
            estimated.assets.setdefault(price.asset_id, price.asset_code)
            estimated.parts.setdefault(price.asset_id, [])
        try:
            rated = subscribers.rate(draft, subscriber)
        except Unpriceable as error:
            unpriced.append((f"items[{place}]", error))
            continue
        used = subscribers.used_with(rated, subscriber)
        counted, found = subscriber.limits(draft, rated, used=used)
        estimated.refusals += [replace(each, field=f"items[{place}]") for each in found]
        if not found and subscriber.caps is not None:
            subscriber.caps.hold(counted)
        estimated.counted += counted
        estimated.add(draft, rated)
        for price, each in rated:
            subscribers.totals(subscriber.period.id, price.price_id).add(each)
    if unpriced:
        raise Unpriced(unpriced)
    return estimated


def permit(subscriber: Subscriber, estimated: Estimate, *, at: dt.datetime) -> None:
    """Raise Refused with every reason why the work as a whole may not go ahead.

    The customer's own switch stops it whatever the plan says: unlike an event, it is not done yet.
    """
    found = list(estimated.refusals)
    if subscriber.is_stopped:
        found.append(refusals.of_stop())
    if not subscriber.overage_allowed:
        parts: Mapping[uuid.UUID, Sequence[ledger.Part]] = estimated.parts
        found += subscriber.lacking(
            parts, codes=estimated.assets, at=at, what="The work is expected to cost"
        )
    if found:
        raise Refused(refusals.in_order(found))
