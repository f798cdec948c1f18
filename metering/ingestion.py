"""Ingestion: events are stored, rated and paid in one transaction, or not at all.

The path of a set of events, whatever its size: lock the accounts of its customers, sorted; read
which keys are known, the subscriptions, open periods and running totals; rate and debit each event
in memory, in the order given; write every table by one statement. Each event keeps its own answer:
one that is refused does not touch its neighbours.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import IntegrityError, OperationalError

from accounts import identifiers, ledger, tenancy
from accounts.books import Book, InsufficientCredit
from accounts.models import CreditAccount
from metering import alerts, billing_periods, event_rows, outcomes
from metering.event_drafts import EventDraft, InvalidDraft
from metering.event_rows import TotalsKey, Writes
from metering.models import BillingPeriod, DeadLetter, Event
from metering.outcomes import Outcome, Status
from pricing import catalog
from pricing.aggregation import Unpriceable
from pricing.catalog import CatalogPrice, CompiledPlan
from pricing.models import ShortfallPolicy, Subscription
from pricing.rating import Rated, Span, Totals

ATTEMPTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of a set of events: an outcome each, and how many alerts fired."""

    outcomes: list[Outcome]
    firings: int = 0


def record_events(
    *, organization_id: uuid.UUID, drafts: Sequence[EventDraft | InvalidDraft], at: dt.datetime
) -> Recorded:
    """Record events received at `at`; answers with one outcome for each, in the order given.

    Exactly once: a key known with the same payload is answered as it was the first time, with
    another payload it is a conflict. An event the customer cannot pay is not stored when the plan
    blocks; one that cannot be priced is kept as a dead letter.
    """
    valid = [draft for draft in drafts if isinstance(draft, EventDraft)]
    done = _record_with_retries(organization_id, valid, at=at) if valid else Recorded(outcomes=[])
    recorded = iter(done.outcomes)
    return Recorded(
        outcomes=[
            next(recorded) if isinstance(draft, EventDraft) else outcomes.invalid(draft)
            for draft in drafts
        ],
        firings=done.firings,
    )


def _record_with_retries(
    organization_id: uuid.UUID, drafts: Sequence[EventDraft], *, at: dt.datetime
) -> Recorded:
    """Retry what a concurrent transaction made fail: then its events are known and answered so."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with tenancy.transaction_for(organization_id):
                return _Recording(organization_id, drafts, at=at).run()
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """An event that is stored, or about to be by this very set."""

    payload_hash: bytes
    charges: Sequence[dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subscriber:
    """What an event needs to know of its customer; `books` by asset id."""

    id: uuid.UUID
    plan: CompiledPlan
    period: BillingPeriod
    books: dict[uuid.UUID, Book]


@dataclass(frozen=True, slots=True)
class _Paid:
    """What paying for one event came to; `overages` by price id."""

    charges: list[dict[str, str]] = field(default_factory=list)
    overages: dict[uuid.UUID, Decimal] = field(default_factory=dict)


class _Recording:
    """One transaction's worth of events. Lives only inside it."""

    def __init__(
        self, organization_id: uuid.UUID, drafts: Sequence[EventDraft], *, at: dt.datetime
    ) -> None:
        self.organization_id = organization_id
        self.drafts = drafts
        self.at = at
        self.writes = Writes()
        self.books: dict[uuid.UUID, Book] = {}
        self.subscribers: dict[str, _Subscriber] = {}
        self.known: dict[uuid.UUID, _Known] = {}
        self.totals: dict[TotalsKey, Totals] = {}

    def run(self) -> Recorded:
        self._lock_and_read()
        answers = [self._record(draft) for draft in self.drafts]
        return Recorded(outcomes=answers, firings=self._write())

    # Reading, all of it under the locks.

    def _lock_and_read(self) -> None:
        accounts = CreditAccount.objects.for_organization(self.organization_id).filter(
            customer__external_id__in={draft.customer for draft in self.drafts}
        )
        owners = {
            account_id: (customer_id, asset_id)
            for account_id, customer_id, asset_id in accounts.values_list(
                "id", "customer_id", "asset_id"
            )
        }
        self.books = ledger.lock_books(
            organization_id=self.organization_id, account_ids=owners.keys(), at=self.at
        )
        books_of: dict[uuid.UUID, dict[uuid.UUID, Book]] = {}
        for account_id, (customer_id, asset_id) in owners.items():
            books_of.setdefault(customer_id, {})[asset_id] = self.books[account_id]
        self._read_subscribers(books_of)
        self._read_known()

    def _read_subscribers(self, books_of: dict[uuid.UUID, dict[uuid.UUID, Book]]) -> None:
        subscriptions = (
            Subscription.objects.for_organization(self.organization_id)
            .filter(customer__in=books_of, ended_at=None, starts_at__lte=self.at)
            .select_related("customer", "plan_version")
        )
        periods = billing_periods.open_periods(subscriptions, at=self.at)
        for subscription in subscriptions:
            self.subscribers[subscription.customer.external_id] = _Subscriber(
                id=subscription.customer_id,
                plan=catalog.compiled_plan(subscription.plan_version_id),
                period=periods[subscription.id],
                books=books_of[subscription.customer_id],
            )
        self.totals = event_rows.read_totals(
            organization_id=self.organization_id,
            period_ids=[period.id for period in periods.values()],
        )
        self._read_distinct()

    def _read_distinct(self) -> None:
        """Fill in which values, of those that this set counts uniquely, were met before."""
        asked = {
            event_rows.distinct_key(period_id, price_id, cell, value): (cell, value)
            for period_id, price_id, cell, value in self._distinct_values()
        }
        met = event_rows.read_distinct(organization_id=self.organization_id, asked=asked.keys())
        for key in met:
            self._totals(key.period_id, key.price_id).seen.add(asked[key])

    def _distinct_values(self) -> Iterator[tuple[uuid.UUID, uuid.UUID, str, str]]:
        for draft in self.drafts:
            customer = self.subscribers.get(draft.customer)
            if customer is None:
                continue
            for price in customer.plan.unique_counts_for(draft.type):
                try:
                    met = price.compiled.distinct_value(draft.properties)
                except Unpriceable:
                    # The event will be refused for the same reason when its turn comes.
                    continue
                if met is not None:
                    yield customer.period.id, price.price_id, *met

    def _totals(self, period_id: uuid.UUID, price_id: uuid.UUID) -> Totals:
        return self.totals.setdefault((period_id, price_id), Totals())

    def _read_known(self) -> None:
        rows = Event.objects.filter(
            organization=self.organization_id, key__in={draft.key for draft in self.drafts}
        ).values_list("key", "payload_hash", "charges")
        for key, payload_hash, charges in rows.order_by():
            self.known[key] = _Known(payload_hash=bytes(payload_hash), charges=charges)

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
        customer = self.subscribers.get(draft.customer)
        if customer is None:
            raise Unpriceable("no_subscription", "no subscribed customer has this external id")
        rated = self._rate(draft, customer)
        overage_allowed = customer.plan.shortfall_policy == ShortfallPolicy.OVERAGE
        try:
            paid = self._pay(draft, rated, customer, overage_allowed=overage_allowed)
        except InsufficientCredit as refusal:
            return outcomes.blocked(draft, refusal)
        self._note(draft, rated, customer, paid)
        return Outcome(external_id=draft.external_id, status=Status.RECORDED, charges=paid.charges)

    def _rate(self, draft: EventDraft, customer: _Subscriber) -> list[tuple[CatalogPrice, Rated]]:
        prices = customer.plan.prices_for(draft.type)
        if not prices:
            raise Unpriceable("no_price", "the customer's plan prices no events of this type")
        return [
            (
                price,
                price.compiled.rate(
                    draft.properties,
                    self._totals(customer.period.id, price.price_id),
                    occurred_at=draft.occurred_at or self.at,
                    period=Span(customer.period.starts_at, customer.period.ends_at),
                ),
            )
            for price in prices
            if price.compiled.meter.counts(draft.properties)
        ]

    def _pay(
        self,
        draft: EventDraft,
        rated: Sequence[tuple[CatalogPrice, Rated]],
        customer: _Subscriber,
        *,
        overage_allowed: bool,
    ) -> _Paid:
        """Debit each asset the event is charged in, all or none. Raises InsufficientCredit."""
        by_asset: dict[uuid.UUID, list[tuple[CatalogPrice, Rated]]] = {}
        for price, each in rated:
            by_asset.setdefault(price.asset_id, []).append((price, each))
        parts = {
            asset_id: [ledger.Part(p.compiled.meter.code, each.amount) for p, each in charged]
            for asset_id, charged in by_asset.items()
        }
        if not overage_allowed:
            for asset_id, asset_parts in parts.items():
                customer.books[asset_id].check(asset_parts, at=self.at)
        paid = _Paid()
        for asset_id, charged in by_asset.items():
            debit = customer.books[asset_id].debit(
                parts=parts[asset_id],
                reference=draft.key,
                at=self.at,
                overage_allowed=overage_allowed,
            )
            prices = [price.price_id for price, _ in charged]
            paid.overages.update(zip(prices, debit.overage, strict=True))
            paid.charges.append(outcomes.charge(charged, debit))
        return paid

    # Collecting what is written.

    def _note(
        self,
        draft: EventDraft,
        rated: Sequence[tuple[CatalogPrice, Rated]],
        customer: _Subscriber,
        paid: _Paid,
    ) -> None:
        period = customer.period
        occurred_at = draft.occurred_at or self.at
        self.writes.events.append(
            event_rows.event_row(
                draft,
                customer_id=customer.id,
                period_id=period.id,
                occurred_at=occurred_at,
                is_late=occurred_at < period.starts_at,
                charges=paid.charges,
            )
        )
        self.known[draft.key] = _Known(payload_hash=draft.payload_hash, charges=paid.charges)
        for price, each in rated:
            self._count(draft, price, each, period.id, overage=paid.overages[price.price_id])

    def _count(
        self,
        draft: EventDraft,
        price: CatalogPrice,
        rated: Rated,
        period_id: uuid.UUID,
        *,
        overage: Decimal,
    ) -> None:
        """Add a rated event to its price's totals, and note what has to be written."""
        row = event_rows.rated_row(draft.key, price.price_id, price.compiled, rated, overage)
        self.writes.rated.append(row)
        totals = self._totals(period_id, price.price_id)
        totals.add(rated, overage=overage)
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
            reason=error.reason,
            detail=error.detail,
        )

    def _write(self) -> int:
        books = self.books.values()
        event_rows.write(self.writes, organization_id=self.organization_id, at=self.at)
        firings = alerts.decide(books, organization_id=self.organization_id, at=self.at)
        ledger.post(books, at=self.at)
        return firings
