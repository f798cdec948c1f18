"""Capturing: events whose work was authorized are paid out of what was reserved for it.

The work is done, so money, spend caps and entitlements refuse nothing here: what nobody can pay is
overage or uncollected, as the plan says. Caps count it, and get back what was reserved of them.
Nothing here writes a book; the caller posts them.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from accounts import set_statements
from accounts.books import Book
from accounts.money import ZERO
from accounts.reservations import HoldState
from metering import cap_reservations, outcomes
from metering.event_drafts import EventDraft
from metering.models import Event
from metering.outcomes import Outcome
from metering.permits import by_asset, parts_of
from metering.spend_caps import Counted, take_out
from metering.subscribers import Paid, RatedPrice, Subscriber, Subscribers

_BY_PRECEDENCE = ("expired", "open", "captured")


class Held(NamedTuple):
    """A hold and the book it lies in."""

    book: Book
    hold: HoldState


def holds_in(books: Iterable[Book], authorization_id: uuid.UUID) -> list[Held]:
    """Return an authorization's holds, one for each account it needs."""
    return [
        Held(book, hold)
        for book in books
        for hold in book.holds.values()
        if hold.reference == authorization_id
    ]


def state_of(held: Iterable[Held]) -> str:
    """Return the state of an authorization with these holds."""
    states = {hold.state for _, hold in held}
    return next((state for state in _BY_PRECEDENCE if state in states), "released")


class Captures:
    """The authorizations that the events of one transaction are captured from."""

    def __init__(
        self,
        subscribers: Subscribers,
        *,
        organization_id: uuid.UUID,
        authorization_ids: Collection[uuid.UUID],
        at: dt.datetime,
    ) -> None:
        self._organization_id = organization_id
        self._cap_books = subscribers.cap_books
        self._at = at
        self._held: dict[uuid.UUID, list[Held]] = {each: [] for each in authorization_ids}
        for book in subscribers.books.values():
            for hold in book.holds.values():
                if hold.reference in self._held:
                    self._held[hold.reference].append(Held(book, hold))
        self._captured: set[uuid.UUID] = set()
        self._ended: dict[uuid.UUID, str] = {}
        self._reserved = (
            cap_reservations.read(
                organization_id=organization_id, authorization_ids=authorization_ids
            )
            if authorization_ids and subscribers.cap_books
            else {}
        )

    def refusal(
        self, draft: EventDraft, authorization_id: uuid.UUID, subscriber: Subscriber
    ) -> Outcome | None:
        """Return the answer to an event that cannot be captured from this authorization."""
        own = {book.account_id for book in subscriber.books.values()}
        held = [each for each in self._held[authorization_id] if each.book.account_id in own]
        if not held:
            return outcomes.unknown_authorization(draft)
        state = state_of(held)
        return None if state == "open" else outcomes.ended_authorization(draft, state=state)

    def pay(
        self,
        draft: EventDraft,
        authorization_id: uuid.UUID,
        rated: Sequence[RatedPrice],
        subscriber: Subscriber,
        *,
        final: bool,
    ) -> Paid:
        """Take what an event cost out of an open authorization, and count it towards caps.

        A `final` one gives back what is left in the assets it is charged in; `end` the others.
        """
        counted = subscriber.counted(draft, rated)
        shortfall = subscriber.plan.shortfall_policy
        paid = Paid(counted=counted if subscriber.caps is not None else ())
        for asset_id, charged in by_asset(rated).items():
            book, parts = subscriber.books[asset_id], parts_of(charged)
            held = [each for each in self._held[authorization_id] if each.book is book]
            if held:
                taken = book.capture(
                    held[0].hold,
                    parts=parts,
                    reference=draft.key,
                    at=self._at,
                    final=final,
                    shortfall=shortfall,
                )
            else:
                taken = book.take(
                    parts=parts, reference=draft.key, at=self._at, shortfall=shortfall
                )
            paid.add(charged, taken)
        self._captured.add(authorization_id)
        if subscriber.caps is not None:
            subscriber.caps.use(counted)
            reserved = self._reserved.get(authorization_id, [])
            subscriber.caps.let_go(take_out(reserved, counted))
        return paid

    def end(self, authorization_id: uuid.UUID) -> str:
        """End what is still open of an authorization and give back the rest.

        Returns the state it was in; one that has ended before stays as it is.
        """
        held = self._held[authorization_id]
        found = state_of(held)
        if found == "expired":
            return found
        still_open = [each for each in held if each.hold.state == "open"]
        is_captured = bool(still_open) and self._is_captured(authorization_id, held)
        for book, hold in still_open:
            if is_captured:
                book.capture(hold, parts=(), reference=authorization_id, at=self._at)
            else:
                book.release(hold, at=self._at)
        # The last event of a final capture may have ended them all; earlier ends stay as they were.
        if any(hold.id in book.touched_holds for book, hold in held):
            self._ended.setdefault(authorization_id, state_of(held))
            self._let_go(authorization_id)
        return found

    def _let_go(self, authorization_id: uuid.UUID) -> None:
        """Give caps back what is left of a reservation, for the events that come after."""
        for each in self._reserved.get(authorization_id, ()):
            for cap_book in self._cap_books.values():
                cap_book.let_go([Counted(each.key, each.amount)])
            each.amount = ZERO

    def _is_captured(self, authorization_id: uuid.UUID, held: Iterable[Held]) -> bool:
        """Return whether any event was captured from it, also one that cost nothing."""
        if authorization_id in self._captured or any(hold.captured for _, hold in held):
            return True
        captured = Event.objects.filter(
            organization=self._organization_id, authorization=authorization_id
        )
        return captured.exists()

    def write(self) -> None:
        """Write what became of the authorizations, before the books are posted."""
        left = {
            authorization_id: reserved
            for authorization_id, reserved in self._reserved.items()
            if authorization_id in self._captured - self._ended.keys()
        }
        cap_reservations.write(left, organization_id=self._organization_id)
        cap_reservations.give_back(
            organization_id=self._organization_id, authorization_ids=self._ended.keys()
        )
        set_statements.execute(_END, sorted(self._ended.items()), self._at, self._organization_id)


_END = """
UPDATE metering_authorization ending SET ended_as = ended.state, ended_at = %s
FROM (SELECT %s::uuid AS id) organization, unnest(%s::uuid[], %s::text[]) AS ended (id, state)
WHERE ending.organization_id = organization.id AND ending.id = ended.id AND ending.ended_as = ''
"""
