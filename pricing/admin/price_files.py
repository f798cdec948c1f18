"""What a file of prices says: CSV as it is exported, JSON of prices, or JSON of a whole plan."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from accounts import exact_json, money
from pricing.admin import price_csv
from pricing.admin.price_imports import IncomingPrice
from pricing.admin.text_tables import Mistake, TableInvalid


def read(text: str) -> list[IncomingPrice] | dict[str, Any]:
    """Read prices from CSV, or from JSON, which is known by its opening brace.

    JSON with the code of a plan is a whole plan, and comes back as it is. Raises TableInvalid,
    which names row and column, or the path to the field.
    """
    if "\0" in text:
        raise TableInvalid([Mistake("The file holds a zero byte and is no text.")])
    if text.lstrip("\N{BYTE ORDER MARK} \r\n\t").startswith(("{", "[")):
        return _read_json(text)
    return [
        IncomingPrice(
            meter=price.meter,
            asset=price.asset,
            settle=price.settle,
            definition=price.definition,
            place=price.mistake,
        )
        for price in price_csv.read(text)
    ]


def _read_json(text: str) -> list[IncomingPrice] | dict[str, Any]:
    try:
        document = exact_json.decode(text.removeprefix("\N{BYTE ORDER MARK}").encode())
        exact_json.check_storable(document)
    except (exact_json.JSONInvalid, UnicodeEncodeError) as error:
        raise TableInvalid([Mistake(f"This is not JSON that can be used: {error}.")]) from error
    if isinstance(document, dict) and "code" in document:
        return document
    prices = document.get("prices") if isinstance(document, dict) else document
    if not isinstance(prices, list) or not all(isinstance(each, dict) for each in prices):
        raise TableInvalid([Mistake("The JSON needs a list “prices” of objects.")])
    incoming = [_incoming(number, price) for number, price in enumerate(prices)]
    named = [(each.meter, each.asset) for each in incoming]
    mistakes = [
        Mistake(f"prices[{number}] is for the same meter and asset as an earlier one.")
        for number, name in enumerate(named)
        if named.index(name) < number
    ]
    if mistakes:
        raise TableInvalid(mistakes)
    return incoming


def _incoming(number: int, price: Mapping[str, Any]) -> IncomingPrice:
    columns = ("meter", "asset", "settle")
    return IncomingPrice(
        **{name: str(price.get(name) or "") for name in columns},
        definition={name: _in_texts(value) for name, value in price.items() if name not in columns},
        place=lambda path, reason: Mistake(f"prices[{number}].{path} {reason}."),
    )


def _in_texts(value: object) -> Any:
    """Return JSON with its fractions as texts, the way definitions keep them."""
    match value:
        case Decimal():
            return money.to_wire(value)
        case dict():
            return {name: _in_texts(each) for name, each in value.items()}
        case list():
            return [_in_texts(each) for each in value]
        case _:
            return value
