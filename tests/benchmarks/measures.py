"""What one line of the table is made of, and the table.

A measure is taken in rounds that alternate with its yardsticks, and the ratio is that of the
medians. A second yardstick, where there is one, is printed beside the first, which decides.
"""

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TextIO


class Reading(NamedTuple):
    """One round of ours: a value, and how much of one core the client took meanwhile."""

    value: float
    client_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is measured, in its unit, what it is compared with, and what is asked of the ratio.

    Without a yardstick the value itself is the ratio. `prepare` is run once, unmeasured.
    """

    code: str
    name: str
    ours: Callable[[], Reading]
    yardsticks: Mapping[str, Callable[[], float]]
    gate: float
    record: float
    unit: str = "events/s"
    more_is_better: bool = True
    prepare: Callable[[], object] | None = None


@dataclass(slots=True)
class Result:
    """The rounds of one measure."""

    measure: Measure
    ours: list[Reading] = field(default_factory=list)
    yardsticks: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def take(self) -> None:
        """Take one round of each."""
        for name, yardstick in self.measure.yardsticks.items():
            self.yardsticks[name].append(yardstick())
        self.ours.append(self.measure.ours())

    @property
    def value(self) -> float:
        """The median of ours."""
        return statistics.median(reading.value for reading in self.ours)

    @property
    def client_share(self) -> float:
        """The median of how much of a core the client took."""
        return statistics.median(reading.client_share for reading in self.ours)

    def beside(self, yardstick: str) -> tuple[float, float]:
        """Return the median of a yardstick, and the ratio of ours to it."""
        median = statistics.median(self.yardsticks[yardstick])
        return median, self.value / median

    def keeps(self, ratio: float) -> str:
        """Return what a ratio reaches: the record, the gate, or neither."""
        sign = 1 if self.measure.more_is_better else -1
        if ratio * sign >= self.measure.record * sign:
            return "record"
        return "gate" if ratio * sign >= self.measure.gate * sign else "MISSED"


def measured(measures: Sequence[Measure], *, rounds: int) -> list[Result]:
    """Take so many rounds of all measures in turn."""
    results = [Result(each) for each in measures]
    for each in measures:
        (each.prepare or each.ours)()
    for number in range(rounds):
        for result in results:
            result.take()
        codes = " ".join(each.code for each in measures)
        say(f"{codes}: round {number + 1} of {rounds}", to=sys.stderr)
    return results


_WIDTHS = (4, 50, 10, -22, 10, 7, 6, 6, -7, 7)
_HEADINGS = ("", "", "ours", "beside", "", "ratio", "gate", "record", "reached", "client")


def print_table(results: Sequence[Result]) -> None:
    """Print a line for each measure and yardstick."""
    _print_row(_HEADINGS)
    for result in results:
        asked = result.measure
        name = f"{asked.name}, {asked.unit}"
        limits = (f"{asked.gate:g}", f"{asked.record:g}")
        client = f"{result.client_share:.0%}" if result.client_share else ""
        if not asked.yardsticks:
            reached = result.keeps(result.value)
            value = _number(result.value)
            _print_row((asked.code, name, value, "nothing", "", value, *limits, reached, client))
        for place, yardstick in enumerate(asked.yardsticks):
            median, ratio = result.beside(yardstick)
            compared = (yardstick, _number(median), f"{ratio:.2f}")
            if place:
                _print_row(("", "", "", *compared, "", "", "", ""))
                continue
            ours = (asked.code, name, _number(result.value))
            _print_row((*ours, *compared, *limits, result.keeps(ratio), client))


def _print_row(cells: Sequence[str]) -> None:
    say(
        "  ".join(
            cell.rjust(width) if width > 0 and place > 1 else cell.ljust(abs(width))
            for place, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
        ).rstrip()
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def say(line: str, *, to: TextIO | None = None) -> None:
    """Print a line at once."""
    print(line, file=to or sys.stdout, flush=True)
