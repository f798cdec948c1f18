"""Admin pages of usage: what was used and kept, what it earned, and what it would have cost."""

from metering.admin import backtests, caps, margins, usage

__all__ = ["backtests", "caps", "margins", "usage"]
