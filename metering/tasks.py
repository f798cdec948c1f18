"""Background work of metering. Each task finds its work in the database and may run twice."""

from typing import Any

import structlog
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from metering import alerts, backtests, sweeping, usage_folding

log = structlog.get_logger(__name__)


def wake_delivery() -> None:
    """Ask a worker to deliver alerts now."""
    _wake(deliver_alerts)


def wake_backtests() -> None:
    """Ask a worker to go on with backtests now."""
    _wake(run_backtests)


def _wake(task: Any) -> None:
    """Send a task its message.

    What is to be done is in rows, so nothing is lost when the broker is away: the next beat finds
    them, and the request that came this far must not fail for it.
    """
    try:
        task.apply_async(retry=False)
    except OperationalError as error:
        log.warning("broker not reached, work waits for the next beat", error=str(error))


@shared_task
def deliver_alerts() -> int:
    """Mail the alert firings that wait."""
    return alerts.deliver_due(at=timezone.now())


@shared_task
def settle_due_accounts() -> int:
    """Book grants that became effective or expired, and end holds whose time is over."""
    return sweeping.settle_due_accounts(at=timezone.now())


@shared_task
def bring_included_credits() -> int:
    """Grant what plans include, a few days ahead."""
    return sweeping.bring_included_credits(at=timezone.now())


@shared_task
def run_backtests() -> None:
    """Do a slice of each backtest, and let others have a turn before the next one."""
    if backtests.advance_all(at=timezone.now()):
        wake_backtests()


@shared_task
def fold_usage() -> int:
    """Add the newest events to the slots that charts are read from."""
    return usage_folding.fold()
