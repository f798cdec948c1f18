"""Ingestion: events are stored, rated and paid in one transaction, or not at all.

The path of a set of events, whatever its size: lock the accounts of its customers, sorted; read
which keys are known, the subscriptions, open periods and running totals; rate and debit each event
in memory, in the order given; write every table by one statement. Each event keeps its own answer:
one that is refused does not touch its neighbours.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from django.db import IntegrityError, OperationalError

from accounts import identifiers, ledger, set_statements, tenancy
from accounts.books import Book
from metering import alerts, cap_counters, cap_reservations, event_rows, outcomes
from metering.capturing import Captures
from metering.event_drafts import EventDraft, InvalidDraft
from metering.event_rows import Known, Writes
from metering.models import Authorization, DeadLetter
from metering.outcomes import Outcome, Status
from metering.subscribers import Paid, RatedPrice, Refused, Subscriber, Subscribers
from pricing import costs
from pricing.aggregation import Unpriceable

ATTEMPTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of a set of events: an outcome each, and how many alerts fired.

    `found` says in which state each authorization was that was to end, and `books`, by account
    id, what the accounts hold now; both only of captures.
    """

    outcomes: list[Outcome]
    firings: int = 0
    found: Sequence[str] = ()
    books: Mapping[uuid.UUID, Book] = field(default_factory=dict)


class Ending(NamedTuple):
    """An authorization that ends after the first so many events of a set."""

    authorization: Authorization
    after: int


def record_events(
    *, organization_id: uuid.UUID, drafts: Sequence[EventDraft | InvalidDraft], at: dt.datetime
) -> Recorded:
    """Record events received at `at`; answers with one outcome for each, in the order given.

    Exactly once: a key known with the same payload is answered as it was the first time, with
    another payload it is a conflict. An event the customer cannot pay is not stored when the plan
    blocks; one that cannot be priced is kept as a dead letter.
    """
    valid = [draft for draft in drafts if isinstance(draft, EventDraft)]
    done = Recorded(outcomes=[])
    if valid:
        recording = _Recording(organization_id, valid, at=at)
        done = retried(partial(_run, recording))
    recorded = iter(done.outcomes)
    return Recorded(
        outcomes=[
            next(recorded) if isinstance(draft, EventDraft) else outcomes.invalid(draft)
            for draft in drafts
        ],
        firings=done.firings,
    )


def record_now(
    *, organization_id: uuid.UUID, drafts: Sequence[EventDraft], at: dt.datetime
) -> Recorded:
    """Record valid events in one transaction, which may be part of the caller's.

    Raises what a concurrent transaction makes fail; see `retried`.
    """
    return _run(_Recording(organization_id, drafts, at=at))


def capture_now(
    *,
    organization_id: uuid.UUID,
    drafts: Sequence[EventDraft],
    endings: Sequence[Ending],
    authorizations: Collection[Authorization],
    at: dt.datetime,
) -> Recorded:
    """Record events out of what these authorizations have reserved, as `record_now` does.

    Those in `endings`, sorted, end in their turn and give back the rest, whatever has become of
    each event; one that has ended before stays as it is. They need their customers.
    """
    return _run(
        _Recording(organization_id, drafts, at=at, endings=endings, authorizations=authorizations)
    )


def _run(recording: "_Recording") -> Recorded:
    with tenancy.recording_for(recording.organization_id):
        return recording.run()


def retried[Done](work: Callable[[], Done]) -> Done:
    """Retry what a concurrent transaction made fail: then its events are known and answered so."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except (IntegrityError, OperationalError) as error:
            if attempt == ATTEMPTS or not _is_race(error):
                raise
    raise AssertionError("unreachable")


def _is_race(error: Exception) -> bool:
    diagnosis = getattr(error.__cause__, "diag", None)
    state = getattr(diagnosis, "sqlstate", None)
    # 40001 serialization failure, 40P01 deadlock; 23505 on events: the key came in elsewhere.
    return state in {"40001", "40P01"} or (
        state == "23505" and getattr(diagnosis, "table_name", "") == "metering_event"
    )


class _Recording:
    """One transaction's worth of events, and the authorizations that end between them.

    Each `run` is one attempt, inside a transaction of its own.
    """

    def __init__(
        self,
        organization_id: uuid.UUID,
        drafts: Sequence[EventDraft],
        *,
        at: dt.datetime,
        endings: Sequence[Ending] = (),
        authorizations: Collection[Authorization] = (),
    ) -> None:
        self.organization_id = organization_id
        self.drafts = drafts
        self.at = at
        self.endings = endings
        self.authorizations = authorizations
        self.last_ones = {id(drafts[each.after - 1]) for each in endings if each.after}

    def run(self) -> Recorded:
        self.writes = Writes()
        # Known keys are read after the locks are taken: only then is it too late for another.
        self._lock()
        self._read_known()
        self.costs = costs.history(self.organization_id)
        answers: list[Outcome] = []
        found = []
        for authorization, after in self.endings:
            answers += [self._record(draft) for draft in self.drafts[len(answers) : after]]
            found.append(self.captures.end(authorization.id))
        answers += [self._record(draft) for draft in self.drafts[len(answers) :]]
        firings = self._write()
        return Recorded(
            outcomes=answers, firings=firings, found=found, books=self.subscribers.books
        )

    def _lock(self) -> None:
        named = {draft.authorization for draft in self.drafts if draft.authorization is not None}
        authorizations = named.union(each.id for each in self.authorizations)
        self.subscribers = Subscribers.locked(
            self.organization_id,
            self.drafts,
            at=self.at,
            customers=[each.customer.external_id for each in self.authorizations],
            authorizations=authorizations,
        )
        self.captures = Captures(
            self.subscribers,
            organization_id=self.organization_id,
            authorization_ids=authorizations,
            at=self.at,
        )

    def _read_known(self) -> None:
        known = event_rows.read_known(
            organization_id=self.organization_id, keys={draft.key for draft in self.drafts}
        )
        self.known = known.events
        self.buried = set(known.dead_letters)

    # One event.

    def _record(self, draft: EventDraft) -> Outcome:
        known = self.known.get(draft.key)
        if known is not None:
            return outcomes.repeated(draft, payload_hash=known.payload_hash, charges=known.charges)
        try:
            return self._rate_and_pay(draft)
        except Unpriceable as error:
            self._bury(draft, error)
            return Outcome(
                external_id=draft.external_id,
                status=Status.UNPRICED,
                reason=error.reason,
                detail=error.detail,
            )

    def _rate_and_pay(self, draft: EventDraft) -> Outcome:
        subscriber = self.subscribers.of(draft)
        if draft.authorization is not None:
            refusal = self.captures.refusal(draft, draft.authorization, subscriber)
            if refusal is not None:
                return refusal
        rated = self.subscribers.rate(draft, subscriber)
        try:
            paid = self._pay(draft, rated, subscriber)
        except Refused as error:
            return outcomes.blocked(draft, error.refusals)
        self._note(draft, rated, subscriber, paid)
        return Outcome(external_id=draft.external_id, status=Status.RECORDED, charges=paid.charges)

    def _pay(self, draft: EventDraft, rated: Sequence[RatedPrice], subscriber: Subscriber) -> Paid:
        if draft.authorization is not None:
            final = id(draft) in self.last_ones
            return self.captures.pay(draft, draft.authorization, rated, subscriber, final=final)
        used = self.subscribers.used_with(rated, subscriber)
        permit = subscriber.permit(draft, rated, used=used, at=self.at)
        return subscriber.pay(permit, reference=draft.key, at=self.at)

    # Collecting what is written.

    def _note(
        self,
        draft: EventDraft,
        rated: Sequence[RatedPrice],
        subscriber: Subscriber,
        paid: Paid,
    ) -> None:
        period = subscriber.period
        occurred_at = draft.occurred_at or self.at
        self.writes.events.append(
            event_rows.event_row(
                draft,
                customer_id=subscriber.id,
                period_id=period.id,
                occurred_at=occurred_at,
                is_late=occurred_at < period.starts_at,
                charges=paid.charges,
                cost=self.costs.cost_of(draft.type, draft.properties, occurred_at=occurred_at),
                authorization_id=draft.authorization,
                counted=paid.counted,
            )
        )
        self.known[draft.key] = Known(draft.payload_hash, paid.charges)
        if draft.key in self.buried:
            self.writes.resolved.append(draft.key)
        for each in rated:
            self._count(draft, each, period.id, paid)

    def _count(
        self,
        draft: EventDraft,
        rated_price: RatedPrice,
        period_id: uuid.UUID,
        paid: Paid,
    ) -> None:
        """Add a rated event to its price's totals, and note what has to be written."""
        price, rated = rated_price
        unpaid = {
            "overage": paid.overages[price.price_id],
            "uncollected": paid.uncollected[price.price_id],
        }
        row = event_rows.rated_row(draft.key, price.price_id, price.compiled, rated, **unpaid)
        self.writes.rated.append(row)
        totals = self.subscribers.totals(period_id, price.price_id)
        totals.add(rated, **unpaid)
        self.writes.totals[period_id, price.price_id, rated.cell] = totals.cells[rated.cell]
        if rated.distinct is not None:
            self.writes.distinct.append(
                event_rows.distinct_key(period_id, price.price_id, rated.cell, rated.distinct)
            )

    def _bury(self, draft: EventDraft, error: Unpriceable) -> None:
        self.writes.dead_letters[draft.key] = DeadLetter(
            id=identifiers.new_id(),
            organization_id=self.organization_id,
            key=draft.key,
            source=draft.source,
            external_id=draft.external_id,
            type=draft.type,
            customer_external_id=draft.customer,
            occurred_at=draft.occurred_at or self.at,
            received_at=self.at,
            properties=draft.properties,
            is_backfill=draft.is_backfill,
            payload_hash=draft.payload_hash,
            reason=error.reason,
            detail=error.detail,
        )

    def _write(self) -> int:
        books = self.subscribers.books.values()
        firings = alerts.decide(books, organization_id=self.organization_id, at=self.at)
        self.captures.write()
        cap_reservations.clear_expired(books, organization_id=self.organization_id)
        with set_statements.sent_together():
            event_rows.write(self.writes, organization_id=self.organization_id, at=self.at)
            cap_counters.write_cap_books(
                self.subscribers.cap_books.values(), organization_id=self.organization_id
            )
            ledger.post(books, at=self.at)
        return firings
