"""The form that asks whom a publication moves, and from when."""

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import Customer
from pricing.admin.form_fields import LinesField
from pricing.publication import Affected

MIGRATIONS = [
    ("new", "New customers only. Those on the plan stay as they are."),
    ("all", "Everybody on the plan, each with the next billing period."),
    ("some", "New customers, and these of those on the plan:"),
]


class PublishForm(forms.Form):
    """Whom a publication moves, and from when."""

    migrate = forms.ChoiceField(
        label="Who gets it", choices=MIGRATIONS, initial="new", widget=forms.RadioSelect
    )
    customers = forms.MultipleChoiceField(
        label="Customers", required=False, widget=forms.CheckboxSelectMultiple
    )
    others = LinesField(
        label="Other customers", required=False, help_text="Their external IDs, one on each line."
    )
    effective_from = forms.DateTimeField(
        label="Takes effect (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Empty for now. Customers get it with their first billing period from then on.",
    )

    def __init__(self, affected: Affected, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.affected = affected
        customers = self.fields["customers"]
        customers.choices = [(str(each.id), str(each)) for each in affected.customers]  # type: ignore[attr-defined]
        if affected.subscriptions <= len(affected.customers):
            del self.fields["others"]
        for name in ("customers", "others"):
            if name in self.fields:
                # Read by the template, and by the page's script through it.
                self.fields[name].shown_when = "migrate=some"  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Find the customers that were named."""
        cleaned = super().clean() or self.cleaned_data
        cleaned["migration"] = cleaned.get("migrate")
        if cleaned.get("migrate") == "some" and not self.errors:
            cleaned["migration"] = [*self._ticked(), *self._others()]
            if not cleaned["migration"] and not self.errors:
                self.add_error("customers", ValidationError("Choose at least one customer."))
        return cleaned

    def _ticked(self) -> Iterator[Customer]:
        ticked = set(self.cleaned_data.get("customers", ()))
        return (each for each in self.affected.customers if str(each.id) in ticked)

    def _others(self) -> Sequence[Customer]:
        names: list[str] = self.cleaned_data.get("others", [])
        if not names:
            return []
        organization = self.affected.customers[0].organization_id
        found = list(Customer.objects.for_organization(organization).filter(external_id__in=names))
        missing = set(names) - {each.external_id for each in found}
        if missing:
            unknown = ", ".join(sorted(missing))
            self.add_error("others", ValidationError(f"There is no customer {unknown}."))
        return found
