"""Laws of rating, for any usage: real time equals month end."""

import random
from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from accounts import money
from pricing.aggregation import MeterSpec
from pricing.charge_models import PerUnit
from pricing.period_terms import Conversion, Rounding
from pricing.price_terms import PriceTerms
from pricing.rating import CompiledPrice, Totals
from tests.pricing.test_rating import MARCH

TOKENS = MeterSpec(code="tokens", event_type="llm.call", aggregation="sum", value="tokens")
QUANTITIES = st.decimals(0, 10**9, places=6)
SIZES = st.sampled_from([Decimal(size) for size in ("1", "3", "7", "1000", "1000000", "0.1")])
MODELS = st.builds(PerUnit, st.decimals(0, 1000, places=12))
CONVERSIONS = st.builds(Conversion, unit_size=SIZES, rounding=st.sampled_from(Rounding))
TERMS = st.builds(PriceTerms, charge_model=MODELS, conversion=CONVERSIONS)
USAGE = st.lists(QUANTITIES, max_size=20)


def charged(terms: PriceTerms, usage: Sequence[Decimal]) -> list[Decimal]:
    """Rate events one by one, each on top of those before it."""
    price, totals, amounts = CompiledPrice(meter=TOKENS, terms=terms), Totals(), []
    for quantity in usage:
        rated = price.rate({"tokens": quantity}, totals, occurred_at=MARCH.starts_at, period=MARCH)
        totals.add(rated)
        amounts.append(rated.amount)
    return amounts


@given(TERMS, USAGE)
def test_event_by_event_adds_up_to_the_whole(terms: PriceTerms, usage: list[Decimal]) -> None:
    whole = charged(terms, [sum(usage, money.ZERO)])
    assert sum(charged(terms, usage), money.ZERO) == sum(whole)


@given(TERMS, USAGE, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_change_the_total(
    terms: PriceTerms, usage: list[Decimal], chance: random.Random
) -> None:
    shuffled = list(usage)
    chance.shuffle(shuffled)
    assert sum(charged(terms, usage)) == sum(charged(terms, shuffled))


@given(TERMS, USAGE)
def test_no_event_costs_less_than_nothing(terms: PriceTerms, usage: list[Decimal]) -> None:
    assert all(amount >= 0 for amount in charged(terms, usage))


@given(TERMS, USAGE)
def test_an_amount_has_at_most_12_places(terms: PriceTerms, usage: list[Decimal]) -> None:
    for amount in charged(terms, usage):
        assert money.quantize(amount) == amount
