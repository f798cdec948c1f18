"""Everything at once: what integrators, workers and operators do, on the same few customers.

`MIXED_OPERATIONS` says how many each of the 16 threads does: 2000 before a release.
"""

import datetime as dt
import os
import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts import ledger
from accounts.burndown import Category
from accounts.models import CreditGrant, OnExpiry, Organization
from billing_site import self_check
from invoicing import closing
from metering import authorizations, caps, corrections, ingestion, sweeping
from metering.authorizations import AuthorizationEnded
from metering.corrections import AlreadyVoided, NotReplaced
from metering.event_drafts import EventDraft
from metering.models import Authorization, Event, EventVoid
from metering.permits import Refused
from metering.spend_caps import Window
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = 16
CUSTOMERS = 5
OPERATIONS = int(os.environ.get("MIXED_OPERATIONS", "40"))
SECOND = dt.timedelta(seconds=1)


@dataclass(kw_only=True)
class Actor:
    """One of the crowd; every choice is its own, and so is every id."""

    worlds: Sequence[VideoWorld]
    number: int
    chance: random.Random
    sent: int = 0

    @property
    def organization(self) -> Organization:
        """The company all customers are of."""
        return self.worlds[0].organization

    @property
    def world(self) -> VideoWorld:
        """Any customer's."""
        return self.chance.choice(self.worlds)

    def draft(self, world: VideoWorld, **fields: str) -> EventDraft:
        """An event that was never sent."""
        self.sent += 1
        minutes = str(Decimal(self.chance.randrange(1, 300)) / 100)
        return world.minutes_of("fast", minutes, id=f"{self.number}-{self.sent}", **fields)


def send(actor: Actor) -> None:
    """Send events of several customers, in whatever order."""
    worlds = actor.chance.sample(actor.worlds, k=3)
    drafts = [actor.draft(world) for world in worlds for _ in range(2)]
    ingestion.record_events(organization_id=actor.organization.id, drafts=drafts, at=timezone.now())


def authorize(actor: Actor) -> None:
    """Ask for work of one customer, for a second or two."""
    world = actor.world
    with suppress(Refused):
        authorizations.authorize(
            customer=world.customer,
            drafts=[actor.draft(world), actor.draft(world)],
            expires_in=actor.chance.choice([1, 2, 600]) * SECOND,
            on_expiry=actor.chance.choice(OnExpiry.values),
            at=timezone.now(),
        )


def go_on(actor: Actor) -> None:
    """Capture some of an authorization, extend it, report on it, or give it back."""
    open_ones = Authorization.objects.filter(ended_as="").select_related("customer", "organization")
    found = open_ones.order_by("?").first()
    if found is None:
        return
    world = next(each for each in actor.worlds if each.customer.id == found.customer_id)
    now = timezone.now()
    with suppress(AuthorizationEnded, Refused):
        match actor.chance.choice(["capture", "capture", "extend", "report", "release"]):
            case "capture":
                authorizations.capture(
                    authorization=found,
                    drafts=[actor.draft(world, authorization=str(found.id))],
                    final=actor.chance.random() < 0.5,
                    at=now,
                )
            case "extend":
                authorizations.extend(authorization=found, drafts=[actor.draft(world)], at=now)
            case "report":
                authorizations.report(authorization=found, drafts=[actor.draft(world)], at=now)
            case "release":
                authorizations.release(authorization=found, at=now)


def correct(actor: Actor) -> None:
    """Take an event back, or send another in its place, perhaps another customer's."""
    key = uuid.UUID(int=actor.chance.getrandbits(128))
    found = Event.objects.filter(organization=actor.organization, key__gte=key).order_by("key")
    event = found.first()
    if event is None:
        return
    about: dict[str, Any] = {
        "organization_id": actor.organization.id,
        "key": event.key,
        "at": timezone.now(),
    }
    if actor.chance.random() < 0.5:
        corrections.void_event(**about)
        return
    with suppress(AlreadyVoided, NotReplaced):
        corrections.replace_event(draft=actor.draft(actor.world), **about)


def give(actor: Actor) -> None:
    """Give credit, some of it for a moment only, and take some back."""
    now = timezone.now()
    terms: dict[str, Any] = actor.chance.choice(
        [{}, {"expires_at": now + SECOND}, {"effective_at": now + SECOND}]
    )
    ledger.grant_credit(
        account=actor.world.account,
        amount=Decimal(actor.chance.randrange(1, 20)),
        category=Category.PAID,
        at=now,
        **terms,
    )
    grant = CreditGrant.objects.filter(voided_at=None, expired_at=None).order_by("?").first()
    if grant is not None and actor.chance.random() < 0.2:
        with suppress(ledger.NotVoidable):
            ledger.void_grant(grant=grant, at=timezone.now())


def sweep(actor: Actor) -> None:
    """Do what workers do."""
    now = timezone.now()
    sweeping.settle_due_accounts(at=now)
    closing.close_due_periods(at=now)
    closing.build_due_invoices(at=now)


def limit(actor: Actor) -> None:
    """Set a cap, and lift it again."""
    world = actor.world
    cap = caps.set_cap(
        customer=world.customer,
        limit=Decimal(10_000),
        window=actor.chance.choice(list(Window)),
        asset=world.usd,
        at=timezone.now(),
    )
    send(actor)
    caps.lift_cap(cap)


VERBS: Sequence[Callable[[Actor], None]] = (
    send, send, send, authorize, authorize, go_on, go_on, go_on, correct, give, sweep, limit,
)  # fmt: skip


def deadlocks() -> int:
    """Return how often the server has had to break a circle."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_nobody_waits_in_a_circle_and_the_books_are_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingestion, "ATTEMPTS", 1)  # A retry would hide a deadlock.
    first = open_video_world(credit="1000")
    worlds = [first, *(first.add_customer(credit="1000") for _ in range(CUSTOMERS - 1))]
    before = deadlocks()

    def live(number: int) -> None:
        actor = Actor(worlds=worlds, number=number, chance=random.Random(number))
        for _ in range(OPERATIONS):
            actor.chance.choice(VERBS)(actor)
            connection.close()  # Back to the pool, which is smaller than the crowd.

    with crowd_of(CROWD, seconds=120 + OPERATIONS * 2) as crowd:
        crowd.at_once(live)
    assert deadlocks() == before
    assert Event.objects.exists()
    assert EventVoid.objects.exists()
    assert Authorization.objects.exclude(ended_as="").exists()
    assert self_check.differences() == []
