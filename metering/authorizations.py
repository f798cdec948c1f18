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
from decimal import Decimal
from functools import partial

from accounts import ledger, tenancy
from accounts.models import Customer, OnExpiry
from metering import cap_reservations, capturing, estimates, ingestion
from metering.authorization_sets import (
    AuthorizationEnded,
    Captured,
    Done,
    TooLong,
    WorkDone,
    WorkToCome,
    add_to_quote,
    authorize_set,
    capture_set,
    hold_parts,
    post,
    refuse_too_long,
)
from metering.authorization_statements import by_asset, describe, find
from metering.capturing import Held
from metering.estimates import Estimate, Unpriced
from metering.event_drafts import EventDraft
from metering.models import Authorization
from metering.permits import Refused
from metering.subscribers import Subscriber, Subscribers

__all__ = [
    "REFUSALS",
    "AuthorizationEnded",
    "Captured",
    "Done",
    "NotHeld",
    "Refused",
    "TooLong",
    "Unpriced",
    "authorize",
    "capture",
    "extend",
    "release",
    "report",
]  # fmt: skip


class NotHeld(ValueError):
    """Nothing is held in this asset; `asset` is its code."""

    def __init__(self, asset: str) -> None:
        super().__init__(f"nothing is held in {asset}")
        self.asset = asset


REFUSALS = (AuthorizationEnded, NotHeld, Refused, TooLong, Unpriced)
"""Whatever the verbs raise for a request that is not to be fulfilled."""


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
    asked = WorkToCome(customer=customer, drafts=drafts, expires_in=expires_in, on_expiry=on_expiry)
    with tenancy.recording_for(organization_id):
        [done] = authorize_set(organization_id=organization_id, asked=[asked], at=at)
        if not isinstance(done, Done):
            raise done
        return done


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
    work = WorkDone(authorization=authorization, drafts=drafts, final=final)
    return ingestion.retried(partial(_capture, work, at=at))


def _capture(work: WorkDone, *, at: dt.datetime) -> Captured:
    organization_id = work.authorization.organization_id
    with tenancy.recording_for(organization_id):
        [done] = capture_set(organization_id=organization_id, done=[work], at=at)
        if not isinstance(done, Captured):
            raise done
        return done


def release(*, authorization: Authorization, at: dt.datetime) -> Done:
    """End an authorization and give back what is left. Raises AuthorizationEnded.

    It is captured when some of its work was, and else released.
    """
    return capture(authorization=authorization, drafts=(), at=at)


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
    with tenancy.recording_for(organization_id):
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
        add_to_quote(self.row, estimated)
        self.row.save()
        if subscriber.caps is not None:
            cap_reservations.add(
                [cap_reservations.Reservation(self.row, estimated.counted, subscriber.caps.caps)],
                organization_id=self.row.organization_id,
            )

    def _hold(
        self, subscriber: Subscriber, asset_id: uuid.UUID, parts: Sequence[ledger.Part]
    ) -> None:
        book, overage_allowed = subscriber.books[asset_id], subscriber.overage_allowed
        for _, hold in capturing.holds_in([book], self.row.id):
            book.extend(hold, parts=parts, at=self.at, overage_allowed=overage_allowed)
            return
        hold_parts(self.row, subscriber, asset_id, parts, at=self.at)

    def prolong(self, until: dt.datetime) -> None:
        """Let it expire no earlier than `until`. Raises TooLong."""
        self.row.expires_at = max(self.row.expires_at, until)
        refuse_too_long(self.row)
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
        organization_id = self.row.organization_id
        firings = post(self.subscribers, organization_id=organization_id, at=self.at)
        row = find(organization_id=organization_id, id_=self.row.id)
        return Done(authorization=describe(row, self.held), firings=firings)
