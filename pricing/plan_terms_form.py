"""The JSON form of what a plan says beside its prices: fees, credits, entitlements, and the
assets and meters it needs. `pricing.plan_form` reads the whole.
"""

import re
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import TextChoices

from accounts import money
from accounts.money import ZERO
from pricing import expressions, filters, meter_form
from pricing.field_reader import Reader
from pricing.models import (
    Aggregation,
    Cadence,
    EntitlementKind,
    Expiry,
    FeeTiming,
    Rollover,
    WeightedBy,
    code_validator,
)
from pricing.models.plan_terms import EXPIRES_AFTER_DAYS_MAX
from pricing.models.plans import SEATS_MAX
from pricing.plan_document import (
    AssetTerms,
    CreditTerms,
    EntitlementTerms,
    FeeTerms,
    MeterTerms,
    SeatTerms,
)

NAME_LENGTH_MAX = 200
PROPERTY_LENGTH_MAX = 100
VALUE_LENGTH_MAX = 200
STATIC_LENGTH_MAX = 500
VALUES_MAX = 500
METERS_OF_CREDIT_MAX = 100
PRIORITY_MAX = 100
_ASSET_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", re.ASCII)
UNLIMITED = "unlimited"


def code(reader: Reader, name: str) -> str:
    """Return the code of a plan, a meter or a feature, "" when it is none."""
    value = reader.source.get(name)
    if value is None or not isinstance(value, str):
        reader.fail(name, "is required" if value is None else str(code_validator.message))
        return ""
    try:
        code_validator(value)
    except ValidationError as error:
        reader.fail(name, str(error.message))
        return ""
    return value


def asset_code(reader: Reader, name: str = "asset") -> str:
    """Return the code of an asset, "" when it is none."""
    value = reader.source.get(name)
    if isinstance(value, str) and _ASSET_CODE.fullmatch(value):
        return value
    reason = "must be the code of an asset, for example USD"
    reader.fail(name, "is required" if value is None else reason)
    return ""


def text(reader: Reader, name: str, *, longest: int) -> str:
    """Return a text that has to be there."""
    if not reader.has(name):
        reader.fail(name, "is required")
        return ""
    return reader.text(name, longest=longest)


def optional_text(reader: Reader, name: str, *, longest: int) -> str:
    """Return a text that may be empty or absent."""
    return reader.text(name, longest=longest) if _given(reader, name) else ""


def _given(reader: Reader, name: str) -> bool:
    return reader.source.get(name) not in (None, "")


def choice(reader: Reader, name: str, choices: type[TextChoices], default: str | None) -> str:
    """Return one of `choices`; without a default it has to be there."""
    value = reader.source.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, str) and value in choices.values:
        return value
    reader.fail(name, f"must be one of {', '.join(choices.values)}")
    return default or ""


def whole(reader: Reader, name: str, *, most: int, least: int = 0, default: int = 0) -> int:
    """Return a whole number from `least` to `most`."""
    value = reader.whole(name, default)
    if value is None or not least <= value <= most:
        reader.fail(name, f"must be a whole number from {least} to {most}")
        return default
    return value


def rows[Row](
    reader: Reader, name: str, read: Callable[[Reader], Row], *, longest: int
) -> tuple[Row, ...]:
    """Return what `read` makes of each object in a list, which may be empty or absent."""
    if reader.source.get(name) in (None, []):
        return ()
    return tuple(read(row) for row in reader.rows(name, longest=longest, of=name.replace("_", " ")))


def texts(reader: Reader, name: str, *, longest: int, most: int) -> tuple[str, ...]:
    """Return a list of different texts, empty when it is absent."""
    value = reader.source.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > most:
        reader.fail(name, f"must be a list of at most {most} texts")
        return ()
    for number, each in enumerate(value):
        if not isinstance(each, str) or not 0 < len(each) <= longest:
            reader.fail(f"{name}[{number}]", f"must be a text of 1 to {longest} characters")
        elif each in value[:number]:
            reader.fail(f"{name}[{number}]", "is there twice")
    return tuple(each for each in value if isinstance(each, str))


def as_texts(value: Any) -> Any:
    """Return JSON with decimal numbers written as texts, which is how the tables keep them."""
    match value:
        case Decimal():
            return money.to_wire(value)
        case dict():
            return {name: as_texts(inner) for name, inner in value.items()}
        case list():
            return [as_texts(inner) for inner in value]
        case _:
            return value


def read_fee(reader: Reader | None) -> FeeTerms | None:
    """Read a base fee."""
    if reader is None:
        return None
    reader.only({"amount", "asset", "timing"}, of="a base fee")
    return FeeTerms(
        amount=reader.required_amount("amount") or ZERO,
        asset=asset_code(reader),
        timing=choice(reader, "timing", FeeTiming, FeeTiming.ADVANCE),
    )


def read_seats(reader: Reader | None) -> SeatTerms | None:
    """Read a fee per seat."""
    if reader is None:
        return None
    reader.only({"amount", "asset", "timing", "included"}, of="seats")
    return SeatTerms(
        amount=reader.required_amount("amount") or ZERO,
        asset=asset_code(reader),
        timing=choice(reader, "timing", FeeTiming, FeeTiming.ADVANCE),
        included=whole(reader, "included", most=SEATS_MAX),
    )


_CREDIT_FIELDS = {
    "asset", "amount", "every", "per_seat", "expires", "expires_after_days", "rollover_limit",
    "limit_per_month", "priority", "meters",
}  # fmt: skip


def read_credit(reader: Reader) -> CreditTerms:
    """Read one included credit."""
    reader.only(_CREDIT_FIELDS, of="an included credit")
    amount = reader.required_amount("amount")
    if amount == 0:
        reader.fail("amount", "must be above zero")
    rollover, rollover_limit = _read_rollover(reader)
    limit_per_month = reader.amount("limit_per_month")
    if limit_per_month == 0:
        reader.fail("limit_per_month", "must be above zero, or null for no limit")
    return CreditTerms(
        asset=asset_code(reader),
        amount=amount or ZERO,
        every=choice(reader, "every", Cadence, Cadence.PERIOD),
        per_seat=reader.flag("per_seat", default=False),
        expires=choice(reader, "expires", Expiry, Expiry.PERIOD_END),
        expires_after_days=_read_expiry_days(reader),
        rollover=rollover,
        rollover_limit=rollover_limit,
        limit_per_month=limit_per_month or ZERO,
        priority=whole(reader, "priority", most=PRIORITY_MAX, default=50),
        meters=texts(reader, "meters", longest=PROPERTY_LENGTH_MAX, most=METERS_OF_CREDIT_MAX),
    )


def _read_expiry_days(reader: Reader) -> int | None:
    after_days = reader.source.get("expires") == Expiry.AFTER_DAYS
    if not reader.has("expires_after_days"):
        if after_days:
            reader.fail("expires_after_days", "is required when credit expires after days")
        return None
    if not after_days:
        reader.fail("expires_after_days", "goes with expires: after_days only")
    return whole(reader, "expires_after_days", least=1, most=EXPIRES_AFTER_DAYS_MAX, default=1)


def _read_rollover(reader: Reader) -> tuple[str, Decimal]:
    value = reader.source.get("rollover_limit")
    if value is None:
        return Rollover.NONE, ZERO
    if value == UNLIMITED:
        return Rollover.UNLIMITED, ZERO
    limit = reader.amount("rollover_limit")
    if limit == 0:
        reader.fail("rollover_limit", f"must be above zero, {UNLIMITED}, or null for none")
    return Rollover.LIMITED, limit or ZERO


_ENTITLEMENT_FIELDS = {
    EntitlementKind.BOOLEAN: {"enabled"},
    EntitlementKind.STATIC: {"value"},
    EntitlementKind.VALUES: {"property", "values"},
    EntitlementKind.METERED: {"meter", "limit"},
}


def read_entitlement(reader: Reader) -> EntitlementTerms:
    """Read one entitlement."""
    feature = code(reader, "feature")
    kind = choice(reader, "kind", EntitlementKind, None)
    if not kind:
        return EntitlementTerms(feature=feature, kind="")
    known = _ENTITLEMENT_FIELDS[EntitlementKind(kind)]
    reader.only({"feature", "kind", *known}, of=f"a {kind} entitlement")
    terms: dict[str, Any] = {}
    match kind:
        case EntitlementKind.BOOLEAN:
            terms["enabled"] = reader.flag("enabled", default=True)
        case EntitlementKind.STATIC:
            terms["value"] = text(reader, "value", longest=STATIC_LENGTH_MAX)
        case EntitlementKind.VALUES:
            terms["property_name"] = text(reader, "property", longest=PROPERTY_LENGTH_MAX)
            allowed = texts(reader, "values", longest=VALUE_LENGTH_MAX, most=VALUES_MAX)
            if not allowed:
                reader.fail("values", "must name at least one value")
            terms["allowed_values"] = allowed
        case EntitlementKind.METERED:
            terms["meter"] = code(reader, "meter")
            terms["limit_per_period"] = reader.required_amount("limit") or ZERO
    return EntitlementTerms(feature=feature, kind=kind, **terms)


def read_asset(reader: Reader) -> AssetTerms:
    """Read an asset the plan needs."""
    reader.only({"code", "name", "scale", "is_currency"}, of="an asset")
    if not reader.has("scale"):
        reader.fail("scale", "is required")
    asset = asset_code(reader, "code")
    return AssetTerms(
        code=asset,
        name=optional_text(reader, "name", longest=100) or asset,
        scale=whole(reader, "scale", most=money.PLACES),
        is_currency=reader.flag("is_currency", default=True),
    )


_METER_FIELDS = {
    "code", "name", "unit", "event_type", "aggregation", "quantity_property", "expression",
    "filters", "weighted_by",
}  # fmt: skip


def read_meter(reader: Reader) -> MeterTerms:
    """Read a meter the plan needs."""
    reader.only(_METER_FIELDS, of="a meter")
    wanted = reader.source.get("filters")
    measured = {
        "aggregation": choice(reader, "aggregation", Aggregation, Aggregation.SUM),
        "quantity_property": optional_text(
            reader, "quantity_property", longest=PROPERTY_LENGTH_MAX
        ),
        "expression": optional_text(reader, "expression", longest=expressions.LENGTH_MAX),
        "weighted_by": choice(reader, "weighted_by", WeightedBy, WeightedBy.PERIOD),
    }
    mistakes = meter_form.mistakes(**measured, filters=wanted)
    named = {error.field for error in reader.errors}
    unread = not named.isdisjoint(f"{reader.at}{name}" for name in measured)
    for name, reason in mistakes:
        # What could not be read is not missing; that was said of it already.
        if name.startswith("filters") or not unread:
            reader.fail(name, reason)
    meter = code(reader, "code")
    return MeterTerms(
        code=meter,
        name=optional_text(reader, "name", longest=NAME_LENGTH_MAX) or meter,
        unit=optional_text(reader, "unit", longest=50),
        event_type=text(reader, "event_type", longest=NAME_LENGTH_MAX),
        filters={} if mistakes or wanted is None else filters.parse(wanted).to_json(),
        **measured,
    )


def write_row(row: Any) -> dict[str, Any]:
    """Write the fields of a row under their own names."""
    return {each.name: _wire(getattr(row, each.name)) for each in fields(row)}


def _wire(value: object) -> object:
    match value:
        case Decimal():
            return money.to_wire(value)
        case tuple():
            return list(value)
        case str():
            return str(value)
        case _:
            return value


def write_fee(fee: FeeTerms | None) -> dict[str, Any] | None:
    """Write a base fee or a fee per seat."""
    return None if fee is None else write_row(fee)


def write_credit(credit: CreditTerms) -> dict[str, Any]:
    """Write one included credit."""
    written = write_row(credit)
    rollover = written.pop("rollover")
    limits = {Rollover.NONE: None, Rollover.UNLIMITED: UNLIMITED}
    written["rollover_limit"] = limits.get(rollover, written["rollover_limit"])
    if not credit.limit_per_month:
        written["limit_per_month"] = None
    return written


def write_entitlement(entitlement: EntitlementTerms) -> dict[str, Any]:
    """Write one entitlement with the fields of its kind."""
    terms: dict[str, Any] = {
        "enabled": entitlement.enabled,
        "value": entitlement.value,
        "property": entitlement.property_name,
        "values": list(entitlement.allowed_values),
        "meter": entitlement.meter,
        "limit": money.to_wire(entitlement.limit_per_period),
    }
    known = _ENTITLEMENT_FIELDS[EntitlementKind(entitlement.kind)]
    shown = {name: value for name, value in terms.items() if name in known}
    return {"feature": entitlement.feature, "kind": str(entitlement.kind), **shown}
