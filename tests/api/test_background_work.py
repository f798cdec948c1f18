"""What the worker and the clock do for the API: a real worker, a real beat, a real broker."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import CreditGrant, ProofRun
from billing_site import self_check, tasks
from invoicing.models import Invoice
from metering.models import AlertFiring, BillingPeriod
from pricing.models import ShortfallPolicy
from tests.api.bodies import fast_minutes
from tests.api.callers import caller_of
from tests.api.processes import running
from tests.clock import NOW
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mail_folder(tmp_path: Path, transactional_db: None) -> Iterator[Path]:
    """Start a worker and the beat with the product's own schedule; they mail into the folder."""
    folder = tmp_path / "mail"
    log = tmp_path / "celery.log"
    celery = ("celery", "-A", "billing_site.celery")
    worker = (*celery, "worker", "--concurrency", "1", "--loglevel", "INFO")
    beat = (*celery, "beat", "--schedule", tmp_path / "schedule", "--pidfile", "")
    with ExitStack() as programs:
        for program in (worker, beat):
            programs.enter_context(running(*program, log=log, EMAIL_URL=f"file://{folder}"))
        eventually(lambda: " ready." in log.read_text(), seconds=30)
        yield folder


def eventually(happened: Callable[[], object], *, seconds: float) -> float:
    """Wait until something is true, and return how long that took."""
    started = time.monotonic()
    while not happened():
        assert time.monotonic() - started < seconds, "it did not happen"
        time.sleep(0.05)
    return time.monotonic() - started


def mails_to(folder: Path, address: str) -> list[Message]:
    """Return the mails in the folder; Django separates those of one file by a line of dashes."""
    texts = [text for file in folder.glob("*.log") for text in file.read_bytes().split(b"-" * 79)]
    mails = [message_from_bytes(text.strip()) for text in texts]
    return [mail for mail in mails if mail["To"] == address]


def test_alerts_are_mailed_at_once_and_the_calendar_is_kept(mail_folder: Path) -> None:
    world = open_video_world(credit="20", policy=ShortfallPolicy.OVERAGE)
    address = world.customer.email
    world.record(world.minutes_of("fast", "12.5"))  # Long ago, in a period that is over.
    world.grant("7", expires_at=NOW)
    api = caller_of(world.organization)
    api.post(f"customers/{world.customer.external_id}/alerts", {"asset": "USD", "threshold": "5"})

    assert api.post("events", fast_minutes(world, "3")).json["balance"] == "4.5"
    assert eventually(lambda: mails_to(mail_folder, address), seconds=10) < 5
    eventually(lambda: AlertFiring.objects.exclude(delivered_at=None).exists(), seconds=5)

    the_calendar_has_been_kept(world)
    firing = AlertFiring.objects.get()
    [mail] = mails_to(mail_folder, address)
    assert firing.attempts == 1
    assert mail["Message-ID"] == f"<{firing.id}@drawdown>"
    assert mail["Subject"] == "Your balance is 4.50 USD"
    assert self_check.differences() == []
    a_check_that_is_asked_for_is_run()


def a_check_that_is_asked_for_is_run() -> None:
    """Ask for a self-check as the button does, and wait until it is done."""
    assert tasks.wake_self_check()
    eventually(lambda: ProofRun.objects.exclude(finished_at=None).exists(), seconds=20)
    assert ProofRun.objects.get().differences == 0


def the_calendar_has_been_kept(world: VideoWorld) -> None:
    """Wait until the grant has expired and the old period is an invoice."""
    eventually(lambda: not CreditGrant.objects.filter(expires_at=NOW, expired_at=None), seconds=40)
    eventually(lambda: BillingPeriod.objects.exclude(invoiced_at=None).exists(), seconds=40)
    invoice = Invoice.objects.get()
    assert (invoice.display_number, invoice.customer) == ("INV-000001", world.customer)
    assert invoice.lines.get().credits_applied == 12.5
    open_period = BillingPeriod.objects.get(closed_at=None)
    assert open_period.starts_at <= timezone.now() < open_period.ends_at + dt.timedelta(seconds=1)
