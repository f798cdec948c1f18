"""Subscribers: the customers of a set of events, with all it takes to rate and charge them.

Whoever records events and whoever only asks what they would cost rate and charge them here, so
that both come to the same amount: against the running totals of the open period, out of the books
of the customer. Both move in memory as events are charged; nothing here writes.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from accounts import ledger
from accounts.books import Book, InsufficientCredit
from metering import agreements, billing_periods, cap_counters, event_rows, refusals
from metering.agreements import Agreement, OpenPeriod
from metering.cap_counters import Capped
from metering.event_drafts import EventDraft
from metering.event_rows import TotalsKey
from metering.permits import Paid, Permit, RatedPrice, Refused, by_asset, parts_of
from metering.refusals import Reason, Refusal
from metering.spend_caps import CapBook, Counted, Use
from pricing import catalog, entitlements
from pricing.aggregation import Unpriceable
from pricing.catalog import CatalogPrice, CompiledPlan
from pricing.models import ShortfallPolicy
from pricing.rating import Totals

type Tariff = Sequence[tuple[CatalogPrice, Totals]]

__all__ = ["Paid", "Permit", "RatedPrice", "Refused", "Subscriber", "Subscribers"]


@dataclass(slots=True, kw_only=True)
class Subscriber:
    """What an event needs to know of its customer; `books` by asset id.

    `tariffs` are the prices that events of a type are rated at, with what each holds.
    """

    id: uuid.UUID
    plan: CompiledPlan
    period: OpenPeriod
    books: dict[uuid.UUID, Book]
    is_stopped: bool = False
    caps: CapBook | None = None
    tariffs: dict[str, Tariff] = field(default_factory=dict)

    @property
    def overage_allowed(self) -> bool:
        """Whether what no credit covers is invoiced instead of refused."""
        return self.plan.shortfall_policy == ShortfallPolicy.OVERAGE

    def permit(
        self,
        draft: EventDraft,
        rated: Sequence[RatedPrice],
        *,
        used: Mapping[str, Decimal],
        at: dt.datetime,
    ) -> Permit:
        """Decide whether an event may go ahead. Raises Refused with every reason against it.

        `used` is what the period would hold of each meter, by code, with this event in it.
        """
        charged = by_asset(rated)
        plans = {
            asset_id: self.books[asset_id].plan(parts_of(of_asset), at=at)
            for asset_id, of_asset in charged.items()
        }
        counted, found = self.limits(draft, rated, used=used)
        if not self.overage_allowed:
            codes = {asset_id: each[0].price.asset_code for asset_id, each in charged.items()}
            found += self.lacking(plans, codes=codes)
            # Usage that is invoiced anyway tells of work that was done, and is never stopped.
            found += [refusals.of_stop()] if self.is_stopped else []
        if found:
            raise Refused(refusals.in_order(found))
        return Permit(charged, plans, counted)

    def counted(self, draft: EventDraft, rated: Sequence[RatedPrice]) -> list[Counted]:
        """Return what work that was done already, and is refused by nothing, adds to spend caps."""
        return self._capped(draft, rated)[0]

    def limits(
        self, draft: EventDraft, rated: Sequence[RatedPrice], *, used: Mapping[str, Decimal]
    ) -> tuple[list[Counted], list[Refusal]]:
        """Return what an event adds to spend caps, and what they and the plan have against it."""
        counted, found = self._capped(draft, rated)
        return counted, found + self._not_entitled(draft, used)

    def _capped(
        self, draft: EventDraft, rated: Sequence[RatedPrice]
    ) -> tuple[list[Counted], list[Refusal]]:
        if self.caps is None:
            return [], []
        codes = {price.asset_id: price.asset_code for price, _ in rated}
        uses = [
            Use(price.asset_id, price.compiled.meter.code, each.quantity, each.amount)
            for price, each in rated
        ]
        counted, refused = self.caps.check(
            draft.properties, uses, backfilled=draft.occurred_at if draft.is_backfill else None
        )
        return counted, [
            refusals.of_cap(
                each, asset=codes.get(each.cap.asset_id, "") if each.cap.asset_id else ""
            )
            for each in refused
        ]

    def _not_entitled(self, draft: EventDraft, used: Mapping[str, Decimal]) -> list[Refusal]:
        if not self.plan.entitlements:
            return []
        found = entitlements.refusals(
            self.plan.entitlements, properties=draft.properties, used=used
        )
        return [
            Refusal(
                reason=Reason(each.reason),
                detail=f"{each.detail[:1].upper()}{each.detail[1:]}.",
                limit=each.feature,
            )
            for each in found
        ]

    def lacking(
        self,
        plans: Mapping[uuid.UUID, ledger.Plan],
        *,
        codes: Mapping[uuid.UUID, str],
        what: str = "The event costs",
    ) -> list[Refusal]:
        """Return where credit lacks for `plans`, by asset id; `codes` name the assets."""
        found = []
        for asset_id, plan in plans.items():
            try:
                self.books[asset_id].refuse_beyond_floor(plan)
            except InsufficientCredit as error:
                found.append(
                    refusals.of_credit(
                        asset=codes[asset_id],
                        needed=error.needed,
                        available=error.available,
                        what=what,
                    )
                )
        return found

    def pay(self, permit: Permit, *, reference: uuid.UUID, at: dt.datetime) -> Paid:
        """Debit each asset an event just permitted is charged in, and count it towards its caps."""
        paid = Paid(counted=permit.counted)
        for asset_id, charged in permit.charged.items():
            debit = self.books[asset_id].pay(
                permit.plans[asset_id],
                reference=reference,
                at=at,
                overage_allowed=self.overage_allowed,
            )
            paid.add(charged, debit)
        if self.caps is not None:
            self.caps.use(permit.counted)
        return paid


class Subscribers:
    """The customers of a set of drafts as they stand at one moment.

    `books` by account id. Lives no longer than the transaction it was read in.
    """

    def __init__(
        self,
        organization_id: uuid.UUID,
        drafts: Sequence[EventDraft],
        *,
        at: dt.datetime,
        customers: Collection[str] = (),
    ) -> None:
        self._organization_id = organization_id
        self._drafts = drafts
        self._customers = {draft.customer for draft in drafts}.union(customers)
        self._at = at
        self._by_external_id: dict[str, Subscriber] = {}
        self._totals: dict[TotalsKey, Totals] = {}
        self.books: dict[uuid.UUID, Book] = {}
        self.cap_books: Mapping[uuid.UUID, CapBook] = {}

    @classmethod
    def locked(
        cls,
        organization_id: uuid.UUID,
        drafts: Sequence[EventDraft],
        *,
        at: dt.datetime,
        customers: Collection[str] = (),
        authorizations: Collection[uuid.UUID] = (),
    ) -> "Subscribers":
        """Lock the accounts of the drafts' customers, then read everything under the locks.

        Those of `customers` as well, by external id. The holds of `authorizations` are read, also
        when they have ended. Periods whose time is over are closed and the ones that follow are
        opened.
        """
        subscribers = cls(organization_id, drafts, at=at, customers=customers)
        read_books = partial(ledger.lock_books_of, hold_references=authorizations)
        if subscribers._read(read_books, billing_periods.open_periods):
            # Credit was granted with the periods, and the books were read before.
            subscribers._read(read_books, billing_periods.open_periods)
        return subscribers

    @classmethod
    def looked_at(
        cls, organization_id: uuid.UUID, drafts: Sequence[EventDraft], *, at: dt.datetime
    ) -> "Subscribers":
        """Read the same without a lock and without a trace: to answer a question, not to post."""
        subscribers = cls(organization_id, drafts, at=at)
        subscribers._read(ledger.read_books_of, billing_periods.foresee_periods)
        return subscribers

    # One event.

    def of(self, draft: EventDraft) -> Subscriber:
        """Return the customer of an event. Raises Unpriceable for one without a subscription."""
        subscriber = self._by_external_id.get(draft.customer)
        if subscriber is None:
            raise Unpriceable("no_subscription", "no subscribed customer has this external id")
        return subscriber

    def rate(self, draft: EventDraft, subscriber: Subscriber) -> list[RatedPrice]:
        """Rate an event at every price that counts it; changes nothing. Raises Unpriceable."""
        tariff = subscriber.tariffs.get(draft.type)
        if tariff is None:
            tariff = subscriber.tariffs[draft.type] = self._tariff(draft.type, subscriber)
        if not tariff:
            raise Unpriceable("no_price", "the customer's plan prices no events of this type")
        span = subscriber.period.span
        occurred_at = draft.occurred_at or self._at
        properties = draft.properties
        return [
            RatedPrice(
                price,
                price.compiled.rate(properties, totals, occurred_at=occurred_at, period=span),
            )
            for price, totals in tariff
            if price.compiled.meter.counts(properties)
        ]

    def _tariff(self, event_type: str, subscriber: Subscriber) -> Tariff:
        return [
            (price, self.totals(subscriber.period.id, price.price_id))
            for price in subscriber.plan.prices_for(event_type)
        ]

    def used_with(self, rated: Sequence[RatedPrice], subscriber: Subscriber) -> dict[str, Decimal]:
        """Return what the period would hold of each meter, by code, with these rated events.

        Only entitlements ask, so a plan without any is answered with nothing.
        """
        used: dict[str, Decimal] = {}
        if not subscriber.plan.entitlements:
            return used
        for price, each in rated:
            held = self.totals(subscriber.period.id, price.price_id).pool.quantity
            code = price.compiled.meter.code
            used[code] = max(used.get(code, held), held + each.quantity)
        return used

    def totals(self, period_id: uuid.UUID, price_id: uuid.UUID) -> Totals:
        """Return what a price holds in a period; adding to it counts an event."""
        return self._totals.setdefault((period_id, price_id), Totals())

    # Reading.

    def _read(
        self, read_books: Callable[..., list[ledger.Owned]], read_periods: agreements.ReadPeriods
    ) -> bool:
        """Read everything; returns whether that has made grants, which the books do not know."""
        books_of: dict[uuid.UUID, dict[uuid.UUID, Book]] = {}
        self.books = {}
        for customer_id, asset_id, book in read_books(
            organization_id=self._organization_id, customers=self._customers, at=self._at
        ):
            self.books[book.account_id] = book
            books_of.setdefault(customer_id, {})[asset_id] = book
        agreed = agreements.read(
            organization_id=self._organization_id,
            customer_ids=books_of.keys(),
            at=self._at,
            read_periods=read_periods,
        )
        self._totals = event_rows.read_totals(
            organization_id=self._organization_id,
            period_ids=[agreement.period.id for agreement in agreed.found],
        )
        self._read_cap_books(agreed.found)
        for agreement in agreed.found:
            self._by_external_id[agreement.external_id] = self._subscriber(
                agreement, books_of[agreement.customer_id]
            )
        self._read_distinct()
        return agreed.brought_credit

    def _read_cap_books(self, found: Collection[Agreement]) -> None:
        self.cap_books = cap_counters.read_cap_books(
            organization_id=self._organization_id,
            customers=[
                Capped(each.customer_id, each.zone, each.period.starts_at) for each in found
            ],
            at=self._at,
        )

    def _subscriber(self, agreement: Agreement, books: dict[uuid.UUID, Book]) -> Subscriber:
        plan = catalog.compiled_plan(agreement.period.plan_version_id)
        for book in books.values():
            # Who owed on a former plan kept its line; this plan may allow less.
            book.floor = max(book.floor, plan.floor)
        return Subscriber(
            id=agreement.customer_id,
            plan=plan,
            period=agreement.period,
            books=books,
            is_stopped=agreement.is_stopped,
            caps=self.cap_books.get(agreement.customer_id),
        )

    def _read_distinct(self) -> None:
        """Fill in which values, of those that the drafts count uniquely, were met before."""
        asked = {
            event_rows.distinct_key(period_id, price_id, cell, value): (cell, value)
            for period_id, price_id, cell, value in self._distinct_values()
        }
        if not asked:
            return
        met = event_rows.read_distinct(organization_id=self._organization_id, asked=asked.keys())
        for key in met:
            self.totals(key.period_id, key.price_id).seen.add(asked[key])

    def _distinct_values(self) -> Iterator[tuple[uuid.UUID, uuid.UUID, str, str]]:
        for draft in self._drafts:
            subscriber = self._by_external_id.get(draft.customer)
            if subscriber is None:
                continue
            for price in subscriber.plan.unique_counts_for(draft.type):
                try:
                    met = price.compiled.distinct_value(draft.properties)
                except Unpriceable:
                    # The event will be refused for the same reason when its turn comes.
                    continue
                if met is not None:
                    yield subscriber.period.id, price.price_id, *met
