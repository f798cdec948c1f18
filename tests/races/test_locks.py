"""Locks: taken inside transactions only, and never waited for in a circle."""

from collections import Counter
from decimal import Decimal

import pytest
from django.db import transaction

from accounts import ledger, tenancy
from billing_site import self_check
from metering import ingestion
from metering.outcomes import Status
from tests.clock import NOW
from tests.factories import CreditAccountFactory
from tests.races.crowds import crowd_of
from tests.worlds import open_video_world

pytestmark = pytest.mark.django_db(transaction=True)


def test_locking_outside_a_transaction_raises() -> None:
    account = CreditAccountFactory.create()
    with pytest.raises(transaction.TransactionManagementError):
        ledger.lock_books(organization_id=account.organization_id, account_ids=[account.id], at=NOW)


def test_acting_for_somebody_outside_a_transaction_raises() -> None:
    account = CreditAccountFactory.create()
    with pytest.raises(transaction.TransactionManagementError, match="needs a transaction"):
        tenancy.act_for(account.organization_id)


def test_batches_that_name_two_customers_in_either_order_do_not_deadlock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingestion, "ATTEMPTS", 1)  # A retry would hide a deadlock.
    one = open_video_world()
    other = one.add_customer()

    def send(number: int) -> Counter[Status]:
        statuses: Counter[Status] = Counter()
        for batch in range(10):
            drafts = [
                world.minutes_of("standard", "0.5", id=f"{number} {batch} {world.account.id}")
                for world in (one, other)
            ]
            outcomes = one.record(*drafts[:: 1 if number % 2 else -1])
            statuses.update(outcome.status for outcome in outcomes)
        return statuses

    with crowd_of(16) as crowd:
        answers = crowd.at_once(send)
    assert sum(answers, Counter()) == {Status.RECORDED: 320}
    assert one.balance() == other.balance() == 100 - 160 * Decimal("0.2")
    assert self_check.differences() == []
