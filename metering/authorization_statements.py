"""Statements of authorizations: how one stands, what it holds and has taken, and what will pay."""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts import ledger
from accounts.models import CreditAccount, CreditGrant, Customer, TenantQuerySet
from accounts.money import ZERO
from metering import capturing
from metering.capturing import Held
from metering.models import Authorization, Ending
from metering.quoting import Draw

STATES = ("open", "captured", "released", "expired")


class UnknownAuthorization(LookupError):
    """The organization has no such authorization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An authorization as it stands at one moment; amounts by asset code.

    `held` is what is still reserved, and `pays` lies in burn order on which grants, whose names
    are in `names`; without a grant, on the credit line.
    """

    row: Authorization
    state: str
    held: Mapping[str, Decimal]
    captured: Mapping[str, Decimal]
    reported: Mapping[str, Decimal]
    pays: Sequence[Draw]
    names: Mapping[uuid.UUID, str]

    @property
    def ended_at(self) -> dt.datetime | None:
        """When somebody, or time, has ended it."""
        return self.row.expires_at if self.state == "expired" else self.row.ended_at


def find(*, organization_id: uuid.UUID, id_: uuid.UUID) -> Authorization:
    """Return an authorization with its customer. Raises UnknownAuthorization."""
    found = Authorization.objects.for_organization(organization_id).filter(id=id_)
    authorization = found.select_related("customer").first()
    if authorization is None:
        raise UnknownAuthorization
    return authorization


def find_all(
    *, organization_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, Authorization]:
    """Return those of these authorizations that the organization has, with their customers."""
    found = Authorization.objects.for_organization(organization_id).filter(id__in=ids)
    return {row.id: row for row in found.select_related("customer").order_by()}


def list_of(
    *,
    organization_id: uuid.UUID,
    at: dt.datetime,
    customer: Customer | None = None,
    state: str | None = None,
) -> TenantQuerySet[Authorization]:
    """Return authorizations with their customers: only this customer's, only those in `state`."""
    found = Authorization.objects.for_organization(organization_id).select_related("customer")
    if customer is not None:
        found = found.filter(customer=customer)
    if state in Ending:
        return found.filter(ended_as=state)
    if state == "open":
        return found.filter(ended_as="", expires_at__gt=at)
    if state == "expired":
        return found.filter(ended_as="", expires_at__lte=at)
    return found


def look_at(authorization: Authorization, *, at: dt.datetime) -> Described:
    """Return an authorization as it stands at `at`, without a lock."""
    books = ledger.read_books(
        organization_id=authorization.organization_id,
        account_ids=authorization.customer.accounts.values_list("id", flat=True),
        hold_references=[authorization.id],
        at=at,
    )
    return describe(authorization, capturing.holds_in(books.values(), authorization.id))


def by_asset(row: Authorization, held: Sequence[Held]) -> dict[str, Held]:
    """Return the holds of an authorization by the code of their asset."""
    return _by_code(held, _codes(row.organization_id, held))


def _by_code(held: Sequence[Held], codes: Mapping[uuid.UUID, str]) -> dict[str, Held]:
    return dict(sorted((codes[each.book.account_id], each) for each in held))


def _codes(organization_id: uuid.UUID, held: Iterable[Held]) -> dict[uuid.UUID, str]:
    accounts = CreditAccount.objects.for_organization(organization_id).filter(
        id__in={book.account_id for book, _ in held}
    )
    return dict(accounts.values_list("id", "asset__code"))


def describe(row: Authorization, held: Sequence[Held]) -> Described:
    """Return an authorization as these holds of it, already settled, tell."""
    return describe_all([(row, held)], organization_id=row.organization_id)[0]


def describe_all(
    stand: Sequence[tuple[Authorization, Sequence[Held]]],
    *,
    organization_id: uuid.UUID,
    codes: Mapping[uuid.UUID, str] | None = None,
) -> list[Described]:
    """Return authorizations of one organization, each as its holds tell.

    `codes` are those of their assets, by account id, for callers who know them.
    """
    if codes is None:
        codes = _codes(organization_id, [each for _, held in stand for each in held])
    holds = [_by_code(held, codes) for _, held in stand]
    pays = [
        [draw for code, each in by_code.items() for draw in _draws(code, each)] for by_code in holds
    ]
    grants = {draw.grant_id for draws in pays for draw in draws if draw.grant_id is not None}
    names = _names(organization_id, grants)
    return [
        Described(
            row=row,
            state=capturing.state_of(held),
            held={code: each.hold.reserved for code, each in by_code.items()},
            captured={code: each.hold.captured for code, each in by_code.items()},
            reported={code: each.hold.reported for code, each in by_code.items()},
            pays=draws,
            names={draw.grant_id: names[draw.grant_id] for draw in draws if draw.grant_id},
        )
        for (row, held), by_code, draws in zip(stand, holds, pays, strict=True)
    ]


def _names(organization_id: uuid.UUID, grant_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    if not grant_ids:
        return {}
    grants = CreditGrant.objects.for_organization(organization_id).filter(id__in=grant_ids)
    return dict(grants.values_list("id", "name"))


def _draws(asset: str, held: Held) -> Iterator[Draw]:
    """Yield what is reserved on each grant in burn order, and last on the credit line."""
    amounts: dict[uuid.UUID | None, Decimal] = {}
    for draw in held.hold.draws:
        if draw.amount:
            amounts[draw.grant_id] = amounts.get(draw.grant_id, ZERO) + draw.amount
    for grant in held.book.grants:
        if grant.id in amounts:
            yield Draw(
                asset=asset,
                amount=amounts[grant.id],
                grant_id=grant.id,
                category=grant.category,
                expires_at=grant.expires_at,
            )
    if None in amounts:
        yield Draw(asset=asset, amount=amounts[None])
