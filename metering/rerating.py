"""Re-rating: what a period's totals are without one of its events, as if it had never been there.

Other events keep what they were charged, and the difference it makes to them is owed or given back
in one sum for each price: with the first event of a tier gone, those that followed should have
paid for that tier.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from accounts import money
from accounts.money import ZERO
from metering import backtest_rows, correction_rows, event_rows
from metering.correction_rows import Slot
from metering.event_rows import DistinctKey
from metering.models import BillingPeriod, Event, RatedEvent
from pricing import catalog, period_charges, withdrawals
from pricing.catalog import CatalogPrice
from pricing.rating import Span, Total, Totals


class Unpaid(NamedTuple):
    """The part of an amount that credit did not pay: to be invoiced, and what nobody pays."""

    overage: Decimal = ZERO
    uncollected: Decimal = ZERO


@dataclass(slots=True, kw_only=True)
class Rerated:
    """One price in the event's period: what each slot held, and what it holds without the event.

    A slot is a matrix cell, or a charge of the close. `after` says nothing yet of who has paid.
    """

    price: CatalogPrice
    rated: RatedEvent
    before: Mapping[Slot, Total]
    after: dict[Slot, Total]
    forgotten: DistinctKey | None = None
    unpaid: Unpaid = field(init=False)
    """What of all the events' amounts is not paid; after `settle`, of those that remain."""

    def __post_init__(self) -> None:
        self.unpaid = Unpaid(
            sum((each.overage for each in self.before.values()), ZERO),
            sum((each.uncollected for each in self.before.values()), ZERO),
        )

    @property
    def unpaid_by_others(self) -> Unpaid:
        """What of the other events' amounts was not paid before."""
        return Unpaid(
            sum((each.overage for each in self.before.values()), -self.rated.overage),
            sum((each.uncollected for each in self.before.values()), -self.rated.uncollected),
        )

    @property
    def difference(self) -> Decimal:
        """What the usage of others has become dearer by (below zero: cheaper)."""
        before = sum((each.amount for each in self.before.values()), ZERO)
        after = sum((each.amount for each in self.after.values()), ZERO)
        return after - (before - self.rated.amount)

    def settle(self, unpaid: Unpaid) -> None:
        """Note what is unpaid in all, and spread it over the slots, moving as little as need be."""
        shares = {slot: self._share(slot) for slot in self.after}
        for place, wanted in enumerate(unpaid):
            excess = sum((share[place] for share in shares.values()), ZERO) - wanted
            for share in shares.values():
                less = min(share[place], max(excess, ZERO))
                share[place] -= less
                excess -= less
        for place, wanted in enumerate(unpaid):
            missing = wanted - sum((share[place] for share in shares.values()), ZERO)
            for slot, share in shares.items():
                more = min(missing, self.after[slot].amount - sum(share, ZERO))
                share[place] += more
                missing -= more
        for slot, (overage, uncollected) in shares.items():
            self.after[slot].overage, self.after[slot].uncollected = overage, uncollected
        self.unpaid = unpaid

    def _share(self, slot: Slot) -> list[Decimal]:
        """Return the unpaid part that a slot keeps as long as its amount has room for it."""
        held = self.before.get(slot, Total())
        is_own = slot == Slot("", self.rated.cell)
        overage = held.overage - (self.rated.overage if is_own else ZERO)
        uncollected = held.uncollected - (self.rated.uncollected if is_own else ZERO)
        uncollected = min(uncollected, self.after[slot].amount)
        return [min(overage, self.after[slot].amount - uncollected), uncollected]


def without(event: Event, *, period: BillingPeriod) -> list[Rerated]:
    """Return what each price that counted `event` holds without it, by the period's totals.

    The caller holds the locks of the customer's accounts, in a transaction. Raises Unpriceable for
    usage that cannot be stored without the event, which it takes absurd values for.
    """
    rated = RatedEvent.objects.filter(organization=event.organization_id, event_key=event.key)
    plan = catalog.compiled_plan(period.plan_version_id)
    of_price = {row.price_id: row for row in rated.order_by("price")}
    prices = [plan.price(price_id) for price_id in of_price]
    held = correction_rows.read_totals(period, price_ids=of_price.keys())
    replayed = _replayed([p for p in prices if not withdrawals.follows(p.compiled)], event, period)
    return [
        _rerated(
            price,
            of_price[price.price_id],
            held.get(price.price_id, Totals()),
            replayed.get(price.price_id),
            event=event,
            period=period,
        )
        for price in prices
    ]


def _rerated(
    price: CatalogPrice,
    rated: RatedEvent,
    held: Totals,
    replayed: Totals | None,
    *,
    event: Event,
    period: BillingPeriod,
) -> Rerated:
    after = replayed
    if after is None:
        after = _followed(price, rated, held, event=event, period=period)
    before = {Slot("", cell): total for cell, total in held.cells.items()}
    slots = {Slot("", cell): after.cells.get(cell, Total()) for cell in held.cells | after.cells}
    if period.invoiced_at is not None:
        charged = correction_rows.read_charges(period, price.price_id)
        due = _due(price, after, period)
        before |= charged
        slots |= {slot: due.get(slot, Total()) for slot in charged | due}
    return Rerated(
        price=price,
        rated=rated,
        before=before,
        # They may be the very ones of before, and are changed.
        after={slot: replace(total) for slot, total in slots.items()},
        forgotten=_forgotten(price, replayed, event, period),
    )


def _followed(
    price: CatalogPrice, rated: RatedEvent, held: Totals, *, event: Event, period: BillingPeriod
) -> Totals:
    """Return what follows from the totals, with the moment that only the events know."""
    cells = dict(held.cells)
    left = withdrawals.remaining(price.compiled, held, cell=rated.cell, quantity=rated.quantity)
    if left.events:
        left.latest_at = held.cell(rated.cell).latest_at
        if event.occurred_at == left.latest_at:
            left.latest_at = correction_rows.latest_at(
                period, price_id=price.price_id, cell=rated.cell, without=event.key
            )
    cells[rated.cell] = left
    return Totals.of(cells)


def _replayed(
    prices: Sequence[CatalogPrice], event: Event, period: BillingPeriod
) -> dict[uuid.UUID, Totals]:
    """Rate the other events of the period once more, in their order; returns totals by price."""
    totals = {price.price_id: Totals() for price in prices}
    if not prices:
        return totals
    span = Span(period.starts_at, period.ends_at)
    with backtest_rows.events_of(period, after=0, received_before=None) as recorded:
        for each in recorded:
            if each.position == event.position:
                continue
            for price in prices:
                if price.compiled.applies_to(each.type, each.properties):
                    held = totals[price.price_id]
                    held.add(
                        price.compiled.rate(
                            each.properties, held, occurred_at=each.occurred_at, period=span
                        )
                    )
    return totals


def _due(price: CatalogPrice, totals: Totals, period: BillingPeriod) -> dict[Slot, Total]:
    """Return what the close would have charged for these totals."""
    used = Totals.of({key: cell for key, cell in totals.cells.items() if cell.events})
    span = Span(period.starts_at, period.ends_at)
    charges = period_charges.charges_at_close(price.compiled, used, period=span)
    return {
        Slot(str(charge.kind), ""): Total(
            quantity=money.quantize(charge.quantity), amount=charge.amount
        )
        for charge in charges
    }


def _forgotten(
    price: CatalogPrice, replayed: Totals | None, event: Event, period: BillingPeriod
) -> DistinctKey | None:
    """Return the value that only this event had brought to a unique count, if there is one."""
    met = price.compiled.distinct_value(event.properties)
    if met is None or replayed is None or met in replayed.seen:
        return None
    return event_rows.distinct_key(period.id, price.price_id, *met)
