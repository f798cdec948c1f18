"""Laws of rating, for any usage: real time equals month end."""

import random
from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from accounts import money
from pricing.aggregation import MeterSpec
from pricing.charge_models import PerUnit
from pricing.rating import CompiledPrice

TOKENS = MeterSpec(code="tokens", event_type="llm.call", aggregation="sum", value="tokens")
QUANTITIES = st.decimals(0, 10**9, places=6)
SIZES = st.sampled_from([Decimal(size) for size in ("1", "3", "7", "1000", "1000000", "0.1")])
MODELS = st.builds(PerUnit, st.decimals(0, 1000, places=12), SIZES, st.booleans())
USAGE = st.lists(QUANTITIES, max_size=20)


def charged(model: PerUnit, usage: Sequence[Decimal]) -> list[Decimal]:
    """Rate events one by one, each on top of those before it."""
    price = CompiledPrice(meter=TOKENS, charge=model)
    before, amounts = money.ZERO, []
    for quantity in usage:
        rated = price.rate({"tokens": quantity}, lambda _: before)  # noqa: B023  Called at once.
        before += rated.quantity
        amounts.append(rated.amount)
    return amounts


@given(MODELS, USAGE)
def test_event_by_event_adds_up_to_the_whole(model: PerUnit, usage: list[Decimal]) -> None:
    whole = money.quantize(model.cost(sum(usage, money.ZERO)))
    assert sum(charged(model, usage), money.ZERO) == whole


@given(MODELS, USAGE, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_change_the_total(
    model: PerUnit, usage: list[Decimal], chance: random.Random
) -> None:
    shuffled = list(usage)
    chance.shuffle(shuffled)
    assert sum(charged(model, usage)) == sum(charged(model, shuffled))


@given(MODELS, USAGE)
def test_no_event_costs_less_than_nothing(model: PerUnit, usage: list[Decimal]) -> None:
    assert all(amount >= 0 for amount in charged(model, usage))


@given(MODELS, USAGE)
def test_an_amount_has_at_most_12_places(model: PerUnit, usage: list[Decimal]) -> None:
    for amount in charged(model, usage):
        assert money.quantize(amount) == amount


@given(MODELS, QUANTITIES, QUANTITIES)
def test_more_never_costs_less(model: PerUnit, less: Decimal, more: Decimal) -> None:
    assert model.cost(less) <= model.cost(less + more)
