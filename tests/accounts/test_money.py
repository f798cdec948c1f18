"""Exact money."""

import decimal
import threading
from decimal import Decimal
from typing import Any

import pytest

from accounts import money

LARGEST_TEXT = "9" * 26 + "." + "9" * 12


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("12.50", "12.5"),
        ("-0.000000000001", "-0.000000000001"),
        ("0", "0"),
        ("007", "7"),
        ("1e3", "1000"),
        ("1.5E-2", "0.015"),
        (LARGEST_TEXT, LARGEST_TEXT),
        ("1.0000000000000000000", "1"),
        (7, "7"),
        (Decimal("1E+25"), "1" + "0" * 25),
    ],
)
def test_numbers_are_read_exactly(written: Any, amount: str) -> None:
    assert money.parse(written) == Decimal(amount)


@pytest.mark.parametrize(
    "written",
    [
        "", " ", "1 ", "+1", ".5", "5.", "1_000", "1,5", "0x10", "1e", "--1", "1\n", "1\0",
        "NaN", "Infinity", "-Infinity", "sNaN", "١٢", "１", "²", "½",
        "1e26", "1e-13", "0.0000000000001", "1" + "0" * 26, "1e500000", "1e99", "9" * 50,
        1.5, True, None, [], b"1",
        10**26, Decimal("NaN"), Decimal("Infinity"), Decimal("1e500000"), Decimal("1e-500000"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(written: Any) -> None:
    with pytest.raises(money.AmountInvalid):
        money.parse(written)


def test_the_largest_amount_is_what_the_database_can_store() -> None:
    assert money.to_wire(money.LARGEST) == LARGEST_TEXT


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [
        ("0.0000000000005", "0.000000000001"),
        ("0.00000000000049", "0"),
        ("-0.0000000000005", "-0.000000000001"),
    ],
)
def test_an_events_amount_is_rounded_half_up_to_12_places(amount: str, rounded: str) -> None:
    assert money.quantize(Decimal(amount)) == Decimal(rounded)


@pytest.mark.parametrize(
    ("amount", "scale", "rounded"),
    [
        ("0.175", 2, "0.18"),
        ("0.174", 2, "0.17"),
        ("5.556", 2, "5.56"),
        ("-0.175", 2, "-0.18"),
        ("2.5", 0, "3"),
        ("41.666666666667", 2, "41.67"),
    ],
)
def test_an_invoice_line_is_rounded_half_away_from_zero(
    amount: str, scale: int, rounded: str
) -> None:
    assert str(money.round_to_minor_unit(Decimal(amount), scale=scale)) == rounded


@pytest.mark.parametrize(
    ("amount", "wire"),
    [
        ("12.500000000000", "12.5"),
        ("100", "100"),
        ("100.00", "100"),
        ("0E-12", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("1E+3", "1000"),
        ("0.000000000001", "0.000000000001"),
        ("-1.10", "-1.1"),
    ],
)
def test_the_wire_has_plain_digits_only(amount: str, wire: str) -> None:
    assert money.to_wire(Decimal(amount)) == wire


@pytest.mark.parametrize(
    ("amount", "scale", "shown"),
    [
        ("1234567.5", 2, "1,234,567.50"),
        ("0", 2, "0.00"),
        ("-12.345", 2, "−12.345"),
        ("1000", 0, "1,000"),
        ("0.5", 0, "0.5"),
    ],
)
def test_people_see_grouped_digits_and_nothing_rounded(amount: str, scale: int, shown: str) -> None:
    assert money.to_display(Decimal(amount), scale=scale) == shown


def test_every_thread_adds_without_rounding() -> None:
    sums = []
    thread = threading.Thread(target=lambda: sums.append(money.LARGEST + money.QUANTUM))
    thread.start()
    thread.join()
    assert sums == [Decimal(10) ** 26]
    assert decimal.getcontext().prec == money.WORKING_PRECISION
