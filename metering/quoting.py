"""Quotes: what events would cost a customer now, tier by tier, and what would pay for them.

A quote goes the way of recording (`metering.subscribers`), against everything as it stood at one
moment, in a transaction that cannot write: nothing is held, nothing stored, nobody waited for. As
long as nothing else moves, recording the same events comes to the same amounts. Events are quoted
in order, each after those before it that could be paid. An id is not looked at: an event that was
recorded before is quoted as a new one.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from accounts import money, tenancy
from accounts.books import Book
from accounts.models import CreditGrant
from accounts.money import ZERO
from metering.event_drafts import EventDraft, FieldError, InvalidDraft
from metering.refusals import Refusal
from metering.subscribers import RatedPrice, Refused, Subscriber, Subscribers
from pricing.aggregation import Unpriceable
from pricing.charge_models import Step
from pricing.rating import write_steps


class QuoteStatus(StrEnum):
    """What would become of an event."""

    QUOTED = "quoted"
    BLOCKED = "blocked"
    UNPRICED = "unpriced"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one price would make of an event; amounts in `asset`.

    `metered` is what the usage costs by itself; `amount` what the event is charged, which is zero
    when the price settles at close; `overage` the part of it that no credit would pay.
    """

    price_id: uuid.UUID
    meter: str
    asset: str
    cell: str
    settles_on_event: bool
    quantity: Decimal
    billable: Decimal
    metered: Decimal
    amount: Decimal
    overage: Decimal
    steps: Sequence[Step]

    def to_wire(self) -> dict[str, Any]:
        """Return the line as it is answered."""
        return {
            "price": str(self.price_id),
            "meter": self.meter,
            "asset": self.asset,
            "cell": self.cell,
            "settles": "on_event" if self.settles_on_event else "at_close",
            "quantity": money.to_wire(self.quantity),
            "billable": money.to_wire(self.billable),
            "metered": money.to_wire(self.metered),
            "amount": money.to_wire(self.amount),
            "overage": money.to_wire(self.overage),
            "steps": write_steps(self.steps),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What one grant would pay of an event; without a grant, what goes below zero."""

    asset: str
    amount: Decimal
    grant_id: uuid.UUID | None = None
    category: str = ""
    expires_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedEvent:
    """The answer for one event. `charges` and `draws` are there when it can be paid."""

    status: QuoteStatus
    external_id: str | None = None
    lines: Sequence[Line] = ()
    charges: Sequence[dict[str, str]] = ()
    draws: Sequence[Draw] = ()
    refusals: Sequence[Refusal] = ()
    reason: str = ""
    detail: str = ""
    errors: Sequence[FieldError] = ()

    @property
    def blocked_by(self) -> Refusal | None:
        """What stands in the way first, if anything does."""
        return self.refusals[0] if self.refusals else None


@dataclass(slots=True)
class AssetTotal:
    """All events of a quote in one asset.

    `amount` is what would be charged; `refused` what the blocked events would cost beside it.
    `balance` and `available` are what would be left, the charges being paid.
    """

    amount: Decimal = ZERO
    overage: Decimal = ZERO
    refused: Decimal = ZERO
    balance: Decimal = ZERO
    available: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a set of events would cost; `totals` by asset code, `names` of grants by their id."""

    events: Sequence[QuotedEvent]
    totals: dict[str, AssetTotal]
    names: dict[uuid.UUID, str]

    @property
    def is_blocked(self) -> bool:
        """Whether some event could not be paid."""
        return any(event.status == QuoteStatus.BLOCKED for event in self.events)


def quote_events(
    *, organization_id: uuid.UUID, drafts: Sequence[EventDraft | InvalidDraft], at: dt.datetime
) -> Quote:
    """Say what events received at `at` would cost, in the order given. Changes nothing."""
    valid = [draft for draft in drafts if isinstance(draft, EventDraft)]
    with tenancy.one_moment_for(organization_id, read_only=True):
        quoting = _Quoting(Subscribers.looked_at(organization_id, valid, at=at), at=at)
        events = [quoting.answer(draft) for draft in drafts]
        return Quote(events=events, totals=quoting.totals, names=_names(organization_id, events))


class _Quoting:
    """The events of one quote, each after the ones before it."""

    def __init__(self, subscribers: Subscribers, *, at: dt.datetime) -> None:
        self.subscribers = subscribers
        self.at = at
        self.totals: dict[str, AssetTotal] = {}

    def answer(self, draft: EventDraft | InvalidDraft) -> QuotedEvent:
        if isinstance(draft, InvalidDraft):
            return QuotedEvent(
                status=QuoteStatus.INVALID,
                external_id=draft.external_id,
                reason="invalid",
                detail="The event is not valid.",
                errors=draft.errors,
            )
        try:
            subscriber = self.subscribers.of(draft)
            rated = self.subscribers.rate(draft, subscriber)
        except Unpriceable as error:
            return QuotedEvent(
                status=QuoteStatus.UNPRICED,
                external_id=draft.external_id,
                reason=error.reason,
                detail=error.detail,
            )
        return self._paid(draft, subscriber, rated)

    def _paid(
        self, draft: EventDraft, subscriber: Subscriber, rated: Sequence[RatedPrice]
    ) -> QuotedEvent:
        books = _books_by_asset(subscriber, rated)
        entered = {asset: len(book.entries) for asset, book in books.items()}
        try:
            used = self.subscribers.used_with(rated, subscriber)
            permit = subscriber.permit(draft, rated, used=used, at=self.at)
        except Refused as error:
            self._refuse(rated, books)
            return _blocked(draft, rated, error.refusals)
        paid = subscriber.pay(permit, reference=draft.key, at=self.at)
        for price, each in rated:
            totals = self.subscribers.totals(subscriber.period.id, price.price_id)
            totals.add(each, overage=paid.overages[price.price_id])
        self._add_up(rated, paid.overages, books)
        return QuotedEvent(
            status=QuoteStatus.QUOTED,
            external_id=draft.external_id,
            lines=lines_of(rated, overages=paid.overages),
            charges=paid.charges,
            draws=[draw for asset, book in books.items() for draw in _draws(asset, book, entered)],
        )

    def _add_up(
        self,
        rated: Iterable[RatedPrice],
        overages: dict[uuid.UUID, Decimal],
        books: dict[str, Book],
    ) -> None:
        for price, each in rated:
            total = self._total(price.asset_code, books)
            total.amount += each.amount
            total.overage += overages[price.price_id]

    def _refuse(self, rated: Iterable[RatedPrice], books: dict[str, Book]) -> None:
        for price, each in rated:
            self._total(price.asset_code, books).refused += each.amount

    def _total(self, asset: str, books: dict[str, Book]) -> AssetTotal:
        total = self.totals.setdefault(asset, AssetTotal())
        total.balance, total.available = books[asset].balance, books[asset].available
        return total


def _names(organization_id: uuid.UUID, events: Iterable[QuotedEvent]) -> dict[uuid.UUID, str]:
    drawn = {draw.grant_id for event in events for draw in event.draws if draw.grant_id}
    grants = CreditGrant.objects.for_organization(organization_id).filter(id__in=drawn)
    return dict(grants.values_list("id", "name")) if drawn else {}


def _books_by_asset(subscriber: Subscriber, rated: Iterable[RatedPrice]) -> dict[str, Book]:
    return {price.asset_code: subscriber.books[price.asset_id] for price, _ in rated}


def lines_of(rated: Iterable[RatedPrice], *, overages: Mapping[uuid.UUID, Decimal]) -> list[Line]:
    """Return what each price makes of a rated event; `overages` by price id."""
    return [
        Line(
            price_id=price.price_id,
            meter=price.compiled.meter.code,
            asset=price.asset_code,
            cell=each.cell,
            settles_on_event=price.compiled.settles_on_event,
            quantity=each.quantity,
            billable=each.billable,
            metered=each.metered,
            amount=each.amount,
            overage=overages.get(price.price_id, ZERO),
            steps=price.compiled.explain(each.cell, each.before, each.billable),
        )
        for price, each in rated
    ]


def _draws(asset: str, book: Book, entered: dict[str, int]) -> Iterable[Draw]:
    """Yield what the newest entries of a book took, in the order in which grants burn."""
    grants = {grant.id: grant for grant in book.grants}
    for entry in book.entries[entered[asset] :]:
        grant = grants.get(entry.grant_id) if entry.grant_id is not None else None
        if grant is None:
            yield Draw(asset=asset, amount=-entry.amount)
        else:
            yield Draw(
                asset=asset,
                amount=-entry.amount,
                grant_id=grant.id,
                category=grant.category,
                expires_at=grant.expires_at,
            )


def _blocked(
    draft: EventDraft, rated: Iterable[RatedPrice], refusals: Sequence[Refusal]
) -> QuotedEvent:
    return QuotedEvent(
        status=QuoteStatus.BLOCKED,
        external_id=draft.external_id,
        lines=lines_of(rated, overages={}),
        refusals=refusals,
        reason=refusals[0].reason,
        detail=refusals[0].detail,
    )
