"""The form of one price: a price for each unit, or a table of prices by attributes of the event."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.tenant_admin import TenantForm
from pricing.admin import matrix_table
from pricing.field_errors import FieldError
from pricing.models import Price
from pricing.price_form import PriceInvalid, parse_definition

ROUNDINGS = [
    ("none", "Part of a block costs its part"),
    ("up", "A started block costs all of it"),
]


class TableField(forms.CharField):
    """Text whose line breaks are the same however the browser sent them."""

    widget = forms.Textarea(
        attrs={"rows": 6, "cols": 60, "class": "lines", "wrap": "off", "spellcheck": "false"}
    )

    def to_python(self, value: Any) -> str:
        """Return the text with plain line breaks."""
        return str(super().to_python(value)).replace("\r\n", "\n")


class PriceForm(TenantForm):
    """Turns a price definition into fields and back, without loss."""

    unit_amount = forms.CharField(
        label="Price", required=False, help_text="In the asset. Empty when there is a table below."
    )
    unit_size = forms.CharField(
        label="For how many units",
        initial="1",
        help_text="For example 1000000 for a price per million tokens.",
    )
    rounding = forms.ChoiceField(
        label="Blocks",
        choices=ROUNDINGS,
        initial="none",
        help_text="When usage does not fill so many units.",
    )
    matrix = TableField(
        label="Prices by attribute",
        required=False,
        help_text="First row: properties of the event, then unit_amount. One row for each price, "
        "* for any value. Columns may be pasted from a spreadsheet or separated by | or commas. "
        "The most specific row wins.",
    )

    class Meta:
        model = Price
        fields = ["meter", "asset"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        instance = kwargs.get("instance")
        if instance is not None and instance.definition:
            typed = kwargs.get("initial") or {}
            kwargs["initial"] = {**fields_of(instance.definition), **typed}
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        """Build the definition and let the price form judge it."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            definition, lines = _definition_of(cleaned)
        except matrix_table.TableInvalid as error:
            self.add_error("matrix", error.errors)
            return cleaned
        try:
            parse_definition(definition)
        except PriceInvalid as invalid:
            for mistake in invalid.errors:
                self.add_error(*_placed(mistake, definition, lines))
        self.instance.definition = definition
        return cleaned


def fields_of(definition: Mapping[str, Any]) -> dict[str, str]:
    """Return what the form's fields show for a definition."""
    matrix = definition.get("matrix")
    return {
        "unit_amount": str(definition.get("unit_amount", "")),
        "unit_size": str(definition.get("unit_size", "1")),
        "rounding": str(definition.get("rounding", "none")),
        "matrix": matrix_table.render(matrix) if matrix else "",
    }


def _definition_of(cleaned: Mapping[str, Any]) -> tuple[dict[str, Any], list[int]]:
    definition = {
        "charge_model": "per_unit",
        "unit_size": cleaned["unit_size"],
        "rounding": cleaned["rounding"],
    }
    if cleaned["unit_amount"] or not cleaned["matrix"].strip():
        definition["unit_amount"] = cleaned["unit_amount"]
    if not cleaned["matrix"].strip():
        return definition, []
    table = matrix_table.parse(cleaned["matrix"])
    return {**definition, "matrix": table.matrix}, table.lines


def _placed(
    error: FieldError, definition: Mapping[str, Any], lines: list[int]
) -> tuple[str | None, str]:
    """Return the form's field for a mistake, and a sentence that says where in it."""
    path = error.field.replace("[", ".").replace("]", "").split(".")
    if path[0] != "matrix":
        field = path[0] if path[0] in ("unit_amount", "unit_size", "rounding") else None
        return field, f"This field {error.reason}."
    if path[1] != "cells" or len(path) < 3:  # noqa: PLR2004  matrix.cells[number].…
        return "matrix", f"The table: {path[-1]} {error.reason}."
    number = int(path[2])
    column = path[-1]
    where = f"Row {lines[number]}"
    if column == "match":
        earlier = _line_of_twin(number, definition, lines)
        return "matrix", f"{where} prices the same values as row {earlier}."
    value = _value(definition["matrix"]["cells"][number], column)
    return "matrix", f"{where}, column {column}: “{value}” {error.reason}."


def _line_of_twin(number: int, definition: Mapping[str, Any], lines: list[int]) -> int:
    cells = definition["matrix"]["cells"]
    twin = next(i for i, cell in enumerate(cells) if cell["match"] == cells[number]["match"])
    return lines[twin]


def _value(cell: Mapping[str, Any], column: str) -> str:
    return str(cell["unit_amount"] if column == "unit_amount" else cell["match"].get(column, ""))
