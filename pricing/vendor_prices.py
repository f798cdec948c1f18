"""Vendor prices: cost rates seeded from what model vendors publish.

For each vendor and kind of usage one cost rate, a matrix by model. The meter of a kind has the
kind's name as its code (input_tokens, output_tokens, cache_read_tokens, cache_write_tokens ...) and
adds up the property of that name; meters that are missing are created. Importing again writes a
rate only where a price has changed.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from accounts import tenancy
from accounts.models import Asset, Organization
from pricing import cost_book, cost_rates, vendor_catalogue
from pricing.models import Aggregation, CostRate, Meter
from pricing.vendor_catalogue import REQUESTS, Naming, UnknownVendor, VendorPrice

__all__ = ["CannotImport", "Change", "Imported", "UnknownVendor", "import_prices"]


class CannotImport(Exception):
    """The organization's meters or cost policy do not take these prices; nothing was written."""


class Change(StrEnum):
    """What an import did about one kind of one vendor."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One kind of one vendor: how many models and cells are priced, and what was done about it."""

    vendor: str
    meter: str
    models: int
    cells: int
    change: Change


def import_prices(
    *,
    organization: Organization,
    vendors: Collection[str],
    event_type: str,
    at: dt.datetime,
    effective_from: dt.datetime | None = None,
    vendor_property: str = "",
    names: Collection[str] = (),
) -> list[Imported]:
    """Write what these vendors charge as cost rates, from `effective_from` on or from `at`.

    The prices are those of that moment, as far as the data dates them. Missing meters are created
    on `event_type`. `vendor_property` names the property in which events say which vendor served
    them; without it a model that several vendors offer costs what the dearest of them takes.
    `names` are further names by which events call models. All or nothing: raises UnknownVendor,
    CannotImport, and cost_rates.CostRateInvalid.
    """
    moment = effective_from or at
    with tenancy.transaction_for(organization.id):
        _keep_costs_in_dollars(organization)
        kinds = {
            kind for vendor in vendors for kind in vendor_catalogue.kinds_of(vendor, at=moment)
        }
        meters = {kind: _meter_of(organization, kind, event_type) for kind in sorted(kinds)}
        naming = Naming(
            quantities={kind: _quantity(meter) for kind, meter in meters.items()},
            vendor_property=vendor_property,
            names=names,
        )
        return [
            _import(price, meters, effective_from=moment, at=at)
            for vendor in vendors
            for price in vendor_catalogue.price_list(vendor, at=moment, naming=naming)
        ]


def _keep_costs_in_dollars(organization: Organization) -> None:
    policy = cost_rates.policy_of(organization.id)
    code = vendor_catalogue.ASSET
    if policy is None:
        dollar, _ = Asset.objects.get_or_create(
            organization=organization, code=code, defaults={"name": "US dollar", "scale": 2}
        )
        policy = cost_rates.set_policy(asset=dollar, refuse_below_cost=False)
    if policy.asset.code != code or not policy.asset.is_currency:
        raise CannotImport(
            f"vendor prices are in {code}, and costs are kept in {policy.asset.code}"
        )


def _meter_of(organization: Organization, kind: str, event_type: str) -> Meter:
    meter, _ = Meter.objects.get_or_create(
        organization=organization,
        code=kind,
        defaults=_new_meter(kind) | {"event_type": event_type},
    )
    if meter.event_type != event_type:
        raise CannotImport(
            f"meter {kind} counts events of type {meter.event_type}, not {event_type}"
        )
    if meter.aggregation not in cost_book.ADDED_UP_BY_EVENT:
        raise CannotImport(f"meter {kind} does not add events up, so it can have no cost")
    return meter


def _quantity(meter: Meter) -> str:
    """Return what the meter adds up as an expression, 0 for an event without it."""
    if meter.expression:
        return f"({meter.expression})"
    name = meter.quantity_property
    if not name:
        return "0"
    is_plain = name.isascii() and all(part.isidentifier() for part in name.split("."))
    return f"default({name}, 0)" if is_plain else f'default(prop("{name}"), 0)'


def _new_meter(kind: str) -> dict[str, object]:
    name = kind.replace("_", " ")
    described: dict[str, object] = {
        "name": name.capitalize(),
        "unit": name.removesuffix("s").rpartition(" ")[2],
    }
    if kind == REQUESTS:
        return described | {"aggregation": Aggregation.COUNT}
    # An event without the property uses nothing of the kind, which is no mistake.
    return described | {
        "aggregation": Aggregation.SUM,
        "quantity_property": kind,
        "filters": {kind: {"exists": True}},
    }


def _import(
    price: VendorPrice,
    meters: Mapping[str, Meter],
    *,
    effective_from: dt.datetime,
    at: dt.datetime,
) -> Imported:
    meter = meters[price.kind]
    current = (
        CostRate.objects.for_organization(meter.organization_id)
        .filter(meter=meter, vendor=price.vendor, effective_from__lte=effective_from)
        .order_by("-effective_from")
        .first()
    )
    change = Change.NEW if current is None else Change.CHANGED
    if current is not None and current.definition == price.definition:
        change = Change.UNCHANGED
    else:
        cost_rates.add_rate(
            meter=meter,
            vendor=price.vendor,
            name=f"{price.vendor}: {meter.name}, list price",
            definition=price.definition,
            effective_from=effective_from,
            at=at,
        )
    return Imported(
        vendor=price.vendor,
        meter=meter.code,
        models=price.models,
        cells=len(price.definition["matrix"]["cells"]),
        change=change,
    )
