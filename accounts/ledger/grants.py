"""Giving credit: grants, bought, included, promotional or refunded."""

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts import identifiers, money, tenancy
from accounts.burndown import Category, CostBasis, GrantState
from accounts.ledger.locks import lock_books, lock_to_give, post
from accounts.models import CreditAccount, CreditGrant


class CostBasisRefused(ValueError):
    """What was paid for the grant cannot be so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantOrder:
    """A grant to be made; `amount` in the account's asset, above zero.

    What is left of one in a `series` when it expires is carried over by one of the series that
    becomes effective in that moment, up to the `rollover_limit` of that (None: all of it).
    """

    account_id: uuid.UUID
    amount: Decimal
    category: Category
    priority: int = 50
    effective_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    meters: Collection[str] = ()
    reference: str = ""
    name: str = ""
    series: uuid.UUID | None = None
    rollover_limit: Decimal | None = None
    cost_basis: CostBasis | None = None


def grant_credit(
    *,
    account: CreditAccount,
    amount: Decimal,
    category: Category,
    at: dt.datetime,
    priority: int = 50,
    effective_at: dt.datetime | None = None,
    expires_at: dt.datetime | None = None,
    meters: Collection[str] = (),
    reference: str = "",
    name: str = "",
    cost_basis: CostBasis | None = None,
) -> CreditGrant:
    """Give credit; the single form of `grant_credit_all`."""
    order = GrantOrder(
        account_id=account.id,
        amount=amount,
        category=category,
        priority=priority,
        effective_at=effective_at,
        expires_at=expires_at,
        meters=meters,
        reference=reference,
        name=name,
        cost_basis=cost_basis,
    )
    return grant_credit_all(organization_id=account.organization_id, orders=[order], at=at)[0]


def grant_credit_all(
    *, organization_id: uuid.UUID, orders: Sequence[GrantOrder], at: dt.datetime
) -> list[CreditGrant]:
    """Give credit to accounts of one organization, all or none.

    A grant effective later enters the balance when its time has come. One that is effective first
    pays what the account owes. Raises money.AmountInvalid, ValueError for terms that cannot hold,
    UnknownAccount, and DuplicateReference when a non-empty `reference` was granted before.
    """
    states = [_grant_state(order, at=at) for order in orders]
    with tenancy.transaction_for(organization_id):
        books = lock_to_give(
            organization_id=organization_id,
            account_ids={order.account_id for order in orders},
            at=at,
        )
        for order, state in zip(orders, states, strict=True):
            books[order.account_id].add_grant(state, at=at)
        post(books.values(), at=at)
        grants = CreditGrant.objects.in_bulk([state.id for state in states])
    return [grants[state.id] for state in states]


def _grant_state(order: GrantOrder, *, at: dt.datetime) -> GrantState:
    amount = money.parse(order.amount)
    effective_at = order.effective_at or at
    if amount <= 0:
        raise money.AmountInvalid("must be above zero")
    if not 0 <= order.priority <= 100:  # noqa: PLR2004
        raise ValueError("priority must be between 0 and 100")
    if order.expires_at is not None and order.expires_at <= max(effective_at, at):
        raise ValueError("expires_at must be later than effective_at and than now")
    if order.series is not None and order.expires_at is None:
        raise ValueError("credit that never expires has nothing to roll over")
    if order.cost_basis is not None:
        if order.category != Category.PAID:
            raise CostBasisRefused("goes with paid credit only")
        if money.parse(order.cost_basis.amount) <= 0:
            raise CostBasisRefused("must be above zero")
    return GrantState(
        id=identifiers.new_id(),
        amount=amount,
        remaining=money.ZERO,
        category=Category(order.category),
        priority=order.priority,
        effective_at=effective_at,
        expires_at=order.expires_at,
        meters=frozenset(order.meters),
        posted=False,
        reference=order.reference,
        name=order.name,
        series=order.series,
        rollover_limit=order.rollover_limit,
        cost_basis=order.cost_basis,
    )


def withdraw(
    *,
    organization_id: uuid.UUID,
    grant_ids: Collection[uuid.UUID],
    at: dt.datetime,
    reason: str = "",
) -> int:
    """Void grants that are still to come, also those that time has brought but nobody entered.

    Returns how many; a grant that entered the balance stays as it is. The caller holds the locks
    of the accounts, and reads books anew that it had read before.
    """
    waiting = CreditGrant.objects.for_organization(organization_id).filter(
        id__in=grant_ids, posted_at=None, voided_at=None
    )
    return waiting.update(voided_at=at, void_reason=reason)


def void_grant(*, grant: CreditGrant, at: dt.datetime, reason: str = "") -> Decimal:
    """Take back what is left of a grant; returns how much left the balance.

    What open holds need of it stays until they end, and lapses then. Raises NotVoidable for a
    grant that was voided before or has expired. Callers that watch balances fall use `lock_books`,
    `Book.void` and `post`.
    """
    with tenancy.transaction_for(grant.organization_id):
        books = lock_books(
            organization_id=grant.organization_id,
            account_ids=[grant.account_id],
            grant_ids=[grant.id],
            at=at,
        )
        book = books[grant.account_id]
        taken_back = book.void(book.grant_of(grant.id), at=at, reason=reason)
        post([book], at=at)
    return taken_back
