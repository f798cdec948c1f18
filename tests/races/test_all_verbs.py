"""Every verb of the ledger at once, on the same few accounts."""

import datetime as dt
import random
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from accounts import audit, checks, ledger
from accounts.burndown import Category
from accounts.ledger import (
    AlreadyReversed,
    DebitOrder,
    DuplicateReference,
    GrantOrder,
    HoldEnded,
    HoldOrder,
    InsufficientCredit,
    NotVoidable,
    Part,
)
from accounts.models import (
    CreditAccount,
    CreditGrant,
    Hold,
    HoldState,
    LedgerEntry,
    Organization,
)
from pricing import subscriptions
from pricing.subscriptions import AlreadySubscribed
from tests.clock import NOW
from tests.factories import CreditAccountFactory, CustomerFactory
from tests.races.crowds import crowd_of
from tests.worlds import open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = 16
# As far as the clocks of machines may lie apart: some of the crowd have reached it, some have not.
SOON = dt.timedelta(seconds=30)
type Accounts = Sequence[CreditAccount]


def grant(accounts: Accounts, chance: random.Random) -> None:
    account = chance.choice(accounts)
    terms: dict[str, Any] = chance.choice(
        [{}, {"expires_at": NOW + SOON}, {"effective_at": NOW + SOON}]
    )
    ledger.grant_credit(
        account=account, amount=_amount(chance), category=Category.PAID, at=NOW, **terms
    )


def grant_to_all(accounts: Accounts, chance: random.Random) -> None:
    orders = [
        GrantOrder(account_id=account.id, amount=_amount(chance), category=Category.PROMOTIONAL)
        for account in _shuffled(accounts, chance)
    ]
    ledger.grant_credit_all(organization_id=_organization(accounts), orders=orders, at=NOW)


def debit_all(accounts: Accounts, chance: random.Random) -> None:
    orders = [
        DebitOrder(
            account_id=account.id,
            reference=uuid.uuid4(),
            parts=[Part("tokens", _amount(chance))],
            overage_allowed=chance.random() < 0.2,
        )
        for account in _shuffled(accounts, chance)
    ]
    ledger.debit_all(organization_id=_organization(accounts), orders=orders, at=NOW)


def debit(accounts: Accounts, chance: random.Random) -> None:
    with suppress(InsufficientCredit):
        ledger.debit(
            account=chance.choice(accounts),
            reference=uuid.uuid4(),
            parts=[Part("tokens", _amount(chance))],
            at=NOW,
        )


def reverse(accounts: Accounts, chance: random.Random) -> None:
    entry = LedgerEntry.objects.filter(kind="usage").order_by("?").first()
    with suppress(AlreadyReversed):
        if entry is not None:
            ledger.reverse(entry=entry, at=NOW)


def expire(accounts: Accounts, chance: random.Random) -> None:
    ledger.expire(
        organization_id=_organization(accounts),
        account_ids=[account.id for account in _shuffled(accounts, chance)],
        at=NOW + SOON,
    )


def hold_all(accounts: Accounts, chance: random.Random) -> None:
    orders = [
        HoldOrder(
            account_id=account.id,
            reference=uuid.uuid4(),
            parts=[Part("tokens", _amount(chance))],
            expires_at=chance.choice([NOW + SOON, NOW + 2 * SOON]),
            on_expiry=chance.choice(["release", "capture_reported", "capture_full"]),
            overage_allowed=chance.random() < 0.5,
        )
        for account in _shuffled(accounts, chance)
    ]
    with suppress(InsufficientCredit):
        ledger.hold_all(organization_id=_organization(accounts), orders=orders, at=NOW)


def go_on(accounts: Accounts, chance: random.Random) -> None:
    """Report on a hold, extend it, capture a part of it, or end it."""
    for hold in Hold.objects.filter(state="open").select_related("account").order_by("?")[:1]:
        of: dict[str, Any] = {"account": hold.account, "at": NOW}
        verb = chance.choice(["report", "extend", "capture", "capture", "release"])
        with suppress(InsufficientCredit, HoldEnded):
            if verb == "report":
                ledger.report(reference=hold.reference, amount=_amount(chance), **of)
            elif verb == "extend":
                parts = [Part("tokens", _amount(chance))]
                ledger.extend(reference=hold.reference, parts=parts, **of)
            elif verb == "capture":
                ledger.capture(
                    hold_reference=hold.reference,
                    reference=uuid.uuid4(),
                    parts=[Part("tokens", _amount(chance))],
                    final=chance.random() < 0.5,
                    **of,
                )
            else:
                ledger.release(reference=hold.reference, **of)


def void(accounts: Accounts, chance: random.Random) -> None:
    for grant in CreditGrant.objects.filter(voided_at=None).order_by("?")[:1]:
        with suppress(NotVoidable):
            ledger.void_grant(grant=grant, at=NOW)


VERBS: Sequence[Callable[[Accounts, random.Random], None]] = (
    grant, grant_to_all, debit, debit, debit_all, debit_all, reverse, expire,
    hold_all, hold_all, go_on, go_on, go_on, void,
)  # fmt: skip


def _amount(chance: random.Random) -> Decimal:
    return Decimal(chance.randrange(1, 1_000)) / 100


def _shuffled(accounts: Accounts, chance: random.Random) -> Accounts:
    return chance.sample(accounts, k=len(accounts))


def _organization(accounts: Accounts) -> uuid.UUID:
    return accounts[0].organization_id


def open_accounts(count: int) -> list[CreditAccount]:
    first = CreditAccountFactory.create(overdraft=True)
    return [
        first,
        *(
            CreditAccountFactory.create(customer__organization=first.organization)
            for _ in range(count - 1)
        ),
    ]


def test_whatever_happens_at_once_the_books_are_right() -> None:
    accounts = open_accounts(3)

    def live(number: int) -> None:
        chance = random.Random(number)
        for _ in range(40):
            chance.choice(VERBS)(accounts, chance)

    with crowd_of(CROWD) as crowd:
        crowd.at_once(live)
    kinds = set(LedgerEntry.objects.values_list("kind", flat=True))
    assert kinds == {"grant", "usage", "reversal", "expiry", "void"}
    assert set(Hold.objects.values_list("state", flat=True)) == set(HoldState)
    assert checks.run(audit.CHECKS) == []


def first_only(refusal: type[Exception], do: Callable[[], object]) -> Counter[str]:
    """Let a crowd do the same; returns how many did it and how many were refused."""

    def attempt(number: int) -> str:
        try:
            do()
        except refusal:
            return "refused"
        return "done"

    with crowd_of(CROWD) as crowd:
        return Counter(crowd.at_once(attempt))


ONCE = {"done": 1, "refused": CROWD - 1}


def test_a_payment_is_granted_once() -> None:
    [account] = open_accounts(1)
    answers = first_only(
        DuplicateReference,
        lambda: ledger.grant_credit(
            account=account,
            amount=Decimal(5),
            category=Category.PAID,
            at=NOW,
            reference="payment-1",
        ),
    )
    assert answers == ONCE
    assert CreditGrant.objects.get().remaining == 5
    assert checks.run(audit.CHECKS) == []


def test_an_entry_is_reversed_once() -> None:
    [account] = open_accounts(1)
    debit([account], random.Random(1))
    entry = LedgerEntry.objects.get()
    answers = first_only(AlreadyReversed, lambda: ledger.reverse(entry=entry, at=NOW))
    assert answers == ONCE
    assert ledger.read_balance(account, at=NOW).posted == 0
    assert checks.run(audit.CHECKS) == []


def test_an_event_is_debited_once() -> None:
    [account] = open_accounts(1)
    event = uuid.uuid4()
    answers = first_only(
        DuplicateReference,
        lambda: ledger.debit(
            account=account, reference=event, parts=[Part("tokens", Decimal(1))], at=NOW
        ),
    )
    assert answers == ONCE
    assert ledger.read_balance(account, at=NOW).posted == -1
    assert checks.run(audit.CHECKS) == []


def test_a_customer_is_subscribed_once() -> None:
    world = open_video_world()
    customer = CustomerFactory.create(organization=world.organization)
    answers = first_only(
        AlreadySubscribed,
        lambda: subscriptions.subscribe(customer=customer, plan_version=world.plan_version, at=NOW),
    )
    assert answers == ONCE
    assert CreditAccount.objects.filter(customer=customer).count() == 1
    assert Organization.objects.count() == 1
