"""Background work that reads across floors."""

import datetime as dt
from collections.abc import Sequence

import structlog
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts import proofs
from accounts.checks import Difference
from billing_site import self_check

log = structlog.get_logger(__name__)

# All of a very large history takes longer than any other task may.
_TIME_LIMIT = 3_300
_PAUSE = dt.timedelta(seconds=15)


class BooksBroken(Exception):
    """The self-check found differences; the message names the first of them."""


@shared_task(time_limit=_TIME_LIMIT)
def check_ledger() -> None:
    """Run the self-check, unless one is running.

    Raises BooksBroken, so that a difference shows as a failed task.
    """
    _check(asked=False)


@shared_task(time_limit=_TIME_LIMIT)
def check_ledger_now() -> None:
    """Run the self-check because somebody asked, unless one began a moment ago."""
    if not proofs.began_since(timezone.now() - _PAUSE):
        _check(asked=True)


def _check(*, asked: bool) -> None:
    try:
        differences = self_check.prove(clock=timezone.now, asked=asked)
    except proofs.AlreadyRunning:
        log.info("another self-check is running")
        return
    _fail_for(differences)


def wake_self_check() -> bool:
    """Ask a worker for a self-check now; False when no broker took the message."""
    try:
        check_ledger_now.apply_async(retry=False)
    except OperationalError as error:
        log.warning("broker not reached, the self-check waits for its time", error=str(error))
        return False
    return True


def _fail_for(differences: Sequence[Difference]) -> None:
    if differences:
        lines = "\n".join(str(difference) for difference in differences[:20])
        message = f"{len(differences)} differences in the books:\n{lines}"
        raise BooksBroken(message)
