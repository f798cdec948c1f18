"""Spans of a ledger: which entries they have, and what the account held before and after."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from accounts import ledger, statements
from accounts.burndown import Category
from accounts.models import CreditAccount
from accounts.statements import Span
from tests.clock import DAY, SECOND, SINCE
from tests.factories import CreditAccountFactory

pytestmark = pytest.mark.django_db


def account_with_entries(*days: int) -> CreditAccount:
    """An account that got 1000 on day 0, and then was debited 1, 2, 3 … on these days."""
    account: CreditAccount = CreditAccountFactory.create()
    ledger.grant_credit(account=account, amount=Decimal(1000), category=Category.PAID, at=SINCE)
    for number, day in enumerate(days, start=1):
        parts = [ledger.Part("minutes", Decimal(number))]
        ledger.debit(account=account, parts=parts, reference=uuid.uuid4(), at=SINCE + day * DAY)
    account.refresh_from_db()
    return account


def versions(span: Span) -> list[int]:
    return [entry.account_version for batch in statements.batches(span) for entry in batch]


def moment(days: int | None) -> dt.datetime | None:
    return None if days is None else SINCE + days * DAY


@pytest.mark.parametrize(
    ("since", "until", "numbers", "balances"),
    [
        (None, None, (1, 5), (0, 990)),
        (0, None, (1, 5), (0, 990)),
        (1, 3, (2, 3), (1000, 997)),
        (1, 4, (2, 4), (1000, 994)),
        (3, None, (4, 5), (997, 990)),
        (2, 3, (4, 3), (997, 997)),
        (None, 0, (1, 0), (0, 0)),
        (99, None, (6, 5), (990, 990)),
        (None, 99, (1, 5), (0, 990)),
        (-9, -8, (1, 0), (0, 0)),
    ],
)
def test_a_span_is_half_open_and_adds_up(
    since: int | None, until: int | None, numbers: tuple[int, int], balances: tuple[int, int]
) -> None:
    account = account_with_entries(1, 1, 3, 4)
    span = statements.read_span(account, since=moment(since), until=moment(until))
    first, last = numbers
    assert (span.first, span.last) == numbers
    assert [span.opening, span.closing] == [*balances]
    assert versions(span) == list(range(first, last + 1))
    assert span.is_empty is (last < first)


def test_an_account_without_entries_has_an_empty_span() -> None:
    span = statements.read_span(CreditAccountFactory.create(), since=SINCE, until=SINCE + DAY)
    assert span.is_empty
    assert [span.opening, span.closing] == [Decimal(0), Decimal(0)]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 8, 9])
def test_any_moment_of_any_length_of_ledger_is_found(length: int) -> None:
    account = account_with_entries(*range(1, length + 1))
    for day in range(length + 3):
        at_once = statements.read_span(account, since=moment(day))
        after = statements.read_span(account, until=SINCE + day * DAY + SECOND)
        assert at_once.first == min(day, length + 1) + 1
        assert after.last == min(day, length) + 1


def test_spans_that_follow_each_other_share_no_entry_though_clocks_differ() -> None:
    account = account_with_entries(1, 3, 2, 4)
    spans = [
        statements.read_span(account, since=moment(since), until=moment(until))
        for since, until in [(None, 2), (2, 3), (3, None)]
    ]
    assert [version for span in spans for version in versions(span)] == [1, 2, 3, 4, 5]


def test_pages_go_backwards_and_batches_forwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "BATCH_SIZE", 2)
    span = statements.read_span(account_with_entries(1, 2, 3))
    newest = statements.read_entries(span, limit=2)
    older = statements.read_entries(span, before=newest[-1].account_version, limit=3)
    assert [entry.account_version for entry in newest + older] == [4, 3, 2, 1]
    assert versions(span) == [1, 2, 3, 4]
    [granted] = statements.read_entries(span, kinds=["grant"], limit=9)
    assert granted.amount == 1000


def test_a_file_shows_the_span_as_it_was_though_entries_are_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statements, "BATCH_SIZE", 1)
    account = account_with_entries(1)
    batches = statements.batches(statements.read_span(account))
    next(batches)
    parts = [ledger.Part("minutes", Decimal(1))]
    ledger.debit(account=account, parts=parts, reference=uuid.uuid4(), at=SINCE + DAY)
    assert [entry.account_version for batch in batches for entry in batch] == [2]
