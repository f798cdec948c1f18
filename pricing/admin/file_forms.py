"""Forms that take a file, chosen or pasted."""

from collections.abc import Sequence
from typing import Any

from django import forms

from pricing.admin.text_tables import sentences

SIZE_MAX = 2 * 1024 * 1024


class FileForm(forms.Form):
    """A file, chosen or pasted."""

    file = forms.FileField(
        label="File",
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.json,text/csv,application/json"}),
    )
    text = forms.CharField(
        label="Or its text",
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 6, "class": "lines", "wrap": "off", "spellcheck": "false"}
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Read the file as text, into `content`."""
        cleaned = super().clean() or self.cleaned_data
        cleaned["content"] = self._content()
        return cleaned

    def _content(self) -> str:
        file = self.cleaned_data.get("file")
        if file is None:
            text: str = self.cleaned_data.get("text", "")
            if not text.strip():
                self.add_error("file", "Choose a file, or paste its text.")
            return text
        if file.size > SIZE_MAX:
            self.add_error("file", "The file has more than 2 MB.")
            return ""
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            self.add_error("file", "The file is not text in UTF-8; save it as “CSV UTF-8”.")
            return ""

    def refuse(self, mistakes: Sequence[object]) -> None:
        """Say what is wrong in the file, the first so many mistakes of it."""
        name = "file" if self.cleaned_data.get("file") else "text"
        self.add_error(name, sentences(mistakes))


class PriceFileForm(FileForm):
    """Prices for a draft, or a whole plan in place of the draft."""

    replace_all = forms.BooleanField(
        label="Remove prices that are not in the file",
        required=False,
        help_text="Otherwise they stay. A whole plan in JSON replaces all of the draft.",
    )
