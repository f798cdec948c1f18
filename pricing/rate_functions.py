"""Rate functions: a price whose events add up, made into one function that rates an event.

Most events are of a meter that counts or sums, at a price that knows what each of them adds. What
can be decided about such a price is decided here once; the function that is left does what its
price needs and nothing else. It answers what `CompiledPrice.rate_in_full` answers.
"""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from accounts import money
from accounts.money import LARGEST, ZERO
from pricing.aggregation import MeterSpec, Unpriceable
from pricing.charge_functions import Charge, charge_function
from pricing.charge_models import ONE, ChargeModel
from pricing.event_charge_models import Dynamic
from pricing.price_terms import FALLBACK, PriceTerms
from pricing.properties import Properties, as_number, reader
from pricing.totals import NOTHING, Before, Rated, Span, Totals

ADDED_UP = frozenset({"count", "sum"})
"""The aggregations under which what an event says is what it adds, never below zero."""

type Carry = Callable[[Properties], Decimal]
type Priced = tuple[str, Charge, Carry | None]
"""A cell's name, what an event of it is charged, and the price it brings itself, if any."""

# Two amounts below half of the largest need not be added up to know that they fit.
_HALF = LARGEST / 2
# What the constructor of a named tuple comes down to, without the names.
_made = tuple.__new__


class Rate(Protocol):
    """What rates an event to which a price applies; changes nothing, `totals.add` counts it."""

    def __call__(
        self,
        properties: Properties,
        totals: Totals,
        *,
        occurred_at: dt.datetime,
        period: Span,
    ) -> Rated:
        """Return what the event adds.

        Raises Unpriceable when the quantity is missing or wrong, when no cell matches, or when the
        amount is too large to be stored.
        """
        ...


def rate_function(meter: MeterSpec, terms: PriceTerms, *, charges_now: bool) -> Rate:
    """Return what rates events; for a meter that adds them up and charge models that know each.

    With `charges_now` an event is charged what it adds, else it is charged nothing yet.
    """
    find, measure = _finder(meter, terms), meter.measure
    of_event = terms.conversion.of_event if terms.conversion.rounds_events else None
    rounded = terms.conversion.rounded if terms.conversion.rounds_totals else None
    included, counts_all = terms.included, terms.tiers_count_all
    opens_cells, is_bound = terms.matrix is not None, not terms.bounds.are_open
    room = LARGEST - terms.standing_cost
    half_of_room = room / 2

    def rate(
        properties: Properties,
        totals: Totals,
        *,
        occurred_at: dt.datetime,
        period: Span,
    ) -> Rated:
        key, charge, carry = find(properties)
        billable = quantity = measure(properties)
        if of_event is not None:
            billable = quantity = of_event(quantity)
        cell, pool = totals.cells.get(key, NOTHING), totals.pool
        held, metered_before = cell.quantity, pool.metered
        carried = carry(properties) if carry is not None else None
        before = _made(
            Before,
            (
                held, cell.billable, cell.events, pool.billable, metered_before, pool.events,
                carried,
            ),
        )  # fmt: skip
        if included:
            billable = beyond(included, pool.quantity, quantity)
        used = pool if counts_all else cell
        start, units, events = used.billable, billable, used.events
        if rounded is not None:
            end = rounded(start + units)
            start = rounded(start)
            units = end - start
        metered = charge(start, units, events, opens_cells and not events, carried)
        amount = metered
        if is_bound:
            amount = charged(terms, metered_before, metered)
        if (quantity > _HALF or held > _HALF) and held + quantity > LARGEST:
            raise too_large()
        if (metered > half_of_room or metered_before > half_of_room) and (
            metered_before + metered > room
        ):
            raise too_large()
        if not charges_now:
            amount = ZERO
        return _made(Rated, (key, quantity, billable, metered, amount, occurred_at, before, None))

    return rate


def beyond(included: Decimal, used: Decimal, quantity: Decimal) -> Decimal:
    """Return what of `quantity` is left when the included units that remain are taken off."""
    if not included or used >= included:
        return quantity
    return max(used + quantity - included, ZERO)


def charged(terms: PriceTerms, metered_before: Decimal, metered: Decimal) -> Decimal:
    """Return what is charged now, given that the period's standing cost is due anyway.

    Raises Unpriceable when the period would be charged more than can be stored.
    """
    bounds = terms.bounds
    if bounds.are_open:
        return metered
    so_far = terms.standing_cost + metered_before
    after = money.quantize(bounds.charged(so_far + metered))
    if after > LARGEST:
        raise too_large()
    return after - money.quantize(bounds.charged(so_far))


def too_large() -> Unpriceable:
    """Return the refusal of what could not be stored."""
    return Unpriceable("amount_too_large", "the period's usage would have over 26 digits")


def no_price(meter: MeterSpec, terms: PriceTerms) -> Unpriceable:
    """Return the refusal of an event that no cell matches."""
    names = ", ".join(terms.matrix.names) if terms.matrix is not None else ""
    return Unpriceable("no_price", f"meter {meter.code} has no price for these values of {names}")


def carried_price(model: ChargeModel) -> Carry | None:
    """Return what reads the price an event brings for a dynamic model; None for all others.

    It raises Unpriceable when the event brings none, or none that can be charged.
    """
    if not isinstance(model, Dynamic) or not model.amount_property:
        return None
    name = model.amount_property
    read = reader(name)

    def carry(properties: Properties) -> Decimal:
        value = read(properties)
        if value is None:
            raise Unpriceable(
                "missing_property", f"the price is properties.{name}, which is absent"
            )
        try:
            carried = as_number(value)
        except money.AmountInvalid as error:
            raise Unpriceable("bad_amount", f"properties.{name} {error}") from error
        if carried < 0:
            raise Unpriceable("bad_amount", f"properties.{name} must be zero or more")
        return carried

    return carry


def _finder(meter: MeterSpec, terms: PriceTerms) -> Callable[[Properties], Priced]:
    """Return what finds the cell that prices an event. It raises Unpriceable."""
    size = ONE if terms.conversion.rounds_totals else terms.conversion.unit_size

    def priced(key: str, model: ChargeModel) -> Priced:
        return key, charge_function(model, size), carried_price(model)

    fallback = None
    if terms.charge_model is not None:
        fallback = priced(FALLBACK, terms.charge_model)
        if terms.matrix is None:
            return lambda _: fallback
    if terms.matrix is None:
        raise ValueError("a price has a charge model or a matrix")
    find_cell = terms.matrix.finder(lambda cell: priced(cell.key, cell.charge_model))

    def find(properties: Properties) -> Priced:
        found = find_cell(properties) or fallback
        if found is None:
            raise no_price(meter, terms)
        return found

    return find
