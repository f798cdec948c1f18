"""Moving a credit line while a balance stands wherever it stands."""

import uuid
from decimal import Decimal
from typing import Any

import pytest

from accounts import credit_lines, ledger
from accounts.models import CreditAccount
from tests.clock import DAY, NOW, SINCE
from tests.factories import CreditAccountFactory, CreditGrantFactory, HoldFactory

pytestmark = pytest.mark.django_db


def moved(account: CreditAccount, floor: int) -> Decimal:
    credit_lines.move_floor(customer=account.customer, assets=[account.asset], floor=Decimal(floor))
    account.refresh_from_db()
    return account.floor


def spend(account: CreditAccount, amount: int) -> None:
    part = ledger.Part("", Decimal(amount))
    ledger.debit(account=account, parts=[part], reference=account.id, at=NOW)


@pytest.fixture
def account() -> CreditAccount:
    opened: CreditAccount = CreditAccountFactory.create(overdraft=True)
    return opened


def test_a_line_is_drawn_further(account: CreditAccount) -> None:
    assert moved(account, -80) == -80


def test_a_line_is_taken_back_where_nothing_is_owed(account: CreditAccount) -> None:
    CreditGrantFactory.create(account=account)
    spend(account, 30)
    assert moved(account, -10) == -10
    assert moved(account, 0) == 0


def test_what_is_owed_keeps_the_line(account: CreditAccount) -> None:
    spend(account, 30)
    assert moved(account, 0) == -50


def test_a_grant_that_cannot_pay_what_is_owed_does_not_hide_it(account: CreditAccount) -> None:
    CreditGrantFactory.create(account=account, meters=["other"], expires_at=NOW + DAY, at=SINCE)
    spend(account, 30)
    assert moved(account, 0) == -50
    ledger.expire(organization_id=account.organization_id, account_ids=[account.id], at=NOW + DAY)
    account.refresh_from_db()
    assert account.balance == -30


def test_what_is_reserved_below_zero_keeps_the_line(account: CreditAccount) -> None:
    HoldFactory.create(account=account)
    CreditAccount.objects.filter(pk=account.pk).update(held=Decimal(10))
    assert moved(account, 0) == -50


def test_a_grant_that_cannot_pay_what_is_reserved_below_zero_does_not_hide_it(
    account: CreditAccount,
) -> None:
    CreditGrantFactory.create(account=account, meters=["other"])
    order: dict[str, Any] = {"account": account, "expires_at": NOW + DAY, "at": NOW}
    below, beside = (ledger.Part(meter, Decimal(20)) for meter in ("tokens", "other"))
    held = ledger.hold(reference=uuid.uuid4(), parts=[below], **order)
    ledger.hold(reference=uuid.uuid4(), parts=[beside], **order)
    assert moved(account, 0) == -50
    ledger.release(account=account, reference=held.reference, at=NOW)
    assert moved(account, 0) == 0


def test_other_assets_keep_theirs(account: CreditAccount) -> None:
    credit_lines.move_floor(customer=account.customer, assets=[], floor=Decimal(0))
    account.refresh_from_db()
    assert account.floor == -50
