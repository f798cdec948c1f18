"""Laws of amounts, for any amount."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from accounts import exact_json, money

AMOUNTS = st.decimals(
    min_value=-money.LARGEST, max_value=money.LARGEST, places=money.PLACES, allow_nan=False
)


@given(AMOUNTS)
def test_what_is_written_is_read_back(amount: Decimal) -> None:
    assert money.parse(money.to_wire(amount)) == amount


@given(AMOUNTS)
def test_the_wire_is_plain_and_canonical(amount: Decimal) -> None:
    wire = money.to_wire(amount)
    assert "E" not in wire.upper()
    assert wire == money.to_wire(amount.normalize())
    assert wire != "-0"


@given(AMOUNTS)
def test_json_keeps_an_amount(amount: Decimal) -> None:
    assert exact_json.decode(exact_json.encode(amount)) == amount


@given(st.text())
def test_any_text_is_an_exact_amount_or_refused(text: str) -> None:
    try:
        amount = money.parse(text)
    except money.AmountInvalid:
        return
    assert amount == Decimal(text)
    assert money.quantize(amount) == amount
    assert abs(amount) <= money.LARGEST


@given(st.floats())
def test_no_float_is_money(value: float) -> None:
    try:
        money.parse(value)  # type: ignore[arg-type]
    except money.AmountInvalid:
        return
    raise AssertionError(value)


@given(AMOUNTS, st.integers(0, money.PLACES))
def test_rounding_moves_by_half_a_unit_at_most(amount: Decimal, scale: int) -> None:
    rounded = money.round_to_minor_unit(amount, scale=scale)
    assert abs(rounded - amount) <= Decimal(5).scaleb(-scale - 1)
    assert money.round_to_minor_unit(-amount, scale=scale) == -rounded


@given(st.lists(AMOUNTS, max_size=50))
def test_a_sum_is_exact_to_the_last_place(amounts: list[Decimal]) -> None:
    in_quanta = sum(int(amount.scaleb(money.PLACES)) for amount in amounts)
    assert sum(amounts, money.ZERO) == Decimal(in_quanta).scaleb(-money.PLACES)
