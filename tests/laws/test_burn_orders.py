"""Orders in which other systems burn credit. Ours can express each of them with priorities."""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from accounts.burndown import Category, GrantState, burn_down
from tests.clock import NOW


@dataclass(frozen=True, kw_only=True)
class Credit:
    """What those systems know of a block of credit; smaller numbers are sooner, or lower."""

    id: int
    priority: int
    expires: int | None
    effective: int
    kind: str
    cost: int


CREDITS = st.lists(
    st.builds(
        Credit,
        id=st.integers(0, 10**9),
        priority=st.integers(0, 9),
        expires=st.none() | st.integers(1, 4),
        effective=st.integers(-4, -1),
        kind=st.sampled_from(["rollover", "promotional", "included", "paid"]),
        cost=st.integers(0, 1),
    ),
    max_size=6,
    unique_by=lambda credit: credit.id,
)
FAR = 10**9
CATEGORY_OF = {
    "rollover": Category.INCLUDED,
    "promotional": Category.PROMOTIONAL,
    "included": Category.INCLUDED,
    "paid": Category.PAID,
}


def grant(credit: Credit, *, priority: int, **terms: Any) -> GrantState:
    """The credit as a grant of ours, under the priority that a translation gives it."""
    return GrantState(
        **{
            "id": uuid.UUID(int=credit.id),
            "amount": Decimal(1),
            "remaining": Decimal(1),
            "category": CATEGORY_OF[credit.kind],
            "priority": priority,
            "effective_at": NOW + dt.timedelta(days=credit.effective),
            "expires_at": NOW + dt.timedelta(days=credit.expires) if credit.expires else None,
            **terms,
        }
    )


def burned(grants: list[GrantState]) -> list[int]:
    """The order in which they pay when all of them have to."""
    wallet = sorted(grants, key=lambda each: each.burn_key)
    draws, shortfall = burn_down(wallet, amount=Decimal(len(wallet)), meter="tokens", at=NOW)
    assert not shortfall
    return [draw.grant.id.int for draw in draws]


def theirs(blocks: list[Credit], key: Callable[[Credit], tuple[Any, ...]]) -> list[int]:
    return [credit.id for credit in sorted(blocks, key=lambda each: (*key(each), each.id))]


def expiry(credit: Credit) -> int:
    return credit.expires or FAR


@given(CREDITS)
def test_openmeter_priority_expiry_creation(blocks: list[Credit]) -> None:
    """Credit of one category, as theirs has none."""
    ours = [grant(each, priority=each.priority, category=Category.PAID) for each in blocks]
    assert burned(ours) == theirs(blocks, lambda c: (c.priority, expiry(c), c.effective))


@given(CREDITS)
def test_stigg_priority_expiry_promotional_before_paid_effective(blocks: list[Credit]) -> None:
    blocks = [each for each in blocks if each.kind in {"promotional", "paid"}]
    ours = [grant(each, priority=each.priority) for each in blocks]
    order = ["promotional", "paid"]
    assert burned(ours) == theirs(
        blocks, lambda c: (c.priority, expiry(c), order.index(c.kind), c.effective)
    )


@given(CREDITS)
def test_credyt_promotional_bundled_paid(blocks: list[Credit]) -> None:
    """A priority for each of them; what expires first goes first inside."""
    order = ["promotional", "rollover", "included", "paid"]
    ours = [grant(each, priority=order.index(each.kind)) for each in blocks]
    assert burned(ours) == theirs(blocks, lambda c: (order.index(c.kind), expiry(c), c.effective))


@given(CREDITS)
def test_metronome_rollover_priority_cost_end_start(blocks: list[Credit]) -> None:
    """Three of its keys in one number: rolled over, its priority, free before paid for."""

    def rank(credit: Credit) -> tuple[int, int, int]:
        return (int(credit.kind != "rollover"), credit.priority, credit.cost)

    ours = [
        grant(
            each,
            priority=50 * rank(each)[0] + 2 * each.priority + each.cost,
            category=Category.PAID,
        )
        for each in blocks
    ]
    assert burned(ours) == theirs(blocks, lambda c: (*rank(c), expiry(c), c.effective))


@given(CREDITS)
def test_lago_priority_granted_before_purchased_age(blocks: list[Credit]) -> None:
    """Its wallets know no expiry inside a priority, so age alone is left."""
    blocks = [
        Credit(**{**_fields(each), "expires": None})
        for each in blocks
        if each.kind in {"promotional", "paid"}
    ]
    ours = [grant(each, priority=each.priority) for each in blocks]
    granted = ["promotional", "paid"]
    assert burned(ours) == theirs(
        blocks, lambda c: (c.priority, granted.index(c.kind), c.effective)
    )


def _fields(credit: Credit) -> dict[str, Any]:
    return {name: getattr(credit, name) for name in credit.__dataclass_fields__}
