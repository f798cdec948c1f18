"""Balances the way the pages show them: what is left, of how much, and which grant burns next."""

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from accounts import postings
from accounts.books import Book
from accounts.burndown import GrantState
from accounts.models import Asset, CreditAccount, CreditGrant
from accounts.money import ZERO
from metering.usage_reports import DaySpend, daily_pace

LOW_PERCENT = 10
DAYS_SHOWN_MAX = 365


class Standing(StrEnum):
    """How near an account is to its end; unused while nothing was ever put in."""

    UNUSED = "unused"
    FINE = "fine"
    LOW = "low"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantLine:
    """One grant as a person reads it; `remaining` is its full amount while it is still to come."""

    id: uuid.UUID
    title: str
    category: str
    amount: Decimal
    remaining: Decimal
    percent: int
    meters: Sequence[str]
    effective_at: dt.datetime
    expires_at: dt.datetime | None
    is_to_come: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalance:
    """What one account holds: available = posted - held + credit line."""

    account_id: uuid.UUID
    asset: Asset
    version: int
    posted: Decimal
    held: Decimal
    credit_line: Decimal
    available: Decimal
    granted: Decimal
    grants: Sequence[GrantLine]

    @property
    def percent(self) -> int:
        """How much of the grants in force, and of the credit line, is left; 0 to 100."""
        return _percent(self.available, of=self.granted + self.credit_line)

    @property
    def standing(self) -> Standing:
        """How near the account is to its end."""
        if not self.version and not self.credit_line:
            return Standing.UNUSED
        if self.available <= 0:
            return Standing.EMPTY
        return Standing.LOW if self.percent <= LOW_PERCENT else Standing.FINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Runway:
    """How long a balance lasts at the current pace; `days` is None beyond a year."""

    pace: Decimal
    days: int | None


def read_accounts(
    *, organization_id: uuid.UUID, customer_ids: Collection[uuid.UUID], at: dt.datetime
) -> dict[uuid.UUID, list[AccountBalance]]:
    """Return the balances at `at` of all accounts of these customers, by customer id.

    Grants that became effective or expired, but were not booked yet, are already counted.
    """
    accounts = list(
        CreditAccount.objects.for_organization(organization_id)
        .filter(customer_id__in=customer_ids)
        .select_related("asset")
        .order_by("asset__code")
    )
    books = postings.read_books(
        organization_id=organization_id,
        account_ids=[account.id for account in accounts],
        at=at,
        lock=False,
    )
    names = _grant_names(organization_id, books.values())
    balances: dict[uuid.UUID, list[AccountBalance]] = {key: [] for key in customer_ids}
    for account in accounts:
        book = books[account.id]
        book.settle(at=at)
        balances[account.customer_id].append(_balance(account, book, names=names))
    return balances


def _grant_names(organization_id: uuid.UUID, books: Collection[Book]) -> dict[uuid.UUID, str]:
    ids = [grant.id for book in books for grant in book.grants]
    grants = CreditGrant.objects.for_organization(organization_id).filter(id__in=ids)
    return dict(grants.order_by().values_list("id", "name"))


def _balance(account: CreditAccount, book: Book, *, names: dict[uuid.UUID, str]) -> AccountBalance:
    live = [grant for grant in book.grants if not grant.posted or grant.remaining > 0]
    return AccountBalance(
        account_id=account.id,
        asset=account.asset,
        version=book.version,
        posted=book.balance,
        held=book.held,
        credit_line=-book.floor,
        available=book.available,
        granted=sum((grant.amount for grant in live if grant.posted), ZERO),
        grants=[_grant_line(grant, name=names[grant.id]) for grant in live],
    )


def _grant_line(grant: GrantState, *, name: str) -> GrantLine:
    remaining = grant.remaining if grant.posted else grant.amount
    return GrantLine(
        id=grant.id,
        title=name or f"{grant.category.title()} credit",
        category=grant.category,
        amount=grant.amount,
        remaining=remaining,
        percent=_percent(remaining, of=grant.amount),
        meters=sorted(grant.meters),
        effective_at=grant.effective_at,
        expires_at=grant.expires_at,
        is_to_come=not grant.posted,
    )


def _percent(part: Decimal, *, of: Decimal) -> int:
    if of <= 0:
        return 0
    return min(max(int(part * 100 / of), 0), 100)


def runway(available: Decimal, *, days: Sequence[DaySpend]) -> Runway | None:
    """Return how long `available` lasts at the pace of `days`; None without spend."""
    pace = daily_pace(days)
    if pace <= 0:
        return None
    left = max(available, ZERO) // pace
    return Runway(pace=pace, days=int(left) if left <= DAYS_SHOWN_MAX else None)
