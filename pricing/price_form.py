"""The JSON form of a price: the one form that the API, the plan editor and templates share.

    {"charge_model": "per_unit", "unit_amount": "0.50", "unit_size": "1000000", "rounding": "none"}
    {"charge_model": "per_unit", "matrix": {"dimensions": ["model"], "cells": [
        {"match": {"model": "opus"}, "unit_amount": "2"}, {"match": {"model": "*"}, ...}]}}

Reading it checks everything and reports every mistake by the field it is in.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from accounts import exact_json, money
from accounts.money import ZERO
from pricing import charge_model_form, matrix_form, settling
from pricing.aggregation import MeterSpec
from pricing.charge_model_form import FIELDS_OF_MODELS
from pricing.charge_models import ONE, ChargeModel, TermsInvalid, VolumeTiers
from pricing.event_charge_models import Dynamic, Percentage
from pricing.field_errors import FieldError
from pricing.field_reader import Reader
from pricing.matrix import ANY, Matrix, Range, number_of
from pricing.period_terms import Commitment, Conversion, PeriodBounds, Rounding, RoundingScope
from pricing.price_terms import PriceTerms

__all__ = ["FieldError", "PriceInvalid", "check_against_meter", "parse_definition"]

_AROUND = {
    "unit_size", "rounding", "rounding_places", "rounding_scope", "included", "minimum_amount",
    "maximum_amount", "commitment", "tiers_count", "matrix",
}  # fmt: skip
FIELDS = FIELDS_OF_MODELS | _AROUND | {"charge_model"}
_OVER_ALL, _PER_CELL = "over_all_cells", "per_cell"
_COUNTED = {"graduated", "volume_tiers", "percentage"}


class PriceInvalid(ValueError):
    """The definition is not a price; `errors` names every field that is wrong."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.reason}" for error in errors))
        self.errors = errors


def parse_definition(definition: object) -> PriceTerms:
    """Read a price definition. Raises PriceInvalid naming every wrong field."""
    if not isinstance(definition, Mapping):
        raise PriceInvalid([FieldError("definition", "must be an object")])
    reader = Reader(definition)
    terms = _read(reader)
    if reader.errors or terms is None:
        raise PriceInvalid(reader.errors)
    try:
        exact_json.check_storable(definition)
    except exact_json.JSONInvalid as error:
        raise PriceInvalid([FieldError("definition", str(error))]) from error
    return terms


def _read(reader: Reader) -> PriceTerms | None:
    reader.only(FIELDS, of="a price")
    outer = _outer_model(reader)
    inner = reader.object("matrix")
    matrix = matrix_form.read(inner, outer=outer) if inner else None
    charge_model = None
    if inner is None or charge_model_form.has_terms(reader.source):
        charge_model = charge_model_form.read(reader)
    conversion = _read_conversion(reader)
    included = reader.amount("included", ZERO)
    if reader.errors or conversion is None or included is None:
        return None
    bounds = _read_bounds(reader, charge_model if matrix is None else None, conversion)
    tiers_count_all = _read_tiers_count(reader, matrix)
    if reader.errors or bounds is None:
        return None
    terms = PriceTerms(
        charge_model=charge_model,
        matrix=matrix,
        conversion=conversion,
        included=included,
        bounds=bounds,
        tiers_count_all=tiers_count_all,
    )
    _refuse_what_does_not_go_together(reader, terms)
    return terms


def _outer_model(reader: Reader) -> str:
    """Return the price's charge model, for cells that do not name their own."""
    name = reader.source.get("charge_model")
    if name is None:
        return ""
    if not isinstance(name, str) or name not in charge_model_form.FIELDS:
        known = ", ".join(charge_model_form.FIELDS)
        if reader.has("matrix"):
            reader.fail("charge_model", f"must be one of {known}")
        return ""
    return name


def _read_conversion(reader: Reader) -> Conversion | None:
    unit_size = reader.amount("unit_size", ONE)
    rounding = reader.choice("rounding", Rounding, Rounding.NONE)
    places = reader.whole("rounding_places", 0)
    scope = reader.choice("rounding_scope", RoundingScope, RoundingScope.TOTAL)
    if unit_size is None or places is None:
        return None
    return reader.built(
        lambda: Conversion(unit_size=unit_size, rounding=rounding, places=places, scope=scope),
        TermsInvalid,
    )


def _read_bounds(
    reader: Reader, charge_model: ChargeModel | None, conversion: Conversion
) -> PeriodBounds | None:
    commitment = None
    inner = reader.object("commitment")
    if inner is not None:
        commitment = _read_commitment(inner, charge_model, conversion)
    minimum = reader.amount("minimum_amount")
    maximum = reader.amount("maximum_amount")
    return reader.built(
        lambda: PeriodBounds(commitment=commitment, minimum=minimum, maximum=maximum),
        TermsInvalid,
    )


def _read_commitment(
    reader: Reader, charge_model: ChargeModel | None, conversion: Conversion
) -> Commitment | None:
    reader.only({"units", "amount", "overage_factor", "true_up"}, of="a commitment")
    factor = reader.amount("overage_factor", ONE)
    true_up = reader.flag("true_up", default=True)
    if reader.has("units") == reader.has("amount"):
        reader.fail("amount", "a commitment is an amount or a number of units, one of the two")
        return None
    amount = reader.amount("amount")
    if reader.has("units"):
        amount = _cost_of_units(reader, charge_model, conversion)
    if amount is None or factor is None:
        return None
    return Commitment(amount=amount, overage_factor=factor, true_up=true_up)


def _cost_of_units(
    reader: Reader, charge_model: ChargeModel | None, conversion: Conversion
) -> Decimal | None:
    units = reader.amount("units")
    if charge_model is None or charge_model.name in ("percentage", "dynamic"):
        reader.fail("units", "have no price of their own here; commit to an amount")
        return None
    if units is None:
        return None
    if not charge_model.is_additive:
        reader.fail("units", f"have no fixed price in {charge_model.name}; commit to an amount")
        return None
    amount = charge_model.cost(units * conversion.unit_size, conversion.unit_size)
    if amount > money.LARGEST:
        reader.fail("units", "cost more than an amount can hold")
        return None
    return amount


def _read_tiers_count(reader: Reader, matrix: Matrix | None) -> bool:
    value = reader.source.get("tiers_count")
    if value is None or value == _PER_CELL:
        return False
    if value != _OVER_ALL:
        reader.fail("tiers_count", f"must be {_PER_CELL} or {_OVER_ALL}")
        return False
    if matrix is None:
        reader.fail("tiers_count", "over_all_cells needs a matrix")
        return False
    return True


def _refuse_what_does_not_go_together(reader: Reader, terms: PriceTerms) -> None:
    models = list(_models(terms))
    names = {model.name for _, model in models}
    at_close = " and ".join(sorted({m.name for _, m in models if not m.is_additive}))
    for at, model in models:
        if at_close and isinstance(model, Percentage | Dynamic):
            reader.fail(
                f"{at}charge_model",
                f"{model.name} prices events one by one and cannot stand beside {at_close}, which "
                "waits for the close",
            )
        if terms.included and isinstance(model, Dynamic) and model.amount_property:
            reader.fail("included", f"is not known of prices that events bring ({at}dynamic)")
        if terms.tiers_count_all:
            _refuse_uncountable(reader, at, model, names)


def _models(terms: PriceTerms) -> Iterator[tuple[str, ChargeModel]]:
    """Yield each charge model with the path to it."""
    if terms.charge_model is not None:
        yield "", terms.charge_model
    for number, cell in enumerate(terms.matrix.cells if terms.matrix is not None else ()):
        yield f"matrix.cells[{number}].", cell.charge_model


def _refuse_uncountable(reader: Reader, at: str, model: ChargeModel, names: set[str]) -> None:
    """Refuse what has no meaning when all cells share the way through the tiers."""
    counted = names & _COUNTED
    if model.name not in _COUNTED | {"per_unit"} or len(counted) > 1:
        known = "per_unit and one of graduated, volume_tiers and percentage"
        reader.fail(f"{at}charge_model", f"{model.name}: over_all_cells goes with {known}")
    elif isinstance(model, VolumeTiers) and any(tier.flat_amount for tier in model.tiers):
        reader.fail(f"{at}tiers", "tiers that count over all cells cannot have flat amounts here")


def check_against_meter(terms: PriceTerms, meter: MeterSpec) -> list[FieldError]:
    """Return what makes no sense for events that `meter` counts, by field of the definition."""
    errors = []
    rises = meter.aggregation in settling.RISING_AGGREGATIONS
    for model in terms.charge_models():
        if isinstance(model, Percentage | Dynamic) and meter.aggregation not in ("sum", "count"):
            reason = f"{model.name} needs a meter that sums or counts events"
            errors.append(FieldError("charge_model", reason))
            break
        if terms.tiers_count_all and not rises and not isinstance(model, VolumeTiers):
            reason = f"{model.name} over all cells needs a meter whose total never falls"
            errors.append(FieldError("tiers_count", reason))
            break
    if terms.matrix is not None:
        errors += _cells_never_met(terms.matrix, meter)
    return errors


def _cells_never_met(matrix: Matrix, meter: MeterSpec) -> Iterator[FieldError]:
    for place, dimension in enumerate(matrix.dimensions):
        passed = None if dimension.expression else meter.filter.values_of(dimension.name)
        if passed is None:
            continue
        for number, cell in enumerate(matrix.cells):
            wanted = cell.match[place]
            if wanted == ANY or (isinstance(wanted, str) and wanted in passed):
                continue
            if isinstance(wanted, Range) and _meets(wanted, passed):
                continue
            yield FieldError(
                f"matrix.cells[{number}].match.{dimension.name}",
                "can never match: the meter lets only other values pass",
            )


def _meets(wanted: Range, values: frozenset[str]) -> bool:
    numbers = (number_of(value) for value in values)
    return any(number is not None and wanted.contains(number) for number in numbers)
