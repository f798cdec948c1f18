"""The cost guard: says where a plan version would sell below what the organization pays.

It warns, unless the organization's cost policy has such prices refused. Only prices in the asset in
which costs are kept can be compared.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from accounts import money
from pricing import cost_rates, costs, price_form
from pricing.cost_book import CostBook
from pricing.models import PlanVersion, Price
from pricing.price_form import FieldError, PriceInvalid
from pricing.undercutting import undercuts


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A price below a vendor's cost, for events that match `cell`.

    `price` and `cost` are in `asset`, for `unit_size` raw units each.
    """

    meter: str
    asset: str
    cell: str
    vendor: str
    price: Decimal
    cost: Decimal
    unit_size: Decimal

    @property
    def field(self) -> str:
        """Which price of the version it is, as publication names it."""
        return f"prices[{self.meter}, {self.asset}]"

    @property
    def reason(self) -> str:
        """Say what is wrong, as a sentence that follows the field."""
        price, cost, size = (money.to_wire(n) for n in (self.price, self.cost, self.unit_size))
        units = "unit" if self.unit_size == 1 else f"{size} units"
        asked = f"{self.cell}: {price} for each {units}"
        return f"{asked} is less than the {cost} that {self.vendor} takes"


def findings(version: PlanVersion, at: dt.datetime) -> list[Finding]:
    """Return every price of the version, as stored, that is below a cost in force at `at`.

    Prices that cannot be read are left to publication, which says what is wrong with them.
    """
    prices = version.prices.select_related("meter", "asset")
    return list(findings_of(prices, organization_id=version.organization_id, at=at))


def findings_of(
    prices: Iterable[Price], *, organization_id: uuid.UUID, at: dt.datetime
) -> Iterator[Finding]:
    """Yield what is below cost of prices that may not be stored yet; they have meter and asset."""
    history = costs.history(organization_id)
    book = history.at(at)
    for price in prices:
        if price.asset_id == history.asset_id:
            yield from _findings_of(price, book)


def _findings_of(price: Price, book: CostBook) -> Iterator[Finding]:
    try:
        terms = price_form.parse_definition(price.definition)
    except PriceInvalid:
        return
    for rate in book.rates:
        if rate.compiled.meter.code != price.meter.code:
            continue
        for each in undercuts(terms, rate.compiled.terms):
            yield Finding(
                meter=price.meter.code,
                asset=price.asset.code,
                cell=each.description,
                vendor=rate.vendor,
                price=each.price,
                cost=each.cost,
                unit_size=each.unit_size,
            )


def problems(version: PlanVersion, *, at: dt.datetime) -> list[FieldError]:
    """Return what keeps the version from being published: nothing unless the policy refuses it."""
    policy = cost_rates.policy_of(version.organization_id)
    if policy is None or not policy.refuse_below_cost:
        return []
    return [FieldError(each.field, each.reason) for each in findings(version, at)]
