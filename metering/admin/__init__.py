"""Admin pages of usage: what was used and kept, and what it earned."""

from metering.admin import margins, usage

__all__ = ["margins", "usage"]
