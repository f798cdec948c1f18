"""The arithmetic of invoice lines."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing import lines

AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=12, allow_nan=False)


def _line(amount: str, overage: str, *, scale: int = 2) -> lines.Line:
    return lines.usage_line(
        description="Minutes",
        quantity=Decimal(1),
        amount=Decimal(amount),
        overage=Decimal(overage),
        scale=scale,
    )


@pytest.mark.parametrize(
    ("overage", "scale", "due"),
    [("0.175", 2, "0.18"), ("0.174", 2, "0.17"), ("0.5", 0, "1"), ("1.0005", 3, "1.001")],
)
def test_half_is_rounded_away_from_zero_to_the_minor_unit(
    overage: str, scale: int, due: str
) -> None:
    """Vector E7: 0.175 becomes 0.18 and 0.174 becomes 0.17."""
    assert _line(overage, overage, scale=scale).amount == Decimal(due)


def test_what_credit_paid_is_kept_in_full_precision() -> None:
    assert _line("10.123456789012", "0.1").credits_applied == Decimal("10.023456789012")


def test_what_nobody_pays_is_neither_due_nor_paid_by_credit() -> None:
    """Vector J18: 130 used, 120 paid, 10 uncollected."""
    line = lines.usage_line(
        description="Minutes",
        quantity=Decimal(130),
        amount=Decimal(130),
        overage=Decimal(0),
        uncollected=Decimal(10),
        scale=2,
    )
    assert (line.credits_applied, line.uncollected, line.amount) == (
        Decimal(120),
        Decimal(10),
        Decimal(0),
    )


def test_an_invoice_without_lines_asks_for_nothing() -> None:
    assert lines.total([]) == 0


@given(st.lists(AMOUNTS, max_size=30))
def test_rounding_neither_creates_nor_destroys_money(overages: list[Decimal]) -> None:
    drawn = [_line(str(overage), str(overage)) for overage in overages]
    assert lines.total(drawn) == sum((line.amount for line in drawn), Decimal(0))
    assert abs(lines.total(drawn) - sum(overages, Decimal(0))) <= len(drawn) * Decimal("0.005")
