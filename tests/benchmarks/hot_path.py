"""Measures S1 to S5, S7, S9 and S10: the product under load, through HTTP."""

import json
from collections import Counter
from collections.abc import Callable, Sequence

from metering.models import Event
from tests.benchmarks import disk, full_rows, load, yardsticks
from tests.benchmarks.company import EVENTS, Company
from tests.benchmarks.measures import Measure, Reading

HOT = 1
"""Of how many customers the events of one hot customer are."""

GROUP = 16
"""How many pieces of work are authorized as a unit."""


class Bench:
    """The running product under load, and what it has answered so far."""

    def __init__(self, company: Company, *, port: int, seconds: float) -> None:
        self.company = company
        self.seconds = seconds
        self._port = port
        self._rates: dict[str, float] = {}
        self.statuses: Counter[int] = Counter()
        self.sent = 0

    def make_yardsticks(self) -> dict[int, str]:
        """Let the product record a batch of each kind, and return what writes the same rows."""
        sent = {}
        for customers in (yardsticks.CUSTOMERS, HOT):
            [batch] = self.company.batches(1, customers=customers)
            self.sent += yardsticks.BATCH
            self.send([batch], clients=1)
            events = json.loads(batch.partition(b"\r\n\r\n")[2])["events"]
            sent[customers] = [event["id"] for event in events]
        yardsticks.create()
        full_rows.create()
        return {
            customers: full_rows.sample("hot" if customers == HOT else "spread", ids)
            for customers, ids in sent.items()
        }

    # Ours.

    def singles(
        self, customers: int, *, clients: int, path: str = EVENTS, port: int | None = None
    ) -> load.Answers:
        """Send single events for about as long as a measurement takes."""
        name = f"singles of {customers} by {clients} to {path} at {port}"
        count = max(int(self._rates.get(name, 200) * self.seconds), clients * 2)
        requests = self.company.singles(count, customers=customers, path=path)
        self.sent += count
        answers = self.send(requests, clients=clients, port=port)
        self._rates[name] = answers.rate
        return answers

    def batches(self, customers: int) -> Reading:
        """Send batches of 1,000 events."""
        name = f"batches of {customers}"
        count = max(int(self._rates.get(name, 2) * self.seconds), 4)
        self.sent += count * yardsticks.BATCH
        answers = self.send(self.company.batches(count, customers=customers), clients=4)
        self._rates[name] = answers.rate
        return Reading(answers.rate * yardsticks.BATCH, answers.client_share)

    def authorized(self, items: int, *, clients: int) -> Reading:
        """Authorize work on one account in units of so many; gives pieces of work a second.

        What it has come to hold is given back after the measurement.
        """
        name = f"units of {items} by {clients}"
        count = max(int(self._rates.get(name, 30) * self.seconds), clients * 2)
        requests = [self.company.work(items, customer=1) for _ in range(count)]
        answers = self.send(requests, clients=clients, keep_bodies=True)
        self._rates[name] = answers.rate
        ids = [json.loads(body)["id"] for body in answers.bodies]
        paths = [f"/api/v1/authorizations/{each}/release" for each in ids]
        self.send([self.company.request({}, path=path) for path in paths], clients=8)
        return Reading(answers.rate * items, answers.client_share)

    def flushes_an_event(self) -> Reading:
        """Return how often the log is flushed for an event of one hot customer."""
        before = disk.flushes()
        answers = self.singles(HOT, clients=128)
        events = sum(answers.statuses.values())
        return Reading((disk.flushes() - before) / events, answers.client_share)

    def slowest(self, share: float, *, clients: int) -> Reading:
        """Return how many seconds this share of single events took at most."""
        answers = self.singles(yardsticks.CUSTOMERS, clients=clients)
        return Reading(answers.percentile(share), answers.client_share)

    def send(
        self,
        requests: Sequence[bytes],
        *,
        clients: int,
        port: int | None = None,
        keep_bodies: bool = False,
    ) -> load.Answers:
        """Send requests and note how they were answered."""
        answers = load.send(
            requests, port=port or self._port, connections=clients, keep_bodies=keep_bodies
        )
        self.statuses.update(answers.statuses)
        return answers

    def differences(self) -> list[str]:
        """Return what was refused, and how many of the events sent are not stored once."""
        refused = {code: count for code, count in self.statuses.items() if code not in {200, 201}}
        stored = Event.objects.filter(organization=self.company.organization).count()
        found = [f"{count} answers of status {code}" for code, count in refused.items()]
        return found + [f"{self.sent} events sent, {stored} stored"] * (self.sent != stored)


def rate(answers: load.Answers) -> Reading:
    """Return how many were answered a second."""
    return Reading(answers.rate, answers.client_share)


class Database:
    """What the database alone does, in events a second."""

    def __init__(self, full: dict[int, str], *, seconds: float) -> None:
        self._seconds = seconds
        self._full = full

    def lean(self, script: str, *, clients: Sequence[int]) -> Callable[[], float]:
        """Return the best rate of single events over these numbers of connections."""
        return lambda: max(
            yardsticks.transactions_per_second(
                script, clients=each, seconds=self._seconds / len(clients)
            )
            for each in clients
        )

    @property
    def p(self) -> Callable[[], float]:
        """One lean function call a transaction, 1,000 customers, 32 connections."""
        return self.lean(yardsticks.SPREAD, clients=(32,))

    @property
    def h(self) -> Callable[[], float]:
        """The same on one hot customer, at the best of 1, 8 and 32 connections."""
        return self.lean(yardsticks.HOT, clients=(1, 8, 32))

    def batches(self, customers: int) -> dict[str, Callable[[], float]]:
        """Return both yardsticks of a batch, the strict one first."""
        lean = yardsticks.HOT_BATCH if customers == HOT else yardsticks.SPREAD_BATCH

        def measured(script: str) -> Callable[[], float]:
            return lambda: (
                yardsticks.BATCH
                * yardsticks.transactions_per_second(script, clients=2, seconds=self._seconds)
            )

        return {
            "pgbench, the same rows": measured(self._full[customers]),
            "pgbench, lean rows": measured(lean),
        }


def recording(bench: Bench, database: Database) -> list[Measure]:
    """S1 to S4, S9 and S10."""
    fdatasync = {"one fdatasync": disk.fdatasync_seconds}
    spread = yardsticks.CUSTOMERS
    return [
        Measure(
            code="S1", name="batches of 1,000 over 1,000 customers", gate=0.40, record=0.70,
            ours=lambda: bench.batches(spread), yardsticks=database.batches(spread),
        ),
        Measure(
            code="S2", name="batches of 1,000 on one customer", gate=0.40, record=0.70,
            ours=lambda: bench.batches(HOT), yardsticks=database.batches(HOT),
        ),
        Measure(
            code="S3", name="single, spread, 128 clients", gate=0.50, record=1.0,
            ours=lambda: rate(bench.singles(spread, clients=128)), yardsticks={"P": database.p},
        ),
        Measure(
            code="S4", name="single, one customer, 128 clients", gate=2.0, record=4.0,
            ours=lambda: rate(bench.singles(HOT, clients=128)), yardsticks={"H": database.h},
        ),
        Measure(
            code="S9", name="one customer, 128 clients", gate=0.05, record=0.03,
            unit="flushes an event", more_is_better=False,
            ours=bench.flushes_an_event, yardsticks={},
            prepare=lambda: bench.singles(HOT, clients=128),
        ),
        Measure(
            code="S10", name="slowest of 99% at 32 clients", gate=100, record=60, unit="seconds",
            ours=lambda: bench.slowest(0.99, clients=32),
            yardsticks=fdatasync, more_is_better=False,
        ),
        Measure(
            code="S10", name="slowest of 50%, alone", gate=20, record=10, unit="seconds",
            ours=lambda: bench.slowest(0.50, clients=1),
            yardsticks=fdatasync, more_is_better=False,
        ),
    ]  # fmt: skip


def reference_door(
    bench: Bench, database: Database, *, port: int | None, path: str
) -> list[Measure]:
    """S5: the same through Django REST Framework alone."""

    def ours(customers: int) -> Reading:
        return rate(bench.singles(customers, clients=64, port=port, path=path))

    return [
        Measure(
            code="S5", name="single by the DRF door, one customer, 64 clients",
            gate=0.6, record=1.0, ours=lambda: ours(HOT), yardsticks={"H": database.h},
        ),
        Measure(
            code="S5", name="single by the DRF door, spread, 64 clients", gate=0.2, record=0.3,
            ours=lambda: ours(yardsticks.CUSTOMERS), yardsticks={"P": database.p},
        ),
    ]  # fmt: skip


def authorizing(bench: Bench) -> list[Measure]:
    """S7: work authorized as units of 16 on one account, against 16 single requests."""
    return [
        Measure(
            code="S7", name=f"units of {GROUP}, by {clients} client{'s' * (clients > 1)}",
            unit="items/s", gate=5, record=10,
            ours=lambda clients=clients: bench.authorized(GROUP, clients=clients),  # type: ignore[misc]
            yardsticks={
                "one by one": lambda clients=clients: bench.authorized(1, clients=clients).value  # type: ignore[misc]
            },
        )
        for clients in (1, 16)
    ]  # fmt: skip
