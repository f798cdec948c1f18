"""Drawing: what a period's invoices say, in each currency, as it stands.

Whatever shows or writes an invoice draws it here: the draft, the final one, the preview.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import models

from accounts import money
from accounts.models import Asset, Customer
from invoicing import fees, lines, reckoning, taxation
from invoicing.lines import Line, LineKind
from invoicing.models import InvoiceItem, InvoicingTerms
from invoicing.reckoning import CreditsTiming, Reckoned
from invoicing.taxes import Tax
from metering.models import BillingPeriod, PeriodCharge, UsageTotal
from pricing import coupons
from pricing.models import CouponRedemption, Price, Settle
from pricing.period_charges import Kind


class Drawn(NamedTuple):
    """A line and what it is about."""

    line: Line
    price: Price | None = None
    item: InvoiceItem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One invoice: its lines before and after coupons, taxes and credit."""

    asset: Asset
    drawn: Sequence[Drawn]
    reckoned: Reckoned
    redemptions: Sequence[CouponRedemption]
    """Those that have taken something, in the order of their lines."""
    timing: CreditsTiming

    def carries(self) -> bool:
        """Whether it came to less than nothing, and the next invoice takes the rest."""
        return bool(self.reckoned.carried)


type ByAsset = dict[Asset, list[Drawn]]


def of_period(
    period: BillingPeriod, *, charges: Collection[PeriodCharge], opens: BillingPeriod | None
) -> list[Drawing]:
    """Draw the invoices of a period that is over, or as if it were.

    `charges` are what its close adds; `opens` the period whose fees in advance go with it.
    """
    found: ByAsset = defaultdict(list)
    _add_usage(found, period)
    _add_charges(found, charges)
    for fee in fees.due_at_end(period):
        found[fee.asset].append(Drawn(fee.line))
    return _with_what_waits(found, period, opens)


def of_opening(period: BillingPeriod) -> list[Drawing]:
    """Draw the invoices of what is due when a period begins; none when nothing is."""
    return _with_what_waits(defaultdict(list), period, period)


def _with_what_waits(
    found: ByAsset, period: BillingPeriod, opens: BillingPeriod | None
) -> list[Drawing]:
    """Add the fees of the period that begins, and items if there is an invoice to take them."""
    for fee in fees.due_at_start(opens) if opens is not None else ():
        found[fee.asset].append(Drawn(fee.line))
    if opens is not period or found:
        for item in waiting_items(period.customer):
            found[item.asset].append(Drawn(item_line(item), item=item))
    return reckon(
        found,
        customer=period.customer,
        redemptions=coupons.active(period.subscription),
        timing=credits_timing(period.customer),
    )


def reckon(
    found: Mapping[Asset, Sequence[Drawn]],
    *,
    customer: Customer,
    redemptions: Sequence[CouponRedemption],
    timing: CreditsTiming,
) -> list[Drawing]:
    """Reckon what each currency's lines come to, by code."""
    taxes = taxation.taxes_of(customer)
    return [
        _drawing(asset, drawn, redemptions, taxes, timing)
        for asset, drawn in sorted(found.items(), key=lambda each: each[0].code)
        if drawn
    ]


def _drawing(
    asset: Asset,
    drawn: Sequence[Drawn],
    redemptions: Sequence[CouponRedemption],
    taxes: Sequence[Tax],
    timing: CreditsTiming,
) -> Drawing:
    reckoned = reckoning.reckon(
        [each.line for each in drawn],
        asset=asset.code,
        scale=asset.scale,
        discounts=[coupons.discount_of(each) for each in redemptions],
        taxes=taxes,
        credits=timing,
    )
    by_code = {each.coupon.code: each for each in redemptions}
    return Drawing(
        asset=asset,
        drawn=drawn,
        reckoned=reckoned,
        redemptions=[by_code[code] for code in reckoned.codes],
        timing=timing,
    )


def credits_timing(customer: Customer) -> CreditsTiming:
    """Return whether the customer's credit counts before tax or after it."""
    terms = InvoicingTerms.objects.for_organization(customer.organization_id).first()
    return CreditsTiming.BEFORE_TAX if terms is None else CreditsTiming(terms.credits_timing)


def waiting_items(customer: Customer) -> list[InvoiceItem]:
    """Return the items that the customer's next invoices take up, the oldest first."""
    items = InvoiceItem.objects.for_organization(customer.organization_id)
    waiting = items.filter(customer=customer, invoice=None).select_related("asset")
    return list(waiting.order_by("created_at", "id"))


def item_line(item: InvoiceItem) -> Line:
    """Return the line of an item."""
    return lines.plain_line(
        kind=LineKind.ITEM,
        description=item.description,
        amount=item.amount,
        scale=item.asset.scale,
        note=f"{item.get_origin_display()} on {item.created_at.date().isoformat()}",
    )


def following(period: BillingPeriod, *, at: dt.datetime) -> BillingPeriod | None:
    """Return the period that came next, if it has begun and its fees were not invoiced."""
    later = BillingPeriod.objects.for_organization(period.organization_id).filter(
        subscription=period.subscription_id, starts_at__gte=period.ends_at, starts_at__lte=at
    )
    found = (
        later.filter(invoiced_at=None)
        .select_related("customer", "subscription")
        .order_by("starts_at")
        .first()
    )
    return None if found is None or fees.is_opened(found) else found


def _add_usage(found: ByAsset, period: BillingPeriod) -> None:
    by_price: dict[Price, list[UsageTotal]] = defaultdict(list)
    rows = UsageTotal.objects.order_by("price__meter__code", "price", "cell")
    for total in _billed(rows, period):
        if total.price.settle == Settle.ON_EVENT:
            by_price[total.price].append(total)
    for price, cells in by_price.items():
        found[price.asset].append(Drawn(_usage_line(price, cells), price=price))


def _billed(
    rows: models.QuerySet[UsageTotal], period: BillingPeriod
) -> models.QuerySet[UsageTotal]:
    return rows.filter(
        organization=period.organization_id, period=period.id, price__asset__is_currency=True
    ).select_related("price__asset", "price__meter")


def _add_charges(found: ByAsset, charges: Iterable[PeriodCharge]) -> None:
    charges = list(charges)
    prices = Price.objects.filter(
        id__in={each.price_id for each in charges}, asset__is_currency=True
    ).select_related("asset", "meter")
    by_id = {price.id: price for price in prices}
    billed = [(by_id[each.price_id], each) for each in charges if each.price_id in by_id]
    for price, charge in sorted(billed, key=lambda each: (each[0].meter.code, each[1].kind)):
        found[price.asset].append(Drawn(_charge_line(price, charge), price=price))


def _usage_line(price: Price, cells: Sequence[UsageTotal]) -> Line:
    return lines.usage_line(
        description=price.meter.name or price.meter.code,
        quantity=sum((cell.quantity for cell in cells), money.ZERO),
        amount=sum((cell.amount for cell in cells), money.ZERO),
        overage=sum((cell.overage for cell in cells), money.ZERO),
        uncollected=sum((cell.uncollected for cell in cells), money.ZERO),
        scale=price.asset.scale,
    )


_ADDED = {
    Kind.STANDING: ": fixed amount",
    Kind.USAGE: "",
    Kind.COMMITMENT: ": up to the commitment",
    Kind.MINIMUM: ": up to the minimum",
}


def _charge_line(price: Price, charge: PeriodCharge) -> Line:
    return lines.usage_line(
        kind=LineKind(charge.kind),
        description=f"{price.meter.name or price.meter.code}{_ADDED[Kind(charge.kind)]}",
        quantity=charge.quantity,
        amount=charge.amount,
        overage=charge.overage,
        scale=price.asset.scale,
    )
