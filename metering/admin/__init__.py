"""Admin pages of usage: what was used and kept, what it earned, and what it would have cost."""

from metering.admin import authorizations, backtests, caps, margins, usage

__all__ = ["authorizations", "backtests", "caps", "margins", "usage"]
