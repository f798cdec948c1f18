"""Laws of burn-down, for any grants."""

import datetime as dt
import itertools
import random
import uuid
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from accounts.burndown import Category, Draw, GrantState, burn_down
from tests.clock import NOW

METERS = ("tokens", "images")
AMOUNTS = st.integers(0, 1_000).map(lambda cents: Decimal(cents) / 100)
MOMENTS = st.integers(-3, 3).map(lambda hours: NOW + dt.timedelta(hours=hours))


@st.composite
def grants(draw: st.DrawFn) -> GrantState:
    """Any grant, also one that may not pay now, with few values so that ties are common."""
    remaining = draw(AMOUNTS)
    return GrantState(
        id=draw(st.uuids()),
        amount=remaining + 1,
        remaining=remaining,
        held=draw(st.decimals(0, remaining, places=2)),
        category=draw(st.sampled_from(list(Category))),
        priority=draw(st.integers(0, 2)),
        effective_at=draw(MOMENTS),
        expires_at=draw(st.none() | MOMENTS),
        meters=frozenset(draw(st.sets(st.sampled_from(METERS)))),
        posted=draw(st.booleans()),
    )


WALLETS = st.lists(grants(), max_size=8, unique_by=lambda grant: grant.id).map(
    lambda wallet: sorted(wallet, key=lambda grant: grant.burn_key)
)


def pay(wallet: list[GrantState], amount: Decimal) -> tuple[list[Draw], Decimal]:
    return burn_down(wallet, amount=amount, meter="tokens", at=NOW)


@given(WALLETS, AMOUNTS)
def test_nothing_is_created_or_lost(wallet: list[GrantState], amount: Decimal) -> None:
    draws, shortfall = pay(wallet, amount)
    assert sum((draw.amount for draw in draws), shortfall) == amount
    assert shortfall >= 0


@given(WALLETS, AMOUNTS)
def test_a_grant_gives_what_is_free_and_only_while_it_may(
    wallet: list[GrantState], amount: Decimal
) -> None:
    for grant, taken in pay(wallet, amount)[0]:
        assert 0 < taken <= grant.remaining - grant.held
        assert grant.posted
        assert grant.effective_at <= NOW
        assert grant.expires_at is None or grant.expires_at > NOW
        assert not grant.meters or "tokens" in grant.meters


@given(WALLETS, AMOUNTS)
def test_who_pays_in_part_is_the_last_to_pay(wallet: list[GrantState], amount: Decimal) -> None:
    draws, shortfall = pay(wallet, amount)
    partial = [draw for draw in draws if draw.amount < draw.grant.free]
    assert partial in ([], draws[-1:])
    assert not (partial and shortfall)


@given(WALLETS, AMOUNTS)
def test_nobody_is_skipped(wallet: list[GrantState], amount: Decimal) -> None:
    draws, _ = pay(wallet, amount)
    useful = [g for g in wallet if g.free > 0 and g.is_usable(meter="tokens", at=NOW)]
    assert [draw.grant for draw in draws] == useful[: len(draws)]


@given(WALLETS)
def test_a_lower_priority_number_pays_first_then_who_expires_first(
    wallet: list[GrantState],
) -> None:
    for earlier, later in itertools.pairwise(wallet):
        assert earlier.priority <= later.priority
        if earlier.priority == later.priority and later.expires_at is not None:
            assert earlier.expires_at is not None
            assert earlier.expires_at <= later.expires_at


@given(
    st.lists(grants(), max_size=6, unique_by=lambda grant: grant.id),
    st.randoms(use_true_random=False),
    AMOUNTS,
)
def test_the_order_in_which_grants_were_read_does_not_matter(
    wallet: list[GrantState], chance: random.Random, amount: Decimal
) -> None:
    def paid() -> dict[uuid.UUID, Decimal]:
        ordered = sorted(wallet, key=lambda grant: grant.burn_key)
        return {draw.grant.id: draw.amount for draw in pay(ordered, amount)[0]}

    before = paid()
    chance.shuffle(wallet)
    assert paid() == before


@given(WALLETS, AMOUNTS, AMOUNTS)
def test_paying_twice_is_paying_the_sum(
    wallet: list[GrantState], first: Decimal, second: Decimal
) -> None:
    at_once = {draw.grant.id: draw.amount for draw in pay(wallet, first + second)[0]}
    _, missing_at_once = pay(wallet, first + second)
    one_by_one: dict[uuid.UUID, Decimal] = {}
    missing = Decimal(0)
    for amount in (first, second):
        draws, shortfall = pay(wallet, amount)
        missing += shortfall
        for grant, taken in draws:
            grant.remaining -= taken
            one_by_one[grant.id] = one_by_one.get(grant.id, Decimal(0)) + taken
    assert (one_by_one, missing) == (at_once, missing_at_once)
