"""Forms of what a plan says beside its prices: fees, trial, included credit, entitlements.

A field that the choices made elsewhere in its form leave without meaning is ignored, whatever is
in it: the page hides it, and nobody should have to empty what they cannot see.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.tenant_admin import TenantForm
from pricing.admin.form_fields import LinesField
from pricing.models import Entitlement, IncludedCredit, Meter, PlanVersion

type Meaning = dict[str, tuple[str, set[str], Any]]


class ChoosingForm(TenantForm):
    """A form in which some fields mean something for some choices only.

    `meaning` gives, for such a field, the field it hangs on, the choices it has a meaning for, and
    what it holds otherwise.
    """

    meaning: Meaning = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (choice, values, _) in self.meaning.items():
            if name in self.fields:
                # Read by the template, and by the page's script through it.
                self.fields[name].shown_when = f"{choice}={' '.join(sorted(values))}"  # type: ignore[attr-defined]

    def _clean_fields(self) -> None:
        super()._clean_fields()  # type: ignore[misc]
        for name, (choice, values, empty) in self.meaning.items():
            if name in self.fields and str(self.cleaned_data.get(choice)) not in values:
                self.errors.pop(name, None)
                self.cleaned_data[name] = empty


class PlanVersionForm(ChoosingForm):
    """What a version says beside its prices."""

    meaning = {"overdraft_limit": ("shortfall_policy", {"overdraft"}, 0)}

    class Meta:
        model = PlanVersion
        fields = [
            "billing_interval", "trial_days", "shortfall_policy", "overdraft_limit",
            "base_fee_amount", "base_fee_asset", "base_fee_timing",
            "seat_fee_amount", "seat_fee_asset", "seat_fee_timing", "included_seats",
        ]  # fmt: skip
        labels = {
            "base_fee_amount": "Amount",
            "base_fee_asset": "In",
            "base_fee_timing": "Due",
            "seat_fee_amount": "Amount per seat",
            "seat_fee_asset": "In",
            "seat_fee_timing": "Due",
        }
        help_texts = {
            "base_fee_amount": "Of each billing period. 0 for none.",
            "seat_fee_amount": "Of each billing period, for each seat not included.",
            "overdraft_limit": "How far below zero a balance may go.",
        }

    def clean(self) -> dict[str, Any]:
        """Ask for the asset of a fee beside the fee; without an amount there is no fee."""
        cleaned = super().clean() or self.cleaned_data
        for fee in ("base_fee", "seat_fee"):
            if not cleaned.get(f"{fee}_amount"):
                cleaned[f"{fee}_asset"] = None
            elif not cleaned.get(f"{fee}_asset"):
                self.add_error(f"{fee}_asset", "Say which asset the fee is in.")
        return cleaned


def arranged_terms(form: PlanVersionForm) -> dict[str, Any]:
    """Return the form's fields as the page shows them: some at once, others folded by subject.

    A fold is open when it says anything, or when something in it is wrong.
    """
    plain = ["billing_interval", "trial_days", "shortfall_policy", "overdraft_limit"]
    folds = [
        ("Base fee", ["base_fee_amount", "base_fee_asset", "base_fee_timing"]),
        ("Seats", ["seat_fee_amount", "seat_fee_asset", "seat_fee_timing", "included_seats"]),
    ]
    return {
        "plain_terms": [form[name] for name in plain],
        "folded_terms": [
            (title, _says_something(form, names), [form[name] for name in names])
            for title, names in folds
        ],
    }


def _says_something(form: PlanVersionForm, names: list[str]) -> bool:
    amount = str(form[names[0]].value() or "0")
    return amount.strip("0.") != "" or any(form[name].errors for name in names)


class IncludedCreditForm(ChoosingForm):
    """Credit that comes with the plan."""

    meaning = {
        "expires_after_days": ("expires", {"after_days"}, None),
        "rollover_limit": ("rollover", {"limited"}, 0),
    }

    meters = forms.MultipleChoiceField(
        label="Only for",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Meters it pays for; none ticked for all of them.",
    )

    class Meta:
        model = IncludedCredit
        fields = [
            "amount", "asset", "every", "per_seat", "expires", "expires_after_days",
            "rollover", "rollover_limit", "limit_per_month", "priority", "meters",
        ]  # fmt: skip
        labels = {
            "asset": "In",
            "every": "Comes",
            "per_seat": "For each seat",
            "expires": "Lasts",
            "expires_after_days": "Days",
            "rollover": "What is left at the end",
            "rollover_limit": "At most",
            "limit_per_month": "At most in a month",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        meters = Meter.objects.filter(organization=self.seat.organization)
        field = self.fields["meters"]
        field.choices = [(meter.code, str(meter)) for meter in meters]  # type: ignore[attr-defined]


class EntitlementForm(ChoosingForm):
    """What may be done with one feature."""

    meaning = {
        "enabled": ("kind", {"boolean"}, True),
        "value": ("kind", {"static"}, ""),
        "property_name": ("kind", {"values"}, ""),
        "allowed_values": ("kind", {"values"}, []),
        "meter": ("kind", {"metered"}, None),
        "limit_per_period": ("kind", {"metered"}, 0),
    }

    allowed_values = LinesField(
        label="Allowed values", required=False, help_text="One on each line, for example opus."
    )

    class Meta:
        model = Entitlement
        fields = [
            "feature", "kind", "enabled", "value", "property_name", "allowed_values",
            "meter", "limit_per_period",
        ]  # fmt: skip
        labels = {
            "kind": "Grants",
            "enabled": "May be used",
            "property_name": "Property",
            "limit_per_period": "At most",
        }
        help_texts = {
            "feature": "A code the product asks for, for example premium_models.",
            "property_name": "Events with another value of it are refused.",
        }

    def clean(self) -> dict[str, Any]:
        """Ask for what the kind needs beside the field that is empty."""
        cleaned = super().clean() or self.cleaned_data
        needed = {
            "static": ("value",),
            "values": ("property_name", "allowed_values"),
            "metered": ("meter",),
        }
        for name in needed.get(str(cleaned.get("kind")), ()):
            if name not in self.errors and not cleaned.get(name):
                self.add_error(name, ValidationError("This field is required."))
        return cleaned
