"""Laws of what prices are compiled to: it answers what the models and the terms say, digit for
digit, and refuses what they refuse."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from accounts import exact_json, money
from accounts.money import ZERO
from pricing.aggregation import AggregationName, Unpriceable
from pricing.charge_functions import charge_function
from pricing.charge_models import ChargeModel, Tier, Usage
from pricing.event_charge_models import Percentage
from pricing.period_terms import Conversion, Rounding, RoundingScope
from pricing.price_terms import PriceTerms
from pricing.properties import as_number
from pricing.rating import CompiledPrice, Rated, Total, Totals, working, write_working
from tests.laws.price_strategies import (
    ANY_MODEL,
    AT_CLOSE,
    BY_EVENT,
    BY_TOTAL,
    MONTH,
    QUANTITIES,
    SIZES,
    USAGE,
    Use,
    compiled,
    rated,
    terms,
)

COUNTED: st.SearchStrategy[AggregationName] = st.sampled_from(("count", "sum"))
METERS: st.SearchStrategy[AggregationName] = st.sampled_from(("count", "sum", "max", "latest"))
ANY_SIZE = SIZES | st.sampled_from([Decimal(size) for size in ("10", "1000000", "0.001", "64")])
HUGE = st.sampled_from(
    [money.LARGEST, money.LARGEST / 2, Decimal("4e25"), Decimal("5e25"), Decimal("6e25"), ZERO]
)
VALUES = st.one_of(
    st.integers(-1, 30), st.sampled_from([10**25, 10**26, "7", "0.5", "1e25", "x", "", None, True]),
    st.decimals(-1, 1_000, places=12), HUGE,
)  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {}, optional={"quantity": VALUES, "price": VALUES, "model": st.sampled_from(("opus", "5", 5))}
)
USAGES = st.builds(
    Usage,
    QUANTITIES | HUGE,
    QUANTITIES | HUGE,
    st.integers(0, 6),
    st.booleans(),
    st.none() | QUANTITIES,
)


@st.composite
def prices(draw: st.DrawFn) -> CompiledPrice:
    """Draw a price whose events add up, with all that may surround its charge models."""
    conversion = Conversion(
        unit_size=draw(SIZES),
        rounding=draw(st.sampled_from(Rounding)),
        scope=draw(st.sampled_from(RoundingScope)),
    )
    drawn = draw(terms(models=BY_TOTAL | BY_EVENT))
    drawn = replace(drawn, conversion=conversion, tiers_count_all=draw(st.booleans()))
    return compiled(drawn, meter=draw(COUNTED), on_event=draw(st.booleans()))


@given(ANY_MODEL, ANY_SIZE, USAGES)
def test_a_charge_function_charges_what_its_model_does(
    model: ChargeModel, size: Decimal, usage: Usage
) -> None:
    assert charge_function(model, size)(*usage) == model.charge(usage, size)


@given(st.lists(st.decimals(0, 100, places=4), min_size=1), ANY_SIZE)
def test_so_does_one_percentage_event_by_event(quantities: list[Decimal], size: Decimal) -> None:
    model = Percentage(tiers=[tier(bound) for bound in (Decimal(50), None)], fixed_amount=ZERO)
    charge, before = charge_function(model, size), ZERO
    for quantity in quantities:
        expected = model.charge(Usage(before, quantity), size)
        assert charge(before, quantity, 0, False, None) == expected
        before += quantity


def tier(up_to: Decimal | None) -> Tier:
    """Return a tier of 1.25 percent with a flat amount."""
    return Tier(up_to, Decimal("1.25"), Decimal("0.3"))


def attempt(rate: Any, event: dict[str, Any], totals: Totals) -> Rated | tuple[str, str]:
    """Return how an event is rated, or why it is not."""
    try:
        answer: Rated = rate(event, totals, occurred_at=MONTH.starts_at, period=MONTH)
    except Unpriceable as error:
        return error.reason, error.detail
    return answer


@given(
    st.from_regex(r"-?[0-9]{0,28}(\.[0-9]{0,14})?", fullmatch=True)
    | st.text("0123456789.٣e-_ ", max_size=5)
)
def test_a_number_in_a_text_is_read_as_any_amount_is(text: str) -> None:
    try:
        expected: Decimal | str = money.parse(text)
    except money.AmountInvalid as error:
        expected = str(error)
    try:
        found: Decimal | str = as_number(text)
    except money.AmountInvalid as error:
        found = str(error)
    assert found == expected


@given(prices(), st.lists(EVENTS, max_size=8))
def test_a_rate_function_rates_and_refuses_as_the_terms_say(
    price: CompiledPrice, events: list[dict[str, Any]]
) -> None:
    totals = Totals()
    assert price.rate != price.rate_in_full
    for event in events:
        found = attempt(price.rate, event, totals)
        assert found == attempt(price.rate_in_full, event, totals)
        if isinstance(found, Rated):
            totals.add(found)


@given(prices(), st.builds(Total, HUGE, HUGE, HUGE, events=st.integers(0, 1)), EVENTS)
def test_also_where_the_period_is_nearly_full(
    price: CompiledPrice, held: Total, event: dict[str, Any]
) -> None:
    for cells in ({"": held}, {'["opus"]': held}):
        totals = Totals.of(cells)
        found = attempt(price.rate, event, totals)
        assert found == attempt(price.rate_in_full, event, totals)


@given(terms(models=BY_TOTAL | BY_EVENT | AT_CLOSE), USAGE, METERS)
def test_a_working_is_written_as_json_writes_it(
    price: PriceTerms, usage: list[Use], meter: AggregationName
) -> None:
    at = compiled(price, meter=meter, on_event=False)
    for each in rated(at, usage)[0]:
        assert write_working(at, each) == exact_json.encode(working(at, each)).decode()


@given(terms(models=BY_TOTAL), USAGE)
def test_the_pool_is_what_all_cells_hold_however_they_came(
    price: PriceTerms, usage: list[Use]
) -> None:
    _, totals = rated(compiled(price), usage)
    read_again = Totals.of({key: replace(cell) for key, cell in totals.cells.items()})
    for name in ("quantity", "billable", "metered", "amount", "events"):
        summed = sum((getattr(cell, name) for cell in totals.cells.values()), ZERO)
        assert getattr(totals.pool, name) == getattr(read_again.pool, name) == summed
