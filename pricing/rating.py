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
from typing import Any, NamedTuple

from accounts import money
from accounts.money import ZERO
from pricing import settling
from pricing.aggregation import MeterSpec, State, Unpriceable
from pricing.charge_models import ChargeModel, Step, Usage
from pricing.event_charge_models import Dynamic
from pricing.field_errors import FieldError
from pricing.price_form import PriceInvalid, parse_definition
from pricing.price_terms import FALLBACK, PriceTerms
from pricing.properties import Properties, as_number, reader


class Span(NamedTuple):
    """The half-open time of a billing period."""

    starts_at: dt.datetime
    ends_at: dt.datetime

    @property
    def seconds(self) -> Decimal:
        """How long it lasts."""
        lasts = self.ends_at - self.starts_at
        return Decimal(lasts // dt.timedelta(microseconds=1)).scaleb(-6)


class Rated(NamedTuple):
    """What one event adds at one price, and where.

    `quantity` is what it adds to the meter's total, in raw units; `billable` the part that is not
    included; `metered` what that costs by itself; `amount` what is charged now. `distinct` is the
    value a unique count has seen for the first time. `before` is where the period stood.
    """

    cell: str
    quantity: Decimal
    billable: Decimal
    metered: Decimal
    amount: Decimal
    occurred_at: dt.datetime
    before: "Before"
    distinct: str | None = None


class Before(NamedTuple):
    """What a later look needs to retrace an event's rating: the cell's and the price's totals."""

    quantity: Decimal
    billable: Decimal
    events: int
    pool_billable: Decimal
    pool_metered: Decimal
    pool_events: int
    carried: Decimal | None = None


@dataclass(slots=True)
class Total:
    """What one cell of a price holds in one period.

    `quantity` is the meter's running total in raw units; see `aggregation.MeterSpec.result` for
    what it means. `overage` is the part of `amount` that no credit has paid.
    """

    quantity: Decimal = ZERO
    billable: Decimal = ZERO
    metered: Decimal = ZERO
    amount: Decimal = ZERO
    overage: Decimal = ZERO
    events: int = 0
    latest_at: dt.datetime | None = None

    def add(self, rated: Rated, overage: Decimal) -> None:
        """Count one event."""
        self.quantity += rated.quantity
        self.billable += rated.billable
        self.metered += rated.metered
        self.amount += rated.amount
        self.overage += overage
        self.events += 1
        if self.latest_at is None or rated.occurred_at >= self.latest_at:
            self.latest_at = rated.occurred_at

    def merge(self, other: "Total") -> None:
        """Count what another cell holds as well; the quantities of cells may mean nothing added."""
        self.quantity += other.quantity
        self.billable += other.billable
        self.metered += other.metered
        self.amount += other.amount
        self.overage += other.overage
        self.events += other.events


_NOTHING = Total()


@dataclass(slots=True)
class Totals:
    """What one price holds in one period: each cell, and all of them together in `pool`.

    `seen` holds the values a unique count has met, by cell.
    """

    cells: dict[str, Total] = field(default_factory=dict)
    pool: Total = field(default_factory=Total)
    seen: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, cells: Mapping[str, Total]) -> "Totals":
        """Return the totals that these cells make."""
        totals = cls(cells=dict(cells))
        for cell in totals.cells.values():
            totals.pool.merge(cell)
        return totals

    def cell(self, key: str) -> Total:
        """Return one cell's total; not to be changed."""
        return self.cells.get(key, _NOTHING)

    def add(self, rated: Rated, *, overage: Decimal = ZERO) -> None:
        """Count one event that was rated against these totals."""
        self.cells.setdefault(rated.cell, Total()).add(rated, overage)
        self.pool.add(rated, overage)
        if rated.distinct is not None:
            self.seen.add((rated.cell, rated.distinct))


@dataclass(frozen=True, slots=True)
class CompiledPrice:
    """A price read once and ready to rate events.

    Raises price_form.PriceInvalid for one that should settle on events and cannot.
    """

    meter: MeterSpec
    terms: PriceTerms
    settles_on_event: bool = True
    _accrues: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        accrues = settling.accrues(self.meter.aggregation, self.terms)
        if self.settles_on_event and not accrues:
            reason = settling.reason_against_on_event(self.meter.aggregation, self.terms)
            raise PriceInvalid([FieldError("settle", reason)])
        object.__setattr__(self, "_accrues", accrues)

    @property
    def accrues(self) -> bool:
        """Whether each event knows what it adds, though it may be charged at the close."""
        return self._accrues

    def applies_to(self, event_type: str, properties: Properties) -> bool:
        """Whether the price's meter counts this event."""
        return self.meter.event_type == event_type and self.meter.counts(properties)

    def rate(
        self,
        properties: Properties,
        totals: Totals,
        *,
        occurred_at: dt.datetime,
        period: Span,
    ) -> Rated:
        """Rate an event to which this price applies; changes nothing, `totals.add` counts it.

        Raises Unpriceable when the quantity is missing or wrong, when no cell matches, or when the
        amount is too large to be stored.
        """
        key, model = self.charge_model_for(properties)
        cell, pool = totals.cell(key), totals.pool
        value = self.terms.conversion.of_event(self.meter.measure(properties))
        distinct = self._new_value(properties, key, totals)
        quantity = self.meter.increment(
            value,
            State(cell.quantity, cell.events, cell.latest_at),
            occurred_at=occurred_at,
            period_start=period.starts_at,
            period_end=period.ends_at,
            is_new=distinct is not None,
        )
        before = Before(
            cell.quantity, cell.billable, cell.events, pool.billable, pool.metered, pool.events,
            self._carried(model, properties),
        )  # fmt: skip
        billable = metered = amount = ZERO
        if self._accrues:
            billable = self._billable(pool, quantity)
            metered = self._metered(model, before, billable)
            if self.settles_on_event:
                amount = self._charged(before, metered)
        _refuse_too_large(cell.quantity + quantity, pool.metered + metered, pool.amount + amount)
        return Rated(key, quantity, billable, metered, amount, occurred_at, before, distinct)

    def charge_model_for(self, properties: Properties) -> tuple[str, ChargeModel]:
        """Return the cell that prices these properties and its model. Raises Unpriceable."""
        terms = self.terms
        if terms.matrix is not None:
            cell = terms.matrix.cell_for(properties)
            if cell is not None:
                return cell.key, cell.charge_model
        if terms.charge_model is not None:
            return FALLBACK, terms.charge_model
        names = ", ".join(terms.matrix.names) if terms.matrix is not None else ""
        raise Unpriceable(
            "no_price", f"meter {self.meter.code} has no price for these values of {names}"
        )

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

    def _carried(self, model: ChargeModel, properties: Properties) -> Decimal | None:
        if not isinstance(model, Dynamic) or not model.amount_property:
            return None
        name = model.amount_property
        value = reader(name)(properties)
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

    def _billable(self, pool: Total, quantity: Decimal) -> Decimal:
        """Return what of `quantity` is left when the included units that remain are taken off."""
        included = self.terms.included
        if not included:
            return quantity
        used_before = pool.quantity
        if used_before >= included:
            return quantity
        return max(used_before + quantity - included, ZERO)

    def _usage(
        self, model: ChargeModel, before: Before, billable: Decimal
    ) -> tuple[Usage, Decimal]:
        """Return the event in units, as its charge model sees it, and their size."""
        over_all = self.terms.tiers_count_all
        total_before = before.pool_billable if over_all else before.billable
        events_before = before.pool_events if over_all else before.events
        # What zero units of a cell cost is due when the cell is used first.
        opens = self.terms.matrix is not None and not events_before
        convert = self.terms.conversion.of_total
        start, end = convert(total_before), convert(total_before + billable)
        usage = Usage(
            start.quantity, end.quantity - start.quantity, events_before, opens, before.carried
        )
        return usage, end.size

    def _metered(self, model: ChargeModel, before: Before, billable: Decimal) -> Decimal:
        usage, size = self._usage(model, before, billable)
        return model.charge(usage, size)

    def _charged(self, before: Before, metered: Decimal) -> Decimal:
        """Return what is charged now, given that the period's standing cost is due anyway."""
        bounds = self.terms.bounds
        if bounds.are_open:
            return metered
        so_far = self.terms.standing_cost + before.pool_metered
        after = money.quantize(bounds.charged(so_far + metered))
        return after - money.quantize(bounds.charged(so_far))

    def explain(self, cell: str, before: Before, billable: Decimal) -> list[Step]:
        """Return the working of an event that was rated in `cell`, tier by tier."""
        if not self._accrues:
            return []
        model = self.charge_model_of(cell)
        usage, size = self._usage(model, before, billable)
        return model.steps(usage, size)


def _refuse_too_large(*amounts: Decimal) -> None:
    if max(amounts) > money.LARGEST:
        raise Unpriceable("amount_too_large", "the period's usage would have over 26 digits")


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


def before_of(working: Mapping[str, Any]) -> Before:
    """Read back where a period stood before an event, from its stored working."""
    return Before(
        quantity=Decimal(working["before"]),
        billable=Decimal(working["billable_before"]),
        events=working["events_before"],
        pool_billable=Decimal(working["pool_billable_before"]),
        pool_metered=Decimal(working["metered_before"]),
        pool_events=working["pool_events_before"],
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
