"""Statements of a customer: the entries of its ledgers, each with what it is and what caused it.

The ledger knows an opaque reference; here it becomes the event, grant, billing period or
authorization that it is. Everything is read in sets, so a page of entries costs a fixed number of
queries, whatever its size.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from accounts import statements
from accounts.models import Asset, CreditAccount, CreditGrant, Customer, Hold, LedgerEntry
from accounts.statements import Span
from metering.models import BillingPeriod, Event, EventVoid


class CauseKind(StrEnum):
    """What the reference of an entry is."""

    EVENT = "event"
    GRANT = "grant"
    PERIOD = "period"
    AUTHORIZATION = "authorization"
    VOID = "void"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What made an entry. `id` is an event's own id, given with its `source`; else a UUID.

    `type` is an event's, `name` a grant's, `starts_at` and `ends_at` are a period's. A void is
    told by the event that was taken back; `event_key` is what that, or the event, is found by.
    """

    kind: CauseKind
    key: uuid.UUID
    id: str
    source: str = ""
    type: str = ""
    name: str = ""
    starts_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None
    event_key: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantName:
    """A grant, as far as it must be known to be told from others."""

    id: uuid.UUID
    name: str
    category: str

    @property
    def title(self) -> str:
        """What to call it: by its name, or by its kind when it has none."""
        return self.name or f"{self.category.title()} credit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry; amounts in `asset`. Without a grant it is credit the account owed or owes."""

    asset: Asset
    version: int
    at: dt.datetime
    kind: str
    amount: Decimal
    balance_after: Decimal
    grant: GrantName | None
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a statement goes on: before entry `version` of this account."""

    account_id: uuid.UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a statement, and where the next one begins; None on the last."""

    lines: Sequence[Line]
    following: Place | None


def read_spans(
    customer: Customer,
    *,
    asset: Asset | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> list[Span]:
    """Return the customer's accounts over a span of time, by the code of their asset."""
    accounts = (
        CreditAccount.objects.for_organization(customer.organization_id)
        .filter(customer=customer)
        .select_related("asset")
        .order_by("asset__code")
    )
    if asset is not None:
        accounts = accounts.filter(asset=asset)
    return [statements.read_span(account, since=since, until=until) for account in accounts]


def read_page(
    spans: Sequence[Span], *, kinds: Collection[str] = (), after: Place | None = None, limit: int
) -> Page:
    """Return the entries of the spans: account after account, in each the newest first.

    `after` is the `following` of the page before. Raises LookupError when its account is not
    among the spans.
    """
    entries: list[tuple[CreditAccount, LedgerEntry]] = []
    for span, before in _from(spans, after):
        wanted = limit + 1 - len(entries)
        found = statements.read_entries(span, kinds=kinds, before=before, limit=wanted)
        entries += [(span.account, entry) for entry in found]
        if len(entries) > limit:
            break
    following = None
    if len(entries) > limit:
        # The first entry that is not shown may be another account's: the page goes on above it.
        account, entry = entries[limit]
        following = Place(account_id=account.id, version=entry.account_version + 1)
    return Page(lines=lines_of(entries[:limit]), following=following)


def _from(spans: Sequence[Span], after: Place | None) -> Iterator[tuple[Span, int | None]]:
    if after is None:
        yield from ((span, None) for span in spans)
        return
    places = [span.account.id for span in spans]
    if after.account_id not in places:
        raise LookupError(str(after.account_id))
    index = places.index(after.account_id)
    yield spans[index], after.version
    yield from ((span, None) for span in spans[index + 1 :])


def read_all(spans: Sequence[Span], *, kinds: Collection[str] = ()) -> Iterator[Line]:
    """Yield all entries of the spans, the oldest of each account first, in constant memory."""
    for span in spans:
        for batch in statements.batches(span, kinds=kinds):
            yield from lines_of([(span.account, entry) for entry in batch])


def lines_of(entries: Sequence[tuple[CreditAccount, LedgerEntry]]) -> list[Line]:
    """Return entries of one organization as lines; accounts come with their assets."""
    if not entries:
        return []
    organization_id = entries[0][0].organization_id
    rows = [entry for _, entry in entries]
    causes = causes_of(rows, organization_id=organization_id)
    drawn = {row.grant_id for row in rows if row.grant_id is not None}
    grants = grant_names(drawn, organization_id=organization_id)
    return [
        Line(
            asset=account.asset,
            version=row.account_version,
            at=row.at,
            kind=row.kind,
            amount=row.amount,
            balance_after=row.balance_after,
            grant=grants[row.grant_id] if row.grant_id is not None else None,
            cause=causes[row.reference],
        )
        for account, row in entries
    ]


def grant_names(
    grant_ids: Collection[uuid.UUID], *, organization_id: uuid.UUID
) -> dict[uuid.UUID, GrantName]:
    """Return grants by their id."""
    if not grant_ids:
        return {}
    grants = CreditGrant.objects.for_organization(organization_id).filter(id__in=grant_ids)
    rows = grants.order_by().values_list("id", "name", "category")
    return {
        grant_id: GrantName(id=grant_id, name=name, category=category)
        for grant_id, name, category in rows
    }


def causes_of(
    entries: Collection[LedgerEntry], *, organization_id: uuid.UUID
) -> dict[uuid.UUID, Cause]:
    """Return what the references of these entries are; an unknown one is of kind other."""
    found: dict[uuid.UUID, Cause] = {}
    missing = {entry.reference for entry in entries}
    accounts = {entry.account_id for entry in entries}
    for find in _FINDERS:
        if missing:
            search = _Search(organization_id, accounts, missing)
            found |= {cause.key: cause for cause in find(search)}
            missing = missing - found.keys()
    return found | {key: Cause(kind=CauseKind.OTHER, key=key, id=str(key)) for key in missing}


class _Search(NamedTuple):
    """References to be found, of entries in these accounts."""

    organization_id: uuid.UUID
    account_ids: Collection[uuid.UUID]
    keys: Collection[uuid.UUID]


def _events(search: _Search) -> Iterator[Cause]:
    yield from _causing_events(search.organization_id, search.keys).values()


def _causing_events(
    organization_id: uuid.UUID, keys: Collection[uuid.UUID]
) -> dict[uuid.UUID, Cause]:
    events = Event.objects.filter(organization=organization_id, key__in=keys)
    rows = events.order_by().values_list("key", "source", "external_id", "type")
    return {
        key: Cause(
            kind=CauseKind.EVENT,
            key=key,
            id=external_id,
            source=source,
            type=event_type,
            event_key=key,
        )
        for key, source, external_id, event_type in rows
    }


def _grants(search: _Search) -> Iterator[Cause]:
    for grant in grant_names(search.keys, organization_id=search.organization_id).values():
        yield Cause(kind=CauseKind.GRANT, key=grant.id, id=str(grant.id), name=grant.title)


def _periods(search: _Search) -> Iterator[Cause]:
    periods = BillingPeriod.objects.for_organization(search.organization_id)
    rows = periods.filter(id__in=search.keys).order_by().values_list("id", "starts_at", "ends_at")
    for period_id, starts_at, ends_at in rows:
        yield Cause(
            kind=CauseKind.PERIOD,
            key=period_id,
            id=str(period_id),
            starts_at=starts_at,
            ends_at=ends_at,
        )


def _authorizations(search: _Search) -> Iterator[Cause]:
    # What an authorization takes when nobody claims it is entered under the reference of its holds.
    holds = Hold.objects.for_organization(search.organization_id).filter(
        account__in=search.account_ids, reference__in=search.keys
    )
    for reference in holds.order_by().values_list("reference", flat=True).distinct():
        yield Cause(kind=CauseKind.AUTHORIZATION, key=reference, id=str(reference))


def _voids(search: _Search) -> Iterator[Cause]:
    # What others' usage cost more because of a void is entered under the void's id.
    voids = EventVoid.objects.for_organization(search.organization_id).filter(id__in=search.keys)
    event_keys = dict(voids.order_by().values_list("id", "event_key"))
    events = _causing_events(search.organization_id, event_keys.values()) if event_keys else {}
    for void_id, event_key in event_keys.items():
        yield replace(events[event_key], kind=CauseKind.VOID, key=void_id)


# Events are asked for first: nearly all entries are theirs.
_FINDERS: Sequence[Callable[[_Search], Iterator[Cause]]] = (
    _events,
    _grants,
    _periods,
    _authorizations,
    _voids,
)
