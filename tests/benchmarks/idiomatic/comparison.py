"""Measure S6: the product beside the compared app, each with its own server and database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.benchmarks import load, web, yardsticks
from tests.benchmarks.hot_path import HOT, Bench, rate
from tests.benchmarks.measures import Measure

_DATABASE = "idiomatic"
_CREDIT = 1_000_000
_FILL = f"""
INSERT INTO idiomatic_apikey (key) VALUES (%s);
INSERT INTO idiomatic_account (customer, balance)
SELECT 'customer-' || number, {_CREDIT} FROM generate_series(1, {yardsticks.CUSTOMERS}) number;
INSERT INTO idiomatic_price (model, speed, unit_amount)
SELECT 'model-' || model, speed, (model + 1)::numeric / 1000
FROM generate_series(0, 24) model, unnest('{{batch,slow,standard,fast}}'::text[]) speed
"""
_WRONG = f"""
SELECT count(*) FROM idiomatic_account account
WHERE {_CREDIT} - balance <> (
    SELECT coalesce(sum(amount), 0) FROM idiomatic_event event WHERE event.account_id = account.id
) OR balance - {_CREDIT} <> (
    SELECT coalesce(sum(amount), 0) FROM idiomatic_ledgerentry entry
    WHERE entry.account_id = account.id
) OR {_CREDIT} - balance <> (
    SELECT coalesce(sum(amount), 0) FROM idiomatic_usagetotal total
    WHERE total.account_id = account.id
)
"""


class Compared:
    """The compared app under the same load."""

    def __init__(self, bench: Bench, *, port: int, url: str) -> None:
        self._bench = bench
        self._port = port
        self._url = url
        self._rates: dict[str, float] = {}
        self._sent = 0

    def singles(self, customers: int) -> float:
        """Send single events by 32 clients; gives events a second."""
        name = f"singles of {customers}"
        count = max(int(self._rates.get(name, 100) * self._bench.seconds), 64)
        self._sent += count
        return self._send(name, self._bench.company.singles(count, customers=customers), clients=32)

    def batches(self) -> float:
        """Send batches of 1,000 events; gives events a second."""
        self._sent += 2 * yardsticks.BATCH
        return self._send("batches", self._bench.company.batches(2), clients=2) * yardsticks.BATCH

    def _send(self, name: str, requests: list[bytes], *, clients: int) -> float:
        answers = load.send(requests, port=self._port, connections=clients)
        assert set(answers.statuses) <= {200, 201}, answers.statuses
        self._rates[name] = answers.rate
        return answers.rate

    def differences(self) -> list[str]:
        """Return where its books do not add up."""
        with psycopg.connect(self._url) as connection:
            [stored] = connection.execute("SELECT count(*) FROM idiomatic_event").fetchone() or [0]
            [wrong] = connection.execute(_WRONG).fetchone() or [0]
        found = [f"the compared app has {wrong} wrong accounts"] * bool(wrong)
        return found + [f"the compared app: {self._sent} sent, {stored} stored"] * (
            stored != self._sent
        )


@contextmanager
def measures(bench: Bench, found: list[str], *, workers: int) -> Iterator[list[Measure]]:
    """Give S6's measures beside the running app; what differs afterwards is added to `found`."""
    url = _create_database(bench.company.secret)
    variables = {"IDIOMATIC_DATABASE_URL": url}
    with web.running(
        workers=workers,
        application="tests.benchmarks.idiomatic.wsgi:application",
        interface="wsgi",
        variables=variables,
        options=("--blocking-threads", "8"),
    ) as port:
        compared = Compared(bench, port=port, url=url)
        yield [
            Measure(
                code="S6", name="single, spread, 128 clients", gate=20, record=40,
                ours=lambda: rate(bench.singles(yardsticks.CUSTOMERS, clients=128)),
                yardsticks={"DRF and ORM": lambda: compared.singles(yardsticks.CUSTOMERS)},
            ),
            Measure(
                code="S6", name="single, one customer, 128 clients", gate=20, record=40,
                ours=lambda: rate(bench.singles(HOT, clients=128)),
                yardsticks={"DRF and ORM": lambda: compared.singles(HOT)},
            ),
            Measure(
                code="S6", name="batches of 1,000 over 1,000 customers", gate=80, record=200,
                ours=lambda: bench.batches(yardsticks.CUSTOMERS),
                yardsticks={"DRF and ORM": compared.batches},
            ),
        ]  # fmt: skip
    found += compared.differences()


def _create_database(secret: str) -> str:
    ours = os.environ["DATABASE_URL"]
    url = urlunsplit(urlsplit(ours)._replace(path=f"/{_DATABASE}"))
    with psycopg.connect(ours, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {_DATABASE}")
        connection.execute(f"CREATE DATABASE {_DATABASE}")
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"],
        env={
            **os.environ,
            "IDIOMATIC_DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.idiomatic.settings",
        },
        check=True,
    )
    with psycopg.connect(url) as connection:
        for number, statement in enumerate(_FILL.split(";")):
            connection.execute(statement, [secret] if not number else None)
    return url
