"""Cost rates as they are written: checked, and only ever added.

A rate that came into force stays. A vendor who charges something else from a day on gets another
rate from that day, one who charges nothing any more gets a rate of 0. A rate that is still to come
may be withdrawn.
"""

import datetime as dt
import uuid
from collections.abc import Iterator

from django.core.exceptions import ValidationError

from accounts import tenancy
from accounts.models import Asset
from pricing import catalog, cost_book, price_form
from pricing.models import CostPolicy, CostRate, Meter, code_validator
from pricing.price_form import FieldError, PriceInvalid


class CostRateInvalid(ValueError):
    """The rate cannot be written; `errors` names every field that is wrong."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.reason}" for error in errors))
        self.errors = errors


class CostAssetFixed(Exception):
    """Rates were written in the asset the costs have, so the costs stay in it."""


class InForce(Exception):
    """The rate came into force and stays."""


def policy_of(organization_id: uuid.UUID) -> CostPolicy | None:
    """Return in which asset the organization keeps its costs, None before it has said so."""
    return CostPolicy.objects.for_organization(organization_id).select_related("asset").first()


def set_policy(*, asset: Asset, refuse_below_cost: bool) -> CostPolicy:
    """Say in which asset the asset's organization keeps its costs, and how strict it is.

    Raises CostAssetFixed when it has rates in another asset.
    """
    with tenancy.transaction_for(asset.organization_id):
        policy, _ = CostPolicy.objects.select_for_update(no_key=True).get_or_create(
            organization_id=asset.organization_id, defaults={"asset": asset}
        )
        if policy.asset_id != asset.id:
            if CostRate.objects.for_organization(asset.organization_id).exists():
                raise CostAssetFixed
            policy.asset = asset
        policy.refuse_below_cost = refuse_below_cost
        policy.save(update_fields=["asset", "refuse_below_cost"])
        return policy


def add_rate(
    *,
    meter: Meter,
    vendor: str,
    definition: object,
    effective_from: dt.datetime,
    at: dt.datetime,
    name: str = "",
) -> CostRate:
    """Write what `vendor` charges for what `meter` counts from `effective_from` on.

    `definition` is the JSON form of a price, in the asset of the organization's cost policy. Raises
    CostRateInvalid. A moment before `at` is allowed as long as no rate of this meter and vendor
    has come into force since: stored events keep the cost they were stored with.
    """
    with tenancy.transaction_for(meter.organization_id):
        # Rates of an organization are written one after the other.
        policies = CostPolicy.objects.select_for_update(no_key=True)
        list(policies.filter(organization_id=meter.organization_id).values_list("id"))
        errors = mistakes(
            meter=meter, vendor=vendor, definition=definition, effective_from=effective_from, at=at
        )
        if errors:
            raise CostRateInvalid(errors)
        rate = CostRate.objects.create(
            organization_id=meter.organization_id,
            meter=meter,
            vendor=vendor,
            name=name,
            definition=definition,
            effective_from=effective_from,
            created_at=at,
        )
        # Exact numbers are kept as texts.
        rate.refresh_from_db(fields=["definition"])
        return rate


def mistakes(
    *,
    meter: Meter,
    vendor: str,
    definition: object,
    effective_from: dt.datetime,
    at: dt.datetime,
) -> list[FieldError]:
    """Return what keeps such a rate from being written at `at`, by field; nothing when it can."""
    found = []
    if policy_of(meter.organization_id) is None:
        reason = "say first, in a cost policy, in which asset costs are kept"
        found.append(FieldError("asset", reason))
    return [
        *found,
        *_mistakes_in_definition(meter, definition),
        *_mistakes_of_place(meter, vendor, effective_from, at=at),
    ]


def _mistakes_in_definition(meter: Meter, definition: object) -> Iterator[FieldError]:
    spec = catalog.meter_spec(CostRate(meter=meter))
    try:
        terms = price_form.parse_definition(definition)
    except PriceInvalid as error:
        found = error.errors
    else:
        found = [
            *cost_book.reasons_against(terms, spec),
            *price_form.check_against_meter(terms, spec),
        ]
    for field, reason in found:
        is_top = field in ("meter", "definition")
        yield FieldError(field if is_top else f"definition.{field}", reason)


def _mistakes_of_place(
    meter: Meter, vendor: str, effective_from: dt.datetime, *, at: dt.datetime
) -> Iterator[FieldError]:
    try:
        code_validator(vendor)
    except ValidationError as error:
        yield FieldError("vendor", error.messages[0])
        return
    others = CostRate.objects.for_organization(meter.organization_id).filter(
        meter=meter, vendor=vendor, effective_from__gte=effective_from
    )
    if others.filter(effective_from__lte=at).exists():
        yield FieldError(
            "effective_from", "must be later than the rate of this meter and vendor in force"
        )
    elif others.filter(effective_from=effective_from).exists():
        yield FieldError("effective_from", "the vendor has a rate for this meter from that moment")


def withdraw_rate(rate: CostRate, *, at: dt.datetime) -> None:
    """Delete a rate that is still to come. Raises InForce when it came into force by `at`."""
    with tenancy.transaction_for(rate.organization_id):
        rate = CostRate.objects.select_for_update().get(id=rate.id)
        if rate.effective_from <= at:
            raise InForce
        rate.delete()
