"""Charts as geometry: whole numbers for SVG attributes, worked out without floating point."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from metering.usage_reports import DaySpend

BAR_STEP = 24
BAR_WIDTH = 16
HEIGHT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One day of a bar chart, in units of the chart's own view box."""

    date: dt.date
    amount: Decimal
    left: int
    top: int
    height: int
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """Bars from left to right, the tallest as high as the chart."""

    bars: Sequence[Bar]
    highest: Decimal
    step: int = BAR_STEP
    bar_width: int = BAR_WIDTH
    height: int = HEIGHT

    @property
    def width(self) -> int:
        """The width of the view box, with no gap after the last bar."""
        return len(self.bars) * BAR_STEP - (BAR_STEP - BAR_WIDTH)


def bar_chart(days: Sequence[DaySpend]) -> BarChart:
    """Return `days` as bars. A day with any spend at all keeps a bar that can be seen."""
    highest = max((day.amount for day in days), default=Decimal(0))
    bars = []
    for index, day in enumerate(days):
        height = _height(day.amount, of=highest)
        bars.append(
            Bar(
                date=day.date,
                amount=day.amount,
                left=index * BAR_STEP,
                top=HEIGHT - height,
                height=height,
                is_last=index == len(days) - 1,
            )
        )
    return BarChart(bars=bars, highest=highest)


def _height(amount: Decimal, *, of: Decimal) -> int:
    if amount <= 0:
        return 0
    return max(int((amount / of * HEIGHT).to_integral_value(rounding=ROUND_CEILING)), 2)
