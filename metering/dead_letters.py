"""Dead letters, sent once more: recorded under the identity they came with, mended if need be.

What is recorded keeps the fingerprint of the payload that the integrator sent. So when their
software sends it again, as it will, it is answered as a replay: neither charged twice nor refused
because somebody has mended the event meanwhile.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from metering import event_drafts, ingestion
from metering.event_drafts import EventDraft, InvalidDraft
from metering.ingestion import Recorded
from metering.models import DeadLetter, Event
from metering.outcomes import Outcome, Status

AT_ONCE_MAX = 1_000


class UnknownLetter(LookupError):
    """The organization has no such dead letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of dead letters: an outcome each, alerts that fired, and how many are left."""

    letters: list[DeadLetter]
    outcomes: list[Outcome]
    firings: int = 0
    left: int = 0


def replay(
    *,
    organization_id: uuid.UUID,
    letter_id: uuid.UUID,
    at: dt.datetime,
    mended: Mapping[str, Any] | None = None,
) -> Replayed:
    """Record one dead letter, with the fields of `mended` in place of those it came with.

    They are fields of an event as it is sent: type, customer, timestamp, properties. One that
    still cannot be priced stays a dead letter, with its new fields and reason; one that is refused
    stays as it was. A letter that was resolved is answered as its event. Raises UnknownLetter.
    """
    letters = DeadLetter.objects.for_organization(organization_id)
    letter = letters.filter(id=letter_id).first()
    if letter is None:
        raise UnknownLetter
    known = _answer_of(letter)
    if known is not None:
        return Replayed(letters=[letter], outcomes=[known])
    return _record([letter], organization_id=organization_id, at=at, mended=mended or {})


def replay_all(
    *,
    organization_id: uuid.UUID,
    at: dt.datetime,
    reason: str = "",
    customer: str = "",
    limit: int = AT_ONCE_MAX,
) -> Replayed:
    """Record up to `limit` unresolved dead letters of a reason or a customer, oldest first.

    Those that are dead still go to the end of the queue, so calling again gets on with the others.
    """
    waiting = DeadLetter.objects.for_organization(organization_id).filter(resolved_at=None)
    if reason:
        waiting = waiting.filter(reason=reason)
    if customer:
        waiting = waiting.filter(customer_external_id=customer)
    found = list(waiting.order_by("received_at", "id")[: min(limit, AT_ONCE_MAX)])
    done = _record(found, organization_id=organization_id, at=at, mended={})
    return replace(done, left=waiting.count())


def _answer_of(letter: DeadLetter) -> Outcome | None:
    """Return the answer to an event that was recorded after all."""
    if letter.resolved_at is None:
        return None
    event = Event.objects.filter(organization=letter.organization_id, key=letter.key).first()
    if event is None:
        return None
    return Outcome(external_id=event.external_id, status=Status.REPLAYED, charges=event.charges)


def _record(
    letters: list[DeadLetter],
    *,
    organization_id: uuid.UUID,
    at: dt.datetime,
    mended: Mapping[str, Any],
) -> Replayed:
    drafts = [_draft(letter, mended, at=at) for letter in letters]
    recorded = Recorded(outcomes=[])
    if drafts:
        recorded = ingestion.record_events(organization_id=organization_id, drafts=drafts, at=at)
    return Replayed(letters=letters, outcomes=recorded.outcomes, firings=recorded.firings)


def _draft(
    letter: DeadLetter, mended: Mapping[str, Any], *, at: dt.datetime
) -> EventDraft | InvalidDraft:
    came = {
        "id": letter.external_id,
        "type": letter.type,
        "customer": letter.customer_external_id,
        "timestamp": letter.occurred_at.isoformat(),
        "properties": letter.properties,
        "backfill": letter.is_backfill,
    }
    if letter.source:
        came["source"] = letter.source
    draft = event_drafts.parse(came | dict(mended), at=at)
    if isinstance(draft, InvalidDraft) or letter.payload_hash is None:
        return draft
    return msgspec.structs.replace(draft, payload_hash=bytes(letter.payload_hash))
