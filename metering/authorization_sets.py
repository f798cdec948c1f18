"""Sets of authorizations and captures: those of several requests in one transaction.

The accounts of all their customers are locked once, everything is read once and written once. Each
keeps its own answer: one that is refused leaves no trace and does not touch its neighbours. They
are decided in the order given, each after those before it.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts import exact_json, identifiers, ledger, money, set_statements
from accounts.models import Customer, OnExpiry
from metering import alerts, cap_reservations, capturing, estimates, ingestion
from metering.authorization_statements import Described, describe_all, find_all
from metering.cap_reservations import Reservation
from metering.capturing import Held
from metering.estimates import Estimate, Unpriced
from metering.event_drafts import EventDraft
from metering.ingestion import Ending, Recorded
from metering.models import Authorization
from metering.outcomes import AUTHORIZATION_ENDED, Outcome
from metering.permits import Refused
from metering.subscribers import Subscriber, Subscribers

LIFETIME_MAX = dt.timedelta(hours=24)
"""How long after it was made an authorization expires at the latest, extended or not."""


class AuthorizationEnded(Exception):
    """The authorization came to its end before; `state` says which."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the authorization is {state}")
        self.state = state


class TooLong(ValueError):
    """The authorization would expire more than 24 hours after it was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a verb has led to, and how many alerts have fired, with those of its whole set."""

    authorization: Described
    firings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured(Done):
    """What became of each event of a capture, in the order given."""

    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkToCome:
    """Work that is asked about: all of the drafts, which are the customer's, or none."""

    customer: Customer
    drafts: Sequence[EventDraft]
    expires_in: dt.timedelta
    on_expiry: str = OnExpiry.RELEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDone:
    """Events to be captured from an authorization, which needs its customer.

    `final` says that those were all; without events it is a release.
    """

    authorization: Authorization
    drafts: Sequence[EventDraft]
    final: bool = True


def refuse_too_long(row: Authorization) -> None:
    """Raise TooLong for one that would expire too late."""
    if row.expires_at > row.created_at + LIFETIME_MAX:
        raise TooLong("may not expire more than 24 hours after it was made")


# Authorizing.


def authorize_set(
    *, organization_id: uuid.UUID, asked: Sequence[WorkToCome], at: dt.datetime
) -> list[Done | Refused | Unpriced | TooLong]:
    """Let each work go ahead and hold what it is expected to cost, or say why it may not.

    The caller has opened a transaction for the organization.
    """
    drafts = [draft for each in asked for draft in each.drafts]
    subscribers = Subscribers.locked(organization_id, drafts, at=at)
    found = [_attempt(each, subscribers, at=at) for each in asked]
    made = [each for each in found if isinstance(each, _Made)]
    firings = _write(made, subscribers, organization_id=organization_id, at=at) if made else 0
    described = iter(
        describe_all(
            [(each.row, each.held) for each in made],
            organization_id=organization_id,
            codes={account: code for each in made for account, code in each.codes.items()},
        )
    )
    return [
        Done(authorization=next(described), firings=firings) if isinstance(each, _Made) else each
        for each in found
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """An authorization that is not written yet; `codes` are assets by account id."""

    row: Authorization
    subscriber: Subscriber
    estimated: Estimate
    held: Sequence[Held]
    codes: dict[uuid.UUID, str]


def _attempt(
    asked: WorkToCome, subscribers: Subscribers, *, at: dt.datetime
) -> _Made | Refused | Unpriced | TooLong:
    row = Authorization(
        id=identifiers.new_id(),
        organization_id=asked.customer.organization_id,
        customer=asked.customer,
        quote={},
        items=[],
        on_expiry=asked.on_expiry,
        expires_at=at + asked.expires_in,
        created_at=at,
    )
    try:
        refuse_too_long(row)
        subscriber = estimates.subscriber_of(subscribers, asked.drafts)
        estimated = estimates.estimate(subscribers, subscriber, asked.drafts)
        estimates.permit(subscriber, estimated, at=at)
    except (Refused, Unpriced, TooLong) as error:
        return error
    held = [
        hold_parts(row, subscriber, asset_id, parts, at=at)
        for asset_id, parts in estimated.parts.items()
    ]
    add_to_quote(row, estimated)
    return _Made(
        row=row,
        subscriber=subscriber,
        estimated=estimated,
        held=held,
        codes={
            subscriber.books[each].account_id: estimated.assets[each] for each in estimated.parts
        },
    )


def hold_parts(
    row: Authorization,
    subscriber: Subscriber,
    asset_id: uuid.UUID,
    parts: Sequence[ledger.Part],
    *,
    at: dt.datetime,
) -> Held:
    """Reserve `parts` of one asset under an authorization that has no hold there."""
    book = subscriber.books[asset_id]
    hold = book.hold(
        parts=parts,
        hold_id=identifiers.new_id(),
        reference=row.id,
        expires_at=row.expires_at,
        at=at,
        on_expiry=row.on_expiry,
        overage_allowed=subscriber.overage_allowed,
    )
    return Held(book, hold)


def add_to_quote(row: Authorization, estimated: Estimate) -> None:
    """Note in memory what further work is expected to cost, and its items."""
    for code, amount in estimated.amounts.items():
        before = Decimal(row.quote.get(code, "0"))
        row.quote[code] = money.to_wire(before + amount)
    row.items += estimated.items


def _write(
    made: Sequence[_Made],
    subscribers: Subscribers,
    *,
    organization_id: uuid.UUID,
    at: dt.datetime,
) -> int:
    _insert(made, organization_id=organization_id)
    cap_reservations.add(
        [
            Reservation(each.row, each.estimated.counted, each.subscriber.caps.caps)
            for each in made
            if each.subscriber.caps is not None
        ],
        organization_id=organization_id,
    )
    return post(subscribers, organization_id=organization_id, at=at)


def post(subscribers: Subscribers, *, organization_id: uuid.UUID, at: dt.datetime) -> int:
    """Write the books of authorizations, whose rows are written; returns how many alerts fired."""
    books = subscribers.books.values()
    cap_reservations.clear_expired(books, organization_id=organization_id)
    firings = alerts.decide(books, organization_id=organization_id, at=at)
    ledger.post(books, at=at)
    return firings


def _insert(made: Sequence[_Made], *, organization_id: uuid.UUID) -> None:
    rows = []
    for row in (each.row for each in made):
        quote, items = (exact_json.encode(each).decode() for each in (row.quote, row.items))
        # From here on as whoever reads them finds them: the database has its own order of names.
        row.quote, row.items = exact_json.as_stored(row.quote), exact_json.as_stored(row.items)
        rows.append(
            (row.id, row.customer_id, quote, items, row.on_expiry, row.expires_at, row.created_at)
        )
    set_statements.execute(_INSERT, rows, organization_id)


_INSERT = """
INSERT INTO metering_authorization (
    organization_id, id, customer_id, quote, items, on_expiry, expires_at, created_at, ended_as
)
SELECT %s, id, customer_id, quote::jsonb, items::jsonb, on_expiry, expires_at, created_at, ''
FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
    %s::timestamptz[]
) AS made (id, customer_id, quote, items, on_expiry, expires_at, created_at)
"""


# Capturing.


def capture_set(
    *, organization_id: uuid.UUID, done: Sequence[WorkDone], at: dt.datetime
) -> list[Captured | AuthorizationEnded]:
    """Record the events of each work and take what they cost, or say how it has ended before.

    No two may be about one authorization. The caller has opened a transaction for the
    organization. Raises what a concurrent transaction makes fail; see `ingestion.retried`.
    """
    drafts: list[EventDraft] = []
    endings = []
    for each in done:
        drafts += each.drafts
        if each.final:
            endings.append(Ending(each.authorization, len(drafts)))
    recorded = ingestion.capture_now(
        organization_id=organization_id,
        drafts=drafts,
        endings=endings,
        authorizations=[each.authorization for each in done],
        at=at,
    )
    # Read again, for only under the locks nobody else changes them.
    rows = find_all(organization_id=organization_id, ids=[each.authorization.id for each in done])
    described = describe_all(
        [
            (rows[id_], capturing.holds_in(recorded.books.values(), id_))
            for id_ in (each.authorization.id for each in done)
        ],
        organization_id=organization_id,
    )
    return _answers(done, recorded, described)


def _answers(
    done: Sequence[WorkDone], recorded: Recorded, described: Sequence[Described]
) -> list[Captured | AuthorizationEnded]:
    answers: list[Captured | AuthorizationEnded] = []
    found = iter(recorded.found)
    taken = 0
    for each, stands in zip(done, described, strict=True):
        outcomes = recorded.outcomes[taken : taken + len(each.drafts)]
        taken += len(each.drafts)
        was = next(found) if each.final else "open"
        if any(outcome.reason == AUTHORIZATION_ENDED for outcome in outcomes) or (
            not outcomes and was != "open"
        ):
            answers.append(AuthorizationEnded(stands.state))
        else:
            answers.append(
                Captured(authorization=stands, firings=recorded.firings, outcomes=outcomes)
            )
    return answers
