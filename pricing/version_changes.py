"""What is different between two versions of a plan, price by price, in words for people."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from accounts import money
from pricing.charge_models import ChargeModel, PerUnit
from pricing.matrix import Matrix
from pricing.models import PlanVersion, Price
from pricing.price_form import PriceInvalid, parse_definition


class Change(NamedTuple):
    """One line of the comparison; "" where the older or the newer version has nothing."""

    subject: str
    before: str
    after: str


def compare(before: PlanVersion | None, after: PlanVersion) -> list[Change]:
    """Return what `after` changes; everything is new when there is nothing before it."""
    old = dict(describe(before)) if before else {}
    new = dict(describe(after))
    subjects = dict.fromkeys([*new, *old])
    changes = [Change(each, old.get(each, ""), new.get(each, "")) for each in subjects]
    return [change for change in changes if change.before != change.after]


def describe(version: PlanVersion) -> Iterator[tuple[str, str]]:
    """Yield every term and price of a version: what it is about, and what it says."""
    yield "Billing interval", version.get_billing_interval_display()
    yield "When credit runs out", version.get_shortfall_policy_display()
    if version.overdraft_limit:
        yield "Overdraft limit", money.to_wire(version.overdraft_limit)
    prices = version.prices.select_related("meter", "asset")
    for price in prices.order_by("meter__code", "asset__code"):
        for cell, terms in describe_price(price):
            subject = f"{price.meter.code} in {price.asset.code}"
            yield (f"{subject}, {cell}" if cell else subject), terms


def describe_price(price: Price) -> Iterator[tuple[str, str]]:
    """Yield each cell of a price ("" without a matrix) and what it charges."""
    try:
        charge = parse_definition(price.definition)
    except PriceInvalid as invalid:
        yield "", f"not a price yet: {invalid}"
        return
    if not isinstance(charge, Matrix):
        yield "", _terms(charge, price)
        return
    for cell in charge.cells:
        yield label_of(charge.dimensions, cell.match), _terms(cell.charge_model, price)


def label_of(dimensions: Sequence[str], match: Sequence[str]) -> str:
    """Write the values of a matrix cell, for example `model = opus, speed = *`."""
    return ", ".join(f"{name} = {value}" for name, value in zip(dimensions, match, strict=True))


def _terms(charge_model: ChargeModel, price: Price) -> str:
    if not isinstance(charge_model, PerUnit):
        return ", ".join(f"{name} {value}" for name, value in charge_model.describe().items())
    amount = money.to_display(charge_model.unit_amount, scale=price.asset.scale)
    unit = price.meter.unit or "unit"
    size = money.to_display(charge_model.unit_size, scale=0)
    block = unit if charge_model.unit_size == 1 else f"{size} × {unit}"
    rounding = ", rounded up" if charge_model.round_up else ""
    return f"{amount} {price.asset.code} per {block}{rounding}"
