"""What one cell of a table may say: a value or a range to match, a price or tiers.

    opus            the property reads "opus"            *              any value
    >200000         a range; also >=, <, <=              >200K <=1M     both ends
    2.00            a price; "$2.00" and "1,250.00" are read as what they mean
    1000:0.01; 0.008              tiers: up to 1000 at 0.01, above at 0.008
    1000:0.01+5; above:0.008+20   the same with a flat amount once a tier is entered

A text that would read as one of these is written with a backslash before it.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from accounts import money
from pricing.matrix import ANY

ABOVE = "above"
_ABOVE_WORDS = {"", ANY, ABOVE, "more", "and above", "∞", "unlimited"}
_SIGNS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_COMPARISON = re.compile(r"([<>]=?)\s*([^\s<>=]+)\s*")
_CURRENCY = re.compile(r"^(?:US|C|A)?[$€£¥]\s*|\s*[$€£¥%]$")
# One group alone could be a decimal comma: "1,250" is left for the person to make clear.
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:(?:,\d{3})+\.\d+|(?:,\d{3}){2,})", re.ASCII)
_SCALED = re.compile(r"(\d+(?:\.\d+)?)\s?([kKmMbB])", re.ASCII)
_POWERS = {"k": 3, "m": 6, "b": 9}


class CellInvalid(ValueError):
    """The text is nothing a cell can say; the message ends a sentence."""


class Step(NamedTuple):
    """One tier as it was typed: `main` is what the charge model asks for, "" when left out."""

    up_to: str | None
    main: str
    flat: str = ""


def amount(text: str) -> str:
    """Return an amount without what people and price pages write around it.

    What is no amount comes back as it was typed, for the price form to refuse.
    """
    text = text.strip().replace("\N{NO-BREAK SPACE}", " ")
    if text.casefold() == "free":
        return "0"
    bare = _CURRENCY.sub("", text)
    return bare.replace(",", "") if _GROUPED.fullmatch(bare) else bare


def quantity(text: str) -> str:
    """Return a number of units in digits: "1M", "200 K" and "1,000,000" are read as meant."""
    bare = amount(text)
    scaled = _SCALED.fullmatch(bare)
    if not scaled:
        return bare
    return money.to_wire(Decimal(scaled[1]).scaleb(_POWERS[scaled[2].lower()]))


def short(text: str) -> str:
    """Write a number of units so that `quantity` reads the same, a million as 1M."""
    for letter, power in (("M", 6), ("K", 3)):
        if text.isdecimal() and len(text) > power and text.endswith("0" * power):
            return f"{text[:-power]}{letter}"
    return text


def read_match(text: str) -> str | dict[str, str]:
    """Return what a cell matches: a text, "*" or a range. Raises CellInvalid."""
    if text.startswith("\\"):
        return text[1:]
    if not text.startswith(("<", ">")):
        return text
    bounds: dict[str, str] = {}
    position = 0
    while position < len(text):
        found = _COMPARISON.match(text, position)
        if found is None or _SIGNS[found[1]] in bounds:
            raise CellInvalid("is no range; write for example >200000, or >200000 <=500000")
        bounds[_SIGNS[found[1]]] = quantity(found[2])
        position = found.end()
    return bounds


def write_match(value: object) -> str:
    """Write what a cell matches so that `read_match` reads the same."""
    if isinstance(value, Mapping):
        named = {name: sign for sign, name in _SIGNS.items()}
        return " ".join(f"{named.get(str(key), key)}{bound}" for key, bound in value.items())
    text = str(value)
    return f"\\{text}" if text.startswith(("<", ">", "\\")) else text


def is_tiers(text: str) -> bool:
    """Whether a price is written as tiers."""
    return ":" in text or ";" in text


def read_tiers(text: str) -> list[Step]:
    """Return the tiers of a price written in one line. Raises CellInvalid."""
    return [_read_step(part) for part in text.strip().strip(";").split(";")]


def _read_step(part: str) -> Step:
    bound, colon, rest = part.partition(":")
    main, _, flat = (rest if colon else bound).partition("+")
    if not main.strip() and not flat.strip():
        raise CellInvalid("has a tier without a price; write for example 1000:0.01; 0.008")
    return Step(up_to(bound) if colon else None, amount(main), amount(flat))


def up_to(text: str) -> str | None:
    """Return the upper bound of a tier in digits, None for the tier without one."""
    return None if text.strip().casefold() in _ABOVE_WORDS else quantity(text)


def write_tiers(steps: Sequence[Step]) -> str:
    """Write tiers in one line so that `read_tiers` reads the same."""
    if len(steps) == 1 and steps[0].up_to is None:
        # Alone it would read as a plain price.
        return f"{ABOVE}:{_written(steps[0])}"
    return "; ".join(
        _written(step) if step.up_to is None else f"{step.up_to}:{_written(step)}" for step in steps
    )


def _written(step: Step) -> str:
    return f"{step.main}+{step.flat}" if step.flat else step.main


def steps_of(tiers: Sequence[Mapping[str, Any]], main: str) -> list[Step]:
    """Return the tiers of a definition; `main` is the field their charge model asks for."""
    return [
        Step(
            None if tier.get("up_to") is None else str(tier["up_to"]),
            str(tier.get(main, "")),
            "" if main == "flat_amount" else _unless_zero(tier.get("flat_amount", "")),
        )
        for tier in tiers
    ]


def _unless_zero(value: object) -> str:
    return "" if str(value) == "0" else str(value)


def tiers_of(steps: Sequence[Step], main: str) -> list[dict[str, Any]]:
    """Return tiers as a definition writes them."""
    return [
        {"up_to": step.up_to}
        | ({main: step.main} if step.main else {})
        | ({"flat_amount": step.flat} if step.flat else {})
        for step in steps
    ]
