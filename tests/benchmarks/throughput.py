"""What the product does in a second, beside what the database alone can do, and beside others.

The client, the web server and the database share the machine. Every figure is the median of rounds
that alternate with the yardstick's, and only their ratio means anything on another machine. The
run ends with the exactness check: every event that was answered is stored and paid once, no audit
finds a difference, and the yardsticks add up as well.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from django.conf import settings

from billing_site import self_check
from tests.benchmarks import full_rows, hot_path, web, yardsticks
from tests.benchmarks.company import EVENTS, open_company
from tests.benchmarks.hot_path import Bench, Database
from tests.benchmarks.idiomatic import comparison
from tests.benchmarks.measures import Measure, Result, measured, print_table, say

type Group = Callable[[], AbstractContextManager[list[Measure]]]


def main(arguments: Sequence[str]) -> int:
    """Run the measures and print their table. Needs Django, and migrated tables."""
    options = _options(arguments)
    only = set(options.only.split(",")) - {""}
    bench_of = open_company()
    found: list[str] = []
    results: list[Result] = []
    with web.running(workers=options.workers) as port:
        bench = Bench(bench_of, port=port, seconds=options.seconds)
        database = Database(bench.make_yardsticks(), seconds=options.seconds)
        groups: dict[tuple[str, ...], Group] = {
            ("S1", "S2", "S3", "S4", "S9", "S10"): lambda: nullcontext(
                hot_path.recording(bench, database)
            ),
            ("S5",): lambda: _reference_door(bench, database, workers=options.workers),
            ("S6",): lambda: comparison.measures(bench, found, workers=options.workers),
            ("S7",): lambda: nullcontext(hot_path.authorizing(bench)),
        }
        # One group after the other, so that no more servers run than are compared.
        for codes, group in groups.items():
            if only and not only.intersection(codes):
                continue
            with group() as measures:
                chosen = [each for each in measures if not only or each.code in only]
                results += measured(chosen, rounds=options.rounds)
        found += bench.differences()
        sent = bench.sent
    print_table(results)
    found += [str(each) for each in self_check.differences()] + full_rows.differences()
    yardsticks.remove()
    say(f"\n{sent} events sent; {'; '.join(found) or 'each stored and paid once, nothing differs'}")
    return 1 if found else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Throughput beside the database's own limit.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=2, help="processes of the web server")
    parser.add_argument("--only", default="", help="the codes of some measures, such as S1,S3")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it runs")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds = 1, 1.0
    return options


@contextmanager
def _reference_door(bench: Bench, database: Database, *, workers: int) -> Iterator[list[Measure]]:
    """Give S5's measures, beside a server that leaves the fast lane out."""
    if hasattr(settings, "FAST_LANE"):
        with web.running(workers=workers, variables={"FAST_LANE": "false"}) as port:
            yield hot_path.reference_door(bench, database, port=port, path=EVENTS)
    else:
        # The lane takes no request with a query, and the reference door has no use for one.
        path = f"{EVENTS}?door=reference"
        yield hot_path.reference_door(bench, database, port=None, path=path)
