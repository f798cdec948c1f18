"""Prices of a version as files: to be taken away as CSV or JSON, edited, and brought back."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpResponse, HttpResponseRedirect

from accounts import exact_json, money
from pricing.admin import price_csv, price_imports
from pricing.admin.price_imports import IncomingPrice
from pricing.admin.text_tables import Mistake, TableInvalid
from pricing.admin.version_pages import VersionPage
from pricing.models import Price

SIZE_MAX = 2 * 1024 * 1024
_MISTAKES_SHOWN = 50


class PriceFileForm(forms.Form):
    """A file of prices, chosen or pasted."""

    file = forms.FileField(
        label="File",
        required=False,
        help_text="CSV as exported here, or JSON.",
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
    replace_all = forms.BooleanField(
        label="Remove prices that are not in the file",
        required=False,
        help_text="Otherwise they stay as they are.",
    )

    def clean(self) -> dict[str, Any]:
        """Read the file. What it says is judged when it is written into the draft."""
        cleaned = super().clean() or self.cleaned_data
        text = self._text()
        if self.errors:
            return cleaned
        try:
            cleaned["prices"] = read(text)
        except TableInvalid as invalid:
            self.refuse(invalid)
        return cleaned

    def _text(self) -> str:
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

    def refuse(self, invalid: TableInvalid) -> None:
        """Say what is wrong in the file, the first so many mistakes of it."""
        shown = [str(mistake) for mistake in invalid.mistakes[:_MISTAKES_SHOWN]]
        if len(invalid.mistakes) > len(shown):
            shown.append(f"{len(invalid.mistakes) - len(shown)} more mistakes.")
        self.add_error("file" if self.cleaned_data.get("file") else "text", shown)


def show(page: VersionPage) -> HttpResponse:
    """Offer the files of a version, and take one into a draft."""
    form = PriceFileForm()
    if page.request.method == "POST":
        page.require_edit()
        form = PriceFileForm(page.request.POST, page.request.FILES)
        if form.is_valid() and _import(page, form):
            return HttpResponseRedirect(page.request.get_full_path())
    return page.render("files", "Import and export", form=form, prices=page.version.prices.count())


def _import(page: VersionPage, form: PriceFileForm) -> bool:
    cleaned = form.cleaned_data
    stored = list(page.version.prices.select_related("meter", "asset"))
    try:
        written = price_imports.write(
            page.version, cleaned["prices"], removing=stored if cleaned["replace_all"] else []
        )
    except TableInvalid as invalid:
        form.refuse(invalid)
        return False
    page.admin.log_change(page.request, page.version, "prices")
    page.admin.message_user(page.request, f"The file is imported. Prices: {written}.")
    return True


def export_csv(page: VersionPage) -> HttpResponse:
    """Return the prices as CSV."""
    rows = [
        (price.meter.code, price.asset.code, price.settle, price.definition)
        for price in _prices(page)
    ]
    # The mark at the beginning tells spreadsheets that the text is UTF-8.
    text = "\N{BYTE ORDER MARK}" + price_csv.write(rows)
    return _download(page, text, "text/csv; charset=utf-8", "csv")


def export_json(page: VersionPage) -> HttpResponse:
    """Return the prices as JSON."""
    document = {
        "prices": [
            {
                "meter": price.meter.code,
                "asset": price.asset.code,
                "settle": price.settle,
                **price.definition,
            }
            for price in _prices(page)
        ]
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return _download(page, text, "application/json", "json")


def _prices(page: VersionPage) -> list[Price]:
    return list(page.version.prices.select_related("meter", "asset"))


def _download(page: VersionPage, text: str, content_type: str, suffix: str) -> HttpResponse:
    name = f"{page.version.plan.code}-v{page.version.number}.{suffix}"
    return HttpResponse(
        text,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def read(text: str) -> list[IncomingPrice]:
    """Read prices from CSV, or from JSON, which is known by its opening brace.

    Raises TableInvalid, which names row and column, or the path to the field.
    """
    if "\0" in text:
        raise TableInvalid([Mistake("The file holds a zero byte and is no text.")])
    if text.lstrip("\N{BYTE ORDER MARK} \r\n\t").startswith(("{", "[")):
        return _read_json(text)
    return [
        IncomingPrice(
            meter=price.meter,
            asset=price.asset,
            settle=price.settle,
            definition=price.definition,
            place=price.mistake,
        )
        for price in price_csv.read(text)
    ]


def _read_json(text: str) -> list[IncomingPrice]:
    try:
        document = exact_json.decode(text.removeprefix("\N{BYTE ORDER MARK}").encode())
        exact_json.check_storable(document)
    except (exact_json.JSONInvalid, UnicodeEncodeError) as error:
        raise TableInvalid([Mistake(f"This is not JSON that can be used: {error}.")]) from error
    prices = document.get("prices") if isinstance(document, dict) else document
    if not isinstance(prices, list) or not all(isinstance(each, dict) for each in prices):
        raise TableInvalid([Mistake("The JSON needs a list “prices” of objects.")])
    incoming = [_incoming(number, price) for number, price in enumerate(prices)]
    named = [(each.meter, each.asset) for each in incoming]
    mistakes = [
        Mistake(f"prices[{number}] is for the same meter and asset as an earlier one.")
        for number, name in enumerate(named)
        if named.index(name) < number
    ]
    if mistakes:
        raise TableInvalid(mistakes)
    return incoming


def _incoming(number: int, price: Mapping[str, Any]) -> IncomingPrice:
    columns = ("meter", "asset", "settle")
    return IncomingPrice(
        **{name: str(price.get(name) or "") for name in columns},
        definition={name: _in_texts(value) for name, value in price.items() if name not in columns},
        place=lambda path, reason: Mistake(f"prices[{number}].{path} {reason}."),
    )


def _in_texts(value: object) -> Any:
    """Return JSON with its fractions as texts, the way definitions keep them."""
    match value:
        case Decimal():
            return money.to_wire(value)
        case dict():
            return {name: _in_texts(each) for name, each in value.items()}
        case list():
            return [_in_texts(each) for each in value]
        case _:
            return value
