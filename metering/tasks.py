"""Background work of metering. Each task finds its work in the database and may run twice."""

import structlog
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from metering import alerts, sweeping

log = structlog.get_logger(__name__)


def wake_delivery() -> None:
    """Ask a worker to deliver alerts now.

    The firings are rows, so nothing is lost when the broker is away: the next beat finds them,
    and the request that came this far must not fail for it.
    """
    try:
        deliver_alerts.apply_async(retry=False)
    except OperationalError as error:
        log.warning("broker not reached, alerts wait for the next beat", error=str(error))


@shared_task
def deliver_alerts() -> int:
    """Mail the alert firings that wait."""
    return alerts.deliver_due(at=timezone.now())


@shared_task
def settle_due_accounts() -> int:
    """Book grants that became effective or expired, and end holds whose time is over."""
    return sweeping.settle_due_accounts(at=timezone.now())
