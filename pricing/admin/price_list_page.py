"""The price list of a version: many meters priced side by side, typed or pasted in one go."""

import dataclasses
import json
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect

from accounts.models import Asset
from pricing.admin import price_imports, price_list, text_tables
from pricing.admin.price_forms import TableField
from pricing.admin.price_imports import IncomingPrice
from pricing.admin.price_list import PriceList
from pricing.admin.text_tables import Mistake, TableInvalid
from pricing.admin.version_pages import VersionPage
from pricing.models import Aggregation, Meter, Price


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


def show(page: VersionPage) -> HttpResponse:
    """Show the list in one asset, or write what was typed."""
    assets = list(Asset.objects.filter(organization=page.version.organization_id))
    prices = list(page.version.prices.select_related("meter", "asset"))
    asset = _chosen(page.request.GET.get("asset", ""), assets, prices)
    listed = _listed(prices, asset)
    if page.request.method == "POST":
        page.require_edit()
        form = PriceListForm(page.request.POST)
        if form.is_valid() and asset and _save(page, form, asset, listed):
            return HttpResponseRedirect(page.request.get_full_path())
    else:
        form = PriceListForm(initial={"prices": _text(listed), "event_type": _event_type(prices)})
    meters = Meter.objects.filter(organization=page.version.organization_id)
    known = [name.lower() for meter in meters for name in (meter.code, meter.name)]
    form.fields["prices"].widget.attrs |= {
        "data-meters": json.dumps(known),
        "data-names": "known-meters",
    }
    text = _text(listed)
    return page.render(
        "price_list",
        "Price list",
        form=form,
        asset=asset,
        assets=assets,
        meters=meters,
        table=text_tables.read(text) if text else [],
        left_out=[
            price for price in prices if price.asset == asset and price.meter.code not in listed
        ],
    )


def _chosen(code: str, assets: list[Asset], prices: list[Price]) -> Asset | None:
    """Return the asset that was asked for, or the one most prices are in, or the first."""
    for asset in assets:
        if asset.code == code:
            return asset
    used = [price.asset for price in prices]
    return max(assets, key=used.count, default=None)


def _listed(prices: list[Price], asset: Asset | None) -> dict[str, Price]:
    here = {price.meter.code: price for price in prices if price.asset == asset}
    listable = price_list.listable({code: price.definition for code, price in here.items()})
    return {code: here[code] for code in listable}


def _text(listed: dict[str, Price]) -> str:
    if not listed:
        return ""
    return price_list.render({code: price.definition for code, price in listed.items()})


def _event_type(prices: list[Price]) -> str:
    return prices[0].meter.event_type if prices else ""


def _save(page: VersionPage, form: PriceListForm, asset: Asset, listed: dict[str, Price]) -> bool:
    """Write the list; whether that could be done. Otherwise the form says why not."""
    try:
        typed, meters = _parsed(page, form.cleaned_data)
        incoming = _incoming(page, typed, asset, listed)
        # Meters that were made for a list that turns out wrong go with it.
        with transaction.atomic():
            for meter in meters:
                meter.save()
            removing = list(listed.values())
            written = price_imports.write(page.version, incoming, removing=removing)
    except TableInvalid as invalid:
        form.add_error("prices", [ValidationError(str(mistake)) for mistake in invalid.mistakes])
        there = json.dumps([mistake._asdict() for mistake in invalid.mistakes])
        form.fields["prices"].widget.attrs["data-mistakes"] = there
        return False
    page.admin.log_change(page.request, page.version, "prices")
    made = f" New meters: {', '.join(meter.code for meter in meters)}." if meters else ""
    page.admin.message_user(page.request, f"The price list is saved: {written}.{made}")
    return True


def _parsed(page: VersionPage, cleaned: dict[str, Any]) -> tuple[PriceList, list[Meter]]:
    """Return the list by codes of meters, and the meters it needs made. Raises TableInvalid."""
    organization = page.version.organization_id
    meters = Meter.objects.filter(organization=organization)
    names = {name: meter.code for meter in meters for name in (meter.name, meter.code) if name}
    if not cleaned["prices"].strip():
        return PriceList(dimensions=[], columns=[]), []
    typed = price_list.parse(cleaned["prices"], meters=names)
    known, made, mistakes = set(names.values()), list[Meter](), list[Mistake]()
    columns = []
    for column in typed.columns:
        if column.meter in known:
            columns.append(column)
            continue
        code = _code(column.meter)
        meter = Meter(
            organization_id=organization,
            code=code,
            name=column.meter,
            event_type=cleaned["event_type"].strip(),
            aggregation=Aggregation.SUM,
            quantity_property=code,
        )
        mistakes += _mistakes(meter, column.meter)
        made.append(meter)
        columns.append(dataclasses.replace(column, meter=code))
    if mistakes:
        raise TableInvalid(mistakes)
    return PriceList(dimensions=typed.dimensions, columns=columns), made


def _code(name: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "_", name.casefold()).strip("_.-")[:100]


def _mistakes(meter: Meter, column: str) -> list[Mistake]:
    if not meter.event_type:
        return [Mistake("is no meter yet; say below which events it counts.", 1, column)]
    try:
        meter.full_clean()
    except ValidationError as error:
        return [Mistake(message, 1, column) for message in error.messages]
    return []


def _incoming(
    page: VersionPage, typed: PriceList, asset: Asset, listed: dict[str, Price]
) -> list[IncomingPrice]:
    stored = page.version.prices.filter(asset=asset).select_related("meter")
    unlisted = {price.meter.code for price in stored} - listed.keys()
    mistakes = [
        Mistake("has a price of another kind, which this list would overwrite.", 1, column.title)
        for column in typed.columns
        if column.meter in unlisted
    ]
    incoming = []
    for column in typed.columns:
        if not column.places:
            mistakes.append(Mistake("has no price in any row.", 1, column.title))
        before = listed.get(column.meter)
        try:
            definition = price_list.definition_of(typed, column, before and before.definition)
        except TableInvalid as invalid:
            mistakes += invalid.mistakes
            continue
        incoming.append(
            IncomingPrice(
                meter=column.meter,
                asset=asset.code,
                settle=before.settle if before else "",
                definition=definition,
                place=lambda path, reason, column=column: typed.mistake(column, path, reason),
            )
        )
    if mistakes:
        raise TableInvalid(mistakes)
    return incoming
