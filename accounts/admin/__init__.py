"""Admin pages of the parties and their books."""

from accounts.admin import api_keys, balances, customers, holds, organizations, people

__all__ = ["api_keys", "balances", "customers", "holds", "organizations", "people"]
