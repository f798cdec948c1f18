"""Rebuilding: a final invoice made again from the events of its period, to the same cent.

Every event that stood when the invoice was made is rated once more, in its order, at the prices of
the period's plan version, and what the close adds is reckoned from that. Who has paid is a fact of
the ledger and is read from what was entered with each event. Fees and items are kept as they are.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from accounts import money, tenancy
from accounts.money import ZERO
from invoicing import reckoning, stored_invoices
from invoicing.drawing import Drawn
from invoicing.lines import Line, LineKind
from invoicing.models import Invoice
from metering.models import Adjustment, BillingPeriod, Event, PeriodCharge, RatedEvent
from pricing import bills, catalog, coupons, period_charges
from pricing.bills import BilledPrice, SampleEvent
from pricing.catalog import CatalogPrice
from pricing.rating import Span, Totals


class Difference(NamedTuple):
    """A line whose amount is another one than the invoice says, or the total."""

    what: str
    said: Decimal
    rebuilt: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What became of an invoice that was made again."""

    total: Decimal
    events: int
    differences: Sequence[Difference]


class _Unpaid(NamedTuple):
    overage: Decimal = ZERO
    uncollected: Decimal = ZERO


def rebuild(invoice: Invoice) -> Rebuilt:
    """Make a final invoice again and compare; changes nothing."""
    with tenancy.one_moment_for(invoice.organization_id, read_only=True):
        rated = _Rated(invoice)
        drawn = stored_invoices.drawn(invoice)
        again = [rated.line(each, scale=invoice.asset.scale) for each in drawn]
        reckoned = reckoning.reckon(
            again,
            asset=invoice.asset.code,
            scale=invoice.asset.scale,
            discounts=[coupons.discount_of(each) for each in stored_invoices.redemptions(invoice)],
            taxes=stored_invoices.taxes(invoice),
            credits=stored_invoices.timing(invoice),
        )
        said = [("total", invoice.total, reckoned.total)]
        for was, line in zip(drawn, again, strict=True):
            said.append((line.description, was.line.amount, line.amount))
            said.append((f"{line.description}: usage", was.line.usage_amount, line.usage_amount))
        return Rebuilt(
            total=reckoned.total,
            events=rated.events,
            differences=[Difference(*each) for each in said if each[1] != each[2]],
        )


class _Rated:
    """The period of an invoice, rated again."""

    def __init__(self, invoice: Invoice) -> None:
        self.period = BillingPeriod.objects.get(
            organization=invoice.organization_id, id=invoice.period_id
        )
        self.span = Span(self.period.starts_at, self.period.ends_at)
        plan = catalog.compiled_plan(self.period.plan_version_id)
        self.prices: Sequence[CatalogPrice] = list(plan.prices)
        self.totals = [Totals() for _ in self.prices]
        self.events = 0
        billed = [BilledPrice(str(each.price_id), "", each.compiled) for each in self.prices]
        for event in _events(self.period):
            bills.rate_all(billed, self.totals, event, period=self.span)
            self.events += 1
        self.unpaid = _unpaid(self.period)

    def line(self, drawn: Drawn, *, scale: int) -> Line:
        """Return a line again; one that is not about a price is what it was."""
        if drawn.price is None:
            return drawn.line
        [(price, held)] = [
            each
            for each in zip(self.prices, self.totals, strict=True)
            if each[0].price_id == drawn.price.id
        ]
        line = drawn.line
        if line.kind == LineKind.USAGE and price.compiled.settles_on_event:
            quantity, amount = held.pool.quantity, held.pool.amount
            unpaid = self.unpaid.get((drawn.price.id, ""), _Unpaid())
        else:
            quantity, amount = self._charged(price, held, line.kind)
            unpaid = self.unpaid.get((drawn.price.id, str(line.kind)), _Unpaid())
        return replace(
            line,
            quantity=quantity,
            usage_amount=amount,
            credits_applied=amount - unpaid.overage - unpaid.uncollected,
            uncollected=unpaid.uncollected,
            amount=money.round_to_minor_unit(unpaid.overage, scale=scale),
        )

    def _charged(
        self, price: CatalogPrice, held: Totals, kind: LineKind
    ) -> tuple[Decimal, Decimal]:
        for charge in period_charges.charges_at_close(price.compiled, held, period=self.span):
            if charge.kind == str(kind):
                return money.quantize(charge.quantity), charge.amount
        return ZERO, ZERO


def _events(period: BillingPeriod) -> Iterator[SampleEvent]:
    """Yield the events that stood when the period was invoiced, in the order they were rated."""
    taken_back = Adjustment.objects.for_organization(period.organization_id).filter(
        period=period, is_after_invoice=False
    )
    rows = (
        Event.objects.filter(organization=period.organization_id, period_id=period.id)
        .exclude(key__in=taken_back.values("void__event_key"))
        .order_by("position")
        .values_list("type", "properties", "occurred_at")
    )
    for event_type, properties, occurred_at in rows.iterator(chunk_size=2_000):
        yield SampleEvent(type=event_type, properties=properties, occurred_at=occurred_at)


def _unpaid(period: BillingPeriod) -> Mapping[tuple[uuid.UUID, str], _Unpaid]:
    """Return what of usage (kind "") and of charges no credit has paid, by price and kind."""
    found: dict[tuple[uuid.UUID, str], _Unpaid] = defaultdict(_Unpaid)
    keys = Event.objects.filter(organization=period.organization_id, period_id=period.id)
    rated = RatedEvent.objects.filter(
        organization=period.organization_id, event_key__in=keys.values("key")
    )
    adjusted = Adjustment.objects.for_organization(period.organization_id).filter(
        period=period, is_after_invoice=False
    )
    for rows in (rated, adjusted):
        for price_id, overage, uncollected in (
            rows.order_by().values_list("price").annotate(Sum("overage"), Sum("uncollected"))
        ):
            held = found[price_id, ""]
            found[price_id, ""] = _Unpaid(held.overage + overage, held.uncollected + uncollected)
    for charge in PeriodCharge.objects.for_organization(period.organization_id).filter(
        period=period
    ):
        found[charge.price_id, charge.kind] = _Unpaid(charge.overage)
    return found
