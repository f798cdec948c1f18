"""How long the self-check takes over many events, in full and for what is new.

    uv run python -m tests.servers uv run python -m tests.benchmarks.self_check --events 400000

Fills an empty database first, through the product's own door, which takes most of the time.
"""

import argparse
import os
import time
import uuid

import django
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
django.setup()

from accounts import checks  # noqa: E402
from billing_site import self_check  # noqa: E402
from metering import sample_audit  # noqa: E402
from tests.worlds import VideoWorld, open_video_world  # noqa: E402

BATCH = 2_000


def _fill(world: VideoWorld, *, events: int, customers: int) -> None:
    worlds = [world, *(world.add_customer(credit="1000000") for _ in range(customers - 1))]
    for _ in range(0, events, BATCH):
        world.record(
            *(worlds[number % customers].event(id=str(uuid.uuid4())) for number in range(BATCH)),
            at=timezone.now(),
        )


def _timed(words: str, work: "list[checks.Check]", **how: object) -> None:
    started = time.perf_counter()
    found = checks.run(work, **how)  # type: ignore[arg-type]
    print(f"{time.perf_counter() - started:8.2f} s  {words}, {len(found)} differences")  # noqa: T201


def main() -> None:
    """Fill the database and print what each part takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--customers", type=int, default=1_000)
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    world = open_video_world(credit="1000000")
    started = time.perf_counter()
    _fill(world, events=options.events, customers=options.customers)
    print(f"{time.perf_counter() - started:8.2f} s  filling")  # noqa: T201
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for check in self_check.CHECKS:
        _timed(check.promise, [check])
    since = timezone.now()
    _fill(world, events=BATCH, customers=1)
    _timed("EVERYTHING IN FULL", list(self_check.CHECKS))
    _timed("WHAT IS NEW", list(self_check.CHECKS), since=since)
    for words, since_ in (("COUNTING", None), ("COUNTING WHAT IS NEW", since)):
        started = time.perf_counter()
        checks.count(self_check._counts(since_), since=since_)
        print(f"{time.perf_counter() - started:8.2f} s  {words}")  # noqa: T201
    started = time.perf_counter()
    sample = sample_audit.check(organization_id=world.organization.id, seed=uuid.UUID(int=1))
    took = time.perf_counter() - started
    print(f"{took:8.2f} s  SAMPLE of {sample.events} events, {sample.totals} totals")  # noqa: T201


if __name__ == "__main__":
    main()
