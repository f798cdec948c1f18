"""Any price: strategies for charge models, what surrounds them, and events rated at them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from accounts.money import ZERO
from pricing import matrix_form, period_charges
from pricing.aggregation import AggregationName, MeterSpec
from pricing.charge_models import (
    Flat,
    Graduated,
    Package,
    PerUnit,
    Stairstep,
    Tier,
    VolumeTiers,
)
from pricing.event_charge_models import Dynamic, Percentage
from pricing.matrix import ANY, Cell, Dimension, Matrix
from pricing.period_terms import Commitment, Conversion, PeriodBounds, Rounding
from pricing.price_terms import PriceTerms
from pricing.rating import CompiledPrice, Rated, Span, Totals
from tests.clock import NOW

MONTH = Span(NOW.replace(day=1, hour=0), NOW.replace(month=4, day=1, hour=0))
MODELS = ("opus", "haiku", "other")

EITHER = st.booleans()
AMOUNTS = st.one_of(
    st.sampled_from(
        [Decimal(text) for text in ("0", "0.000000000001", "0.333333333333", "1", "7")]
    ),
    st.decimals(0, 1_000, places=12),
)
QUANTITIES = st.one_of(
    st.integers(0, 20).map(Decimal),
    st.decimals(0, 10**6, places=6),
    st.decimals(0, 1, places=12),
)
SIZES = st.sampled_from([Decimal(size) for size in ("1", "2", "3", "7", "1000", "0.1", "0.3")])
BOUNDS = st.lists(
    st.one_of(st.integers(0, 30).map(Decimal), st.decimals(0, 100, places=3)),
    unique=True, max_size=4,
).map(sorted)  # fmt: skip


@st.composite
def tiers(
    draw: st.DrawFn, *, rate: st.SearchStrategy[Decimal] = AMOUNTS, flat: bool = True
) -> list[Tier]:
    """Draw tiers with rising bounds, the last without one."""
    bounds: list[Decimal | None] = [*draw(BOUNDS), None]
    return [Tier(bound, draw(rate), draw(AMOUNTS) if flat else ZERO) for bound in bounds]


FLAT = st.builds(Flat, AMOUNTS)
PER_UNIT = st.builds(PerUnit, AMOUNTS)
PACKAGE = st.builds(Package, AMOUNTS, SIZES)
GRADUATED = st.builds(Graduated, tiers())
VOLUME_TIERS = st.builds(VolumeTiers, tiers())
STAIRSTEP = st.builds(Stairstep, tiers(rate=st.just(ZERO)))
DYNAMIC = st.builds(Dynamic, AMOUNTS, st.sampled_from(("", "price")))


@st.composite
def percentages(draw: st.DrawFn) -> Percentage:
    """Draw a percentage with everything it may have."""
    maybe = st.none() | AMOUNTS
    least, most = draw(maybe), draw(maybe)
    if least is not None and most is not None:
        least, most = min(least, most), max(least, most)
    return Percentage(
        tiers=draw(tiers(rate=st.decimals(0, 100, places=4))),
        fixed_amount=draw(AMOUNTS),
        minimum_per_event=least,
        maximum_per_event=most,
        free_events=draw(st.none() | st.integers(0, 5)),
        free_amount=draw(maybe),
    )


BY_TOTAL = st.one_of(FLAT, PER_UNIT, PACKAGE, GRADUATED)
"""Models whose period costs the same however its usage was split into events."""
BY_EVENT = st.one_of(percentages(), DYNAMIC)
AT_CLOSE = st.one_of(VOLUME_TIERS, STAIRSTEP)
ANY_MODEL = st.one_of(BY_TOTAL, BY_EVENT, AT_CLOSE)

CONVERSIONS = st.builds(
    Conversion,
    unit_size=SIZES,
    rounding=st.sampled_from(Rounding),
    places=st.sampled_from((0, 0, 1, 3)),
)
COMMITMENTS = st.builds(
    Commitment,
    amount=AMOUNTS,
    overage_factor=st.sampled_from([Decimal(text) for text in ("0", "0.5", "1", "1.5", "3")]),
    true_up=st.booleans(),
)


@st.composite
def bounds(draw: st.DrawFn) -> PeriodBounds:
    """Draw what a period costs at least and at most."""
    least, most = draw(st.none() | AMOUNTS), draw(st.none() | AMOUNTS)
    if least is not None and most is not None:
        least, most = min(least, most), max(least, most)
    commitment = draw(st.none() | COMMITMENTS)
    return PeriodBounds(commitment=commitment, minimum=least, maximum=most)


@st.composite
def terms(
    draw: st.DrawFn,
    *,
    models: st.SearchStrategy[Any] = BY_TOTAL,
    included: st.SearchStrategy[Decimal] = QUANTITIES,
    by_model: st.SearchStrategy[bool] = EITHER,
) -> PriceTerms:
    """Draw a price: one charge model, or one for each of two AI models and one for the rest."""
    matrix = None
    if draw(by_model):
        cells = [
            Cell((name,), draw(models), matrix_form.key_of((name,))) for name in (*MODELS[:2], ANY)
        ]
        matrix = Matrix((Dimension.of_property("model"),), cells)
    return PriceTerms(
        charge_model=None if matrix is not None else draw(models),
        matrix=matrix,
        conversion=draw(CONVERSIONS),
        included=draw(st.just(ZERO) | included),
        bounds=draw(bounds()),
    )


@dataclass(frozen=True, slots=True)
class Use:
    """One event: what it says, and where."""

    quantity: Decimal
    model: str = MODELS[0]
    who: str = "ann"
    price: Decimal = ZERO
    after: dt.timedelta = dt.timedelta()

    def properties(self) -> dict[str, Any]:
        """Return the event's properties."""
        return {
            "quantity": self.quantity,
            "model": self.model,
            "who": self.who,
            "price": self.price,
        }


USES = st.builds(
    Use,
    quantity=QUANTITIES,
    model=st.sampled_from(MODELS),
    who=st.sampled_from(("ann", "bob", "cleo")),
    price=AMOUNTS,
    after=st.timedeltas(dt.timedelta(), dt.timedelta(days=30)),
)
USAGE = st.lists(USES, max_size=8)


def compiled(
    price: PriceTerms, *, meter: AggregationName = "sum", on_event: bool = True
) -> CompiledPrice:
    """Return a price for a meter."""
    value = {"count": "", "unique_count": "who"}.get(meter, "quantity")
    spec = MeterSpec(code="tokens", event_type="llm.call", aggregation=meter, value=value)
    return CompiledPrice(meter=spec, terms=price, settles_on_event=on_event)


def rated(price: CompiledPrice, usage: Sequence[Use]) -> tuple[list[Rated], Totals]:
    """Rate events one by one, each on top of those before it."""
    totals, found = Totals(), []
    for use in usage:
        moment = MONTH.starts_at + use.after
        each = price.rate(use.properties(), totals, occurred_at=moment, period=MONTH)
        totals.add(each)
        found.append(each)
    return found, totals


def total(price: CompiledPrice, usage: Sequence[Use]) -> Decimal:
    """Return what the period costs: its events and its close."""
    _, totals = rated(price, usage)
    charges = period_charges.charges_at_close(price, totals, period=MONTH)
    return totals.pool.amount + sum((charge.amount for charge in charges), ZERO)
