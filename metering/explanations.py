"""Explanations: how the amount of a recorded event came about, down to the tier and the grant.

Prices never change once published, so a working is not stored but retraced, from where the period
stood before the event. What paid is in the ledger. Nothing here writes.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts.models import Asset, EntryKind, LedgerEntry
from accounts.money import ZERO
from metering import statements
from metering.models import Event, EventVoid, RatedEvent, SpendCap
from metering.statements import GrantName
from pricing import catalog
from pricing.charge_models import Step
from pricing.price_words import label_of
from pricing.rating import CompiledPrice, before_of, write_steps


class UnknownEvent(LookupError):
    """No such event was recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceWorking:
    """What one price made of the event; `rated` is the row that says so, with its price.

    `included` is how many of the counted units the plan includes. `metered` is what the rest costs
    by itself, which is charged at once or, where `is_due_at_close`, not before the period ends;
    None where only the close knows it. `before` is what the meter's period held before the event.
    `where` says which cell of the price applied, in words.
    """

    rated: RatedEvent
    where: str
    before: Decimal
    included: Decimal
    metered: Decimal | None
    is_due_at_close: bool
    steps: Sequence[Step]

    @property
    def has_flat_amounts(self) -> bool:
        """Whether a step has an amount beside its rate."""
        return any(step.flat_amount for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What one grant paid of the event, and what of it was given back since.

    Without a grant it went below zero, to be paid by the next one.
    """

    asset: Asset
    grant: GrantName | None
    amount: Decimal
    returned: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedByCap:
    """What the event added to one count of a spend cap."""

    cap: SpendCap
    bucket: str
    window_starts_at: dt.datetime
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Voided:
    """When the event was taken back, why, and which of the customer's is in its place."""

    at: dt.datetime
    reason: str
    replacement_key: uuid.UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything that is known of one event: what it cost, who paid, what it counted towards.

    `entries` are those of the ledger, reversals among them, in order; `authorization` is the one
    it was captured from.
    """

    event: Event
    prices: Sequence[PriceWorking]
    payments: Sequence[Payment]
    entries: Sequence[LedgerEntry]
    counted: Sequence[CountedByCap]
    authorization: uuid.UUID | None
    voided: Voided | None


def explain_event(
    *, organization_id: uuid.UUID, key: uuid.UUID, customer_id: uuid.UUID | None = None
) -> Explanation:
    """Explain one event of the organization, or of that customer. Raises UnknownEvent."""
    events = Event.objects.with_voids().filter(organization=organization_id, key=key)
    if customer_id is not None:
        events = events.filter(customer=customer_id)
    event = events.select_related("customer", "cost_asset").first()
    if event is None:
        raise UnknownEvent(str(key))
    rated = RatedEvent.objects.filter(organization=organization_id, event_key=key).select_related(
        "price__plan_version__plan", "price__asset", "price__meter"
    )
    entries = _entries(organization_id, key)
    return Explanation(
        event=event,
        prices=[_working(row) for row in rated.order_by("price__meter__code", "price__id")],
        payments=_payments(organization_id, entries),
        entries=entries,
        counted=_counted(event),
        authorization=event.authorization,
        voided=_voided(event),
    )


# Prices.


def explain(rated: RatedEvent) -> list[dict[str, str]]:
    """Return the steps that make up what one price charged; `rated` needs its price.

    A price that settles on values known only at the close has none for an event.
    """
    return write_steps(_steps(rated, _compiled(rated)))


def _compiled(rated: RatedEvent) -> CompiledPrice:
    return catalog.compiled_plan(rated.price.plan_version_id).price(rated.price_id).compiled


def _steps(rated: RatedEvent, price: CompiledPrice) -> list[Step]:
    working = rated.working
    billable = Decimal(working.get("billable", working["quantity"]))
    return price.explain(rated.cell, before_of(working), billable)


def _working(rated: RatedEvent) -> PriceWorking:
    price, working = _compiled(rated), rated.working
    billable = Decimal(working.get("billable", working["quantity"]))
    metered = Decimal(working.get("metered", working["amount"]))
    return PriceWorking(
        rated=rated,
        where=_where(rated.cell, price),
        before=before_of(working).quantity,
        included=rated.quantity - billable if price.rises else ZERO,
        metered=metered if price.accrues else None,
        is_due_at_close=not price.settles_on_event,
        steps=_steps(rated, price),
    )


def _where(key: str, price: CompiledPrice) -> str:
    matrix = price.terms.matrix
    cells = matrix.cells if matrix is not None else ()
    found = next((cell for cell in cells if cell.key == key), None)
    if matrix is None or found is None:
        return ""
    return label_of(matrix.names, found.match)


# Who paid.


def _entries(organization_id: uuid.UUID, key: uuid.UUID) -> list[LedgerEntry]:
    """Return what the event has taken, and what of it was reversed.

    Usage is found by its reference and a reversal by what it reverses: each by an index.
    """
    rows = LedgerEntry.objects.filter(organization=organization_id).select_related("account__asset")
    usage = list(rows.filter(reference=key, kind=EntryKind.USAGE))
    versions = {entry.account_version for entry in usage}
    reversals = rows.filter(
        account__in={entry.account_id for entry in usage}, reverses_version__in=versions
    )
    undone = [entry for entry in reversals if entry.reference == key] if usage else []
    return sorted(
        [*usage, *undone], key=lambda each: (each.account.asset.code, each.account_version)
    )


def _payments(organization_id: uuid.UUID, entries: Sequence[LedgerEntry]) -> list[Payment]:
    usage = [entry for entry in entries if entry.kind == EntryKind.USAGE]
    drawn = {entry.grant_id for entry in usage if entry.grant_id is not None}
    grants = statements.grant_names(drawn, organization_id=organization_id)
    returned = {
        (entry.account_id, entry.reverses_version): entry.amount
        for entry in entries
        if entry.reverses_version is not None
    }
    return [
        Payment(
            asset=entry.account.asset,
            grant=grants[entry.grant_id] if entry.grant_id is not None else None,
            amount=-entry.amount,
            returned=returned.get((entry.account_id, entry.account_version), ZERO),
        )
        for entry in usage
    ]


# What else it did, and what became of it.


def _counted(event: Event) -> list[CountedByCap]:
    counted: Sequence[Mapping[str, str]] = event.counted
    caps = (
        SpendCap.objects.for_organization(event.organization_id)
        .filter(id__in={each["cap"] for each in counted})
        .select_related("asset", "meter")
    )
    by_id = {str(cap.id): cap for cap in caps} if counted else {}
    return [
        CountedByCap(
            cap=by_id[each["cap"]],
            bucket=each["bucket"],
            window_starts_at=dt.datetime.fromisoformat(each["window_starts_at"]),
            amount=Decimal(each["amount"]),
        )
        for each in counted
    ]


def _voided(event: Event) -> Voided | None:
    row = EventVoid.objects.filter(organization=event.organization_id, event_key=event.key).first()
    if row is None:
        return None
    replacement = _own_replacement(event, row.replacement_key) if row.replacement_key else None
    return Voided(at=row.voided_at, reason=row.reason, replacement_key=replacement)


def _own_replacement(event: Event, key: uuid.UUID) -> uuid.UUID | None:
    """Return the key unless it is of another customer, who is nobody's business here."""
    replacements = Event.objects.filter(
        organization=event.organization_id, customer=event.customer_id, key=key
    )
    return replacements.values_list("key", flat=True).first()
