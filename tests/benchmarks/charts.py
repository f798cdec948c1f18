"""How long the series on a customer's page take the database, with so many events stored.

    uv run python -m tests.servers uv run python -m tests.benchmarks.charts --events 10000000

Fills an empty database first (a minute for each million); `--events 0` measures one as it is.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import django
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
django.setup()

from accounts.models import Customer, Organization  # noqa: E402
from metering import event_drafts, event_lists, ingestion, usage_folding, usage_reports  # noqa: E402
from tests.benchmarks import stored_events  # noqa: E402
from tests.benchmarks.company import open_company  # noqa: E402

DAYS = 30
CUSTOMERS = 40
ROUNDS = 5


def _record(count: int) -> Organization:
    """Open a company and send it some events through its own door."""
    company = open_company()
    now = timezone.now()
    drafts = [event_drafts.parse(event, at=now) for event in islice(company.events(), count)]
    ingestion.record_events(organization_id=company.organization.id, drafts=drafts, at=now)
    return company.organization


@contextmanager
def _sql_time(took: list[float]) -> Iterator[None]:
    def timed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            took[-1] += time.perf_counter() - started

    took.append(0.0)
    with connection.execute_wrapper(timed):
        yield


def _measure(words: str, read: Callable[[Customer], object], customers: list[Customer]) -> None:
    took: list[float] = []
    for customer in customers * ROUNDS:
        with _sql_time(took):
            read(customer)
    print(f"{statistics.median(took) * 1000:9.3f} ms SQL  {words}")  # noqa: T201


def _measure_all(organization: Organization) -> None:
    customers = list(Customer.objects.for_organization(organization).order_by("id")[:CUSTOMERS])
    now = timezone.now()

    def chart(customer: Customer) -> object:
        return usage_reports.spend_by_day(customer, at=now, days=DAYS)

    _measure("30 days of a customer", chart, customers)
    _measure("newest events", lambda each: event_lists.recent_events(each, limit=15), customers)
    _measure("sign of activity", usage_reports.activity, customers)
    _measure(
        "spend of the open period",
        lambda each: usage_reports.spend_in_open_periods(
            organization_id=each.organization_id, customer_ids=[each.id]
        ),
        customers,
    )


def main() -> None:
    """Fill the database, fold its events and print what each series takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    if options.events:
        organization = _record(1_000)
        stored_events.fill(organization, options.events)
    else:
        organization = Organization.objects.get()
    started = time.perf_counter()
    slots = usage_folding.fold()
    print(f"{time.perf_counter() - started:9.1f} s  folding into {slots} slots")  # noqa: T201
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    _measure_all(organization)


if __name__ == "__main__":
    main()
