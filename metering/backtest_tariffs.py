"""What a backtest prices by: a version as it is stored now, and what customers have agreed."""

import hashlib
import json
import uuid
from collections.abc import Collection

from django.db.models import QuerySet

from pricing import catalog
from pricing.bills import BilledPrice
from pricing.catalog import CatalogPrice
from pricing.models import PlanVersion, Price, PriceOverride


class Tariff:
    """The prices of a version, and in their place those that single customers have agreed."""

    def __init__(self, version: PlanVersion) -> None:
        self._version = version
        self._prices = catalog.read_plan(version).prices
        self._agreed: dict[uuid.UUID, list[PriceOverride]] = {}

    def agree(self, customer_ids: Collection[uuid.UUID]) -> None:
        """Read what these customers have agreed for the plan."""
        # A private version has the prices agreed with its customer in it.
        if self._version.is_private:
            return
        overrides: QuerySet[PriceOverride] = _overrides_of(self._version).filter(
            customer__in=customer_ids
        )
        for override in overrides.select_related("meter", "asset"):
            self._agreed.setdefault(override.customer_id, []).append(override)

    def prices_for(self, customer_id: uuid.UUID) -> list[BilledPrice]:
        """Return the prices under names that stay the same from slice to slice."""
        agreed = {
            (each.meter.code, each.asset_id): each for each in self._agreed.get(customer_id, ())
        }
        prices = []
        for price in self._prices:
            override = agreed.get((price.compiled.meter.code, price.asset_id))
            prices.append(_billed(price if override is None else _priced_by(override)))
        return prices


def _billed(price: CatalogPrice) -> BilledPrice:
    return BilledPrice(str(price.price_id), price.asset_code, price.compiled)


def _priced_by(override: PriceOverride) -> CatalogPrice:
    return catalog.catalog_price(
        Price(
            id=override.id,
            meter=override.meter,
            asset=override.asset,
            settle=override.settle,
            definition=override.definition,
        )
    )


def _overrides_of(version: PlanVersion) -> QuerySet[PriceOverride]:
    return PriceOverride.objects.for_organization(version.organization_id).filter(
        plan=version.plan_id
    )


def fingerprint(version: PlanVersion) -> str:
    """Return a text that changes when anything changes that the version's prices say."""
    said = ("id", "settle", "definition", "asset__code", *(f"meter__{name}" for name in _OF_METER))
    rows = [
        list(version.prices.order_by("id").values_list(*said)),
        list(_overrides_of(version).order_by("id").values_list("customer_id", *said)),
    ]
    return hashlib.sha256(json.dumps(rows, default=str, sort_keys=True).encode()).hexdigest()


_OF_METER = (
    "code", "event_type", "filters", "aggregation", "quantity_property", "expression",
    "weighted_by",
)  # fmt: skip
