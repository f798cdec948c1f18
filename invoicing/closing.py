"""Closing: a period whose time is over becomes invoices.

First the period is closed, a flip of its row under the customer's account locks. Then its totals
become one invoice for each currency: a draft, drawn anew while the organization's grace time lasts
and something changes, and after it the final one, in a transaction of its own. What a period asks
for when it begins goes with the invoice of the one before it, or, with none before it, on one of
its own. All steps find their work in the database and can be killed and repeated: whoever comes
second finds it done.
"""

import datetime as dt
import uuid

from django.db.models import (
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce

from accounts import ledger, parked_customers, parking, tenancy
from accounts.books import Book
from accounts.models import CreditAccount
from invoicing import drawing, fees, invoice_rows
from invoicing.models import (
    Invoice,
    InvoiceItem,
    InvoiceKind,
    InvoicingTerms,
    PeriodDrafting,
    PeriodOpening,
)
from metering import alerts, billing_periods, settlement
from metering.models import BillingPeriod, EventVoid, PeriodCharge
from pricing.models import FeeTiming, PlanVersion, Subscription


def close_due_periods(*, at: dt.datetime) -> int:
    """Close every period that ended at or before `at`; returns how many this call closed.

    Raises ExceptionGroup, after all the others, for periods that could not be closed.
    """
    due = BillingPeriod.objects.filter(closed_at=None, ends_at__lte=at).order_by("ends_at")
    return parking.serve_each(
        due.iterator(), lambda period: billing_periods.close_if_due(period, at=at)
    )


def build_due_invoices(*, at: dt.datetime) -> int:
    """Invoice every closed period that was not; returns how many final invoices that made.

    Those whose grace time is not over get drafts, where something changed since the last ones.
    Those of parked customers wait. Raises ExceptionGroup, after all the others, for periods that
    could not be invoiced.
    """
    waiting = _waiting().filter(Q(final_at__lte=at) | Q(drafted_at=None) | _changed_since_drafted())
    return parking.serve_each(
        list(waiting.order_by("closed_at").values_list("organization_id", "id")),
        lambda ids: len(build_invoices(organization_id=ids[0], period_id=ids[1], at=at)),
    )


def _waiting() -> QuerySet[BillingPeriod]:
    grace = InvoicingTerms.objects.filter(organization=OuterRef("organization"))
    drafting = PeriodDrafting.objects.filter(
        organization=OuterRef("organization"), period=OuterRef("pk")
    )
    seconds = Coalesce(Subquery(grace.values("grace_seconds")[:1]), 0)
    lasts = ExpressionWrapper(
        seconds * Value(dt.timedelta(seconds=1)), output_field=DurationField()
    )
    return (
        BillingPeriod.objects.filter(closed_at__isnull=False, invoiced_at=None)
        .exclude(parked_customers.customer_is_parked())
        .annotate(
            final_at=ExpressionWrapper(F("ends_at") + lasts, output_field=DateTimeField()),
            drafted_at=Subquery(drafting.values("drafted_at")[:1]),
        )
    )


def _changed_since_drafted() -> Exists:
    """Whether the customer got an item, or an event of the customer's was voided."""
    about = {"organization": OuterRef("organization"), "customer": OuterRef("customer")}
    items = InvoiceItem.objects.filter(**about, created_at__gt=OuterRef("drafted_at"))
    voids = EventVoid.objects.filter(**about, voided_at__gt=OuterRef("drafted_at"))
    return Exists(items) | Exists(voids)  # type: ignore[return-value]


def build_invoices(
    *, organization_id: uuid.UUID, period_id: uuid.UUID, at: dt.datetime
) -> list[Invoice]:
    """Invoice one closed period; returns the final invoices, none if it was invoiced before,
    its customer is parked, or its grace time is not over: then there are drafts of them.

    First the period is charged what its events were not (`metering.settlement`). Only currencies
    are invoiced: what a unit of the organization's own has paid was sold before.
    """
    with tenancy.transaction_for(organization_id):
        books = _lock_customer(organization_id, period_id, at=at)
        period = (
            BillingPeriod.objects.select_for_update(no_key=True, of=("self",))
            .select_related("customer", "subscription")
            .filter(
                organization=organization_id,
                id=period_id,
                closed_at__isnull=False,
                invoiced_at=None,
            )
            .first()
        )
        if period is None or parked_customers.is_parked(
            organization_id=organization_id, customer_id=period.customer_id
        ):
            return []
        if at < period.ends_at + _grace(organization_id):
            _draft(period, books, at=at)
            return []
        return _finalize(period, books, at=at)


def _grace(organization_id: uuid.UUID) -> dt.timedelta:
    terms = InvoicingTerms.objects.for_organization(organization_id).first()
    return dt.timedelta(seconds=0 if terms is None else terms.grace_seconds)


def _draft(period: BillingPeriod, books: dict[uuid.UUID, Book], *, at: dt.datetime) -> None:
    """Write the drafts of a period. Books are asked what they would pay, and never posted."""
    drawings = drawing.of_period(
        period,
        charges=settlement.foresee(period=period, books=books, at=at),
        opens=drawing.following(period, at=at),
    )
    invoice_rows.write_drafts(period, drawings, kind=InvoiceKind.PERIOD, at=at)
    PeriodDrafting.objects.update_or_create(
        organization_id=period.organization_id, period=period, defaults={"drafted_at": at}
    )


def _finalize(
    period: BillingPeriod, books: dict[uuid.UUID, Book], *, at: dt.datetime
) -> list[Invoice]:
    settlement.settle(period=period, books=books, at=at)
    alerts.decide(books.values(), organization_id=period.organization_id, at=at)
    ledger.post(books.values(), at=at)
    opens = drawing.following(period, at=at)
    charges = PeriodCharge.objects.for_organization(period.organization_id).filter(period=period)
    drawings = drawing.of_period(period, charges=charges, opens=opens)
    drafts = invoice_rows.write_drafts(period, drawings, kind=InvoiceKind.PERIOD, at=at)
    invoices = invoice_rows.finalize(drafts, drawings, at=at)
    _note_openings([period, *([opens] if opens is not None else [])], at=at)
    period.invoiced_at = at
    period.save(update_fields=["invoiced_at"])
    return invoices


def _note_openings(periods: list[BillingPeriod], *, at: dt.datetime) -> None:
    """Note that what these periods ask for when they begin was invoiced, if they ask for any."""
    asking = set(
        PlanVersion.objects.filter(
            _due_in_advance(), id__in={period.plan_version_id for period in periods}
        ).values_list("id", flat=True)
    )
    PeriodOpening.objects.bulk_create(
        PeriodOpening(organization_id=period.organization_id, period=period, invoiced_at=at)
        for period in periods
        if period.plan_version_id in asking and not fees.is_opened(period)
    )


def _due_in_advance(prefix: str = "") -> Q:
    """Return the condition that a plan version has a fee that is due in advance."""
    base = {
        f"{prefix}base_fee_timing": FeeTiming.ADVANCE,
        f"{prefix}base_fee_asset__isnull": False,
    }
    seats = {
        f"{prefix}seat_fee_timing": FeeTiming.ADVANCE,
        f"{prefix}seat_fee_asset__isnull": False,
    }
    return Q(**base) | Q(**seats)


def begin_due_periods(*, at: dt.datetime) -> int:
    """Open the first period of subscriptions with fees that nobody has used yet; returns how many.

    Without it a customer who sends no event would never be charged. Raises ExceptionGroup, after
    all the others, for subscriptions whose period could not be opened.
    """
    has_fee = Q(plan_version__base_fee_asset__isnull=False) | Q(
        plan_version__seat_fee_asset__isnull=False
    )
    periods = BillingPeriod.objects.filter(
        organization=OuterRef("organization"), subscription=OuterRef("pk")
    )
    new = Subscription.objects.filter(has_fee, ~Exists(periods), ended_at=None, starts_at__lte=at)
    return parking.serve_each(
        list(new.select_related("customer", "plan_version").order_by("starts_at")), _begin
    )


def _begin(subscription: Subscription) -> int:
    organization_id = subscription.organization_id
    with tenancy.transaction_for(organization_id):
        parked_customers.lock_accounts(
            organization_id=organization_id, customer_ids=[subscription.customer_id]
        )
        periods = BillingPeriod.objects.for_organization(organization_id)
        if periods.filter(subscription=subscription).exists():
            return 0
        billing_periods.open_periods([subscription], at=subscription.starts_at)
        return 1


def open_due_periods(*, at: dt.datetime) -> int:
    """Invoice what periods ask for when they begin, of those that follow no other.

    What follows another goes with the invoice of that one. Returns how many invoices that made.
    Raises ExceptionGroup, after all the others, for periods that could not be invoiced.
    """
    opened = PeriodOpening.objects.filter(
        organization=OuterRef("organization"), period=OuterRef("pk")
    )
    before = BillingPeriod.objects.filter(
        organization=OuterRef("organization"),
        subscription=OuterRef("subscription"),
        starts_at__lt=OuterRef("starts_at"),
        invoiced_at=None,
    )
    begun = BillingPeriod.objects.filter(
        _due_in_advance("plan_version__"),
        ~Exists(opened),
        ~Exists(before),
        invoiced_at=None,
        starts_at__lte=at,
    ).exclude(parked_customers.customer_is_parked())
    return parking.serve_each(
        list(begun.order_by("starts_at").values_list("organization_id", "id")),
        lambda ids: len(open_period(organization_id=ids[0], period_id=ids[1], at=at)),
    )


def open_period(
    *, organization_id: uuid.UUID, period_id: uuid.UUID, at: dt.datetime
) -> list[Invoice]:
    """Invoice what one period asks for when it begins; returns the invoices, none if that was done
    before or its customer is parked."""
    with tenancy.transaction_for(organization_id):
        _lock_customer(organization_id, period_id, at=at)
        period = (
            BillingPeriod.objects.select_for_update(no_key=True, of=("self",))
            .select_related("customer", "subscription")
            .get(organization=organization_id, id=period_id)
        )
        is_parked = parked_customers.is_parked(
            organization_id=organization_id, customer_id=period.customer_id
        )
        if is_parked or period.invoiced_at is not None or fees.is_opened(period):
            return []
        drawings = drawing.of_opening(period)
        drafts = invoice_rows.write_drafts(period, drawings, kind=InvoiceKind.OPENING, at=at)
        invoices = invoice_rows.finalize(drafts, drawings, at=at)
        _note_openings([period], at=at)
        return invoices


def _lock_customer(
    organization_id: uuid.UUID, period_id: uuid.UUID, *, at: dt.datetime
) -> dict[uuid.UUID, Book]:
    """Lock the accounts of the period's customer; returns their books by asset id."""
    accounts = dict(
        CreditAccount.objects.for_organization(organization_id)
        .filter(
            customer__in=BillingPeriod.objects.for_organization(organization_id)
            .filter(id=period_id)
            .values("customer")
        )
        .values_list("id", "asset_id")
    )
    books = ledger.lock_books(organization_id=organization_id, account_ids=accounts.keys(), at=at)
    return {accounts[account_id]: book for account_id, book in books.items()}
