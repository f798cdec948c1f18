"""How corrections are read and written: what a period holds beside its totals, what moves it."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Sum

from accounts import set_statements
from accounts.books import EntryState
from accounts.models import EntryKind, LedgerEntry
from metering import event_rows
from metering.event_rows import DistinctKey
from metering.models import Adjustment, BillingPeriod, EventVoid, PeriodCharge
from metering.standing_events import STANDING
from pricing.rating import Total, Totals


class Slot(NamedTuple):
    """A total of a price in a period: a matrix cell, or with a `kind` what the close charged."""

    kind: str
    cell: str


def read_totals(
    period: BillingPeriod, *, price_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, Totals]:
    """Return what prices hold in a period, by price; adjustments after its invoice included."""
    read = event_rows.read_totals(organization_id=period.organization_id, period_ids=[period.id])
    cells = {price_id: dict(_cells(read.get((period.id, price_id)))) for price_id in price_ids}
    for price_id, slot, adjusted in _adjusted(period):
        if price_id in cells and not slot.kind:
            cells[price_id].setdefault(slot.cell, Total()).merge(adjusted)
    return {price_id: Totals.of(held) for price_id, held in cells.items()}


def _cells(totals: Totals | None) -> Mapping[str, Total]:
    return totals.cells if totals is not None else {}


def read_charges(period: BillingPeriod, price_id: uuid.UUID) -> dict[Slot, Total]:
    """Return what the close of a period charged at a price, adjustments since included."""
    charges = {
        Slot(row.kind, ""): Total(quantity=row.quantity, amount=row.amount, overage=row.overage)
        for row in PeriodCharge.objects.for_organization(period.organization_id).filter(
            period=period, price=price_id
        )
    }
    for adjusted_id, slot, adjusted in _adjusted(period):
        if adjusted_id == price_id and slot.kind:
            charges.setdefault(slot, Total()).merge(adjusted)
    return charges


def _adjusted(period: BillingPeriod) -> Iterable[tuple[uuid.UUID, Slot, Total]]:
    """Yield what was adjusted since the period was invoiced, by price and slot."""
    sums = (
        Adjustment.objects.for_organization(period.organization_id)
        .filter(period=period, is_after_invoice=True)
        .order_by("price", "kind", "cell")
        .values_list("price", "kind", "cell")
        .annotate(
            Sum("quantity"), Sum("billable"), Sum("metered_amount"), Sum("amount"),
            Sum("overage"), Sum("uncollected"), Sum("events"),
        )
    )  # fmt: skip
    for price_id, kind, cell, *held in sums:
        yield price_id, Slot(kind, cell), Total(*held)


def read_usage(
    organization_id: uuid.UUID, references: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, Mapping[uuid.UUID, Sequence[EntryState]]]:
    """Return what events have taken and was not reversed yet: by event key, and by account."""
    rows = (
        LedgerEntry.objects.filter(organization=organization_id, reference__in=references)
        .order_by("account", "account_version")
        .values_list("account", *EntryState._fields)
    )
    entries = [(account_id, EntryState(*fields)) for account_id, *fields in rows]
    undone = {(account_id, entry.reverses_version) for account_id, entry in entries}
    found: dict[uuid.UUID, dict[uuid.UUID, list[EntryState]]] = defaultdict(dict)
    for account_id, entry in entries:
        is_undone = (account_id, entry.account_version) in undone
        if entry.kind == EntryKind.USAGE and not is_undone:
            found[entry.reference].setdefault(account_id, []).append(entry)
    return found


def latest_at(
    period: BillingPeriod, *, price_id: uuid.UUID, cell: str, without: uuid.UUID
) -> dt.datetime | None:
    """Return when the newest event of a cell occurred, leaving one event out."""
    with connection.cursor() as cursor:
        cursor.execute(
            _LATEST_AT,
            {
                "organization": period.organization_id,
                "customer": period.customer_id,
                "period": period.id,
                "price": price_id,
                "cell": cell,
                "without": without,
            },
        )
        found = cursor.fetchone()
    return found[0] if found else None


_LATEST_AT = f"""
SELECT event.occurred_at
FROM metering_event event
JOIN metering_ratedevent rated
    ON rated.organization_id = event.organization_id AND rated.event_key = event.key
WHERE event.organization_id = %(organization)s AND event.customer_id = %(customer)s
    AND event.period_id = %(period)s AND event.key <> %(without)s
    AND rated.price_id = %(price)s AND rated.cell = %(cell)s
    AND {STANDING}
ORDER BY event.occurred_at DESC LIMIT 1
"""  # noqa: S608


def write_adjustments(
    void: EventVoid,
    period: BillingPeriod,
    differences: Mapping[tuple[uuid.UUID, Slot], tuple[Total, Total]],
) -> None:
    """Keep what a void has made of totals, by price and slot: what each was, and what it is."""
    Adjustment.objects.bulk_create(
        Adjustment(
            organization_id=void.organization_id,
            void=void,
            period=period,
            price_id=price_id,
            kind=slot.kind,
            cell=slot.cell,
            is_after_invoice=period.invoiced_at is not None,
            events=after.events - before.events,
            quantity=after.quantity - before.quantity,
            billable=after.billable - before.billable,
            metered_amount=after.metered - before.metered,
            amount=after.amount - before.amount,
            overage=after.overage - before.overage,
            uncollected=after.uncollected - before.uncollected,
        )
        for (price_id, slot), (before, after) in sorted(differences.items())
    )


def write_totals(period: BillingPeriod, totals: Mapping[tuple[uuid.UUID, str], Total]) -> None:
    """Make these what a period holds, by price and cell; all of them exist."""
    rows = [
        (
            price_id, cell, each.quantity, each.billable, each.metered, each.amount, each.overage,
            each.uncollected, each.events, each.latest_at,
        )
        for (price_id, cell), each in sorted(totals.items())
    ]  # fmt: skip
    set_statements.execute(_UPDATE_TOTALS, rows, period.organization_id, period.id)


# The rows come last, so what the statement starts with is named before it uses it.
_UPDATE_TOTALS = """
WITH of_period AS (SELECT %s::uuid AS organization_id, %s::uuid AS period_id)
UPDATE metering_usagetotal total
SET quantity = moved.quantity, billable = moved.billable, metered_amount = moved.metered_amount,
    amount = moved.amount, overage = moved.overage, uncollected = moved.uncollected,
    events = moved.events, latest_at = moved.latest_at
FROM of_period, unnest(
    %s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
    %s::numeric[], %s::numeric[], %s::bigint[], %s::timestamptz[]
) AS moved (
    price_id, cell, quantity, billable, metered_amount, amount, overage, uncollected, events,
    latest_at
)
WHERE total.organization_id = of_period.organization_id
    AND total.period_id = of_period.period_id
    AND total.price_id = moved.price_id AND total.cell = moved.cell
"""


def uncount(organization_id: uuid.UUID, counted: Sequence[Mapping[str, Any]]) -> None:
    """Give back to the windows of spend caps what an event has added to them."""
    rows = [
        (each["cap"], each["bucket"], each["window_starts_at"], each["amount"]) for each in counted
    ]
    set_statements.execute(_UNCOUNT, rows, organization_id)


_UNCOUNT = """
WITH tenant AS (SELECT %s::uuid AS organization_id)
UPDATE metering_capcounter counter
SET used = counter.used - counted.amount
FROM tenant, unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::numeric[])
    AS counted (cap_id, bucket, window_starts_at, amount)
WHERE counter.organization_id = tenant.organization_id
    AND counter.cap_id = counted.cap_id AND counter.bucket = counted.bucket
    AND counter.window_starts_at = counted.window_starts_at
"""


def forget(organization_id: uuid.UUID, values: Collection[DistinctKey]) -> None:
    """Forget values that no event of the period has any more."""
    set_statements.execute(_FORGET, sorted(values), organization_id)


_FORGET = """
WITH tenant AS (SELECT %s::uuid AS organization_id)
DELETE FROM metering_distinctvalue met
USING tenant, unnest(%s::uuid[], %s::uuid[], %s::uuid[])
    AS forgotten (period_id, price_id, value_hash)
WHERE met.organization_id = tenant.organization_id
    AND met.period_id = forgotten.period_id AND met.price_id = forgotten.price_id
    AND met.value_hash = forgotten.value_hash
"""
