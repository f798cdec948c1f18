"""Amounts in forms: exact on the way in, without padding on the way out."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts import money


class AmountInput(forms.DecimalField):
    """Reads what `money.parse` reads, and shows a stored amount without its trailing zeros."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "class": "amount"})

    def prepare_value(self, value: Any) -> Any:
        """Write an amount for the input; what somebody just typed stays as it is."""
        return money.to_wire(value) if isinstance(value, Decimal) else value

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]
        """Read what was typed."""
        if value in self.empty_values:
            return None
        try:
            return money.parse(str(value).strip())
        except money.AmountInvalid as error:
            raise ValidationError(f"This {error}.") from error
