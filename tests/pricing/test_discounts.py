"""What coupons take off an amount."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import money
from pricing import discounts
from pricing.discounts import Discount, Taken


def percent(value: str, code: str = "P") -> Discount:
    return Discount(code=code, percent=Decimal(value))


def amount(value: str, code: str = "A", asset: str = "USD") -> Discount:
    return Discount(code=code, amount=Decimal(value), asset=asset)


@pytest.mark.parametrize(
    ("coupons", "billed", "taken"),
    [
        # L2 and L4 of the worked examples.
        ([percent("10"), percent("10")], "100", ["10", "9"]),
        ([amount("30"), amount("30")], "50", ["30", "20"]),
        ([percent("100"), amount("5")], "50", ["50"]),
        ([amount("5"), percent("50")], "50", ["5", "22.5"]),
        ([percent("50"), amount("5")], "50", ["25", "5"]),
        ([amount("5", asset="EUR")], "50", []),
        ([percent("33.3")], "0.10", ["0.03"]),
        ([percent("25")], "0.02", ["0.01"]),
        ([percent("10")], "0", []),
        ([], "10", []),
    ],
)
def test_each_counts_on_what_is_left(
    coupons: list[Discount], billed: str, taken: list[str]
) -> None:
    found = discounts.take(coupons, amount=Decimal(billed), asset="USD", scale=2)
    assert [each.amount for each in found] == [Decimal(each) for each in taken]


def test_is_known_by_its_code() -> None:
    found = discounts.take([percent("10", "TEN")], amount=Decimal(1), asset="USD", scale=2)
    assert found == [Taken("TEN", Decimal("0.1"))]


COUPONS = st.one_of(
    st.decimals("0.01", "100", places=2).map(lambda value: percent(str(value))),
    st.decimals("0.01", "500", places=2).map(lambda value: amount(str(value))),
)


@given(st.lists(COUPONS, max_size=5), st.decimals("0", "1000", places=2))
def test_never_takes_more_than_there_is(coupons: list[Discount], billed: Decimal) -> None:
    taken = discounts.take(coupons, amount=billed, asset="USD", scale=2)
    assert sum((each.amount for each in taken), money.ZERO) <= billed
    for each in taken:
        assert each.amount == money.round_to_minor_unit(each.amount, scale=2) > 0
