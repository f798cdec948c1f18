"""Writing a stored plan version in the JSON form that `pricing.plan_form` reads."""

from collections.abc import Iterable
from typing import Any

from accounts.models import Asset
from pricing import filters, plan_form, plan_terms_form
from pricing.models import Entitlement, IncludedCredit, Meter, PlanVersion, Price, PriceOverride
from pricing.plan_document import (
    AssetTerms,
    CreditTerms,
    EntitlementTerms,
    FeeTerms,
    MeterTerms,
    PlanDocument,
    PriceRow,
    SeatTerms,
)


def write(version: PlanVersion) -> dict[str, Any]:
    """Return the version as a document, with the assets and meters it needs."""
    return plan_form.write(document_of(version))


def document_of(version: PlanVersion) -> PlanDocument:
    """Return the version as values."""
    prices = list(version.prices.select_related("meter", "asset"))
    included = list(version.included_credits.select_related("asset"))
    entitled = list(version.entitlements.select_related("meter"))
    assets = [version.base_fee_asset, version.seat_fee_asset]
    assets += [credit.asset for credit in included]
    assets += [price.asset for price in prices]
    return PlanDocument(
        code=version.plan.code,
        name=version.plan.name,
        billing_interval=version.billing_interval,
        shortfall_policy=version.shortfall_policy,
        overdraft_limit=version.overdraft_limit,
        effective_from=version.effective_from,
        trial_days=version.trial_days,
        base_fee=_base_fee(version),
        seats=_seats(version),
        included_credits=tuple(_credit(each) for each in included),
        entitlements=tuple(_entitlement(each) for each in entitled),
        assets=_assets(assets),
        meters=_meters([*(each.meter for each in entitled), *(each.meter for each in prices)]),
        prices=tuple(price_row(each) for each in _sorted(prices)),
    )


def entitlements(version: PlanVersion) -> list[dict[str, Any]]:
    """Return what the version entitles to, each feature with the fields of its kind."""
    rows = version.entitlements.select_related("meter")
    return [plan_terms_form.write_entitlement(_entitlement(each)) for each in rows]


def price_row(price: Price | PriceOverride) -> PriceRow:
    """Return a price as values."""
    return PriceRow(
        meter=price.meter.code,
        asset=price.asset.code,
        settle=price.settle,
        definition=price.definition,
    )


def _sorted(prices: Iterable[Price]) -> list[Price]:
    return sorted(prices, key=lambda price: (price.meter.code, price.asset.code))


def _base_fee(version: PlanVersion) -> FeeTerms | None:
    if version.base_fee_asset is None:
        return None
    return FeeTerms(
        amount=version.base_fee_amount,
        asset=version.base_fee_asset.code,
        timing=version.base_fee_timing,
    )


def _seats(version: PlanVersion) -> SeatTerms | None:
    if version.seat_fee_asset is None:
        return None
    return SeatTerms(
        amount=version.seat_fee_amount,
        asset=version.seat_fee_asset.code,
        timing=version.seat_fee_timing,
        included=version.included_seats,
    )


def _credit(credit: IncludedCredit) -> CreditTerms:
    return CreditTerms(
        asset=credit.asset.code,
        amount=credit.amount,
        every=credit.every,
        per_seat=credit.per_seat,
        expires=credit.expires,
        expires_after_days=credit.expires_after_days,
        rollover=credit.rollover,
        rollover_limit=credit.rollover_limit,
        limit_per_month=credit.limit_per_month,
        priority=credit.priority,
        meters=tuple(credit.meters),
    )


def _entitlement(entitlement: Entitlement) -> EntitlementTerms:
    return EntitlementTerms(
        feature=entitlement.feature,
        kind=entitlement.kind,
        enabled=entitlement.enabled,
        value=entitlement.value,
        property_name=entitlement.property_name,
        allowed_values=tuple(entitlement.allowed_values),
        meter=entitlement.meter.code if entitlement.meter else "",
        limit_per_period=entitlement.limit_per_period,
    )


def _assets(assets: Iterable[Asset | None]) -> tuple[AssetTerms, ...]:
    needed = {asset.code: asset for asset in assets if asset is not None}
    return tuple(asset_terms(needed[code]) for code in sorted(needed))


def asset_terms(asset: Asset) -> AssetTerms:
    """Return an asset as values."""
    return AssetTerms(
        code=asset.code, name=asset.name, scale=asset.scale, is_currency=asset.is_currency
    )


def _meters(meters: Iterable[Meter | None]) -> tuple[MeterTerms, ...]:
    needed = {meter.code: meter for meter in meters if meter is not None}
    return tuple(meter_terms(needed[code]) for code in sorted(needed))


def meter_terms(meter: Meter) -> MeterTerms:
    """Return a meter as values."""
    return MeterTerms(
        code=meter.code,
        name=meter.name,
        unit=meter.unit,
        event_type=meter.event_type,
        aggregation=meter.aggregation,
        quantity_property=meter.quantity_property,
        expression=meter.expression,
        filters=_canonical(meter.filters),
        weighted_by=meter.weighted_by,
    )


def _canonical(stored: dict[str, Any]) -> dict[str, Any]:
    """Return filters in their one form, and those that nobody can read as they are stored."""
    try:
        return filters.parse(stored).to_json()
    except filters.FilterInvalid:
        return stored
