"""A price in words for people, from its definition: what each cell charges, and on what terms."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts import money
from pricing.admin import cell_texts, charge_choices, matrix_table

OTHERS = "everything else"
_ROUNDINGS = {"up": "rounded up", "down": "rounded down", "half_up": "rounded half up"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What words about a price need to know beside its definition."""

    asset: str
    scale: int
    unit: str = ""

    def amount(self, value: object) -> str:
        """Write an amount with its asset."""
        return f"{_number(value, self.scale)} {self.asset}"

    def units(self, value: object) -> str:
        """Write a number of units."""
        return f"{_number(value, 0)} × {self.unit}" if self.unit else f"{_number(value, 0)} units"

    def per(self, unit_size: object) -> str:
        """Write for how many units a price is."""
        if str(unit_size) == "1":
            return f"per {self.unit or 'unit'}"
        return f"per {_number(unit_size, 0)} {self.unit or 'units'}"


def _number(value: object, scale: int) -> str:
    try:
        return money.to_display(money.parse(str(value)), scale=scale)
    except money.AmountInvalid:
        return str(value)


def describe(definition: Mapping[str, Any], wording: Wording) -> Iterator[tuple[str, str]]:
    """Yield each thing a price says: what it is about ("" for the price itself), and the words."""
    outer = str(definition.get("charge_model", ""))
    if outer not in charge_choices.BY_CODE:
        yield "", "not a price yet"
        return
    matrix = definition.get("matrix")
    own = {name: definition[name] for name in charge_choices.MODEL_FIELDS if name in definition}
    size = definition.get("unit_size", "1")
    for cell in matrix["cells"] if matrix else ():
        fields = {key: value for key, value in cell.items() if key not in ("match", "charge_model")}
        model = cell.get("charge_model") or charge_choices.of_cell(outer, frozenset(fields))
        yield label_of(matrix, cell), charge(model, fields, size, wording)
    if own or not matrix:
        yield OTHERS if matrix else "", charge(outer, own, size, wording)
    yield from _terms(definition, wording)


def label_of(matrix: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    """Write what a cell matches, for example `model = opus, prompt > 200,000`."""
    names = map(matrix_table.name_of, matrix["dimensions"])
    return ", ".join(_matched(name, cell["match"].get(name, "*")) for name in names)


def _matched(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        signs = {"gt": ">", "gte": "≥", "lt": "<", "lte": "≤"}
        return " and ".join(
            f"{name} {signs.get(key, key)} {_number(bound, 0)}" for key, bound in value.items()
        )
    return f"any {name}" if value == "*" else f"{name} = {value}"


def charge(charge_model: str, fields: Mapping[str, Any], size: object, wording: Wording) -> str:
    """Write what a charge model with these fields charges."""
    per = wording.per(size)
    match charge_model:
        case "flat":
            return f"{wording.amount(fields.get('flat_amount', ''))} for the period"
        case "package":
            blocks = _product(fields.get("package_size", "1"), size)
            amount = wording.amount(fields.get("unit_amount", ""))
            return f"{amount} for every started {wording.units(blocks)}"
        case "graduated" | "volume_tiers" | "stairstep":
            return _tiers(charge_model, fields.get("tiers", []), size, wording)
        case "percentage":
            return ", ".join(_percentage(fields, wording))
        case "dynamic":
            source = fields.get("amount_property")
            brought = f"the event's {source}" if source else "what the event says"
            factor = str(fields.get("multiplier", "1"))
            return brought if factor == "1" else f"{brought}, times {factor}"
        case _:
            return f"{wording.amount(fields.get('unit_amount', ''))} {per}"


def _product(first: object, second: object) -> str:
    try:
        return money.to_wire(Decimal(money.parse(str(first))) * money.parse(str(second)))
    except money.AmountInvalid:
        return str(first)


def _tiers(charge_model: str, tiers: Any, size: object, wording: Wording) -> str:
    main = charge_choices.tier_main(charge_model)
    steps = cell_texts.steps_of(tiers, main)
    parts = []
    for step in steps:
        bound = "above" if step.up_to is None else f"up to {_number(step.up_to, 0)}"
        prices = []
        if step.main:
            prices.append(_tier_price(main, step.main, size, wording))
        if step.flat:
            prices.append(f"{wording.amount(step.flat)} once")
        parts.append(f"{bound}: {' and '.join(prices) or 'free'}")
    whole = {"volume_tiers": " (one price for all units of the period)"}.get(charge_model, "")
    return "; ".join(parts) + whole


def _tier_price(main: str, value: str, size: object, wording: Wording) -> str:
    if main == "percentage":
        return f"{value} %"
    amount = wording.amount(value)
    return amount if main == "flat_amount" else f"{amount} {wording.per(size)}"


def _percentage(fields: Mapping[str, Any], wording: Wording) -> Iterator[str]:
    if fields.get("tiers") is not None:
        yield _tiers("percentage", fields["tiers"], "1", wording)
    else:
        yield f"{fields.get('percentage', '')} % of the amount"
    if fields.get("fixed_amount") not in (None, "0"):
        yield f"{wording.amount(fields['fixed_amount'])} an event"
    if fields.get("minimum_per_event") is not None:
        yield f"at least {wording.amount(fields['minimum_per_event'])} an event"
    if fields.get("maximum_per_event") is not None:
        yield f"at most {wording.amount(fields['maximum_per_event'])} an event"
    if fields.get("free_events") is not None:
        yield f"{_number(fields['free_events'], 0)} events free"
    if fields.get("free_amount") is not None:
        yield f"free up to {wording.amount(fields['free_amount'])}"


def _terms(definition: Mapping[str, Any], wording: Wording) -> Iterator[tuple[str, str]]:
    if definition.get("rounding", "none") != "none":
        places = definition.get("rounding_places", 0)
        exactly = f" to {places} places" if places else " to whole units"
        each = ", on each event" if definition.get("rounding_scope") == "event" else ""
        yield "rounding", f"{_ROUNDINGS.get(definition['rounding'], '?')}{exactly}{each}"
    if str(definition.get("included", "0")) != "0":
        yield "included", f"the first {wording.units(definition['included'])} of a period"
    if definition.get("minimum_amount") is not None:
        yield "minimum", f"{wording.amount(definition['minimum_amount'])} a period"
    if definition.get("maximum_amount") is not None:
        yield "maximum", f"{wording.amount(definition['maximum_amount'])} a period"
    if commitment := definition.get("commitment"):
        yield "commitment", _commitment(commitment, wording)
    if definition.get("tiers_count") == "over_all_cells":
        yield "tiers", "count over all rows together"


def _commitment(commitment: Mapping[str, Any], wording: Wording) -> str:
    if commitment.get("units") is not None:
        words = wording.units(commitment["units"])
    else:
        words = wording.amount(commitment.get("amount", ""))
    if str(commitment.get("overage_factor", "1")) != "1":
        words += f", what is used above at {commitment['overage_factor']} times the price"
    return words + ("" if commitment.get("true_up", True) else ", not charged when unused")


def summary(definition: Mapping[str, Any], wording: Wording) -> str:
    """Write a price in one line, as the head of a folded form."""
    matrix = definition.get("matrix")
    if not matrix:
        return next(words for _, words in describe(definition, wording))
    names = " and ".join(map(matrix_table.name_of, matrix["dimensions"]))
    count = len(matrix["cells"])
    per = wording.per(definition.get("unit_size", "1"))
    return f"{count} price{'s' if count > 1 else ''} by {names}, {per}"
