"""Tables of everything that is written before an event."""

from pricing.models.costs import CostPolicy, CostRate
from pricing.models.meters import Aggregation, Meter
from pricing.models.plans import Plan, PlanVersion, Price, Settle, ShortfallPolicy, VersionState
from pricing.models.subscriptions import Subscription

__all__ = [
    "Aggregation",
    "CostPolicy",
    "CostRate",
    "Meter",
    "Plan",
    "PlanVersion",
    "Price",
    "Settle",
    "ShortfallPolicy",
    "Subscription",
    "VersionState",
]
