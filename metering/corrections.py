"""Corrections: an event is taken back, at any age, and another one put in its place if need be.

Everything becomes as if the event had never been there. Its credit returns to the grants that paid
(what an expired one gets back expires again at once), its overage is asked for no more, spend caps
and unique counts forget it, and what other events of its period owe because of that is charged or
given back as one sum. Until the period is invoiced its totals move; after that they stand still
and adjustments carry the difference. Nothing that was written is changed: not the event, not its
entries in the ledger.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from accounts import identifiers, ledger, money, tenancy
from accounts.books import Book, EntryState
from accounts.burndown import Category, GrantState
from accounts.models import CreditAccount
from accounts.money import ZERO
from metering import alerts, correction_rows, ingestion, rerating
from metering.event_drafts import EventDraft
from metering.models import BillingPeriod, Event, EventVoid
from metering.outcomes import Outcome, Status
from metering.rerating import Rerated, Unpaid
from pricing import catalog
from pricing.aggregation import Unpriceable
from pricing.catalog import CompiledPlan
from pricing.rating import Total


class UnknownEvent(LookupError):
    """The organization has no event with this key."""


class NotCorrectable(Exception):
    """Without the event, others would come to amounts that cannot be kept. Nothing was changed."""


class AlreadyVoided(Exception):
    """The event was taken back before, and not for this replacement. Nothing was changed."""


class NotReplaced(Exception):
    """The replacement was not recorded; `outcome` says why. Nothing was changed."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Voided:
    """A void and its event. `is_new` says that it was made by this call; `firings`, how many alerts
    that let off."""

    event: Event
    void: EventVoid
    is_new: bool = True
    firings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A void, and what became of the event that was sent for the one voided."""

    voided: Voided
    outcome: Outcome
    firings: int = 0


def void_event(
    *, organization_id: uuid.UUID, key: uuid.UUID, at: dt.datetime, reason: str = ""
) -> Voided:
    """Take one event back; the single form of `void_events`. Raises UnknownEvent besides."""
    [voided] = void_events(organization_id=organization_id, keys=[key], at=at, reason=reason)
    if voided is None:
        raise UnknownEvent
    return voided


def void_events(
    *, organization_id: uuid.UUID, keys: Sequence[uuid.UUID], at: dt.datetime, reason: str = ""
) -> list[Voided | None]:
    """Take events back, in the order given; answers None in the place of one that is unknown.

    Voiding again changes nothing and is answered the same. All are taken back or none: raises
    NotCorrectable.
    """
    with tenancy.transaction_for(organization_id):
        correcting = _Correcting(organization_id, keys, at=at)
        return [correcting.void(key, reason=reason) for key in keys]


def replace_event(
    *,
    organization_id: uuid.UUID,
    key: uuid.UUID,
    draft: EventDraft,
    at: dt.datetime,
    reason: str = "",
) -> Replaced:
    """Take one event back and record `draft` in its place, both or neither.

    The new event has an id of its own, may be another customer's, and is paid with what the old
    one gives back. Sent again, it is answered as a replay. Raises UnknownEvent, AlreadyVoided,
    NotReplaced and NotCorrectable.
    """
    return ingestion.retried(lambda: _replace(organization_id, key, draft, at=at, reason=reason))


def _replace(
    organization_id: uuid.UUID, key: uuid.UUID, draft: EventDraft, *, at: dt.datetime, reason: str
) -> Replaced:
    with tenancy.transaction_for(organization_id):
        correcting = _Correcting(organization_id, [key], at=at, customers=[draft.customer])
        voided = correcting.void(key, reason=reason, replacement_key=draft.key)
        if voided is None:
            raise UnknownEvent
        if voided.void.replacement_key != draft.key:
            raise AlreadyVoided
        recorded = ingestion.record_now(organization_id=organization_id, drafts=[draft], at=at)
        [outcome] = recorded.outcomes
        if outcome.status == Status.REPLAYED and _is_voided(organization_id, draft.key):
            detail = "The event sent in its place was voided itself."
            outcome = msgspec.structs.replace(
                outcome, status=Status.CONFLICT, reason="conflict", detail=detail
            )
        if outcome.status not in (Status.RECORDED, Status.REPLAYED):
            raise NotReplaced(outcome)
        return Replaced(voided=voided, outcome=outcome, firings=voided.firings + recorded.firings)


def _is_voided(organization_id: uuid.UUID, key: uuid.UUID) -> bool:
    return EventVoid.objects.for_organization(organization_id).filter(event_key=key).exists()


class _Correcting:
    """One transaction's worth of voids, under the locks of all accounts they are about."""

    def __init__(
        self,
        organization_id: uuid.UUID,
        keys: Collection[uuid.UUID],
        *,
        at: dt.datetime,
        customers: Collection[str] = (),
    ) -> None:
        self.organization_id = organization_id
        self.at = at
        events = Event.objects.filter(organization=organization_id, key__in=keys)
        self.events = {event.key: event for event in events.select_related("customer")}
        # What an event has taken is entered with it and never grows, so it is read before the lock.
        self.usage = correction_rows.read_usage(organization_id, self.events.keys())
        accounts = CreditAccount.objects.for_organization(organization_id)
        mine = accounts.filter(customer__in={event.customer_id for event in self.events.values()})
        theirs = accounts.filter(customer__external_id__in=customers)
        self.accounts = list((mine | theirs).select_related("asset").order_by("id"))
        self.books = ledger.lock_books(
            organization_id=organization_id,
            account_ids=[account.id for account in self.accounts],
            grant_ids=[
                entry.grant_id
                for by_account in self.usage.values()
                for entries in by_account.values()
                for entry in entries
                if entry.grant_id is not None
            ],
            at=at,
        )

    def void(
        self, key: uuid.UUID, *, reason: str, replacement_key: uuid.UUID | None = None
    ) -> Voided | None:
        """Take one event back, unless that was done before."""
        event = self.events.get(key)
        if event is None:
            return None
        voids = EventVoid.objects.for_organization(self.organization_id)
        known = voids.filter(event_key=key).first()
        if known is not None:
            return Voided(event=event, void=known, is_new=False)
        # Read under the locks: only then is it too late for an invoice.
        period = BillingPeriod.objects.get(organization=self.organization_id, id=event.period_id)
        try:
            rerated = rerating.without(event, period=period)
        except Unpriceable as error:
            raise NotCorrectable(error.detail) from error
        void = EventVoid(
            id=identifiers.new_id(),
            organization_id=self.organization_id,
            event_key=key,
            customer_id=event.customer_id,
            voided_at=self.at,
            reason=reason,
            replacement_key=replacement_key,
        )
        void.effects = self._pay(
            event, void, rerated, catalog.compiled_plan(period.plan_version_id)
        )
        firings = self._write(event, void, period, rerated)
        return Voided(event=event, void=void, firings=firings)

    # What is paid back, and what is owed for others.

    def _pay(
        self, event: Event, void: EventVoid, rerated: Sequence[Rerated], plan: CompiledPlan
    ) -> list[dict[str, str]]:
        """Move each asset's money in the books; returns what is answered, by asset."""
        effects = []
        usage = self.usage.get(event.key, {})
        for account in self.accounts:
            if account.customer_id != event.customer_id:
                continue
            book = self.books[account.id]
            concerned = [each for each in rerated if each.price.asset_id == account.asset_id]
            if not concerned and account.id not in usage:
                continue
            unpaid = _unpaid(concerned)
            returned = _give_back(book, usage.get(account.id, ()), at=self.at)
            book.floor = max(book.floor, plan.floor)
            charged = _charge_dearer(
                book, concerned, void, shortfall=plan.shortfall_policy, at=self.at
            )
            returned += _give_back_cheaper(book, concerned, void, account.asset.code, at=self.at)
            effects.append(_effect(account, book, returned, charged, unpaid, _unpaid(concerned)))
        return effects

    def _write(
        self, event: Event, void: EventVoid, period: BillingPeriod, rerated: Sequence[Rerated]
    ) -> int:
        books = self.books.values()
        firings = alerts.decide(
            books, organization_id=self.organization_id, at=self.at, as_one=True
        )
        ledger.post(books, at=self.at)
        void.save(force_insert=True)
        changed = {
            (each.price.price_id, slot): (each.before.get(slot, _NOTHING), after)
            for each in rerated
            for slot, after in each.after.items()
            if after != each.before.get(slot, _NOTHING)
        }
        correction_rows.write_adjustments(void, period, changed)
        if period.invoiced_at is None:
            totals = {(price, slot.cell): after for (price, slot), (_, after) in changed.items()}
            correction_rows.write_totals(period, totals)
            values = [each.forgotten for each in rerated if each.forgotten is not None]
            correction_rows.forget(self.organization_id, values)
        correction_rows.uncount(self.organization_id, event.counted)
        return firings


_NOTHING = Total()


def _give_back(book: Book, entries: Iterable[EntryState], *, at: dt.datetime) -> Decimal:
    """Reverse what an event has taken; returns how much that was."""
    returned = ZERO
    for entry in entries:
        book.reverse(entry, refund_id=identifiers.new_id(), at=at)
        if entry.grant_id is not None:
            # Its end may have come with this very lock, when there was nothing left to expire.
            book.lapse(book.grant_of(entry.grant_id), at=at)
        returned -= entry.amount
    return returned


def _unpaid(rerated: Sequence[Rerated]) -> Unpaid:
    """Return what nobody has paid so far, the voided event's part included until it is settled."""
    return Unpaid(
        sum((each.unpaid.overage for each in rerated), ZERO),
        sum((each.unpaid.uncollected for each in rerated), ZERO),
    )


def _effect(  # noqa: PLR0917
    account: CreditAccount,
    book: Book,
    returned: Decimal,
    charged: Decimal,
    before: Unpaid,
    after: Unpaid,
) -> dict[str, str]:
    """Return what is answered of one asset; what is uncollected only when that has changed."""
    uncollected = after.uncollected - before.uncollected
    return {
        "asset": account.asset.code,
        "returned": money.to_wire(returned),
        "charged": money.to_wire(charged),
        "overage": money.to_wire(after.overage - before.overage),
        "balance": money.to_wire(book.balance),
        "available": money.to_wire(book.available),
    } | ({"uncollected": money.to_wire(uncollected)} if uncollected else {})


def _charge_dearer(
    book: Book, rerated: Sequence[Rerated], void: EventVoid, *, shortfall: str, at: dt.datetime
) -> Decimal:
    """Charge what others' usage has become dearer by, which is never refused; returns what is paid.

    It stands in the ledger as usage under the id of the void.
    """
    dearer = [each for each in rerated if each.difference > 0]
    if not dearer:
        return ZERO
    taken = book.take(
        parts=[ledger.Part(each.price.compiled.meter.code, each.difference) for each in dearer],
        reference=void.id,
        at=at,
        shortfall=shortfall,
    )
    for each, overage, uncollected in zip(dearer, taken.overage, taken.uncollected, strict=True):
        others = each.unpaid_by_others
        each.settle(Unpaid(others.overage + overage, others.uncollected + uncollected))
    return taken.paid


def _give_back_cheaper(
    book: Book, rerated: Sequence[Rerated], void: EventVoid, asset: str, *, at: dt.datetime
) -> Decimal:
    """Give back what others' usage has become cheaper by; returns how much of it is credit.

    First it lowers what nobody has paid. The rest comes as a grant, which first pays what is owed.
    """
    refund = ZERO
    for each in rerated:
        if each.difference > 0:
            continue
        cheaper, others = -each.difference, each.unpaid_by_others
        overage = min(cheaper, others.overage)
        uncollected = min(cheaper - overage, others.uncollected)
        refund += cheaper - overage - uncollected
        each.settle(Unpaid(others.overage - overage, others.uncollected - uncollected))
    if refund:
        book.add_grant(
            GrantState(
                id=identifiers.new_id(),
                amount=refund,
                remaining=ZERO,
                category=Category.REFUND,
                priority=50,
                effective_at=at,
                expires_at=None,
                posted=False,
                reference=f"void:{void.id}:{asset}",
                name="Given back for a voided event",
            ),
            at=at,
        )
    return refund
