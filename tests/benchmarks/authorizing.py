"""S7: work authorized in groups of 16 on one account, beside the same work item by item.

    uv run python -m tests.benchmarks.authorizing

Over HTTP, in items a second: one client that asks one after the other, and 16 that ask at once.
"""

import importlib
import itertools
import os
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import django
from django.core.management import call_command

from tests import servers
from tests.benchmarks import load

if TYPE_CHECKING:
    from tests.benchmarks.company import Company

GROUP = 16
REQUESTS = 64
ROUNDS = 5
PATH = "/api/v1/authorizations"


class Rates(NamedTuple):
    """Items a second that were authorized, in groups and one by one."""

    grouped: float
    single: float

    @property
    def ratio(self) -> float:
        """How many times faster the group is."""
        return self.grouped / self.single


def measure(company: "Company", *, port: int, clients: int) -> Rates:
    """Authorize groups of 16 and single items on one account, by so many clients at once."""
    return Rates(
        grouped=_rate(company, GROUP, port=port, clients=clients) * GROUP,
        single=_rate(company, 1, port=port, clients=clients),
    )


def _rate(company: "Company", items: int, *, port: int, clients: int) -> float:
    answers = load.send(_requests(company, items), port=port, connections=clients)
    assert set(answers.statuses) == {201}, answers.statuses
    return answers.rate


def _requests(company: "Company", items: int) -> Sequence[bytes]:
    events = company.events(customers=1)
    return [
        company.request(
            {
                "customer": "customer-1",
                "items": [
                    {"type": event["type"], "properties": event["properties"]}
                    for event in itertools.islice(events, items)
                ],
            },
            path=PATH,
        )
        for _ in range(REQUESTS)
    ]


def main() -> None:
    """Measure rounds of both, and print their medians."""
    open_company = importlib.import_module("tests.benchmarks.company").open_company
    running_web = importlib.import_module("tests.benchmarks.throughput").running_web
    company = open_company()
    with running_web(workers=1) as port:
        for clients in (1, GROUP):
            measure(company, port=port, clients=clients)
            rounds = [measure(company, port=port, clients=clients) for _ in range(ROUNDS)]
            grouped, single = (statistics.median(each) for each in zip(*rounds, strict=True))
            line = f"{clients:3} clients: {grouped:8,.0f} in groups, {single:8,.0f} one by one"
            print(f"{line}, ratio {grouped / single:.1f}")  # noqa: T201


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
    with servers.running():
        django.setup()
        call_command("migrate", verbosity=0)
        main()
