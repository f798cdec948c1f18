"""Worked examples of credit, with the amounts their sources state; each grant is 100."""

import datetime as dt
from decimal import Decimal

import pytest

from accounts.books import InsufficientCredit
from tests.accounts.paper_books import book, debit, grant, left, whole
from tests.clock import DAY, HOUR, NOW

YEAR = 365 * DAY


def test_i1_without_a_grant_all_of_it_is_missing() -> None:
    assert debit(book(), "50", overage_allowed=True).overage == whole(50)


def test_i3_two_equal_grants_are_used_up() -> None:
    account = book(first := grant(), second := grant())
    debit(account, "200")
    assert left(first, second) == [0, 0]


def test_i4_the_lower_priority_number_pays_first() -> None:
    account = book(second := grant(priority=2), first := grant(priority=1))
    debit(account, "120")
    assert left(first, second) == [0, 80]


def test_i5_what_expires_sooner_pays_first() -> None:
    account = book(
        late := grant(expires_at=NOW + 100 * YEAR), soon := grant(expires_at=NOW + 30 * DAY)
    )
    debit(account, "120")
    assert left(soon, late) == [0, 80]


def test_i7_a_voided_grant_pays_only_what_it_paid_before() -> None:
    account = book(voided := grant())
    debit(account, "50", at=NOW)
    account.void(voided, at=NOW + HOUR)
    after = debit(account, "50", at=NOW + HOUR + dt.timedelta(minutes=1), overage_allowed=True)
    assert (account.balance, after.overage) == (Decimal(0), whole(50))


def test_i31_what_credit_does_not_cover_is_invoiced() -> None:
    result = debit(book(grant("40")), "100", overage_allowed=True)
    assert (result.paid, result.overage) == (Decimal(40), whole(60))


def test_i33_credit_that_is_a_cent_short_pays_nothing() -> None:
    account = book(grant("99.99"))
    with pytest.raises(InsufficientCredit):
        debit(account, "100")
    assert account.balance == Decimal("99.99")
