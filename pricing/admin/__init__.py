"""Admin pages of what is sold and at which price: meters, plans, coupons, costs, subscriptions."""

from pricing.admin import (
    costs,
    coupons,
    meters,
    plan_versions,
    plans,
    price_overrides,
    subscriptions,
)

__all__ = [
    "costs",
    "coupons",
    "meters",
    "plan_versions",
    "plans",
    "price_overrides",
    "subscriptions",
]
