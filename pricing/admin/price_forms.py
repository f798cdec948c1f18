"""The form of one price: any charge model, by attributes of the event if that is wanted."""

from collections.abc import Sequence
from typing import Any

from django import forms

from accounts.tenant_admin import TenantForm
from pricing.admin import charge_choices, price_checks, price_fields, text_tables
from pricing.admin.form_fields import NumberField, TableField
from pricing.admin.price_fields import FieldMistake, FieldsInvalid
from pricing.admin.text_tables import Mistake
from pricing.models import Price

ROUNDINGS = [
    ("none", "Exactly, a part costs its part"),
    ("up", "Up, a started one counts"),
    ("down", "Down, only full ones count"),
    ("half_up", "To the nearest"),
]
SCOPES = [("total", "The period's total"), ("event", "Each event on its own")]
COUNTS = [
    ("per_cell", "Each row on its own"),
    ("over_all_cells", "All rows together"),
]


class ChargeModelSelect(forms.RadioSelect):
    """Charge models to choose from, each with its sentence and example at hand."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Add the words about a charge model to its option."""
        option: dict[str, Any] = super().create_option(name, value, *args, **kwargs)
        return {**option, "choice": charge_choices.BY_CODE[str(value)]}


class PriceForm(TenantForm):
    """Turns a price definition into fields and back, without loss."""

    charge_model = forms.ChoiceField(
        label="How it charges",
        choices=[(choice.code, choice.title) for choice in charge_choices.CHOICES],
        initial="per_unit",
        widget=ChargeModelSelect,
    )
    unit_amount = NumberField(label="Price")
    unit_size = NumberField(
        label="For how many units", initial="1", help_text="1M for a price per million tokens."
    )
    package_size = NumberField(label="Units in a package", help_text="1 if left empty.")
    flat_amount = NumberField(label="Amount for the period")
    percentage = NumberField(label="Percentage", help_text="1.2 for 1.2 %. Or use tiers below.")
    tiers = TableField(
        grid="tiers",
        rows=4,
        label="Tiers",
        help_text="One row for each tier: up to how many units, its price, and a flat amount due "
        "once the tier is entered, if any. The last tier is “above”.",
    )
    fixed_amount = NumberField(label="Fixed amount for each event")
    minimum_per_event = NumberField(label="At least, for each event")
    maximum_per_event = NumberField(label="At most, for each event")
    free_events = NumberField(label="Free events in a period")
    free_amount = NumberField(label="Free amount in a period")
    multiplier = NumberField(label="Times", help_text="1.3 to add 30 %. 1 if left empty.")
    amount_property = forms.CharField(
        label="Property with the amount",
        required=False,
        help_text="Empty when what the meter adds up is the amount.",
    )
    matrix = TableField(
        grid="matrix",
        label="Prices by attribute",
        help_text="The first row names properties of the event, and price. Write * for any value, "
        ">200000 for a range, and 1000:0.01; 0.008 for tiers. The most specific row wins.",
    )
    rounding = forms.ChoiceField(label="Round units", choices=ROUNDINGS, initial="none")
    rounding_places = NumberField(label="To decimal places", initial="0")
    rounding_scope = forms.ChoiceField(label="Rounded is", choices=SCOPES, initial="total")
    included = NumberField(label="Included units", initial="0", help_text="Free in every period.")
    minimum_amount = NumberField(label="Minimum", help_text="Charged at least, in a period.")
    maximum_amount = NumberField(label="Maximum", help_text="Charged at most, in a period.")
    commitment_units = NumberField(label="Committed units", help_text="Or an amount, not both.")
    commitment_amount = NumberField(label="Committed amount")
    overage_factor = NumberField(
        label="Price above it, times", initial="1", help_text="1.5 makes usage above 50 % dearer."
    )
    true_up = forms.BooleanField(
        label="Charge what was committed and not used", required=False, initial=True
    )
    tiers_count = forms.ChoiceField(label="Tiers count", choices=COUNTS, initial="per_cell")

    class Meta:
        model = Price
        fields = ["meter", "asset", "settle"]
        labels = {"settle": "Charged"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        instance = kwargs.get("instance")
        if instance is not None and instance.definition:
            typed = kwargs.get("initial") or {}
            kwargs["initial"] = {**price_fields.fields_of(instance.definition), **typed}
        super().__init__(*args, **kwargs)
        for name in (*charge_choices.MODEL_FIELDS, "unit_size"):
            # Read by the template, and by the page's script through it.
            models = " ".join(charge_choices.asking_for(name))
            self.fields[name].shown_when = f"charge_model={models}"  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Build the definition and let the price form judge it."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        texts = {name: value for name, value in cleaned.items() if isinstance(value, str)}
        try:
            drafted = price_fields.drafted({**texts, "true_up": "on" if cleaned["true_up"] else ""})
        except FieldsInvalid as invalid:
            self._refuse(invalid.mistakes)
            return cleaned
        mistakes = price_checks.mistakes_of(drafted.definition, cleaned["meter"], cleaned["settle"])
        self._refuse([drafted.place(*mistake) for mistake in mistakes])
        self.instance.definition = drafted.definition
        return cleaned

    def _refuse(self, mistakes: Sequence[FieldMistake]) -> None:
        by_field: dict[str, list[Mistake]] = {}
        for name, mistake in mistakes:
            by_field.setdefault(name, []).append(mistake)
        for name, there in by_field.items():
            self.add_error(name or None, text_tables.sentences(there))
            if name in ("tiers", "matrix"):
                self.fields[name].widget.attrs["data-mistakes"] = text_tables.as_data(there)

    @property
    def is_new(self) -> bool:
        """Whether the price is not stored yet."""
        return bool(self.instance._state.adding)

    @property
    def chosen(self) -> charge_choices.Choice:
        """Return the charge model as it is chosen now."""
        value = str(self["charge_model"].value())
        return charge_choices.BY_CODE.get(value, charge_choices.CHOICES[0])

    @property
    def summary(self) -> str:
        """Return the stored price in one line."""
        price: Price = self.instance
        return "" if self.is_new else price_checks.summary(price)

    @property
    def has_more_terms(self) -> bool:
        """Whether the fold with the rarer terms holds anything, or a mistake."""
        plain = {**price_fields.DEFAULTS, "overage_factor": "1", "true_up": True}
        del plain["unit_size"]
        names = [*plain, "commitment_units", "commitment_amount"]
        values = {name: self[name].value() for name in names}
        return any(self[name].errors for name in names) or any(
            value not in (None, "", plain.get(name, ""), "on") for name, value in values.items()
        )
