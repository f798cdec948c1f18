"""Fields of the editor's forms: numbers and lists as people write them, tables as text."""

from typing import Any

from django import forms


class TableField(forms.CharField):
    """A table as text, which the page turns into a grid; line breaks are plain either way."""

    def __init__(self, *, grid: str, rows: int = 6, label: str, **kwargs: Any) -> None:
        attrs = {
            "rows": rows, "cols": 60, "class": "lines", "wrap": "off", "spellcheck": "false",
            "data-grid": grid, "data-label": label,
        }  # fmt: skip
        widget = forms.Textarea(attrs=attrs)
        super().__init__(widget=widget, required=False, label=label, **kwargs)

    def to_python(self, value: Any) -> str:
        """Return the text with plain line breaks."""
        return str(super().to_python(value)).replace("\r\n", "\n")


class NumberField(forms.CharField):
    """A number, typed as people write it and read by the price form."""

    def __init__(self, *, label: str, **kwargs: Any) -> None:
        widget = forms.TextInput(
            attrs={"inputmode": "decimal", "class": "amount", "size": 12, "autocomplete": "off"}
        )
        super().__init__(label=label, required=False, widget=widget, **kwargs)


class LinesField(forms.Field):
    """A list of texts, one on each line."""

    widget = forms.Textarea(attrs={"rows": 4, "cols": 30, "class": "lines", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        """Write a list as lines; what somebody just typed stays as it is."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        """Read the lines, each text once."""
        lines = (line.strip() for line in (value or "").splitlines())
        return list(dict.fromkeys(line for line in lines if line))
