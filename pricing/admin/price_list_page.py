"""The price list of a version: many meters priced side by side, typed or pasted in one go."""

import dataclasses
import functools
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect

from accounts.models import Asset
from pricing.admin import matrix_table, price_imports, price_list, text_tables
from pricing.admin.price_imports import IncomingPrice
from pricing.admin.price_list import PriceList
from pricing.admin.price_list_form import PriceListForm
from pricing.admin.text_tables import Mistake, TableInvalid
from pricing.admin.version_pages import VersionPage
from pricing.models import Aggregation, Meter, Price


class Listed(NamedTuple):
    """One list of a version: the asset it is in, what tells its rows apart, and its prices."""

    asset: Asset
    by: str
    prices: dict[str, Price]

    @property
    def address(self) -> str:
        """Return the query under which the list is found."""
        return "?" + urlencode({"asset": self.asset.code, "by": self.by})

    @property
    def title(self) -> str:
        """Return what the list is called among the others."""
        return f"{self.asset.code} by {self.by}" if self.by else f"New list in {self.asset.code}"

    @property
    def text(self) -> str:
        """Return the list as it is edited; "" for a new one."""
        if not self.prices:
            return ""
        definitions = {code: price.definition for code, price in self.prices.items()}
        return price_list.render(definitions)


def show(page: VersionPage) -> HttpResponse:
    """Show one list of a version, or write what was typed."""
    assets = list(Asset.objects.filter(organization=page.version.organization_id))
    # In the order in which the meters were made, which is the one they were first typed in.
    stored = page.version.prices.select_related("meter", "asset")
    prices = list(stored.order_by("meter__created_at", "meter__code"))
    lists = _lists(prices, assets)
    listed = _chosen(page, lists)
    form = _form(prices, listed)
    if page.request.method == "POST":
        page.require_edit()
        form = PriceListForm(page.request.POST)
        if listed and form.is_valid() and (by := _save(page, form, listed)) is not None:
            return HttpResponseRedirect("?" + urlencode({"asset": listed.asset.code, "by": by}))
    meters = Meter.objects.filter(organization=page.version.organization_id)
    known = [name.lower() for meter in meters for name in (meter.code, meter.name)]
    form.fields["prices"].widget.attrs |= {
        "data-meters": json.dumps(known),
        "data-names": "known-meters",
    }
    in_lists = [price for each in lists for price in each.prices.values()]
    return page.render(
        "price_list",
        "Price list",
        form=form,
        listed=listed,
        lists=lists,
        meters=meters,
        table=text_tables.read(listed.text) if listed and listed.text else [],
        left_out=[price for price in prices if price not in in_lists],
    )


def _lists(prices: Sequence[Price], assets: Sequence[Asset]) -> list[Listed]:
    """Return every list there is, and a new one in each asset."""
    lists = []
    for asset in assets:
        here = {price.meter.code: price for price in prices if price.asset == asset}
        found = price_list.lists({code: price.definition for code, price in here.items()})
        lists += [
            Listed(asset, by, {code: here[code] for code in definitions})
            for by, definitions in found.items()
        ]
    return lists + [Listed(asset, "", {}) for asset in assets]


def _chosen(page: VersionPage, lists: Sequence[Listed]) -> Listed | None:
    """Return the list that was asked for, or the first one."""
    asked = (page.request.GET.get("asset"), page.request.GET.get("by"))
    return next(
        (each for each in lists if (each.asset.code, each.by) == asked),
        lists[0] if lists else None,
    )


def _form(prices: Sequence[Price], listed: Listed | None) -> PriceListForm:
    event_type = prices[0].meter.event_type if prices else ""
    text = listed.text if listed else ""
    return PriceListForm(initial={"prices": text, "event_type": event_type})


def _save(page: VersionPage, form: PriceListForm, listed: Listed) -> str | None:
    """Write the list and return what its rows are told apart by; None if the form says why not."""
    try:
        typed, meters = _parsed(page, form.cleaned_data)
        incoming = _incoming(page, typed, listed)
        # Meters that were made for a list that turns out wrong go with it.
        with transaction.atomic():
            for meter in meters:
                meter.save()
            removing = list(listed.prices.values())
            written = price_imports.write(page.version, incoming, removing=removing)
    except TableInvalid as invalid:
        form.add_error("prices", text_tables.sentences(invalid.mistakes))
        form.fields["prices"].widget.attrs["data-mistakes"] = text_tables.as_data(invalid.mistakes)
        return None
    page.admin.log_change(page.request, page.version, "prices")
    made = f" New meters: {', '.join(meter.code for meter in meters)}." if meters else ""
    page.admin.message_user(page.request, f"The price list is saved: {written}.{made}")
    return ", ".join(map(matrix_table.write_dimension, typed.dimensions))


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
            unit=_unit(code),
            event_type=cleaned["event_type"].strip(),
            aggregation=Aggregation.SUM,
            quantity_property=code,
            # An event without the property is not counted, instead of being refused.
            filters={code: {"exists": True}},
        )
        mistakes += _mistakes(meter, column.meter)
        made.append(meter)
        columns.append(dataclasses.replace(column, meter=code))
    if mistakes:
        raise TableInvalid(mistakes)
    return PriceList(dimensions=typed.dimensions, columns=columns), made


def _code(name: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "_", name.casefold()).strip("_.-")[:100]


def _unit(code: str) -> str:
    """Return what one unit is called, judging by the code: a token for input_tokens."""
    return code.rpartition("_")[2].removesuffix("s")[:50]


def _mistakes(meter: Meter, column: str) -> list[Mistake]:
    if not meter.event_type:
        return [Mistake("is no meter yet; say below which events it counts.", 1, column)]
    try:
        meter.full_clean()
    except ValidationError as error:
        return [Mistake(message, 1, column) for message in error.messages]
    return []


def _incoming(page: VersionPage, typed: PriceList, listed: Listed) -> list[IncomingPrice]:
    stored = page.version.prices.filter(asset=listed.asset).select_related("meter")
    unlisted = {price.meter.code for price in stored} - listed.prices.keys()
    mistakes = [
        Mistake("has a price outside this list, which it would overwrite.", 1, column.title)
        for column in typed.columns
        if column.meter in unlisted
    ]
    incoming = []
    for column in typed.columns:
        if not column.places:
            mistakes.append(Mistake("has no price in any row.", 1, column.title))
        before = listed.prices.get(column.meter)
        stored_terms = before.definition if before else None
        try:
            definition = price_list.definition_of(typed, column, stored_terms)
        except TableInvalid as invalid:
            mistakes += invalid.mistakes
            continue
        incoming.append(
            IncomingPrice(
                meter=column.meter,
                asset=listed.asset.code,
                settle=before.settle if before else "",
                definition=definition,
                place=functools.partial(typed.mistake, column),
            )
        )
    if mistakes:
        raise TableInvalid(mistakes)
    return incoming
