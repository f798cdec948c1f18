"""VAT ids of the European Union and the United Kingdom: their form and their check digits.

Whether an id was ever given to anybody only its country knows; a slip of the pen is found here.
For the countries without a rule here only the form is looked at.
"""

import re
from collections.abc import Callable, Sequence


class VatIdInvalid(ValueError):
    """It is no VAT id; the message says what is wrong."""


_FORMS = {
    "AT": r"U\d{8}", "BE": r"[01]\d{9}", "BG": r"\d{9,10}", "CY": r"\d{8}[A-Z]",
    "CZ": r"\d{8,10}", "DE": r"[1-9]\d{8}", "DK": r"\d{8}", "EE": r"\d{9}", "EL": r"\d{9}",
    "ES": r"[A-Z0-9]\d{7}[A-Z0-9]", "FI": r"\d{8}", "FR": r"[A-HJ-NP-Z0-9]{2}\d{9}",
    "GB": r"\d{9}(\d{3})?", "HR": r"\d{11}", "HU": r"\d{8}", "IE": r"\d[A-Z0-9+*]\d{5}[A-Z]{1,2}",
    "IT": r"\d{11}", "LT": r"(\d{9}|\d{12})", "LU": r"\d{8}", "LV": r"\d{11}", "MT": r"\d{8}",
    "NL": r"\d{9}B\d{2}", "PL": r"\d{10}", "PT": r"\d{9}", "RO": r"\d{2,10}", "SE": r"\d{10}01",
    "SI": r"[1-9]\d{7}", "SK": r"\d{10}", "XI": r"\d{9}(\d{3})?",
}  # fmt: skip
LENGTH_MAX = 20
COUNTRIES_OF_PREFIX = {"EL": "GR", "XI": "GB"}
"""Prefixes that are not the code of their country."""


def read(text: str) -> str:
    """Return a VAT id without spaces, dots and dashes, in capitals. Raises VatIdInvalid."""
    found = re.sub(r"[ .\-]", "", text).upper()
    prefix, number = found[:2], found[2:]
    if prefix not in _FORMS:
        raise VatIdInvalid("must begin with the code of a country that has VAT ids, such as DE")
    if not re.fullmatch(_FORMS[prefix], number, re.ASCII):
        raise VatIdInvalid(f"is not written as those of {prefix} are")
    check = _CHECKS.get(prefix)
    if check is not None and not check(number):
        raise VatIdInvalid("has a wrong check digit")
    return found


def country_of(vat_id: str) -> str:
    """Return the ISO code of the country that gave a VAT id, one that was read."""
    return COUNTRIES_OF_PREFIX.get(vat_id[:2], vat_id[:2])


def _digits(text: str) -> list[int]:
    return [int(each) for each in text]


def _weighed(text: str, weights: Sequence[int]) -> int:
    return sum(digit * weight for digit, weight in zip(_digits(text), weights, strict=False))


def _luhn(text: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(_digits(text))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled  # noqa: PLR2004
    return total % 10 == 0


def _iso_7064(text: str) -> bool:
    """Check the hybrid system modulo 11 and 10."""
    left = 10
    for digit in _digits(text[:-1]):
        left = (digit + left) % 10 or 10
        left = left * 2 % 11
    return (left + int(text[-1])) % 10 == 1


def _austria(number: str) -> bool:
    total = 0
    for place, digit in enumerate(_digits(number[1:8])):
        doubled = digit * (1 + place % 2)
        total += doubled // 10 + doubled % 10
    return (6 - total) % 10 == int(number[8])


def _france(number: str) -> bool:
    if not _luhn(number[2:]):
        return False
    return not number[:2].isdigit() or int(number[:2]) == (12 + 3 * (int(number[2:]) % 97)) % 97


def _britain(number: str) -> bool:
    total = _weighed(number[:7], range(8, 1, -1)) + int(number[7:9])
    return total % 97 in {0, 42}


def _netherlands(number: str) -> bool:
    if _weighed(number[:8], range(9, 1, -1)) % 11 == int(number[8]):
        return True
    return int("2321" + number.replace("B", "11")) % 97 == 1


def _finland(number: str) -> bool:
    return _weighed(number, (7, 9, 10, 5, 8, 4, 2, 1)) % 11 == 0


def _romania(number: str) -> bool:
    padded = number.zfill(10)
    return _weighed(padded[:9], (7, 5, 3, 2, 1, 7, 5, 3, 2)) * 10 % 11 % 10 == int(padded[9])


def _tens(weights: Sequence[int]) -> Callable[[str], bool]:
    """Return a check whose weighed digits, with the last one, are a multiple of ten."""
    return lambda number: (_weighed(number, weights) + int(number[-1])) % 10 == 0


def _portugal(number: str) -> bool:
    check = 11 - _weighed(number[:8], range(9, 1, -1)) % 11
    return (0 if check > 9 else check) == int(number[8])  # noqa: PLR2004


def _slovenia(number: str) -> bool:
    check = 11 - _weighed(number[:7], range(8, 1, -1)) % 11
    return check != 11 and check % 10 == int(number[7])  # noqa: PLR2004


_CHECKS: dict[str, Callable[[str], bool]] = {
    "AT": _austria,
    "BE": lambda number: 97 - int(number[:8]) % 97 == int(number[8:]),
    "DE": _iso_7064,
    "DK": lambda number: _weighed(number, (2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0,
    "EE": _tens((3, 7, 1, 3, 7, 1, 3, 7)),
    "EL": lambda number: (
        _weighed(number[:8], [2**n for n in range(8, 0, -1)]) % 11 % 10 == int(number[8])
    ),
    "FI": _finland,
    "FR": _france,
    "GB": _britain,
    "HR": _iso_7064,
    "HU": _tens((9, 7, 3, 1, 9, 7, 3)),
    "IT": _luhn,
    "LU": lambda number: int(number[:6]) % 89 == int(number[6:]),
    "MT": lambda number: 37 - _weighed(number[:6], (3, 4, 6, 7, 8, 9)) % 37 == int(number[6:]),
    "NL": _netherlands,
    "PL": lambda number: _weighed(number[:9], (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(number[9]),
    "PT": _portugal,
    "RO": _romania,
    "SE": lambda number: _luhn(number[:10]),
    "SI": _slovenia,
    "SK": lambda number: int(number) % 11 == 0,
    "XI": _britain,
}
