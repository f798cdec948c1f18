"""Locks on accounts exist inside transactions only."""

import pytest
from django.db import transaction

from accounts import ledger, tenancy
from tests.clock import NOW
from tests.factories import CreditAccountFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_locking_outside_a_transaction_raises() -> None:
    account = CreditAccountFactory.create()
    with pytest.raises(transaction.TransactionManagementError):
        ledger.lock_books(organization_id=account.organization_id, account_ids=[account.id], at=NOW)


def test_acting_for_somebody_outside_a_transaction_raises() -> None:
    account = CreditAccountFactory.create()
    with pytest.raises(transaction.TransactionManagementError, match="needs a transaction"):
        tenancy.act_for(account.organization_id)
