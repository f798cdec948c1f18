"""How many events a second the product records, beside what the database alone can do.

The client, the web server and the database share the machine. Every figure is the median of rounds
that alternate with the yardstick's, and only their ratio means anything on another machine. The
run ends with the exactness check: every event that was answered is stored and paid once, and no
audit finds a difference.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from billing_site import self_check
from metering.models import Event
from tests.benchmarks import load, yardsticks
from tests.benchmarks.company import Company, open_company

HOT = 1
"""Of how many customers the events of one hot customer are."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One line of the table: events a second of ours and of the yardstick, and what is asked."""

    code: str
    name: str
    ours: Callable[[], float]
    yardstick: Callable[[], float]
    gate: float
    record: float


@dataclass(slots=True)
class Result:
    """The rounds of one measure."""

    ours: list[float] = field(default_factory=list)
    yardstick: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of ours over the median of the yardstick."""
        return statistics.median(self.ours) / statistics.median(self.yardstick)


class Bench:
    """The running product under load, and what it has answered so far."""

    def __init__(self, company: Company, *, port: int, seconds: float) -> None:
        self._company = company
        self._port = port
        self._seconds = seconds
        self._rates: dict[str, float] = {}
        self.statuses: Counter[int] = Counter()
        self.sent = 0

    def measures(self) -> list[Measure]:
        """Return everything that is measured, in the order of the table."""
        return [
            Measure(
                code="S1", name="batches of 1,000 over 1,000 customers", gate=0.40, record=0.70,
                ours=lambda: self._batches(yardsticks.CUSTOMERS),
                yardstick=lambda: self._database_batches(yardsticks.SPREAD_BATCH),
            ),
            Measure(
                code="S2", name="batches of 1,000 on one customer", gate=0.40, record=0.70,
                ours=lambda: self._batches(HOT),
                yardstick=lambda: self._database_batches(yardsticks.HOT_BATCH),
            ),
            Measure(
                code="S3", name="single events, spread, 128 clients", gate=0.50, record=1.0,
                ours=lambda: self._singles(yardsticks.CUSTOMERS, clients=128),
                yardstick=lambda: self._database(yardsticks.SPREAD, clients=(32,)),
            ),
            Measure(
                code="S4", name="single events, one customer, 128 clients", gate=2.0, record=4.0,
                ours=lambda: self._singles(HOT, clients=128),
                yardstick=lambda: self._database(yardsticks.HOT, clients=(1, 8, 32)),
            ),
        ]  # fmt: skip

    # Ours, in events a second.

    def _singles(self, customers: int, *, clients: int) -> float:
        name = f"singles of {customers}"
        count = max(int(self._rates.get(name, 200) * self._seconds), clients * 2)
        answers = self._send(self._company.singles(count, customers=customers), clients=clients)
        self.sent += count
        self._rates[name] = answers.rate
        return answers.rate

    def _batches(self, customers: int) -> float:
        name = f"batches of {customers}"
        count = max(int(self._rates.get(name, 2) * self._seconds), 4)
        answers = self._send(self._company.batches(count, customers=customers), clients=2)
        self.sent += count * yardsticks.BATCH
        self._rates[name] = answers.rate
        return answers.rate * yardsticks.BATCH

    def _send(self, requests: Sequence[bytes], *, clients: int) -> load.Answers:
        answers = load.send(requests, port=self._port, connections=clients)
        self.statuses.update(answers.statuses)
        return answers

    # The database's, in events a second.

    def _database(self, script: str, *, clients: Sequence[int]) -> float:
        seconds = self._seconds / len(clients)
        return max(
            yardsticks.transactions_per_second(script, clients=each, seconds=seconds)
            for each in clients
        )

    def _database_batches(self, script: str) -> float:
        rate = yardsticks.transactions_per_second(script, clients=2, seconds=self._seconds)
        return rate * yardsticks.BATCH

    def check(self) -> bool:
        """Print and return whether every event was answered with success, and booked exactly."""
        stored = Event.objects.filter(organization=self._company.organization).count()
        differences = self_check.differences()
        refused = {code: count for code, count in self.statuses.items() if code not in {200, 201}}
        is_exact = not differences and not refused and stored == self.sent
        _say(f"\n{self.sent} events sent, {stored} stored, refused: {refused or 'none'}")
        _say(f"books: {differences or 'no difference'}")
        return is_exact


def main(arguments: Sequence[str]) -> int:
    """Run the measures and print their table. Needs Django, and migrated tables."""
    parser = argparse.ArgumentParser(description="Throughput beside the database's own limit.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=2, help="processes of the web server")
    parser.add_argument("--only", default="", help="the codes of some measures, such as S1,S3")
    options = parser.parse_args(arguments)
    company = open_company()
    yardsticks.create()
    with running_web(workers=options.workers) as port:
        bench = Bench(company, port=port, seconds=options.seconds)
        only = set(options.only.split(",")) - {""}
        chosen = [each for each in bench.measures() if not only or each.code in only]
        results = {each.code: Result() for each in chosen}
        for each in chosen:
            each.ours()  # Fills caches, opens connections, and learns how much to send.
        for number in range(options.rounds):
            for each in chosen:
                results[each.code].yardstick.append(each.yardstick())
                results[each.code].ours.append(each.ours())
            _say(f"round {number + 1} of {options.rounds}", to=sys.stderr)
        _print_table(chosen, results)
        is_exact = bench.check()
    yardsticks.remove()
    return 0 if is_exact else 1


def _print_table(measures: Sequence[Measure], results: dict[str, Result]) -> None:
    _say(f"{'':4} {'':42} {'ours':>9} {'database':>9} {'ratio':>6} {'gate':>5} {'record':>6}")
    for each in measures:
        result = results[each.code]
        ours, database = statistics.median(result.ours), statistics.median(result.yardstick)
        _say(
            f"{each.code:4} {each.name:42} {ours:9,.0f} {database:9,.0f} {result.ratio:6.2f} "
            f"{each.gate:5} {each.record:6}"
        )


def _say(line: str, *, to: TextIO = sys.stdout) -> None:
    print(line, file=to, flush=True)


@contextmanager
def running_web(*, workers: int) -> Iterator[int]:
    """Run the product's web server for the block; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "--interface", "asginl", "--no-ws"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)),
            "billing_site.asgi:application",
        ],
        env={**os.environ, "LOG_LEVEL": "WARNING"},
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
