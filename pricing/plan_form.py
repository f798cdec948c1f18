"""The JSON form of a plan: the one form that the API, the plan editor and templates share.

    {"code": "pro", "name": "Pro", "billing_interval": "month", "shortfall_policy": "block",
     "base_fee": {"amount": "20", "asset": "USD"}, "included_credits": [...], "entitlements": [...],
     "assets": [...], "meters": [...],
     "prices": [{"meter": "output_tokens", "asset": "USD", "charge_model": "per_unit", ...}]}

`read` touches no database and reports every mistake by the field it is in. What it returns is
written back by `write` as the same document, with every default spelled out.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from accounts import exact_json, money, timestamps
from accounts.money import ZERO
from accounts.periods import Interval
from pricing import plan_terms_form as terms_form
from pricing.field_errors import FieldError
from pricing.field_reader import Reader
from pricing.models import Settle, ShortfallPolicy
from pricing.models.plans import TRIAL_DAYS_MAX
from pricing.plan_document import MeterTerms, PlanDocument, PriceRow
from pricing.price_form import PriceInvalid, parse_definition

ASSETS_MAX = 100
METERS_MAX = 500
PRICES_MAX = 500
CREDITS_MAX = 50
ENTITLEMENTS_MAX = 500

FIELDS = frozenset(PlanDocument.__dataclass_fields__)
_OF_A_PRICE_ROW = {"meter", "asset", "settle"}


class PlanInvalid(ValueError):
    """The document is not a plan; `errors` names every field that is wrong."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.reason}" for error in errors))
        self.errors = errors


def read(document: object) -> PlanDocument:
    """Read a plan. Raises PlanInvalid naming every wrong field."""
    reader = _reader_of(document, "plan")
    plan = _read(reader)
    _refuse_twins(reader, plan)
    if reader.errors:
        raise PlanInvalid(reader.errors)
    return plan


def read_meter(document: object) -> MeterTerms:
    """Read a meter that stands alone. Raises PlanInvalid."""
    reader = _reader_of(document, "meter")
    meter = terms_form.read_meter(reader)
    if reader.errors:
        raise PlanInvalid(reader.errors)
    return meter


class OverrideTerms(NamedTuple):
    """The prices agreed with a customer on the plan of a code."""

    plan: str
    prices: tuple[PriceRow, ...]


def read_overrides(document: object) -> OverrideTerms:
    """Read `{"plan", "prices"}`, the prices as a plan has them. Raises PlanInvalid."""
    reader = _reader_of(document, "overrides")
    reader.only({"plan", "prices"}, of="overrides")
    plan = terms_form.code(reader, "plan")
    if not isinstance(reader.source.get("prices"), list):
        reader.fail("prices", "must be a list of prices, empty for none")
        raise PlanInvalid(reader.errors)
    prices = terms_form.rows(reader, "prices", read_price, longest=PRICES_MAX)
    _refuse_repeated(reader, _unique_prices(prices))
    if reader.errors:
        raise PlanInvalid(reader.errors)
    return OverrideTerms(plan, prices)


def _reader_of(document: object, what: str) -> Reader:
    """Return a reader of an object that can be stored. Raises PlanInvalid."""
    if not isinstance(document, Mapping):
        raise PlanInvalid([FieldError(what, "must be an object")])
    reader = Reader(document)
    _refuse_unstorable(reader)
    if reader.errors:
        raise PlanInvalid(reader.errors)
    return reader


def _refuse_unstorable(reader: Reader) -> None:
    for name, value in reader.source.items():
        try:
            exact_json.check_storable({name: value})
        except exact_json.JSONInvalid as error:
            reader.fail(str(name)[:80].replace("\0", ""), str(error))


def _read(reader: Reader) -> PlanDocument:
    reader.only(FIELDS, of="a plan")
    policy = terms_form.choice(reader, "shortfall_policy", ShortfallPolicy, ShortfallPolicy.BLOCK)
    return PlanDocument(
        code=terms_form.code(reader, "code"),
        name=terms_form.text(reader, "name", longest=terms_form.NAME_LENGTH_MAX),
        billing_interval=reader.choice("billing_interval", Interval, Interval.MONTH),
        shortfall_policy=policy,
        overdraft_limit=_read_overdraft(reader, policy),
        effective_from=_read_moment(reader, "effective_from"),
        trial_days=terms_form.whole(reader, "trial_days", most=TRIAL_DAYS_MAX),
        base_fee=terms_form.read_fee(reader.object("base_fee")),
        seats=terms_form.read_seats(reader.object("seats")),
        included_credits=terms_form.rows(
            reader, "included_credits", terms_form.read_credit, longest=CREDITS_MAX
        ),
        entitlements=terms_form.rows(
            reader, "entitlements", terms_form.read_entitlement, longest=ENTITLEMENTS_MAX
        ),
        assets=terms_form.rows(reader, "assets", terms_form.read_asset, longest=ASSETS_MAX),
        meters=terms_form.rows(reader, "meters", terms_form.read_meter, longest=METERS_MAX),
        prices=terms_form.rows(reader, "prices", read_price, longest=PRICES_MAX),
    )


def _read_overdraft(reader: Reader, policy: str) -> Decimal:
    limit = reader.amount("overdraft_limit", ZERO)
    if limit is not None and (limit > 0) != (policy == ShortfallPolicy.OVERDRAFT):
        reader.fail("overdraft_limit", "goes with shortfall_policy: overdraft, and above zero")
    return limit or ZERO


def _read_moment(reader: Reader, name: str) -> Any:
    if not reader.has(name):
        return None
    try:
        return timestamps.parse(reader.source[name])
    except timestamps.TimestampInvalid as error:
        reader.fail(name, str(error))
        return None


def read_price(reader: Reader) -> PriceRow:
    """Read one price of a list. The mistakes of its definition keep the path they are in."""
    definition = {
        name: terms_form.as_texts(value)
        for name, value in reader.source.items()
        if name not in _OF_A_PRICE_ROW
    }
    try:
        parse_definition(definition)
    except PriceInvalid as invalid:
        for error in invalid.errors:
            reader.fail(error.field, error.reason)
    return PriceRow(
        meter=terms_form.code(reader, "meter"),
        asset=terms_form.asset_code(reader),
        settle=terms_form.choice(reader, "settle", Settle, Settle.ON_EVENT),
        definition=definition,
    )


@dataclass(frozen=True, slots=True)
class _Unique:
    """A list in which no two rows may have the same key."""

    name: str
    field: str
    rows: Iterable[Any]
    key: Callable[[Any], object]


def _refuse_twins(reader: Reader, plan: PlanDocument) -> None:
    for unique in (
        _Unique("assets", "code", plan.assets, lambda row: row.code),
        _Unique("meters", "code", plan.meters, lambda row: row.code),
        _Unique("entitlements", "feature", plan.entitlements, lambda row: row.feature),
        _unique_prices(plan.prices),
    ):
        _refuse_repeated(reader, unique)


def _unique_prices(prices: Iterable[PriceRow]) -> _Unique:
    return _Unique("prices", "meter", prices, lambda row: row.meter and (row.meter, row.asset))


def _refuse_repeated(reader: Reader, unique: _Unique) -> None:
    seen: set[object] = set()
    for number, row in enumerate(unique.rows):
        key = unique.key(row)
        if key and key in seen:
            reader.fail(f"{unique.name}[{number}].{unique.field}", "is there twice")
        seen.add(key)


def write(plan: PlanDocument) -> dict[str, Any]:
    """Write a plan as `read` reads it, with every default spelled out."""
    return {
        "code": plan.code,
        "name": plan.name,
        "billing_interval": str(plan.billing_interval),
        "shortfall_policy": str(plan.shortfall_policy),
        "overdraft_limit": money.to_wire(plan.overdraft_limit),
        "effective_from": plan.effective_from.isoformat() if plan.effective_from else None,
        "trial_days": plan.trial_days,
        "base_fee": terms_form.write_fee(plan.base_fee),
        "seats": terms_form.write_fee(plan.seats),
        "included_credits": [terms_form.write_credit(each) for each in plan.included_credits],
        "entitlements": [terms_form.write_entitlement(each) for each in plan.entitlements],
        "assets": [terms_form.write_row(each) for each in plan.assets],
        "meters": [terms_form.write_row(each) for each in plan.meters],
        "prices": [write_price(each) for each in plan.prices],
    }


def write_price(price: PriceRow) -> dict[str, Any]:
    """Write one price of a list."""
    return {
        "meter": price.meter,
        "asset": price.asset,
        "settle": str(price.settle),
        **price.definition,
    }
