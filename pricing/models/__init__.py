"""Tables of everything that is written before an event."""

from pricing.models.meters import Aggregation, Meter, WeightedBy
from pricing.models.plans import Plan, PlanVersion, Price, Settle, ShortfallPolicy, VersionState
from pricing.models.subscriptions import Subscription

__all__ = [
    "Aggregation",
    "Meter",
    "Plan",
    "PlanVersion",
    "Price",
    "Settle",
    "ShortfallPolicy",
    "Subscription",
    "VersionState",
    "WeightedBy",
]
