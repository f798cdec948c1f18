"""Exact money: how precise an amount is, when it is rounded, and how it looks on the wire.

An amount is a Decimal of at most 38 digits, 12 of them after the point, the same shape the
database stores. Rating quantizes an event's amount once to 12 places; only an invoice line is
ever rounded to the asset's minor unit.
"""

import decimal
import re
from decimal import ROUND_HALF_UP, Decimal

# The default context keeps 28 digits and would silently round the sum of two stored amounts. The
# wider one is set for the whole process, here and once, so that no call can forget it.
WORKING_PRECISION = 100
decimal.DefaultContext.prec = WORKING_PRECISION
decimal.getcontext().prec = WORKING_PRECISION

DIGITS = 38
PLACES = 12
QUANTUM = Decimal(1).scaleb(-PLACES)
LARGEST = Decimal(10) ** (DIGITS - PLACES) - QUANTUM
ZERO = Decimal(0)

# A context of its own is asked directly, which is twice as fast as naming the rounding each time.
HALF_UP = decimal.Context(prec=WORKING_PRECISION, rounding=ROUND_HALF_UP)

# Decimal() itself also reads "NaN", "1_000" and digits of other scripts; money does not.
_READABLE = (str, int, Decimal)
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?", re.ASCII)


class AmountInvalid(ValueError):
    """The value is not an amount that can be stored exactly."""


def parse(value: str | int | Decimal) -> Decimal:
    """Return `value` as an exact Decimal that fits 38 digits with 12 places.

    Raises AmountInvalid for anything else: floats, NaN, infinities, digits of other scripts,
    more than 12 places or more than 26 digits before the point. Nothing is ever rounded here.
    """
    if isinstance(value, bool) or not isinstance(value, _READABLE):
        raise AmountInvalid('must be a decimal number in a string, for example "12.50"')
    if isinstance(value, str) and not _PLAIN_NUMBER.fullmatch(value):
        raise AmountInvalid('must be a decimal number in a string, for example "12.50"')
    return _fitting(Decimal(value))


def _fitting(amount: Decimal) -> Decimal:
    if not amount.is_finite():
        raise AmountInvalid("must be a finite number")
    if not amount:
        return amount
    # adjusted() reads the exponent without building the number: 1e500000 costs nothing.
    if amount.adjusted() >= DIGITS - PLACES:
        raise AmountInvalid(f"must have at most {DIGITS - PLACES} digits before the point")
    if HALF_UP.quantize(amount, QUANTUM) != amount:
        raise AmountInvalid(f"must have at most {PLACES} digits after the point")
    return amount


def quantize(amount: Decimal) -> Decimal:
    """Round `amount` half up to 12 places: done once, when an event is rated."""
    return HALF_UP.quantize(amount, QUANTUM)


def round_to_minor_unit(amount: Decimal, *, scale: int) -> Decimal:
    """Round `amount` half away from zero to `scale` places: done once, on an invoice line."""
    return amount.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)


def to_wire(amount: Decimal) -> str:
    """Write `amount` for JSON: plain digits, no exponent, no trailing zeros, never "-0"."""
    if not amount:
        return "0"
    text = str(amount)
    if "E" in text:
        text = f"{amount:f}"
    if text[-1] == "0" and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text


def to_display(amount: Decimal, *, scale: int) -> str:
    """Write `amount` for people: grouped thousands, at least `scale` places, never rounded."""
    digits = to_wire(amount)
    sign, digits = ("−", digits[1:]) if digits.startswith("-") else ("", digits)
    whole, _, fraction = digits.partition(".")
    fraction = fraction.ljust(scale, "0")
    return f"{sign}{int(whole):,}" + (f".{fraction}" if fraction else "")
