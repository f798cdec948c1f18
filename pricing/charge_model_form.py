"""The JSON form of a charge model, as a price or a cell of a matrix holds it."""

from collections.abc import Callable, Mapping
from typing import Any

from accounts.money import ZERO
from pricing.charge_models import (
    ONE,
    ChargeModel,
    Flat,
    Graduated,
    Package,
    PerUnit,
    Stairstep,
    TermsInvalid,
    Tier,
    VolumeTiers,
)
from pricing.event_charge_models import Dynamic, Percentage
from pricing.field_reader import Reader

TIERS_MAX = 100
PROPERTY_LENGTH_MAX = 100

type _Read = Callable[[Reader], ChargeModel | None]


def read(reader: Reader, *, outer: str | None = None) -> ChargeModel | None:
    """Read the charge model in the reader's object, or note what is wrong with it.

    A price says its model. A cell of one whose model is `outer` may leave it to its fields: the
    price's model if they fit it, else the model they tell.
    """
    name = reader.source.get("charge_model")
    if name is None and outer is not None:
        name = inferred(reader.source, outer)
    if not isinstance(name, str) or name not in _READERS:
        reader.fail("charge_model", f"must be one of {', '.join(_READERS)}")
        return None
    known = FIELDS[name]
    for field in FIELDS_OF_MODELS & set(reader.source):
        if field not in known and reader.has(field):
            reader.fail(field, f"is not a term of {name}")
    errors = len(reader.errors)
    model = reader.built(lambda: _READERS[name](reader), TermsInvalid)
    return model if len(reader.errors) == errors else None


def has_terms(source: Mapping[str, Any]) -> bool:
    """Whether an object holds any term of a charge model, beside a model's name."""
    return any(source.get(field) is not None for field in FIELDS_OF_MODELS)


_TELLING = (
    ("multiplier", "dynamic"),
    ("amount_property", "dynamic"),
    ("percentage", "percentage"),
    ("package_size", "package"),
    ("unit_amount", "per_unit"),
    ("tiers", "graduated"),
    ("flat_amount", "flat"),
)


def inferred(source: Mapping[str, Any], outer: str) -> str:
    """Return the model of a cell that names none: the outer one if it fits, or what fields tell."""
    given = {name for name in FIELDS_OF_MODELS if source.get(name) is not None}
    if outer in FIELDS and _REQUIRED[outer] <= given <= FIELDS[outer]:
        return outer
    return next((model for field, model in _TELLING if source.get(field) is not None), outer)


def _flat(reader: Reader) -> ChargeModel | None:
    amount = reader.required_amount("flat_amount")
    return None if amount is None else Flat(amount)


def _per_unit(reader: Reader) -> ChargeModel | None:
    amount = reader.required_amount("unit_amount")
    return None if amount is None else PerUnit(amount)


def _package(reader: Reader) -> ChargeModel | None:
    amount = reader.required_amount("unit_amount")
    size = reader.amount("package_size", ONE)
    return None if amount is None or size is None else Package(amount, size)


def _tiered(model: Callable[[list[Tier]], ChargeModel], *, rate: str) -> _Read:
    def read_tiered(reader: Reader) -> ChargeModel | None:
        tiers = _tiers(reader, rate=rate)
        return model(tiers) if tiers else None

    return read_tiered


def _tiers(reader: Reader, *, rate: str) -> list[Tier]:
    tiers = []
    rows = reader.rows("tiers", longest=TIERS_MAX, of="tiers")
    errors = len(reader.errors)
    for row in rows:
        row.only({"up_to", "flat_amount"} | ({rate} if rate else set()), of="such a tier")
        up_to = row.amount("up_to")
        unit_amount = row.amount(rate, ZERO) if rate else ZERO
        flat_amount = row.amount("flat_amount", ZERO)
        if unit_amount is not None and flat_amount is not None:
            tiers.append(Tier(up_to, unit_amount, flat_amount))
    return tiers if len(reader.errors) == errors and len(tiers) == len(rows) else []


def _percentage(reader: Reader) -> ChargeModel | None:
    if reader.has("tiers"):
        if reader.has("percentage"):
            reader.fail("percentage", "belongs into the tiers when there are tiers")
        tiers = _tiers(reader, rate="percentage")
    else:
        percentage = reader.required_amount("percentage")
        tiers = [] if percentage is None else [Tier(None, percentage)]
    fixed_amount = reader.amount("fixed_amount", ZERO)
    bounds = {
        name: reader.amount(name)
        for name in ("minimum_per_event", "maximum_per_event", "free_amount")
    }
    free_events = reader.whole("free_events")
    if not tiers or fixed_amount is None:
        return None
    return Percentage(tiers=tiers, fixed_amount=fixed_amount, free_events=free_events, **bounds)


def _dynamic(reader: Reader) -> ChargeModel | None:
    multiplier = reader.amount("multiplier", ONE)
    name = reader.text("amount_property", longest=PROPERTY_LENGTH_MAX)
    return None if multiplier is None else Dynamic(multiplier, name)


_READERS: dict[str, _Read] = {
    "flat": _flat,
    "per_unit": _per_unit,
    "package": _package,
    "graduated": _tiered(Graduated, rate="unit_amount"),
    "volume_tiers": _tiered(VolumeTiers, rate="unit_amount"),
    "stairstep": _tiered(Stairstep, rate=""),
    "percentage": _percentage,
    "dynamic": _dynamic,
}

FIELDS: dict[str, frozenset[str]] = {
    "flat": frozenset({"flat_amount"}),
    "per_unit": frozenset({"unit_amount"}),
    "package": frozenset({"unit_amount", "package_size"}),
    "graduated": frozenset({"tiers"}),
    "volume_tiers": frozenset({"tiers"}),
    "stairstep": frozenset({"tiers"}),
    "percentage": frozenset(
        {
            "percentage", "tiers", "fixed_amount", "minimum_per_event", "maximum_per_event",
            "free_events", "free_amount",
        }
    ),
    "dynamic": frozenset({"multiplier", "amount_property"}),
}  # fmt: skip
"""The terms of each charge model."""

FIELDS_OF_MODELS: frozenset[str] = frozenset().union(*FIELDS.values())

_REQUIRED: dict[str, frozenset[str]] = {
    "flat": frozenset({"flat_amount"}),
    "per_unit": frozenset({"unit_amount"}),
    "package": frozenset({"unit_amount"}),
    "graduated": frozenset({"tiers"}),
    "volume_tiers": frozenset({"tiers"}),
    "stairstep": frozenset({"tiers"}),
    # Either of two, a percentage or tiers; which is missing is for its reader to say.
    "percentage": frozenset(),
    "dynamic": frozenset(),
}
