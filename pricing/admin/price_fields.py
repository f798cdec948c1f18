"""The fields of the price editor and the definition they stand for, there and back without loss.

Every field is a text, as a form sends it: what is empty is left out of the definition, and so is
what says no more than the default. Fields of a charge model that was not chosen are ignored.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pricing.admin import cell_texts, charge_choices, matrix_table, text_tables, tier_table
from pricing.admin.matrix_table import Table
from pricing.admin.text_tables import Mistake, TableInvalid
from pricing.admin.tier_table import TierTable

DEFAULTS = {
    "unit_size": "1",
    "rounding": "none",
    "rounding_places": "0",
    "rounding_scope": "total",
    "included": "0",
    "minimum_amount": "",
    "maximum_amount": "",
    "tiers_count": "per_cell",
}
_COMMITMENT_DEFAULTS = {"overage_factor": "1", "true_up": "on"}
_QUANTITIES = {"unit_size", "included", "package_size", "free_events", "commitment_units"}
_WORDS = {"rounding", "rounding_scope", "tiers_count", "amount_property"}


class FieldMistake(NamedTuple):
    """What is wrong in a field ("" for the price as a whole), and where in its table."""

    field: str
    mistake: Mistake


class FieldsInvalid(ValueError):
    """The fields are no definition; `mistakes` names the field each time."""

    def __init__(self, mistakes: list[FieldMistake]) -> None:
        super().__init__(" ".join(f"{field}: {mistake}" for field, mistake in mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A definition, not judged yet, and where in the fields each part of it was typed."""

    definition: dict[str, Any]
    tiers: TierTable | None = None
    matrix: Table | None = None

    def place(self, path: str, reason: str) -> FieldMistake:
        """Return the field for a mistake of the price form, and where in it."""
        head, _, rest = path.partition(".")
        name, bracket, index = head.partition("[")
        if name == "matrix" and self.matrix is not None:
            return FieldMistake("matrix", self.matrix.place(rest, reason))
        reason = text_tables.plainly(reason)
        if name == "tiers" and self.tiers is not None:
            main = charge_choices.tier_main(self.definition["charge_model"])
            tail = f"{bracket}{index}.{rest}".strip(".")
            return FieldMistake("tiers", self.tiers.place(tail, reason, main))
        sentence = Mistake(f"{'These' if reason.startswith('have ') else 'This'} {reason}.")
        if name == "commitment":
            return FieldMistake(_commitment_field(rest), sentence)
        if name == "settle":
            return FieldMistake(name, Mistake(f"{reason[:1].upper()}{reason[1:]}."))
        if name in (*DEFAULTS, *charge_choices.MODEL_FIELDS, "charge_model"):
            return FieldMistake(name, sentence)
        return FieldMistake("", Mistake(f"{path} {reason}."))


def _commitment_field(name: str) -> str:
    return name if name in _COMMITMENT_DEFAULTS else f"commitment_{name or 'units'}"


def fields_of(definition: Mapping[str, Any]) -> dict[str, str]:
    """Return what the fields show for a definition."""
    charge_model = str(definition.get("charge_model", "per_unit"))
    matrix = definition.get("matrix")
    commitment = definition.get("commitment") or {}
    fields = dict.fromkeys(charge_choices.MODEL_FIELDS, "") | DEFAULTS
    fields |= {name: str(definition[name]) for name in fields if definition.get(name) is not None}
    if definition.get("tiers") is not None:
        main = charge_choices.tier_main(charge_model)
        fields["tiers"] = tier_table.render(cell_texts.steps_of(definition["tiers"], main))
    return {
        "charge_model": charge_model,
        **fields,
        "commitment_units": _text(commitment.get("units")),
        "commitment_amount": _text(commitment.get("amount")),
        "overage_factor": _text(commitment.get("overage_factor", "1")),
        "true_up": "on" if commitment.get("true_up", True) else "",
        "matrix": matrix_table.render(matrix, charge_model=charge_model) if matrix else "",
    }


def _text(value: object) -> str:
    return "" if value is None else str(value)


def drafted(fields: Mapping[str, str]) -> Drafted:
    """Return the definition that the fields stand for, for the price form to judge.

    Raises FieldsInvalid when a table cannot be read, naming row and column.
    """
    charge_model = fields.get("charge_model") or "per_unit"
    mistakes = list[FieldMistake]()
    tiers = matrix = None
    definition: dict[str, Any] = {"charge_model": charge_model}
    choice = charge_choices.BY_CODE[charge_model]
    definition |= dict(_filled(fields, [name for name in choice.fields if name != "tiers"]))
    if "tiers" in choice.fields and fields.get("tiers", "").strip():
        try:
            tiers = tier_table.parse(fields["tiers"])
            definition["tiers"] = tiers.tiers(choice.tier_main)
        except TableInvalid as error:
            mistakes += [FieldMistake("tiers", mistake) for mistake in error.mistakes]
    definition |= terms_of(fields)
    if fields.get("matrix", "").strip():
        try:
            matrix = matrix_table.parse(fields["matrix"], charge_model=charge_model)
            definition["matrix"] = matrix.matrix
        except TableInvalid as error:
            mistakes += [FieldMistake("matrix", mistake) for mistake in error.mistakes]
    if mistakes:
        raise FieldsInvalid(mistakes)
    return Drafted(definition=definition, tiers=tiers, matrix=matrix)


def terms_of(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what stands around a charge model, as far as it says more than the defaults."""
    terms: dict[str, Any] = {
        name: value for name, value in _filled(fields, DEFAULTS) if value != DEFAULTS[name]
    }
    places = terms.get("rounding_places", "")
    if places.isdecimal():
        # The one whole number that a definition writes as a number.
        terms["rounding_places"] = int(places)
    if commitment := _commitment(fields):
        terms["commitment"] = commitment
    return terms


def _filled(fields: Mapping[str, str], names: Any) -> Iterator[tuple[str, str]]:
    for name in names:
        text = fields.get(name, "").strip()
        if text and name in _WORDS:
            yield name, text
        elif text:
            yield (
                name,
                cell_texts.quantity(text) if name in _QUANTITIES else cell_texts.amount(text),
            )


def _commitment(fields: Mapping[str, str]) -> dict[str, Any]:
    committed = dict(_filled(fields, ["commitment_units", "commitment_amount"]))
    if not committed:
        return {}
    commitment: dict[str, Any] = {
        name.removeprefix("commitment_"): value for name, value in committed.items()
    }
    factor = dict(_filled(fields, ["overage_factor"])).get("overage_factor", "1")
    if factor != "1":
        commitment["overage_factor"] = factor
    if not fields.get("true_up"):
        commitment["true_up"] = False
    return commitment
