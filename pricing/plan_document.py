"""A plan as values: what the JSON form says, read and checked, and not yet anybody's rows.

Codes stand for assets and meters. The names of the fields are those of the tables.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from accounts.money import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeTerms:
    """A fee of each period: an amount of an asset, due when the period begins or ends."""

    amount: Decimal
    asset: str
    timing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatTerms(FeeTerms):
    """A fee for each seat beyond the `included` ones."""

    included: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTerms:
    """Credit that comes with the plan; limits of zero are none."""

    asset: str
    amount: Decimal
    every: str
    per_seat: bool
    expires: str
    expires_after_days: int | None
    rollover: str
    rollover_limit: Decimal
    limit_per_month: Decimal
    priority: int
    meters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementTerms:
    """What may be done with one feature."""

    feature: str
    kind: str
    enabled: bool = True
    value: str = ""
    property_name: str = ""
    allowed_values: tuple[str, ...] = ()
    meter: str = ""
    limit_per_period: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTerms:
    """An asset the plan needs."""

    code: str
    name: str
    scale: int
    is_currency: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTerms:
    """A meter the plan needs."""

    code: str
    name: str
    unit: str
    event_type: str
    aggregation: str
    quantity_property: str
    expression: str
    filters: Mapping[str, Any]
    weighted_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """A price; `definition` is what `pricing.price_form` reads."""

    meter: str
    asset: str
    settle: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDocument:
    """One version of a plan with everything it needs."""

    code: str
    name: str
    billing_interval: str
    shortfall_policy: str
    overdraft_limit: Decimal = ZERO
    effective_from: dt.datetime | None = None
    trial_days: int = 0
    base_fee: FeeTerms | None = None
    seats: SeatTerms | None = None
    included_credits: tuple[CreditTerms, ...] = ()
    entitlements: tuple[EntitlementTerms, ...] = ()
    assets: tuple[AssetTerms, ...] = field(default=())
    meters: tuple[MeterTerms, ...] = field(default=())
    prices: tuple[PriceRow, ...] = field(default=())
