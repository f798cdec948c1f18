"""Authorizations: may this work go ahead? The answer before it, and the taking after it.

The work is given as event drafts, one or many, priced by the engine that will rate the events. It
goes ahead as a whole or not at all, and what it is expected to cost is held, in every account it
needs, until real events are captured from it, it is released, or its time is over. One row of
`Authorization` for each request, and one hold for each account, whose reference is the row's id.

Two authorizations do not see each other's drafts: each is rated from where the period stands, so
tiers are sure only once the events are captured, which takes the true amount.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from accounts import identifiers, ledger, money, tenancy
from accounts.models import Customer, OnExpiry
from metering import alerts, cap_reservations, capturing, estimates, ingestion
from metering.authorization_statements import Described, by_asset, describe, find, look_at
from metering.capturing import Captures, Held
from metering.estimates import Estimate, Unpriced
from metering.event_drafts import EventDraft
from metering.models import Authorization
from metering.outcomes import AUTHORIZATION_ENDED, Outcome
from metering.permits import Refused
from metering.subscribers import Subscriber, Subscribers

__all__ = [
    "AuthorizationEnded", "Captured", "Done", "NotHeld", "Refused", "TooLong", "Unpriced",
    "authorize", "capture", "extend", "release", "report",
]  # fmt: skip

LIFETIME_MAX = dt.timedelta(hours=24)
"""How long after it was made an authorization expires at the latest, extended or not."""


class AuthorizationEnded(Exception):
    """The authorization came to its end before; `state` says which."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the authorization is {state}")
        self.state = state


class TooLong(ValueError):
    """The authorization would expire more than 24 hours after it was made."""


class NotHeld(ValueError):
    """Nothing is held in this asset; `asset` is its code."""

    def __init__(self, asset: str) -> None:
        super().__init__(f"nothing is held in {asset}")
        self.asset = asset


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a verb has led to, and how many alerts have fired."""

    authorization: Described
    firings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured(Done):
    """What became of each event of a capture, in the order given."""

    outcomes: Sequence[Outcome]


# Verbs.


def authorize(
    *,
    customer: Customer,
    drafts: Sequence[EventDraft],
    expires_in: dt.timedelta,
    at: dt.datetime,
    on_expiry: str = OnExpiry.RELEASE,
) -> Done:
    """Let the customer's work go ahead and hold what it is expected to cost, or refuse all of it.

    Raises Refused with every reason, Unpriced, and TooLong.
    """
    organization_id = customer.organization_id
    row = Authorization(
        id=identifiers.new_id(),
        organization_id=organization_id,
        customer=customer,
        quote={},
        items=[],
        on_expiry=on_expiry,
        expires_at=at + expires_in,
        created_at=at,
    )
    _refuse_too_long(row)
    with tenancy.transaction_for(organization_id):
        subscribers = Subscribers.locked(organization_id, drafts, at=at)
        work = _Work(row, subscribers, at=at)
        work.reserve(drafts)
        return work.done()


def extend(
    *,
    authorization: Authorization,
    at: dt.datetime,
    drafts: Sequence[EventDraft] = (),
    expires_in: dt.timedelta | None = None,
) -> Done:
    """Hold more for further work, or all of it for longer, or both, or nothing of that.

    `expires_in` counts from `at`; the time is never cut short. Raises AuthorizationEnded, TooLong,
    Refused and Unpriced.
    """
    with _locked(authorization, drafts=drafts, at=at) as work:
        if expires_in is not None:
            work.prolong(at + expires_in)
        if drafts:
            work.reserve(drafts)
        return work.done()


def capture(
    *,
    authorization: Authorization,
    drafts: Sequence[EventDraft],
    at: dt.datetime,
    final: bool = True,
) -> Captured:
    """Record events of the authorized work, each of which names it, and take what they cost.

    They are rated and kept as any event, and never refused for want of money: the work is done.
    A `final` capture then gives back the rest, whatever has become of each event; without events
    it is a release. An event sent again is answered as the first time, also after the end. Raises
    AuthorizationEnded for an event that is new then, and nothing is recorded.
    """
    if not drafts and final:
        done = release(authorization=authorization, at=at)
        return Captured(authorization=done.authorization, firings=done.firings, outcomes=())
    with tenancy.transaction_for(authorization.organization_id):
        recorded = ingestion.capture_events(
            authorization=authorization, drafts=drafts, final=final, at=at
        )
        described = look_at(
            find(organization_id=authorization.organization_id, id_=authorization.id), at=at
        )
        if any(outcome.reason == AUTHORIZATION_ENDED for outcome in recorded.outcomes):
            raise AuthorizationEnded(described.state)
        return Captured(
            authorization=described, firings=recorded.firings, outcomes=recorded.outcomes
        )


def release(*, authorization: Authorization, at: dt.datetime) -> Done:
    """End an authorization and give back what is left. Raises AuthorizationEnded.

    It is captured when some of its work was, and else released.
    """
    with _locked(authorization, at=at) as work:
        work.captures.end(authorization.id)
        return work.done()


def report(
    *,
    authorization: Authorization,
    at: dt.datetime,
    amounts: Mapping[str, Decimal] | None = None,
    drafts: Sequence[EventDraft] = (),
) -> Done:
    """Note how far the work has come in all: `amounts` by asset code, or as drafts to be priced.

    It is what an authorization that expires with `capture_reported` is charged. Less than was
    reported before, or than nothing, changes nothing; more than is held counts as all of it.
    Raises NotHeld, AuthorizationEnded and Unpriced.
    """
    with _locked(authorization, drafts=drafts, at=at) as work:
        work.report(amounts if amounts is not None else work.price(drafts).amounts)
        return work.done()


# One authorization under the locks of its customer's accounts.


@contextmanager
def _locked(
    authorization: Authorization, *, at: dt.datetime, drafts: Sequence[EventDraft] = ()
) -> Iterator["_Work"]:
    """Lock an open authorization. Raises AuthorizationEnded."""
    organization_id = authorization.organization_id
    with tenancy.transaction_for(organization_id):
        subscribers = Subscribers.locked(
            organization_id,
            drafts,
            at=at,
            customers=[authorization.customer.external_id],
            authorizations=[authorization.id],
        )
        # Read again, for only now nobody else changes it.
        row = find(organization_id=organization_id, id_=authorization.id)
        state = capturing.state_of(capturing.holds_in(subscribers.books.values(), row.id))
        if state != "open":
            raise AuthorizationEnded(state)
        yield _Work(row, subscribers, at=at)


class _Work:
    """What one verb does to one authorization. Lives no longer than its transaction."""

    def __init__(self, row: Authorization, subscribers: Subscribers, *, at: dt.datetime) -> None:
        self.row = row
        self.subscribers = subscribers
        self.at = at
        self.captures = Captures(
            subscribers,
            organization_id=row.organization_id,
            authorization_ids=[row.id],
            at=at,
        )

    @property
    def held(self) -> list[Held]:
        return capturing.holds_in(self.subscribers.books.values(), self.row.id)

    def price(self, drafts: Sequence[EventDraft]) -> Estimate:
        subscriber = estimates.subscriber_of(self.subscribers, drafts)
        return estimates.estimate(self.subscribers, subscriber, drafts)

    def reserve(self, drafts: Sequence[EventDraft]) -> None:
        """Hold what further work is expected to cost, and reserve it in caps."""
        subscriber = estimates.subscriber_of(self.subscribers, drafts)
        estimated = estimates.estimate(self.subscribers, subscriber, drafts)
        estimates.permit(subscriber, estimated, at=self.at)
        for asset_id, parts in estimated.parts.items():
            self._hold(subscriber, asset_id, parts)
        for code, amount in estimated.amounts.items():
            before = Decimal(self.row.quote.get(code, "0"))
            self.row.quote[code] = money.to_wire(before + amount)
        self.row.items += estimated.items
        self.row.save()
        if subscriber.caps is not None:
            cap_reservations.add(self.row, estimated.counted, caps=subscriber.caps.caps)

    def _hold(
        self, subscriber: Subscriber, asset_id: uuid.UUID, parts: Sequence[ledger.Part]
    ) -> None:
        book, overage_allowed = subscriber.books[asset_id], subscriber.overage_allowed
        for _, hold in capturing.holds_in([book], self.row.id):
            book.extend(hold, parts=parts, at=self.at, overage_allowed=overage_allowed)
            return
        book.hold(
            parts=parts,
            hold_id=identifiers.new_id(),
            reference=self.row.id,
            expires_at=self.row.expires_at,
            at=self.at,
            on_expiry=self.row.on_expiry,
            overage_allowed=overage_allowed,
        )

    def prolong(self, until: dt.datetime) -> None:
        """Let it expire no earlier than `until`. Raises TooLong."""
        self.row.expires_at = max(self.row.expires_at, until)
        _refuse_too_long(self.row)
        for book, hold in self.held:
            book.extend(hold, expires_at=self.row.expires_at, at=self.at)
        self.row.save()
        cap_reservations.prolong(self.row)

    def report(self, amounts: Mapping[str, Decimal]) -> None:
        """Note the progress in each of these assets. Raises NotHeld."""
        held = by_asset(self.row, self.held)
        for asset, amount in amounts.items():
            if asset in held:
                held[asset].book.report(held[asset].hold, amount)
            elif amount:
                raise NotHeld(asset)

    def done(self) -> Done:
        """Write everything, and say how the authorization stands."""
        books = self.subscribers.books.values()
        organization_id = self.row.organization_id
        self.captures.write()
        cap_reservations.clear_expired(books, organization_id=organization_id)
        firings = alerts.decide(books, organization_id=organization_id, at=self.at)
        ledger.post(books, at=self.at)
        row = find(organization_id=organization_id, id_=self.row.id)
        return Done(authorization=describe(row, self.held), firings=firings)


def _refuse_too_long(row: Authorization) -> None:
    if row.expires_at > row.created_at + LIFETIME_MAX:
        raise TooLong("may not expire more than 24 hours after it was made")
