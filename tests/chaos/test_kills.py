"""Every acknowledged event survives the kill of any process, exactly once and paid once.

`CHAOS_SEED` repeats the kills of an earlier run and `CHAOS_KILLS` asks for more of them.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest

from tests.chaos import books
from tests.chaos.clients import Clients, Log
from tests.running_product import RunningProduct

pytestmark = pytest.mark.chaos

_VICTIMS = ("web", "worker", "postgres", "valkey")
_LOOKED_UP = 200


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
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProduct]:
    """Run the product without its own stream of events."""
    running = RunningProduct(tmp_path_factory.mktemp("chaos") / "home", "--no-stream")
    running.start()
    yield running
    running.kill()
    left = running.processes_left()
    running.remove()
    assert left == []


def plan(random: Random) -> list[str]:
    """Return whom to kill: everybody, in an order the seed decides, then again."""
    rounds = int(os.environ.get("CHAOS_KILLS", "12")) // len(_VICTIMS)
    return [victim for _ in range(rounds) for victim in random.sample(_VICTIMS, len(_VICTIMS))]


def kill_one(product: RunningProduct, part: str, random: Random) -> bool:
    """Kill one process of a part; False when none runs at this moment."""
    processes = product.processes(part)
    if processes:
        os.kill(random.choice(processes), signal.SIGKILL)
    return bool(processes)


def wait_until_ready(product: RunningProduct) -> None:
    """Return when the product says that it is ready for traffic."""
    deadline = time.monotonic() + 60
    while not _is_ready(product):
        assert time.monotonic() < deadline, product.output()[-5000:]
        time.sleep(0.2)


def _is_ready(product: RunningProduct) -> bool:
    try:
        return product.request("GET", "/readyz")[0] == 200 and bool(product.processes("worker"))
    except OSError:
        return False


def violations(product: RunningProduct, log: Log, *, seed: int, random: Random) -> list[str]:
    """Compare what the integrators were told with what the product holds now."""
    found = list(log.violations)
    sent = [*log.acknowledged, *log.blocked, *log.unanswered]
    for event_id, times in books.times_stored(product.home, sent).items():
        if event_id in log.acknowledged and times != 1:
            found.append(f"{event_id} was acknowledged and is stored {times} times")
        if event_id in log.blocked and times != 0:
            found.append(f"{event_id} was blocked and is stored {times} times")
        if times > 1:
            found.append(f"{event_id} is stored {times} times")
    found += books.wrongly_paid(product.home, f"chaos-{seed}-")
    path = product.facts["curl"]["path"]
    for event_id in random.sample(sorted(log.acknowledged), min(_LOOKED_UP, len(log.acknowledged))):
        status, _ = product.request("GET", f"{path}/{event_id}")
        if status != 200:
            found.append(f"{event_id} was acknowledged and is answered {status}")
    audit = product.run_again("audit_ledger")
    if audit.returncode != 0:
        found.append(f"the books do not balance: {audit.stdout}{audit.stderr}")
    return found


def test_an_acknowledged_event_survives_any_kill(
    product: RunningProduct, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or time.time_ns() % 1_000_000)
    random = Random(seed)
    report = Report(seed)
    clients = Clients(product, seed=seed, count=4)
    clients.start()
    try:
        for part in plan(random):
            time.sleep(random.uniform(0.5, 2.5))
            if kill_one(product, part, random):
                report.kills.append(part)
        wait_until_ready(product)
    finally:
        report.log = clients.finish()
    report.violations = violations(product, report.log, seed=seed, random=random)
    with capsys.disabled():
        sys.stdout.write(f"\n{report}\n")

    assert report.violations == []
    assert set(report.kills) == set(_VICTIMS)
    assert len(report.log.acknowledged) > 100
    assert not report.log.unanswered
