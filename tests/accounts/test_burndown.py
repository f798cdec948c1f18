"""Which grants pay, and in which order. Grants are of 100 unless they say otherwise."""

from decimal import Decimal

import pytest

from accounts.burndown import Category, GrantState, burn_down
from tests.accounts.paper_books import coming_grant, grant
from tests.clock import DAY, HOUR, NOW, SINCE


def draw(amount: str, *grants: GrantState, meter: str = "tokens") -> tuple[list[int], int]:
    """Return what each grant would pay, in the order given here, and the shortfall: whole units."""
    ordered = sorted(grants, key=lambda each: each.burn_key)
    draws, shortfall = burn_down(ordered, amount=Decimal(amount), meter=meter, at=NOW)
    paid = {each.grant.id: each.amount for each in draws}
    return [int(paid.get(each.id, 0)) for each in grants], int(shortfall)


def test_without_a_grant_everything_is_shortfall() -> None:
    assert draw("50") == ([], 50)


def test_two_equal_grants_pay_all_they_have() -> None:
    assert draw("200", grant(), grant()) == ([100, 100], 0)


def test_nothing_pays_for_nothing() -> None:
    assert draw("0", grant()) == ([0], 0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (grant(priority=1), grant(priority=2)),
        (grant(priority=1), grant(priority=2, expires_at=NOW + HOUR)),
        (grant(expires_at=NOW + 30 * DAY), grant(expires_at=NOW + 36_500 * DAY)),
        (grant(expires_at=NOW + 36_500 * DAY), grant()),
        (grant(expires_at=NOW + DAY), grant(category=Category.PROMOTIONAL)),
        (grant(category=Category.PROMOTIONAL), grant(category=Category.INCLUDED)),
        (grant(category=Category.INCLUDED), grant(category=Category.REFUND)),
        (grant(category=Category.REFUND), grant(category=Category.PAID)),
        (grant(category=Category.REFUND, effective_at=NOW), grant(effective_at=SINCE)),
        (grant(effective_at=SINCE), grant(effective_at=SINCE + HOUR)),
        (grant(), grant()),
    ],
)
def test_the_first_pays_before_the_second(first: GrantState, second: GrantState) -> None:
    assert draw("120", first, second) == ([100, 20], 0)
    assert draw("120", second, first) == ([20, 100], 0)


@pytest.mark.parametrize(
    "useless",
    [
        grant(effective_at=NOW + HOUR),
        grant(expires_at=NOW),
        grant(meters=frozenset({"images"})),
        grant(held=Decimal(100)),
        grant(remaining=Decimal(0)),
        coming_grant(),
    ],
)
def test_a_grant_that_may_not_pay_does_not(useless: GrantState) -> None:
    assert draw("150", useless, grant()) == ([0, 100], 50)


@pytest.mark.parametrize(
    "useful",
    [
        grant(effective_at=NOW),
        grant(expires_at=NOW + HOUR),
        grant(meters=frozenset({"images", "tokens"})),
    ],
)
def test_a_grant_that_may_pay_does(useful: GrantState) -> None:
    assert draw("100", useful) == ([100], 0)


def test_what_is_held_is_left_alone() -> None:
    assert draw("100", grant(held=Decimal(30))) == ([70], 30)
