"""Work that is authorized first: short ways to ask for it, and the events it comes to."""

import datetime as dt
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from metering import authorization_statements, authorizations
from metering.authorization_statements import Described
from metering.authorizations import Captured, Refused
from metering.event_drafts import EventDraft
from metering.models import Authorization
from tests.clock import HOUR, NOW
from tests.worlds import VideoWorld


def authorize(
    world: VideoWorld, *drafts: EventDraft, expires_in: dt.timedelta = HOUR, **terms: Any
) -> Authorization:
    """Return the authorization of this work, an hour long unless told otherwise."""
    terms = {"at": NOW, **terms}
    done = authorizations.authorize(
        customer=world.customer, drafts=drafts, expires_in=expires_in, **terms
    )
    return done.authorization.row


def reasons_against(world: VideoWorld, *drafts: EventDraft, **terms: Any) -> list[dict[str, str]]:
    """Return why this work may not go ahead, and nothing when it may."""
    try:
        authorize(world, *drafts, **terms)
    except Refused as error:
        return [refusal.to_wire() for refusal in error.refusals]
    return []


def event_of(
    world: VideoWorld, authorization: Authorization, minutes: str = "1", **fields: Any
) -> EventDraft:
    """Return an event of so many fast minutes, captured from the authorization."""
    fields = {"authorization": str(authorization.id), **fields}
    return world.minutes_of("fast", minutes, **fields)


def capture(
    authorization: Authorization, *drafts: EventDraft, at: dt.datetime = NOW, **terms: Any
) -> Captured:
    """Capture these events."""
    return authorizations.capture(authorization=authorization, drafts=drafts, at=at, **terms)


def as_it_stands(authorization: Authorization, *, at: dt.datetime = NOW) -> Described:
    """Return the authorization read anew."""
    found = authorization_statements.find(
        organization_id=authorization.organization_id, id_=authorization.id
    )
    return authorization_statements.look_at(found, at=at)


def fast_minutes(world: VideoWorld, *minutes: str) -> Sequence[EventDraft]:
    """Return drafts of so many fast minutes each, 1.00 USD a minute."""
    return [world.minutes_of("fast", each) for each in minutes]


def unknown_id() -> str:
    """Return the id of no authorization."""
    return str(uuid.uuid4())


def usd(amount: int) -> dict[str, Decimal]:
    """Return an amount as an authorization tells it."""
    return {"USD": Decimal(amount)}
