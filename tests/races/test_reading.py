"""A balance that is read while somebody writes is the one before or the one after, never a mix."""

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from accounts import ledger, postings
from tests.clock import NOW
from tests.factories import CreditGrantFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_expiry_that_is_booked_meanwhile_is_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = CreditGrantFactory.create(expires_at=NOW).account
    read_grants = postings._read_grants

    def sweep() -> None:
        ledger.expire(organization_id=account.organization_id, account_ids=[account.id], at=NOW)
        connection.close()

    def sweep_and_read_grants(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(postings, "_read_grants", read_grants)
        sweeper = threading.Thread(target=sweep)
        sweeper.start()
        sweeper.join()
        return read_grants(*args, **kwargs)

    monkeypatch.setattr(postings, "_read_grants", sweep_and_read_grants)
    assert ledger.read_balance(account, at=NOW).posted == 0
    account.refresh_from_db()
    assert account.balance == Decimal(0)
