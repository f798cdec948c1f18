"""Holds are never more than there is, and end exactly once, however many ask at the same moment."""

import uuid
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError

from accounts import audit, checks, ledger, postings
from accounts.burndown import Category
from accounts.ledger import HoldEnded, HoldOrder, InsufficientCredit, Part
from accounts.models import CreditAccount, Hold, LedgerEntry
from tests.clock import HOUR, NOW, SINCE
from tests.factories import CreditAccountFactory
from tests.races.crowds import crowd_of

pytestmark = pytest.mark.django_db(transaction=True)


def account_with(amount: str) -> CreditAccount:
    account: CreditAccount = CreditAccountFactory.create()
    ledger.grant_credit(account=account, amount=Decimal(amount), category=Category.PAID, at=SINCE)
    return account


def order(account: CreditAccount, amount: str, *, on_expiry: str = "release") -> HoldOrder:
    return HoldOrder(
        account_id=account.id,
        reference=uuid.uuid4(),
        parts=[Part("tokens", Decimal(amount))],
        expires_at=NOW + HOUR,
        on_expiry=on_expiry,
    )


def granted(account: CreditAccount, *orders: HoldOrder) -> bool:
    """Whether all of these could be held."""
    try:
        ledger.hold_all(organization_id=account.organization_id, orders=orders, at=NOW)
    except InsufficientCredit:
        return False
    return True


def test_twenty_ask_for_75_and_500_is_there() -> None:
    with crowd_of(20) as crowd:
        for _ in range(10):
            account = account_with("500")
            answers = crowd.at_once(lambda number: granted(account, order(account, "75")))  # noqa: B023
            assert Counter(answers) == {True: 6, False: 14}
            balance = ledger.read_balance(account, at=NOW)
            assert (int(balance.held), int(balance.available)) == (450, 50)
    assert checks.run(audit.CHECKS) == []


def test_groups_of_ten_are_held_whole_or_not_at_all() -> None:
    account = account_with("29.99")
    with crowd_of(8) as crowd:
        answers = crowd.at_once(
            lambda number: granted(account, *(order(account, "1") for _ in range(10)))
        )
    assert Counter(answers) == {True: 2, False: 6}
    assert Hold.objects.count() == 20
    assert checks.run(audit.CHECKS) == []


def test_without_the_lock_the_database_itself_keeps_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lock makes it fast and fair; the constraints make it true."""
    read_books = postings.read_books

    def read_unlocked(**asked: Any) -> Any:
        return read_books(**{**asked, "lock": False})

    def attempt(number: int) -> bool:
        try:
            return granted(account, order(account, "75"))
        except IntegrityError:
            return False

    account = account_with("500")
    monkeypatch.setattr(postings, "read_books", read_unlocked)
    with crowd_of(20) as crowd:
        answers = crowd.at_once(attempt)
    assert 1 <= answers.count(True) <= 6
    assert ledger.read_balance(account, at=NOW).held == 75 * answers.count(True)
    assert checks.run(audit.CHECKS) == []


def capture(account: CreditAccount, reference: uuid.UUID) -> None:
    ledger.capture(
        account=account,
        hold_reference=reference,
        reference=uuid.uuid4(),
        parts=[Part("tokens", Decimal(3))],
        at=NOW,
    )


def release(account: CreditAccount, reference: uuid.UUID) -> None:
    ledger.release(account=account, reference=reference, at=NOW)


def extend(account: CreditAccount, reference: uuid.UUID) -> None:
    ledger.extend(account=account, reference=reference, parts=[Part("tokens", Decimal(1))], at=NOW)


def expire(account: CreditAccount, reference: uuid.UUID) -> None:
    ledger.expire(organization_id=account.organization_id, account_ids=[account.id], at=NOW + HOUR)


VERBS: list[Callable[[CreditAccount, uuid.UUID], None]] = [capture, release, extend, expire]


def test_a_hold_ends_once_whoever_ends_it() -> None:
    def attempt(number: int) -> str:
        verb = VERBS[number % len(VERBS)]
        try:
            verb(account, made.reference)
        except HoldEnded:
            return "ended"
        return verb.__name__

    ends: Counter[str] = Counter()
    with crowd_of(16) as crowd:
        for _ in range(15):
            account = account_with("100")
            made = order(account, "10", on_expiry="capture_full")
            assert granted(account, made)
            answers = Counter(crowd.at_once(attempt))
            hold = Hold.objects.get(account=account)
            ends[hold.state] += 1
            assert answers["capture"] + answers["release"] == (hold.state != "expired")
            taken = {"captured": Decimal(3), "released": Decimal(0), "expired": hold.amount}
            balance = ledger.read_balance(account, at=NOW)
            assert (balance.posted, balance.held) == (100 - taken[hold.state], Decimal(0))
    assert len(ends) > 1
    assert checks.run(audit.CHECKS) == []


def test_an_event_is_captured_once() -> None:
    account = account_with("100")
    made, event = order(account, "50"), uuid.uuid4()
    assert granted(account, made)

    def attempt(number: int) -> bool:
        try:
            ledger.capture(
                account=account,
                hold_reference=made.reference,
                reference=event,
                parts=[Part("tokens", Decimal(5))],
                final=False,
                at=NOW,
            )
        except ledger.DuplicateReference:
            return False
        return True

    with crowd_of(16) as crowd:
        assert Counter(crowd.at_once(attempt)) == {True: 1, False: 15}
    assert LedgerEntry.objects.get(kind="usage").amount == -5
    assert checks.run(audit.CHECKS) == []
