"""Holds in the database: what the ledger's verbs write, what they answer, what they refuse."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import audit, checks, ledger, tenancy
from accounts.burndown import Category
from accounts.ledger import CaptureOrder, HoldOrder, HoldState, InsufficientCredit, Part
from accounts.models import CreditAccount, CreditGrant, Hold, HoldDraw, LedgerEntry
from tests.clock import DAY, HOUR, NOW, SINCE
from tests.factories import CreditAccountFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> CreditAccount:
    """A prepaid account without credit."""
    return CreditAccountFactory.create()


@pytest.fixture(autouse=True)
def _books_are_right_afterwards() -> Iterator[None]:
    yield
    assert checks.run(audit.CHECKS) == []


def give(account: CreditAccount, amount: str = "100", **terms: Any) -> CreditGrant:
    terms = {"category": Category.PAID, "at": SINCE, **terms}
    return ledger.grant_credit(account=account, amount=Decimal(amount), **terms)


def tokens(amount: str) -> list[Part]:
    return [Part("tokens", Decimal(amount))]


def hold(account: CreditAccount, amount: str, **terms: Any) -> HoldState:
    """Hold for tokens, for an hour."""
    terms = {"reference": uuid.uuid4(), "expires_at": NOW + HOUR, "at": NOW, **terms}
    return ledger.hold(account=account, parts=tokens(amount), **terms)


def capture(account: CreditAccount, held: HoldState, amount: str, **terms: Any) -> ledger.Captured:
    """Capture a new event for tokens."""
    terms = {"reference": uuid.uuid4(), "at": NOW, **terms}
    return ledger.capture(
        account=account, hold_reference=held.reference, parts=tokens(amount), **terms
    )


def balance(account: CreditAccount, *, at: Any = NOW) -> tuple[int, int, int]:
    """What is posted, held and available, for amounts that are whole."""
    read = ledger.read_balance(account, at=at)
    return int(read.posted), int(read.held), int(read.available)


def expire(account: CreditAccount, *, at: Any) -> int:
    return ledger.expire(organization_id=account.organization_id, account_ids=[account.id], at=at)


class TestHold:
    def test_it_is_written_with_what_it_draws(self, account: CreditAccount) -> None:
        first, second = give(account, priority=1), give(account, priority=2)
        made = hold(account, "120", on_expiry="capture_full")
        stored = Hold.objects.get()
        assert (stored.id, stored.reference, stored.amount) == (
            made.id,
            made.reference,
            Decimal(120),
        )
        assert (stored.state, stored.on_expiry, stored.created_at) == ("open", "capture_full", NOW)
        draws = HoldDraw.objects.order_by("-amount").values_list("grant", "meter", "amount")
        assert list(draws) == [
            (first.id, "tokens", Decimal(100)),
            (second.id, "tokens", Decimal(20)),
        ]
        assert CreditGrant.objects.get(id=second.id).held == 20
        assert balance(account) == (200, 120, 80)

    def test_the_credit_line_is_held_too(self) -> None:
        account = CreditAccountFactory.create(overdraft=True)
        hold(account, "50")
        assert HoldDraw.objects.get().grant is None
        assert balance(account) == (0, 50, 0)
        with pytest.raises(InsufficientCredit):
            hold(account, "0.000000000001")

    def test_ten_as_a_group_are_held_together_or_not_at_all(self, account: CreditAccount) -> None:
        give(account, "9.99")
        orders = [
            HoldOrder(
                account_id=account.id,
                reference=uuid.uuid4(),
                parts=tokens("1"),
                expires_at=NOW + HOUR,
            )
            for _ in range(10)
        ]
        with pytest.raises(InsufficientCredit):
            ledger.hold_all(organization_id=account.organization_id, orders=orders, at=NOW)
        assert balance(account)[1] == 0
        give(account, "0.01")
        made = ledger.hold_all(organization_id=account.organization_id, orders=orders, at=NOW)
        assert len(made) == 10
        assert balance(account) == (10, 10, 0)

    def test_a_group_over_two_accounts_holds_in_both_or_in_neither(
        self, account: CreditAccount
    ) -> None:
        other = CreditAccountFactory.create(customer=account.customer, asset__own_unit=True)
        give(account, "5")
        orders = [
            HoldOrder(
                account_id=each.id, reference=account.id, parts=tokens("5"), expires_at=NOW + HOUR
            )
            for each in (account, other)
        ]
        with pytest.raises(InsufficientCredit):
            ledger.hold_all(organization_id=account.organization_id, orders=orders, at=NOW)
        assert not Hold.objects.exists()
        give(other, "5")
        ledger.hold_all(organization_id=account.organization_id, orders=orders, at=NOW)
        assert balance(account) == balance(other) == (5, 5, 0)

    def test_ten_on_their_own_are_held_while_there_is_something(
        self, account: CreditAccount
    ) -> None:
        give(account, "9.99")
        for _ in range(9):
            hold(account, "1")
        with pytest.raises(InsufficientCredit, match=r"needs 1, has 0\.99"):
            hold(account, "1")

    def test_a_reference_holds_once(self, account: CreditAccount) -> None:
        give(account)
        made = hold(account, "1")
        with pytest.raises(ledger.DuplicateReference):
            hold(account, "1", reference=made.reference)
        assert balance(account)[1] == 1

    def test_what_is_granted_and_held_at_once_is_written_once(self, account: CreditAccount) -> None:
        """Callers that lock books themselves may do several things before they post."""
        give(account, "5")
        with tenancy.transaction_for(account.organization_id):
            [book] = ledger.lock_books(
                organization_id=account.organization_id, account_ids=[account.id], at=NOW
            ).values()
            for amount in ("3", "2"):
                made = book.hold(
                    parts=tokens(amount),
                    hold_id=uuid.uuid4(),
                    reference=uuid.uuid4(),
                    expires_at=NOW + HOUR,
                    at=NOW,
                )
            book.capture(made, parts=tokens("1"), reference=uuid.uuid4(), at=NOW)
            ledger.post([book], at=NOW)
            assert not book.is_changed
            ledger.post([book], at=NOW)
        assert balance(account) == (4, 3, 1)
        assert sorted(Hold.objects.values_list("state", flat=True)) == ["captured", "open"]


class TestExtend:
    def test_more_and_for_longer(self, account: CreditAccount) -> None:
        grant = give(account, "100")
        made = hold(account, "60")
        for amount in ("10", "20"):
            extended = ledger.extend(
                account=account,
                reference=made.reference,
                parts=tokens(amount),
                expires_at=NOW + DAY,
                at=NOW,
            )
        assert extended.reserved == 90
        stored = Hold.objects.get()
        assert (stored.amount, stored.expires_at) == (Decimal(90), NOW + DAY)
        draw = HoldDraw.objects.get()
        assert (draw.grant_id, draw.amount) == (grant.id, Decimal(90))
        assert balance(account, at=NOW + HOUR) == (100, 90, 10)

    def test_a_refused_extension_leaves_the_hold_as_it_was(self, account: CreditAccount) -> None:
        give(account, "100")
        made = hold(account, "60")
        with pytest.raises(InsufficientCredit):
            ledger.extend(
                account=account,
                reference=made.reference,
                parts=tokens("41"),
                expires_at=NOW + DAY,
                at=NOW,
            )
        assert Hold.objects.get().expires_at == NOW + HOUR

    def test_a_hold_of_somebody_else_is_unknown(self, account: CreditAccount) -> None:
        stranger = CreditAccountFactory.create(overdraft=True)
        made = hold(stranger, "1")
        with pytest.raises(ledger.UnknownHold):
            ledger.extend(account=account, reference=made.reference, at=NOW)


class TestCapture:
    def test_it_takes_what_the_work_came_to_and_returns_the_rest(
        self, account: CreditAccount
    ) -> None:
        give(account, "1000")
        event = uuid.uuid4()
        captured = capture(account, hold(account, "1000"), "743", reference=event)
        assert (captured.paid, captured.released) == (Decimal(743), Decimal(257))
        assert balance(account) == (257, 0, 257)
        entry = LedgerEntry.objects.get(reference=event)
        assert (entry.kind, entry.amount) == ("usage", Decimal(-743))
        stored = Hold.objects.get()
        assert (stored.state, stored.captured, stored.ended_at) == ("captured", Decimal(743), NOW)
        draw = HoldDraw.objects.get()
        assert (draw.amount, draw.captured) == (Decimal(0), Decimal(743))

    def test_in_parts_and_then_released(self, account: CreditAccount) -> None:
        give(account, "150")
        made = hold(account, "100")
        ledger.extend(account=account, reference=made.reference, parts=tokens("50"), at=NOW)
        capture(account, made, "40", final=False)
        capture(account, made, "60", final=False)
        assert balance(account) == (50, 50, 0)
        assert ledger.release(account=account, reference=made.reference, at=NOW).reserved == 0
        assert balance(account) == (50, 0, 50)
        assert Hold.objects.get().state == "captured"

    @pytest.mark.parametrize("final", [True, False])
    def test_an_event_is_captured_once(self, account: CreditAccount, final: bool) -> None:
        give(account, "100")
        made, event = hold(account, "50"), uuid.uuid4()
        capture(account, made, "20", reference=event, final=final)
        with pytest.raises(ledger.DuplicateReference):
            capture(account, made, "20", reference=event, final=final)
        assert balance(account)[0] == 80

    def test_an_event_that_was_debited_is_not_captured(self, account: CreditAccount) -> None:
        give(account, "100", priority=1)
        give(account, "100", priority=2)
        event = uuid.uuid4()
        ledger.debit(account=account, reference=event, parts=tokens("100"), at=NOW)
        with pytest.raises(ledger.DuplicateReference):
            capture(account, hold(account, "50"), "20", reference=event)

    def test_a_set_is_captured_whole_or_not_at_all(self, account: CreditAccount) -> None:
        give(account, "100")
        holds = [hold(account, "10"), hold(account, "10")]
        orders = [
            CaptureOrder(
                account_id=account.id,
                hold_reference=made.reference,
                reference=uuid.uuid4(),
                parts=tokens("15"),
            )
            for made in holds
        ]
        late = replace(orders[0], reference=uuid.uuid4())
        with pytest.raises(ledger.HoldEnded):
            ledger.capture_all(
                organization_id=account.organization_id, orders=[*orders, late], at=NOW
            )
        assert balance(account) == (100, 20, 80)
        ledger.capture_all(organization_id=account.organization_id, orders=orders, at=NOW)
        assert balance(account) == (70, 0, 70)

    def test_out_of_a_grant_that_has_expired_meanwhile(self, account: CreditAccount) -> None:
        grant = give(account, "100", expires_at=NOW + HOUR)
        made = hold(account, "60", expires_at=NOW + DAY)
        assert expire(account, at=NOW + HOUR) == 1
        assert expire(account, at=NOW + HOUR) == 0
        assert balance(account, at=NOW + HOUR) == (60, 60, 0)
        capture(account, made, "50", at=NOW + 2 * HOUR)
        assert balance(account, at=NOW + 2 * HOUR) == (0, 0, 0)
        kinds = account.entries.order_by("account_version").values_list("kind", flat=True)
        assert list(kinds) == ["grant", "expiry", "usage", "expiry"]
        grant.refresh_from_db()
        assert grant.expired_at == NOW + 2 * HOUR

    def test_a_capture_is_reversed_like_any_usage(self, account: CreditAccount) -> None:
        give(account, "100")
        event = uuid.uuid4()
        capture(account, hold(account, "60"), "50", reference=event)
        ledger.reverse(entry=LedgerEntry.objects.get(reference=event), at=NOW)
        assert balance(account) == (100, 0, 100)


class TestExpiry:
    @pytest.mark.parametrize(
        ("policy", "left"), [("release", 10), ("capture_reported", 6), ("capture_full", 0)]
    )
    @pytest.mark.parametrize("swept", [True, False])
    def test_an_unclaimed_hold_does_what_it_was_told(
        self, account: CreditAccount, policy: str, left: int, swept: bool
    ) -> None:
        give(account, "10")
        made = hold(account, "10", on_expiry=policy)
        for amount in ("1", "4", "2"):
            ledger.report(account=account, reference=made.reference, amount=Decimal(amount), at=NOW)
        if swept:
            assert expire(account, at=NOW + HOUR) == (1 if policy == "release" else 2)
        assert balance(account, at=NOW + HOUR) == (left, 0, left)
        assert Hold.objects.get().state == ("expired" if swept else "open")
        assert expire(account, at=NOW + HOUR) == (0 if swept else 1 + (policy != "release"))
        assert expire(account, at=NOW + HOUR) == 0

    def test_whoever_locks_the_account_finds_it_over(self, account: CreditAccount) -> None:
        give(account, "10")
        made = hold(account, "10")
        ledger.debit(account=account, reference=uuid.uuid4(), parts=tokens("3"), at=NOW + HOUR)
        assert Hold.objects.get().state == "expired"
        with pytest.raises(ledger.HoldEnded, match="expired"):
            capture(account, made, "1", at=NOW + HOUR)
        assert balance(account, at=NOW + HOUR) == (7, 0, 7)

    def test_a_hold_of_nothing_ends_when_it_is_swept(self, account: CreditAccount) -> None:
        hold(account, "0")
        ledger.lock_books(
            organization_id=account.organization_id, account_ids=[account.id], at=NOW + HOUR
        )
        assert expire(account, at=NOW + HOUR) == 1
        assert Hold.objects.get().state == "expired"

    def test_giving_credit_leaves_holds_to_those_who_watch_a_balance_fall(
        self, account: CreditAccount
    ) -> None:
        give(account, "10")
        hold(account, "10", on_expiry="capture_full")
        give(account, "5", at=NOW + DAY)
        assert Hold.objects.get().state == "open"
        assert balance(account, at=NOW + DAY) == (5, 0, 5)


@pytest.mark.parametrize(
    "verb",
    [
        lambda account, made: capture(account, made, "1"),
        lambda account, made: ledger.extend(account=account, reference=made.reference, at=NOW),
        lambda account, made: ledger.release(account=account, reference=made.reference, at=NOW),
        lambda account, made: ledger.report(
            account=account, reference=made.reference, amount=Decimal(1), at=NOW
        ),
    ],
)
def test_a_hold_ends_once(
    account: CreditAccount, verb: Callable[[CreditAccount, HoldState], Any]
) -> None:
    give(account)
    made = hold(account, "10")
    ledger.release(account=account, reference=made.reference, at=NOW)
    with pytest.raises(ledger.HoldEnded, match="released"):
        verb(account, made)


def statements(account: CreditAccount) -> int:
    """How many statements locking an account and writing a debit takes."""
    with CaptureQueriesContext(connection) as queries:
        ledger.debit(account=account, reference=uuid.uuid4(), parts=tokens("1"), at=NOW)
    return len(queries)


def test_an_account_that_holds_nothing_pays_for_no_holds(account: CreditAccount) -> None:
    give(account)
    without = statements(account)
    made = hold(account, "10")
    assert statements(account) == without + 1
    ledger.release(account=account, reference=made.reference, at=NOW)
    assert statements(account) == without
