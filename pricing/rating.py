"""Rating: what one event costs at one price, given what the period already holds.

    amount = cost(before + quantity) - cost(before)

Each cost is quantized to 12 places before the difference is taken, so the amounts of a period add
up to the quantized cost of its whole, exactly, however the usage was split into events. What the
price surrounds its charge model with (commitment, maximum) is taken as a difference as well.

A price that settles at close meters its events here and charges nothing for them;
`pricing.period_charges` says what is due when the period is over.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from accounts import exact_json, money
from accounts.money import LARGEST, ZERO
from pricing import settling
from pricing.aggregation import MeterSpec, State
from pricing.charge_models import ONE, ChargeModel, Step, Usage
from pricing.field_errors import FieldError
from pricing.price_form import PriceInvalid, parse_definition
from pricing.price_terms import FALLBACK, PriceTerms
from pricing.properties import Properties
from pricing.rate_functions import (
    ADDED_UP,
    Rate,
    beyond,
    carried_price,
    charged,
    no_price,
    rate_function,
    too_large,
)
from pricing.totals import Before, Rated, Span, Total, Totals

__all__ = [
    "BOUNDS", "ROUNDING", "Before", "CompiledPrice", "Rated", "Span", "Total", "Totals",
    "before_of", "compile_price", "completed", "working", "write_steps", "write_working",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class CompiledPrice:
    """A price read once and ready to rate events.

    Raises price_form.PriceInvalid for one that should settle on events and cannot.
    """

    meter: MeterSpec
    terms: PriceTerms
    settles_on_event: bool = True
    rises: bool = field(init=False, compare=False)
    """Whether the meter's total never falls, so that what is included is used up for good."""
    accrues: bool = field(init=False, compare=False)
    """Whether each event knows what it adds, though it may be charged at the close."""
    rate: Rate = field(init=False, repr=False, compare=False)
    """Rates an event to which this price applies; see `rate_functions.Rate`."""
    _room: Decimal = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        against = settling.reason_against_on_event(self.meter.aggregation, self.terms)
        if self.settles_on_event and against:
            raise PriceInvalid([FieldError("settle", against)])
        rises = self.meter.aggregation in settling.RISING_AGGREGATIONS
        object.__setattr__(self, "rises", rises)
        object.__setattr__(self, "accrues", not against)
        object.__setattr__(self, "_room", LARGEST - self.terms.standing_cost)
        rate: Rate = self.rate_in_full
        if self.accrues and self.meter.aggregation in ADDED_UP:
            rate = rate_function(self.meter, self.terms, charges_now=self.settles_on_event)
        object.__setattr__(self, "rate", rate)

    def applies_to(self, event_type: str, properties: Properties) -> bool:
        """Whether the price's meter counts this event."""
        return self.meter.event_type == event_type and self.meter.counts(properties)

    def rate_in_full(
        self,
        properties: Properties,
        totals: Totals,
        *,
        occurred_at: dt.datetime,
        period: Span,
    ) -> Rated:
        """Rate an event as `rate` does, whatever the meter and the terms are."""
        key, model = self.charge_model_for(properties)
        cell, pool = totals.cell(key), totals.pool
        value = self.terms.conversion.of_event(self.meter.measure(properties))
        distinct = self._new_value(properties, key, totals)
        quantity = self.meter.increment(
            value,
            cell,
            occurred_at=occurred_at,
            period_start=period.starts_at,
            period_end=period.ends_at,
            is_new=distinct is not None,
        )
        carry = carried_price(model)
        before = Before(
            cell.quantity, cell.billable, cell.events, pool.billable, pool.metered, pool.events,
            None if carry is None else carry(properties),
        )  # fmt: skip
        billable = beyond(self.terms.included, pool.quantity, quantity) if self.rises else ZERO
        metered = due = ZERO
        if self.accrues:
            metered = model.charge(*self._usage(before, billable))
            due = charged(self.terms, before.pool_metered, metered)
        amount = due if self.settles_on_event else ZERO
        rated = Rated(key, quantity, billable, metered, amount, occurred_at, before, distinct)
        self._refuse_too_large(rated, cell, model, period)
        return rated

    def of_whole(self, key: str, *, billable: Decimal) -> tuple[Decimal, Decimal]:
        """Return what a cell is metered at and charged when all its use is rated as one event.

        Under a matrix something must have been used. Only where `withdrawals.follows` says so is
        it what its events add up to.
        """
        if not self.accrues:
            return ZERO, ZERO
        start = Before(ZERO, ZERO, 0, ZERO, ZERO, 0)
        metered = self.charge_model_of(key).charge(*self._usage(start, billable))
        return metered, charged(self.terms, ZERO, metered) if self.settles_on_event else ZERO

    def charge_model_for(self, properties: Properties) -> tuple[str, ChargeModel]:
        """Return the cell that prices these properties and its model. Raises Unpriceable."""
        terms = self.terms
        if terms.matrix is not None:
            cell = terms.matrix.cell_for(properties)
            if cell is not None:
                return cell.key, cell.charge_model
        if terms.charge_model is not None:
            return FALLBACK, terms.charge_model
        raise no_price(self.meter, terms)

    def charge_model_of(self, key: str) -> ChargeModel:
        """Return the model of a cell by the name it has in totals. Raises KeyError."""
        if key == FALLBACK and self.terms.charge_model is not None:
            return self.terms.charge_model
        cells = self.terms.matrix.cells if self.terms.matrix is not None else ()
        for cell in cells:
            if cell.key == key:
                return cell.charge_model
        raise KeyError(key)

    def distinct_value(self, properties: Properties) -> tuple[str, str] | None:
        """Return the cell and the value that an event would add to a unique count.

        None for other meters, and for events the meter does not count. Raises Unpriceable.
        """
        if not self.meter.counts(properties):
            return None
        value = self.meter.distinct_value(properties)
        return None if value is None else (self.charge_model_for(properties)[0], value)

    def _new_value(self, properties: Properties, key: str, totals: Totals) -> str | None:
        value = self.meter.distinct_value(properties)
        return None if value is None or (key, value) in totals.seen else value

    def _usage(self, before: Before, billable: Decimal) -> tuple[Usage, Decimal]:
        """Return the event in units, as its charge model sees it, and their size."""
        terms = self.terms
        total, events = before.billable, before.events
        if terms.tiers_count_all:
            total, events = before.pool_billable, before.pool_events
        # What zero units of a cell cost is due when the cell is used first.
        opens = terms.matrix is not None and not events
        conversion = terms.conversion
        if not conversion.rounds_totals:
            return Usage(total, billable, events, opens, before.carried), conversion.unit_size
        start, end = conversion.rounded(total), conversion.rounded(total + billable)
        return Usage(start, end - start, events, opens, before.carried), ONE

    def _refuse_too_large(
        self, rated: Rated, cell: Total, model: ChargeModel, period: Span
    ) -> None:
        """Refuse what could not be stored, now or when the period is charged."""
        quantity, held = rated.quantity, cell.quantity + rated.quantity
        if not (-LARGEST <= quantity <= LARGEST and -LARGEST <= held <= LARGEST):
            raise too_large()
        if rated.before.pool_metered + rated.metered > self._room:
            raise too_large()
        if not self.accrues:
            after = Total(
                quantity=held,
                billable=cell.billable + rated.billable,
                events=cell.events + 1,
            )
            numerator, divisor = self.result(after, period=period)
            units = self.terms.conversion.of_total(max(numerator, ZERO), divisor=divisor)
            if self.terms.bounds.charged(model.cost(*units)) > LARGEST:
                raise too_large()

    def result(self, cell: Total, *, period: Span) -> tuple[Decimal, Decimal]:
        """Return what a cell holds in raw units, as a numerator and a divisor above zero.

        Included units are taken off already where the meter's total never falls.
        """
        if self.rises:
            return cell.billable, ONE
        state = State(cell.quantity, cell.events, cell.latest_at)
        return self.meter.result(state, period_seconds=period.seconds)

    def explain(self, cell: str, before: Before, billable: Decimal) -> list[Step]:
        """Return the working of an event that was rated in `cell`, tier by tier.

        The steps add up to what the event was charged; at a price that settles at close, to what
        it was metered at. There are none where only the close knows.
        """
        if not self.accrues:
            return []
        model = self.charge_model_of(cell)
        usage, size = self._usage(before, billable)
        metered = model.charge(usage, size)
        steps = completed(model.steps(usage, size), ROUNDING, amount=metered)
        if not self.settles_on_event:
            return steps
        due = charged(self.terms, before.pool_metered, metered)
        return completed(steps, BOUNDS, amount=due)


ROUNDING = "rounding of the totals before and after"
BOUNDS = "commitment and maximum of the period"


def completed(steps: Iterable[Step], label: str, *, amount: Decimal) -> list[Step]:
    """Return the steps to 12 places, and a last one called `label` if they are not `amount` yet."""
    done = [step._replace(amount=money.quantize(step.amount)) for step in steps]
    rest = amount - sum((step.amount for step in done), ZERO)
    return [*done, Step(label, ZERO, ZERO, rest, rest)] if rest else done


def compile_price(
    *, meter: MeterSpec, definition: object, settles_on_event: bool = True
) -> CompiledPrice:
    """Read a price definition for rating. Raises price_form.PriceInvalid."""
    return CompiledPrice(
        meter=meter, terms=parse_definition(definition), settles_on_event=settles_on_event
    )


def working(price: CompiledPrice, rated: Rated) -> dict[str, Any]:
    """Return what is stored beside an event's amount, so that the amount can be retraced."""
    before = rated.before
    noted = {
        "meter": price.meter.code,
        "cell": rated.cell,
        "quantity": rated.quantity,
        "billable": rated.billable,
        "before": before.quantity,
        "billable_before": before.billable,
        "pool_billable_before": before.pool_billable,
        "metered_before": before.pool_metered,
        "metered": rated.metered,
        "amount": rated.amount,
    }
    texts: dict[str, Any] = {
        name: money.to_wire(each) if isinstance(each, Decimal) else each
        for name, each in noted.items()
    }
    texts |= {"events_before": before.events, "pool_events_before": before.pool_events}
    if before.carried is not None:
        texts["carried"] = money.to_wire(before.carried)
    return texts


def write_working(price: CompiledPrice, rated: Rated) -> str:
    """Return `working` as canonical JSON text, as `exact_json.encode` writes it.

    Figures that are the same object are written once: mostly all of a quantity is billable, and
    what is metered is charged.
    """
    cell, quantity, billable, metered, amount, _, before, _ = rated
    held, held_billable, events, pool_billable, pool_metered, pool_events, carried = before
    write = money.to_wire
    quantity_text, metered_text = write(quantity), write(metered)
    amount_text = metered_text if amount is metered else write(amount)
    billable_text = quantity_text if billable is quantity else write(billable)
    held_text = write(held)
    held_billable_text = held_text if held_billable is held else write(held_billable)
    pool_text = held_billable_text if pool_billable is held_billable else write(pool_billable)
    carried_text = "" if carried is None else f'"carried":"{write(carried)}",'
    return (
        f'{{"amount":"{amount_text}","before":"{held_text}","billable":"{billable_text}"'
        f',"billable_before":"{held_billable_text}",{carried_text}"cell":{_json_text(cell)}'
        f',"events_before":{events},"meter":{_json_text(price.meter.code)}'
        f',"metered":"{metered_text}","metered_before":"{write(pool_metered)}"'
        f',"pool_billable_before":"{pool_text}","pool_events_before":{pool_events}'
        f',"quantity":"{quantity_text}"}}'
    )


@lru_cache(maxsize=10_000)
def _json_text(text: str) -> str:
    """Return a name as JSON; prices have few cells, and are asked for them again and again."""
    return exact_json.encode(text).decode()


def before_of(working: Mapping[str, Any]) -> Before:
    """Read back where a period stood before an event, from its stored working.

    Workings were shorter when all prices were per unit; what they lack meant nothing then.
    """
    before = working["before"]
    return Before(
        quantity=Decimal(before),
        billable=Decimal(working.get("billable_before", before)),
        events=working.get("events_before", 1),
        pool_billable=Decimal(working.get("pool_billable_before", before)),
        pool_metered=Decimal(working.get("metered_before", 0)),
        pool_events=working.get("pool_events_before", 1),
        carried=Decimal(working["carried"]) if "carried" in working else None,
    )


def write_steps(steps: Iterable[Step]) -> list[dict[str, str]]:
    """Write a working for JSON, each figure to 12 places."""
    return [
        {
            name: money.to_wire(money.quantize(each)) if isinstance(each, Decimal) else each
            for name, each in step._asdict().items()
        }
        for step in steps
    ]
