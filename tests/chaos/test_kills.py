"""Every acknowledged event survives the kill of any process, exactly once and paid once.

`CHAOS_SEED` repeats the kills of an earlier run and `CHAOS_KILLS` asks for more of them.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from tests.chaos import books
from tests.chaos.clients import Clients, Log
from tests.running_product import RunningProduct

pytestmark = pytest.mark.chaos

_VICTIMS = ("web", "worker", "postgres", "valkey")
_EVENTS_BETWEEN_KILLS = 10
_SECONDS_TO_RECOVER = 60
_LOOKED_UP = 50


@dataclass
class Report:
    """What a release says about this."""

    seed: int
    kills: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    log: Log = field(default_factory=Log)

    def __str__(self) -> str:
        log = self.log
        events = [
            f"{len(log.acknowledged)} acknowledged",
            f"{len(log.blocked)} blocked",
            f"{len(log.unanswered)} unanswered",
            f"{log.retries} retries",
            f"{log.answers_lost} answers lost and replayed",
        ]
        lines = [
            f"chaos report: seed {self.seed}",
            f"  kills       {len(self.kills)}: {' '.join(self.kills)}",
            f"  events      {', '.join(events)}",
            f"  violations  {len(self.violations)}",
        ]
        return "\n".join(lines + [f"    {violation}" for violation in self.violations[:20]])


@pytest.fixture
def product(demo_home: Path) -> Iterator[RunningProduct]:
    """Run the product without its own stream of events."""
    running = RunningProduct(demo_home, "--no-stream")
    running.start()
    give_credit(running)
    yield running
    running.kill()
    assert running.processes_left() == []


def give_credit(product: RunningProduct) -> None:
    """Give the sample's customer more than all events of this test can cost."""
    customer = product.facts["curl"]["body"]["customer"]
    status, answer = product.request(
        "POST", f"/api/v1/customers/{customer}/grants", {"asset": "USD", "amount": "1000000"}
    )
    assert status == 201, answer


def plan(random: Random) -> list[str]:
    """Return whom to kill: everybody, in an order the seed decides, then again."""
    rounds = int(os.environ.get("CHAOS_KILLS", "8")) // len(_VICTIMS)
    return [victim for _ in range(rounds) for victim in random.sample(_VICTIMS, len(_VICTIMS))]


def kill_one(product: RunningProduct, part: str, random: Random) -> None:
    """Kill one process of a part, which may be starting again after an earlier kill."""
    deadline = time.monotonic() + _SECONDS_TO_RECOVER
    while not (processes := product.processes(part)):
        assert time.monotonic() < deadline, f"{part} did not come back\n{product.output()[-3000:]}"
        time.sleep(0.1)
    os.kill(random.choice(processes), signal.SIGKILL)


def wait_for_progress(product: RunningProduct, clients: Clients) -> None:
    """Return when some more events were acknowledged than now."""
    enough = len(clients.log.acknowledged) + _EVENTS_BETWEEN_KILLS
    deadline = time.monotonic() + _SECONDS_TO_RECOVER
    while len(clients.log.acknowledged) < enough:
        assert time.monotonic() < deadline, product.output()[-3000:]
        time.sleep(0.1)


def kill_everybody(product: RunningProduct, clients: Clients, report: Report) -> None:
    """Kill one after the other; now and then the next before the last has recovered."""
    random = Random(report.seed)
    for part in plan(random):
        wait_for_progress(product, clients)
        too_soon = [random.choice(_VICTIMS)] if random.random() < 0.3 else []
        for victim in [part, *too_soon]:
            kill_one(product, victim, random)
            report.kills.append(victim)
    wait_for_progress(product, clients)


def violations(product: RunningProduct, report: Report) -> list[str]:
    """Compare what the integrators were told with what the product holds now."""
    log = report.log
    return [
        *log.violations,
        *wrongly_stored(product, log),
        *books.wrongly_paid(product.home, f"chaos-{report.seed}-"),
        *not_found(product, Random(report.seed).sample(sorted(log.acknowledged), k=_LOOKED_UP)),
        *unbalanced(product),
    ]


def wrongly_stored(product: RunningProduct, log: Log) -> list[str]:
    """Name events that are there too often, or not, or although they were refused."""
    allowed = (
        dict.fromkeys(log.unanswered, (0, 1))
        | dict.fromkeys(log.blocked, (0,))
        | dict.fromkeys(log.acknowledged, (1,))
    )
    stored = books.times_stored(product.home, allowed)
    return [
        f"{event_id} is stored {times} times"
        for event_id, times in stored.items()
        if times not in allowed[event_id]
    ]


def not_found(product: RunningProduct, event_ids: Sequence[str]) -> list[str]:
    """Name events the API does not know."""
    path = product.facts["curl"]["path"]
    statuses = {each: product.request("GET", f"{path}/{each}")[0] for each in event_ids}
    return [f"GET of {each} says {status}" for each, status in statuses.items() if status != 200]


def unbalanced(product: RunningProduct) -> list[str]:
    """Return what the product's own self-check has to say, if anything."""
    audit = product.run_again("audit_ledger")
    return [f"audit_ledger: {audit.stdout}{audit.stderr}"] if audit.returncode else []


def test_an_acknowledged_event_survives_any_kill(
    product: RunningProduct, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or time.time_ns() % 1_000_000)
    report = Report(seed)
    clients = Clients(product, seed=seed, count=6)
    clients.start()
    try:
        kill_everybody(product, clients, report)
    finally:
        report.log = clients.finish()
    report.violations = violations(product, report)
    with capsys.disabled():
        sys.stdout.write(f"\n{report}\n")

    assert report.violations == []
    assert not report.log.unanswered
    assert books.times_stored(product.home, ["never sent"]) == {"never sent": 0}
