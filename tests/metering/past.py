"""A past to be replayed: months of usage at prices of every kind, closed, half closed and open."""

import datetime as dt
import random
from collections.abc import Collection, Mapping
from typing import Any

from invoicing import closing
from metering import backtests
from metering.models import BacktestResult, BacktestRun
from pricing.models import PlanVersion, ShortfallPolicy
from tests.clock import DAY, HOUR, SINCE
from tests.price_menu import Shop, open_shop

FEBRUARY, MARCH, APRIL = (dt.datetime(2025, month, 1, tzinfo=dt.UTC) for month in (2, 3, 4))
TODAY = dt.datetime(2025, 3, 20, 12, tzinfo=dt.UTC)
"""In the middle of the third month."""


def live_through(shop: Shop, *, until: dt.datetime = TODAY, events: int = 4, seed: int = 1) -> None:
    """Let every customer use something now and then; months are closed and invoiced on time.

    Some events come late, some are free of a value that a price needs, some repeat one.
    """
    chance = random.Random(seed)
    at, month = SINCE + HOUR, 1
    while at < until:
        if at.month != month:
            month = at.month
            closing.close_due_periods(at=at)
            closing.build_due_invoices(at=at)
        drafts = [
            shop.draft(customer, **_usage(chance), raw={"timestamp": _moment(chance, at)})
            for customer in shop.customers
            for _ in range(chance.randint(0, events))
        ]
        shop.record(*drafts, at=at)
        at += 3 * DAY + chance.randint(0, 9) * HOUR


def _usage(chance: random.Random) -> dict[str, Any]:
    return {
        "tokens": chance.choice(["0", "0.5", "3", "12.345678", "40"]),
        "model": chance.choice(["large", "small", "odd"]),
        "user": chance.choice(["ann", "bob", "cy", "di"]),
        "volume": chance.choice(["0.01", "19.99", "250"]),
        "level": chance.choice(["0.5", "6", "7.25"]),
    }


def _moment(chance: random.Random, at: dt.datetime) -> str | None:
    if chance.random() < 0.3:
        return None
    return (at - chance.choice([0, 1, 30, 900]) * HOUR).isoformat()


def sold(names: Collection[str], *, customers: int = 2, events: int = 4, seed: int = 1) -> Shop:
    """Open a company that sells what is named, and let it live through its past."""
    shop = open_shop(names, policy=ShortfallPolicy.OVERAGE)
    while len(shop.customers) < customers:
        shop.subscribe()
    live_through(shop, events=events, seed=seed)
    return shop


def backtest(version: PlanVersion, **wanted: Any) -> BacktestRun:
    """Run a backtest of the whole past to its end."""
    wanted = {"range_starts_at": SINCE, "range_ends_at": TODAY, "at": TODAY, **wanted}
    run = backtests.request_backtest(plan_version=version, **wanted)
    while backtests.advance(run_id=run.id, at=TODAY):
        pass
    run.refresh_from_db()
    return run


def amounts(run: BacktestRun) -> Mapping[tuple[str, str], tuple[Any, Any]]:
    """Return what was charged and what would have been, by customer and asset.

    They are Decimals, to be compared with any number.
    """
    rows = BacktestResult.objects.filter(run=run).select_related("customer", "asset")
    return {(row.customer.external_id, row.asset.code): (row.charged, row.would_be) for row in rows}
