"""Estimates: what the work of several events would cost together, and whether it may go ahead.

Events are rated in order, each after those before it, against everything as it stands under the
locks of the customer's accounts. Credit is decided on the sum of each asset, so that a group goes
ahead as a whole or not at all, also across assets and meters. Nothing here writes.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple

from accounts import ledger
from accounts.money import ZERO
from metering import quoting, refusals
from metering.event_drafts import EventDraft
from metering.permits import RatedPrice, Refused, by_asset, parts_of
from metering.refusals import Refusal
from metering.spend_caps import Counted
from metering.subscribers import Subscriber, Subscribers
from pricing.aggregation import Unpriceable
from pricing.rating import Rated, Total, Totals


class Unpriced(Exception):
    """Some events cannot be priced; `reasons` say why, with the field each of them is in."""

    def __init__(self, reasons: Sequence[tuple[str, Unpriceable]]) -> None:
        super().__init__("; ".join(f"{name}: {error.detail}" for name, error in reasons))
        self.reasons = reasons


class _Moved(NamedTuple):
    """How a price's totals stood before an event that may never happen."""

    totals: Totals
    rated: Rated
    cell: Total | None
    pool: Total

    @classmethod
    def by(cls, rated: Rated, totals: Totals) -> "_Moved":
        """Remember how `totals` stand before `rated` is added."""
        cell = totals.cells.get(rated.cell)
        return cls(totals, rated, replace(cell) if cell is not None else None, replace(totals.pool))

    def put_back(self) -> None:
        """Let the totals stand as they did."""
        if self.cell is None:
            del self.totals.cells[self.rated.cell]
        else:
            self.totals.cells[self.rated.cell] = self.cell
        self.totals.pool = self.pool
        if self.rated.distinct is not None:
            self.totals.seen.discard((self.rated.cell, self.rated.distinct))


@dataclass(slots=True, kw_only=True)
class Estimate:
    """What a group of events would cost: `parts` and `assets`, which are codes, by asset id.

    `items` are the events as they are answered; `refusals` what caps and the plan have against
    single ones; `reserved` what it has reserved of caps in memory.
    """

    assets: dict[uuid.UUID, str] = field(default_factory=dict)
    parts: dict[uuid.UUID, list[ledger.Part]] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    reserved: list[Counted] = field(default_factory=list)
    moved: list["_Moved"] = field(default_factory=list)

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

    Each sees those before it as if they had happened. After it the totals of `subscribers` stand
    as before; what is counted of caps stays reserved in memory, for those who ask after it.
    """
    estimated = Estimate()
    with _put_back(subscribers, subscriber, estimated):
        _rate_all(subscribers, subscriber, drafts, estimated)
    return estimated


def _rate_all(
    subscribers: Subscribers,
    subscriber: Subscriber,
    drafts: Sequence[EventDraft],
    estimated: Estimate,
) -> None:
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
            estimated.reserved += counted
        estimated.counted += counted
        estimated.add(draft, rated)
        for price, each in rated:
            totals = subscribers.totals(subscriber.period.id, price.price_id)
            estimated.moved.append(_Moved.by(each, totals))
            totals.add(each)
    if unpriced:
        raise Unpriced(unpriced)


@contextmanager
def _put_back(
    subscribers: Subscribers, subscriber: Subscriber, estimated: Estimate
) -> Iterator[None]:
    try:
        yield
    except Unpriced:
        _let_go(subscriber, estimated)
        raise
    finally:
        for moved in reversed(estimated.moved):
            moved.put_back()
        estimated.moved.clear()


def _let_go(subscriber: Subscriber, estimated: Estimate) -> None:
    """Give caps back in memory what work that does not go ahead has reserved."""
    if subscriber.caps is not None:
        subscriber.caps.let_go(estimated.reserved)
    estimated.reserved.clear()


def permit(subscriber: Subscriber, estimated: Estimate, *, at: dt.datetime) -> None:
    """Raise Refused with every reason why the work as a whole may not go ahead.

    Then caps get back in memory what it has reserved of them. The customer's own switch stops it
    whatever the plan says: unlike an event, it is not done yet.
    """
    found = list(estimated.refusals)
    if subscriber.is_stopped:
        found.append(refusals.of_stop())
    if not subscriber.overage_allowed:
        plans = {
            asset_id: subscriber.books[asset_id].plan(parts, at=at)
            for asset_id, parts in estimated.parts.items()
        }
        found += subscriber.lacking(
            plans, codes=estimated.assets, what="The work is expected to cost"
        )
    if found:
        _let_go(subscriber, estimated)
        raise Refused(refusals.in_order(found))
