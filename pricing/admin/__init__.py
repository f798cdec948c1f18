"""Admin pages of what is sold and at which price: meters, plans, coupons, subscriptions."""

from pricing.admin import (
    coupons,
    meters,
    plan_versions,
    plans,
    price_overrides,
    subscriptions,
)

__all__ = ["coupons", "meters", "plan_versions", "plans", "price_overrides", "subscriptions"]
