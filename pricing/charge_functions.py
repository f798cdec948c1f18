"""Charge functions: a charge model and the size of its units, made into one plain function.

What a model works out for each event anew is worked out once here: bounds of tiers in raw units,
what was charged where a tier starts, and whether dividing by the size is exact, so that it can be
done to the rates instead of to each cost. Models whose events are rare, or mostly free, are asked
as they are. What a function answers is what `ChargeModel.charge` answers, to the last place.
"""

# ruff: noqa: FBT001  A charge function takes the fields of a usage in their order, for speed.

from bisect import bisect_left
from collections.abc import Callable
from decimal import Decimal

from accounts import money
from accounts.money import QUANTUM, ZERO
from pricing.charge_models import ChargeModel, Flat, Graduated, Package, PerUnit, Usage
from pricing.event_charge_models import Percentage

type Cost = Callable[[Decimal], Decimal]
"""What a total costs, not rounded."""

type Charge = Callable[[Decimal, Decimal, int, bool, Decimal | None], Decimal]
"""What one event adds, to 12 places; asked with the fields of `charge_models.Usage`, in order."""

_round = money.HALF_UP.quantize


def charge_function(model: ChargeModel, size: Decimal) -> Charge:
    """Return what answers as `model.charge` does for units of this size."""
    match model:
        case Graduated() if _divides_exactly(size):
            return _graduated_charge(model, size)
        case PerUnit() | Package():
            return _charge_by_total(_cost_function(model, size))
        case Flat():
            return _flat_charge(model)
        case Percentage() if model.free_events is None and model.free_amount is None:
            return _percentage_charge(model, size)
    return _charge_as_asked(model, size)


def _divides_exactly(size: Decimal) -> bool:
    """Whether dividing an amount by `size` only moves its point, as powers of ten do."""
    return size.normalize().as_tuple().digits == (1,)


def _charge_as_asked(model: ChargeModel, size: Decimal) -> Charge:
    def charge(
        before: Decimal, quantity: Decimal, events: int, opens: bool, carried: Decimal | None
    ) -> Decimal:
        return model.charge(Usage(before, quantity, events, opens, carried), size)

    return charge


def _charge_by_total(cost: Cost) -> Charge:
    """Return what charges the difference of two totals; a total of zero costs nothing."""

    def charge(
        before: Decimal, quantity: Decimal, _events: int, opens: bool, _carried: Decimal | None
    ) -> Decimal:
        due = _round(cost(before + quantity), QUANTUM)
        return due if opens or not before else due - _round(cost(before), QUANTUM)

    return charge


def _flat_charge(model: Flat) -> Charge:
    amount, nothing = money.quantize(model.flat_amount), money.quantize(ZERO)

    def charge(
        _before: Decimal, _quantity: Decimal, _events: int, opens: bool, _carried: Decimal | None
    ) -> Decimal:
        return amount if opens else nothing

    return charge


def _graduated_charge(model: Graduated, size: Decimal) -> Charge:
    bounds, lines = _lines(model, size)

    def charge(
        before: Decimal, quantity: Decimal, _events: int, opens: bool, _carried: Decimal | None
    ) -> Decimal:
        after = before + quantity
        rate, offset = lines[bisect_left(bounds, after)]
        due = _round(after.fma(rate, offset), QUANTUM)
        if opens:
            return due
        rate, offset = lines[bisect_left(bounds, before)]
        return due - _round(before.fma(rate, offset), QUANTUM)

    return charge


def _percentage_charge(model: Percentage, size: Decimal) -> Charge:
    share, fixed = _cost_function(model.shares, size), model.fixed_amount
    least, most = model.minimum_per_event, model.maximum_per_event

    def charge(
        before: Decimal, quantity: Decimal, _events: int, _opens: bool, _carried: Decimal | None
    ) -> Decimal:
        after = before + quantity
        due = _round(share(after), QUANTUM) if after else ZERO
        if before:
            due -= _round(share(before), QUANTUM)
        if fixed:
            due += fixed
        if least is not None and due < least:
            due = least
        if most is not None and due > most:
            due = most
        return _round(due, QUANTUM)

    return charge


def _cost_function(model: Graduated | PerUnit | Package, size: Decimal) -> Cost:
    """Return what answers as `model.cost` does for units of this size."""
    if isinstance(model, Package):
        return _package_cost(model, size)
    if not _divides_exactly(size):
        return lambda quantity: model.cost(quantity, size)
    if isinstance(model, PerUnit):
        return (model.unit_amount / size).__mul__
    return _graduated_cost(model, size)


def _package_cost(model: Package, size: Decimal) -> Cost:
    block, amount = model.package_size * size, model.unit_amount

    def cost(quantity: Decimal) -> Decimal:
        whole, rest = divmod(quantity, block)
        return (whole + 1 if rest else whole) * amount

    return cost


def _graduated_cost(model: Graduated, size: Decimal) -> Cost:
    bounds, lines = _lines(model, size)

    def cost(quantity: Decimal) -> Decimal:
        rate, offset = lines[bisect_left(bounds, quantity)]
        return quantity.fma(rate, offset)

    return cost


def _lines(
    model: Graduated, size: Decimal
) -> tuple[tuple[Decimal, ...], tuple[tuple[Decimal, Decimal], ...]]:
    """Return where tiers end in raw units, and for each a rate and an offset.

    In a tier, a total costs `total * rate + offset`. All of it is exact: amounts and quantities
    have 38 digits, and a size that divides exactly adds 15 at most.
    """
    bounds = tuple([tier.up_to * size for tier in model.tiers if tier.up_to is not None])
    starts = (ZERO, *[tier.up_to for tier in model.tiers if tier.up_to is not None])
    lines = tuple(
        (tier.unit_amount / size, entered - start * tier.unit_amount)
        for tier, start, entered in zip(model.tiers, starts, model.entered, strict=True)
    )
    return bounds, lines
