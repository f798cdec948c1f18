"""Tables of everything that is written before an event."""

from pricing.models.costs import CostPolicy, CostRate
from pricing.models.coupons import Coupon, CouponRedemption, Duration, coupon_code_validator
from pricing.models.meters import Aggregation, Meter, WeightedBy, code_validator
from pricing.models.overrides import PriceOverride
from pricing.models.plan_terms import (
    Cadence,
    Entitlement,
    EntitlementKind,
    Expiry,
    IncludedCredit,
    Rollover,
)
from pricing.models.plans import (
    FeeTiming,
    Plan,
    PlanVersion,
    Price,
    Settle,
    ShortfallPolicy,
    VersionState,
)
from pricing.models.subscriptions import ScheduledChange, Subscription

__all__ = [
    "Aggregation",
    "Cadence",
    "CostPolicy",
    "CostRate",
    "Coupon",
    "CouponRedemption",
    "Duration",
    "Entitlement",
    "EntitlementKind",
    "Expiry",
    "FeeTiming",
    "IncludedCredit",
    "Meter",
    "Plan",
    "PlanVersion",
    "Price",
    "PriceOverride",
    "Rollover",
    "ScheduledChange",
    "Settle",
    "ShortfallPolicy",
    "Subscription",
    "VersionState",
    "WeightedBy",
    "code_validator",
    "coupon_code_validator",
]
