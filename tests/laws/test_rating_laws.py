"""Laws of rating, for any price and any usage: real time equals month end."""

import random
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from accounts import money
from accounts.money import ZERO
from pricing import period_charges
from pricing.aggregation import AggregationName
from pricing.charge_models import PerUnit
from pricing.matrix import Cell, Dimension, Matrix
from pricing.price_terms import PriceTerms
from tests.laws.price_strategies import (
    AT_CLOSE,
    BY_EVENT,
    BY_TOTAL,
    MONTH,
    USAGE,
    Use,
    compiled,
    rated,
    terms,
    total,
)

RISING: st.SearchStrategy[AggregationName] = st.sampled_from(
    ("count", "sum", "max", "unique_count")
)
FALLING: st.SearchStrategy[AggregationName] = st.sampled_from(
    ("min", "average", "latest", "weighted_sum")
)
PER_EVENT: st.SearchStrategy[AggregationName] = st.sampled_from(("count", "sum"))
ONE_PRICE = st.just(value=False)
PRICES = {"opus": Decimal(2), "haiku": Decimal(1)}


def split(usage: list[Use], chance: random.Random) -> list[Use]:
    """Split each event into parts that come one after another."""
    parts: list[Use] = []
    for use in usage:
        first = money.quantize(use.quantity * Decimal(chance.randrange(101)) / 100)
        second = money.quantize((use.quantity - first) * Decimal(chance.randrange(101)) / 100)
        rest = use.quantity - first - second
        parts += [replace(use, quantity=part) for part in (first, second, rest)]
    return parts


class TestTheSumOfEventsIsThePriceOfThePeriod:
    """Law 1: no split of a period's usage changes what it costs, event by event or as a whole.

    Events keep their places, because included units are for whoever comes first. A percentage and
    a dynamic price look at each event by itself, so they have no such law; nor has a price that
    rounds the units of each event.
    """

    @given(terms(), USAGE, st.randoms(use_true_random=False))
    def test_of_any_split(self, price: PriceTerms, usage: list[Use], chance: random.Random) -> None:
        parts, _ = rated(compiled(price), split(usage, chance))
        whole, _ = rated(compiled(price), usage)
        assert sum(each.amount for each in parts) == sum(each.amount for each in whole)
        assert sum(each.metered for each in parts) == sum(each.metered for each in whole)

    @given(terms(by_model=ONE_PRICE), USAGE)
    def test_also_of_all_usage_in_one_event(self, price: PriceTerms, usage: list[Use]) -> None:
        together = Use(sum((use.quantity for use in usage), ZERO))
        assert total(compiled(price), usage) == total(compiled(price), [together])

    @given(terms(models=BY_TOTAL | AT_CLOSE), USAGE, st.randoms(use_true_random=False))
    def test_also_when_only_the_close_charges(
        self, price: PriceTerms, usage: list[Use], chance: random.Random
    ) -> None:
        waiting = compiled(price, on_event=False)
        assert total(waiting, split(usage, chance)) == total(waiting, usage)

    @given(terms(models=BY_TOTAL | BY_EVENT), USAGE, PER_EVENT)
    def test_charging_at_the_close_costs_what_charging_events_does(
        self, price: PriceTerms, usage: list[Use], meter: AggregationName
    ) -> None:
        at_once, waiting = (
            compiled(price, meter=meter, on_event=on_event) for on_event in (True, False)
        )
        assert total(at_once, usage) == total(waiting, usage)


class TestAnyCut:
    """Law 2: a period that is asked for in parts costs what it does as a whole."""

    @given(terms(by_model=ONE_PRICE), USAGE)
    def test_what_was_charged_so_far_is_the_price_of_what_was_used_so_far(
        self, price: PriceTerms, usage: list[Use]
    ) -> None:
        each, _ = rated(compiled(price), usage)
        for cut in range(len(usage) + 1):
            used = sum((use.quantity for use in usage[:cut]), ZERO)
            whole, _ = rated(compiled(price), [Use(used)])
            assert sum(part.amount for part in each[:cut]) == whole[0].amount

    @given(terms(models=BY_TOTAL | BY_EVENT), USAGE, USAGE)
    def test_the_parts_do_not_know_of_one_another(
        self, price: PriceTerms, first: list[Use], rest: list[Use]
    ) -> None:
        together, _ = rated(compiled(price), first + rest)
        alone, _ = rated(compiled(price), first)
        assert together[: len(first)] == alone


class TestOrder:
    """Law 3: the order of events does not change what a period costs.

    It does in three cases, on purpose. Included units go to whoever comes first, so it matters
    which cell that is when cells have different prices. Percentages and dynamic prices look at
    each event where it stands. And the newest value is newest by when it occurred, not by when it
    came, so it depends on the events' times.
    """

    @given(
        terms(models=BY_TOTAL | AT_CLOSE, included=st.just(ZERO)),
        USAGE,
        RISING,
        st.randoms(use_true_random=False),
    )
    def test_of_rising_totals(
        self,
        price: PriceTerms,
        usage: list[Use],
        meter: AggregationName,
        chance: random.Random,
    ) -> None:
        waiting = compiled(price, meter=meter, on_event=False)
        shuffled = chance.sample(usage, k=len(usage))
        assert total(waiting, usage) == total(waiting, shuffled)

    @given(terms(by_model=ONE_PRICE), USAGE, RISING, st.randoms(use_true_random=False))
    def test_also_with_included_units_where_there_is_one_price(
        self,
        price: PriceTerms,
        usage: list[Use],
        meter: AggregationName,
        chance: random.Random,
    ) -> None:
        at_once = compiled(price, meter=meter)
        shuffled = chance.sample(usage, k=len(usage))
        assert total(at_once, usage) == total(at_once, shuffled)

    @given(
        terms(models=BY_TOTAL | AT_CLOSE),
        st.lists(USAGE.flatmap(lambda uses: st.sampled_from(uses or [Use(ZERO)])),
            unique_by=lambda use: use.after, max_size=6),
        FALLING,
        st.randoms(use_true_random=False),
    )  # fmt: skip
    def test_of_totals_that_fall_but_for_their_times(
        self,
        price: PriceTerms,
        usage: list[Use],
        meter: AggregationName,
        chance: random.Random,
    ) -> None:
        waiting = compiled(price, meter=meter, on_event=False)
        shuffled = chance.sample(usage, k=len(usage))
        assert total(waiting, usage) == total(waiting, shuffled)

    def test_included_units_are_for_whoever_comes_first(self) -> None:
        cells = [Cell((name,), PerUnit(amount), name) for name, amount in PRICES.items()]
        matrix = Matrix((Dimension.of_property("model"),), cells)
        price = compiled(PriceTerms(charge_model=None, matrix=matrix, included=Decimal(5)))
        opus, haiku = Use(Decimal(5), "opus"), Use(Decimal(5), "haiku")
        assert total(price, [opus, haiku]) == 5
        assert total(price, [haiku, opus]) == 10


class TestEachEvent:
    """What holds of every single event."""

    @given(terms(models=BY_TOTAL | BY_EVENT), USAGE, PER_EVENT)
    def test_none_is_charged_less_than_nothing(
        self, price: PriceTerms, usage: list[Use], meter: AggregationName
    ) -> None:
        each, totals = rated(compiled(price, meter=meter), usage)
        assert all(part.amount >= 0 and part.metered >= 0 for part in each)
        assert sum(part.amount for part in each) == totals.pool.amount

    @given(terms(models=BY_TOTAL | BY_EVENT), USAGE, PER_EVENT)
    def test_an_amount_has_at_most_12_places(
        self, price: PriceTerms, usage: list[Use], meter: AggregationName
    ) -> None:
        for part in rated(compiled(price, meter=meter), usage)[0]:
            assert money.quantize(part.amount) == part.amount
            assert money.quantize(part.metered) == part.metered

    @given(terms(models=BY_TOTAL | BY_EVENT), USAGE, PER_EVENT, st.booleans())
    def test_its_steps_add_up_to_what_it_cost(
        self, price: PriceTerms, usage: list[Use], meter: AggregationName, on_event: bool
    ) -> None:
        at = compiled(price, meter=meter, on_event=on_event)
        for part in rated(at, usage)[0]:
            steps = at.explain(part.cell, part.before, part.billable)
            due = part.amount if on_event else part.metered
            assert sum((step.amount for step in steps), ZERO) == due

    @given(terms(models=BY_TOTAL), USAGE)
    def test_more_never_costs_less(self, price: PriceTerms, usage: list[Use]) -> None:
        costs = [total(compiled(price), usage[:count]) for count in range(len(usage) + 1)]
        assert costs == sorted(costs)


class TestTheClose:
    """What holds of what the close asks for."""

    @given(terms(models=BY_TOTAL | AT_CLOSE), USAGE, RISING | FALLING)
    def test_steps_add_up_and_bounds_are_kept(
        self, price: PriceTerms, usage: list[Use], meter: AggregationName
    ) -> None:
        waiting = compiled(price, meter=meter, on_event=False)
        _, totals = rated(waiting, usage)
        charges = period_charges.charges_at_close(waiting, totals, period=MONTH)
        for charge in charges:
            assert charge.amount > 0
            assert sum((step.amount for step in charge.steps), ZERO) == charge.amount
        asked = sum((charge.amount for charge in charges), ZERO)
        assert asked >= (price.bounds.minimum or ZERO)
        if price.bounds.maximum is not None:
            assert asked <= price.bounds.maximum
