"""How what authorizations reserve of spend caps is read and written, each by one statement.

Everything here happens under the locks of the customers' accounts.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from accounts import set_statements
from accounts.books import Book
from accounts.models import OnExpiry
from metering.models import Authorization, CapReservation
from metering.spend_caps import Cap, Counted, CounterKey, Reserved


def read(
    *, organization_id: uuid.UUID, authorization_ids: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, list[Reserved]]:
    """Return what these authorizations still reserve, by their ids."""
    reserved: dict[uuid.UUID, list[Reserved]] = defaultdict(list)
    rows = CapReservation.objects.filter(
        organization=organization_id, authorization__in=authorization_ids, amount__gt=0
    ).order_by("cap", "bucket", "window_starts_at")
    for authorization_id, cap_id, bucket, starts_at, amount in rows.values_list(
        "authorization_id", "cap_id", "bucket", "window_starts_at", "amount"
    ):
        key = CounterKey(cap_id, bucket, starts_at)
        reserved[authorization_id].append(Reserved(key, amount))
    return reserved


class Reservation(NamedTuple):
    """What a stored authorization reserves: counts of these caps."""

    authorization: Authorization
    counted: Iterable[Counted]
    caps: Iterable[Cap]


def add(reservations: Iterable[Reservation], *, organization_id: uuid.UUID) -> None:
    """Reserve what the work of authorizations may use, beside what they have reserved."""
    rows = [row for each in reservations for row in _rows(each)]
    set_statements.execute(_UPSERT, rows, organization_id)


def _rows(reservation: Reservation) -> Iterator[tuple[Any, ...]]:
    """Yield a row for each count.

    Where its expiry takes all of what it holds, that goes on counting in caps on amounts; units
    that nobody used do not.
    """
    authorization, counted, caps = reservation
    of_amounts = {cap.id for cap in caps if cap.asset_id is not None}
    is_taken = authorization.on_expiry == OnExpiry.CAPTURE_FULL
    amounts: dict[CounterKey, Decimal] = defaultdict(Decimal)
    for key, amount in counted:
        amounts[key] += amount
    for key in sorted(amounts):
        ends_at = None if is_taken and key.cap_id in of_amounts else authorization.expires_at
        yield authorization.id, *key, amounts[key], ends_at


def write(reserved: Mapping[uuid.UUID, Iterable[Reserved]], *, organization_id: uuid.UUID) -> None:
    """Write what is left of reservations that were read."""
    rows = [
        (authorization_id, *each.key, each.amount)
        for authorization_id, of_authorization in reserved.items()
        for each in of_authorization
    ]
    set_statements.execute(_UPDATE, rows, organization_id)


def prolong(authorization: Authorization) -> None:
    """Let everything that ends with an authorization end when it now expires."""
    CapReservation.objects.filter(
        organization=authorization.organization_id,
        authorization=authorization,
        ends_at__isnull=False,
    ).update(ends_at=authorization.expires_at)


def give_back(*, organization_id: uuid.UUID, authorization_ids: Collection[uuid.UUID]) -> None:
    """Let go what ended authorizations have reserved."""
    if authorization_ids:
        CapReservation.objects.filter(
            organization=organization_id, authorization__in=authorization_ids
        ).delete()


def clear_expired(books: Iterable[Book], *, organization_id: uuid.UUID) -> None:
    """Delete what counts no more, of the authorizations that expire in these books.

    The books are not posted yet. Left in place it would do no harm.
    """
    expired = {
        hold.reference
        for book in books
        for hold in book.touched_holds.values()
        if hold.state == "expired"
    }
    if expired:
        CapReservation.objects.filter(
            organization=organization_id, authorization__in=expired, ends_at__isnull=False
        ).delete()


_UPSERT = """
INSERT INTO metering_capreservation AS reservation (
    organization_id, authorization_id, cap_id, bucket, window_starts_at, amount, ends_at
)
SELECT %s, made.* FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::timestamptz[], %s::numeric[], %s::timestamptz[]
) AS made
ON CONFLICT (organization_id, authorization_id, cap_id, bucket, window_starts_at) DO UPDATE
SET amount = reservation.amount + excluded.amount
"""

_UPDATE = """
UPDATE metering_capreservation reservation
SET amount = changed.amount
FROM (SELECT %s::uuid AS id) organization, unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::timestamptz[], %s::numeric[]
) AS changed (authorization_id, cap_id, bucket, window_starts_at, amount)
WHERE reservation.organization_id = organization.id
    AND reservation.authorization_id = changed.authorization_id
    AND reservation.cap_id = changed.cap_id
    AND reservation.bucket = changed.bucket
    AND reservation.window_starts_at = changed.window_starts_at
"""
