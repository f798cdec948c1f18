"""Admin pages of what is sold and at which price: meters, plans, their versions, subscriptions."""

from pricing.admin import costs, meters, plan_versions, plans, subscriptions

__all__ = ["costs", "meters", "plan_versions", "plans", "subscriptions"]
