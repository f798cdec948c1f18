"""The form of a price list."""

from django import forms

from pricing.admin.form_fields import TableField


class PriceListForm(forms.Form):
    """The list, and what meters it names that do not exist yet should count."""

    prices = TableField(
        grid="list",
        rows=14,
        label="Prices",
        help_text="First columns: what tells the rows apart, such as model. Other columns: meters. "
        "The row “per” says for how many units the prices of a column are, 1M for a million. "
        "An empty place has no price: such events are refused. Write 0 for what is free.",
    )
    event_type = forms.CharField(
        label="Event type of new meters",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="A column that is no meter yet becomes one that adds up the property of its own "
        "name, input_tokens for example, in events of this type.",
    )
