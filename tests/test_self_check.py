"""The self-check finds every kind of difference: each is made by hand, with the guards off."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts import ledger
from accounts.burndown import Category
from accounts.models import CreditAccount, LedgerEntry, Organization, Parking
from billing_site import self_check
from billing_site.tasks import BooksBroken, check_ledger
from invoicing import closing
from metering import authorizations, caps, sweeping
from metering.spend_caps import Window
from pricing.models import ShortfallPolicy
from tests import guarded_tables
from tests.clock import DAY, HOUR, NOW
from tests.factories import CreditGrantFactory, MembershipFactory, SpendAlertFactory
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db

FROM_THE_NEWEST_ENTRY = """
UPDATE accounts_ledgerentry SET {change} WHERE account_version =
    (SELECT max(account_version) FROM accounts_ledgerentry)
"""

# What is promised, and a statement that breaks it.
VOIDED_BY_HAND = """
INSERT INTO metering_eventvoid (
    organization_id, id, event_key, customer_id, voided_at, reason, effects
)
SELECT organization_id, gen_random_uuid(), key, customer_id, now(), '', '[]'
FROM metering_event
"""
BREAKS = [
    (
        "the entries of an account are numbered from 1 without a gap",
        FROM_THE_NEWEST_ENTRY.format(change="account_version = 100"),
    ),
    (
        "each entry moves the balance by its amount",
        FROM_THE_NEWEST_ENTRY.format(change="balance_after = balance_after + 0.000000000001"),
    ),
    (
        "an account stands at its newest entry",
        "UPDATE accounts_creditaccount SET version = version - 1 WHERE version > 0",
    ),
    (
        "a balance is the sum of its entries",
        "UPDATE accounts_creditaccount SET balance = balance + 0.000000000001",
    ),
    (
        "an entry belongs to an account and a grant of its own organization",
        FROM_THE_NEWEST_ENTRY.format(change="organization_id = gen_random_uuid()"),
    ),
    (
        "a reversal gives back to the grant that paid, and no more than was taken",
        "UPDATE accounts_ledgerentry SET amount = amount + 1 WHERE kind = 'reversal'",
    ),
    (
        "a grant has left what its entries add up to",
        "UPDATE accounts_creditgrant SET remaining = remaining - 0.01 WHERE remaining > 1",
    ),
    (
        "of a grant carried over no more is left than was carried, or open holds need",
        """
        UPDATE accounts_creditgrant SET series = id, expires_at = '2999-01-01', carried = 0.01
        WHERE remaining > 1
        """,
    ),
    (
        "a grant enters the balance once, with its whole amount, when it is posted",
        "UPDATE accounts_creditgrant SET posted_at = now() WHERE posted_at IS NULL",
    ),
    (
        "a grant pays only from its effective time on",
        "UPDATE accounts_ledgerentry SET at = '2020-01-01' WHERE kind = 'usage'",
    ),
    (
        "a grant that is over pays only what holds made before had reserved on it",
        "UPDATE accounts_creditgrant SET expires_at = effective_at + interval '1 hour'",
    ),
    (
        "nothing is left of a voided grant but what open holds need",
        "UPDATE accounts_creditgrant SET voided_at = now() WHERE remaining > held",
    ),
    (
        "nothing is left of a grant whose expiry was booked",
        "UPDATE accounts_creditgrant SET expired_at = now() WHERE remaining > 0",
    ),
    (
        "a grant holds no less than nothing and reserves no more than it has",
        """
        ALTER TABLE accounts_creditgrant DROP CONSTRAINT grant_held_within_remaining_within_amount;
        UPDATE accounts_creditgrant SET held = remaining + 1;
        """,
    ),
    (
        "no debt is repaid twice",
        "DELETE FROM accounts_ledgerentry WHERE grant_id IS NULL AND kind = 'usage'",
    ),
    (
        "an account reserves what its open holds draw",
        "UPDATE accounts_creditaccount SET held = 0.01",
    ),
    (
        "a grant reserves what open holds draw on it",
        "UPDATE accounts_creditgrant SET held = 0.01 WHERE remaining > 1",
    ),
    (
        "a hold has captured and reserves what its draws say, and nothing once it has ended",
        "UPDATE accounts_hold SET state = 'released', ended_at = now() WHERE state = 'open'",
    ),
    (
        "a hold draws on grants of its own account",
        "UPDATE accounts_holddraw SET grant_id = gen_random_uuid()",
    ),
    (
        "no account is below its floor",
        """
        ALTER TABLE accounts_creditaccount DROP CONSTRAINT available_not_negative;
        UPDATE accounts_creditaccount SET held = 1000;
        """,
    ),
    ("an event is stored once", "UPDATE metering_event SET external_id = 'the same'"),
    (
        "an event or a closed period has taken what it cost, less what credit did not pay",
        "UPDATE metering_ratedevent SET overage = amount",
    ),
    ("an event was answered with what it was rated at", "UPDATE metering_event SET charges = '[]'"),
    (
        "what an event cost is the sum of its parts",
        """
        UPDATE metering_event
        SET cost_amount = 1, cost_asset_id = gen_random_uuid(), cost_parts = '{"tokens": "2"}'
        """,
    ),
    ("a rated event has its event", "DELETE FROM metering_event"),
    (
        "an event lies in a period of its own customer",
        "UPDATE metering_event SET customer_id = gen_random_uuid()",
    ),
    (
        "a usage total is the sum of its rated events and of what voids have changed",
        "UPDATE metering_usagetotal SET events = events + 1",
    ),
    (
        "a grant limited to some meters pays for no other",
        "UPDATE accounts_creditgrant SET meters = '{other}' WHERE meters <> '{}'",
    ),
    (
        "what a hold took is what its events took out of it, and at its expiry what it asked for",
        """
        DELETE FROM accounts_ledgerentry entry USING accounts_hold hold
        WHERE entry.reference = hold.reference AND hold.state = 'expired'
        """,
    ),
    (
        "an authorization has holds that ended as it did",
        "UPDATE metering_authorization SET ended_as = 'released' WHERE ended_as = 'captured'",
    ),
    (
        "an event was captured from an authorization of its own customer",
        """
        UPDATE metering_event SET authorization_id = gen_random_uuid()
        WHERE authorization_id IS NOT NULL
        """,
    ),
    (
        "an authorization that has ended reserves nothing of a cap",
        """
        UPDATE metering_authorization SET ended_as = 'released', ended_at = now()
        WHERE id = (SELECT max(authorization_id::text)::uuid FROM metering_capreservation)
        """,
    ),
    (
        "an alert fired at an entry that crossed its threshold",
        "UPDATE metering_alertfiring SET epoch = epoch - 1",
    ),
    ("a voided event has given back what it took", VOIDED_BY_HAND),
    ("a void takes its event out of each total that counted it", VOIDED_BY_HAND),
    (
        "what a void made cheaper came back as credit, unless nobody had paid it",
        VOIDED_BY_HAND
        + """;
        INSERT INTO metering_adjustment (
            organization_id, id, void_id, period_id, price_id, kind, cell, is_after_invoice,
            events, quantity, billable, metered_amount, amount, overage, uncollected
        )
        SELECT void.organization_id, gen_random_uuid(), void.id, event.period_id, rated.price_id,
            '', rated.cell, true, -1, 0, 0, 0, -100, 0, 0
        FROM metering_eventvoid void
        JOIN metering_event event ON event.key = void.event_key
        JOIN metering_ratedevent rated ON rated.event_key = void.event_key
        """,
    ),
    (
        "a spend cap has counted every event that stands",
        """
        UPDATE metering_event SET counted = jsonb_build_array(jsonb_build_object(
            'cap', gen_random_uuid(), 'bucket', '', 'window_starts_at', now(), 'amount', '1'
        ))
        """,
    ),
    (
        "a unique count is as large as the values it has met",
        "UPDATE pricing_meter SET aggregation = 'unique_count'",
    ),
    (
        "invoice numbers run from 1 to the counter without a gap",
        "UPDATE invoicing_numberseries SET last_number = last_number + 1",
    ),
    (
        "the subtotal of a final invoice is the sum of its lines",
        "UPDATE invoicing_invoice SET subtotal = subtotal + 0.01, total = total + 0.01",
    ),
    (
        "a final invoice bills what its period has used, each price once",
        "UPDATE invoicing_invoiceline SET usage_amount = usage_amount + 0.01",
    ),
    (
        "an invoice asks for its lines and the taxes on top, less what credit has paid",
        "UPDATE invoicing_invoice SET tax = tax + 0.01, total = total + 0.01",
    ),
    (
        "credit notes come to no more than their final invoice",
        """
        INSERT INTO invoicing_creditnote (
            organization_id, id, customer_id, invoice_id, asset_id, series, number, subtotal, tax,
            credits, total, lines, taxes, reason, created_at
        )
        SELECT organization_id, gen_random_uuid(), customer_id, id, asset_id, 'CN', 1, total + 1, 0,
            0, total + 1, '[]', '[]', '', now()
        FROM invoicing_invoice
        """,
    ),
    (
        "an item is a line of the invoice that took it up, and of no other that stands",
        """
        INSERT INTO invoicing_invoiceitem (
            organization_id, id, customer_id, invoice_id, asset_id, origin, description, amount,
            created_at
        )
        SELECT organization_id, gen_random_uuid(), customer_id, id, asset_id, 'operator', '', 1,
            now()
        FROM invoicing_invoice
        """,
    ),
]


@pytest.fixture
def busy() -> VideoWorld:
    """A customer to whom everything has happened once."""
    world = open_video_world(credit="3", policy=ShortfallPolicy.OVERDRAFT, overdraft_limit="5")
    SpendAlertFactory.create(account=world.account, threshold=Decimal(1))
    world.grant("1", category=Category.PROMOTIONAL, meters=["video_minutes"])
    world.grant("2", category=Category.INCLUDED, expires_at=NOW + DAY)
    world.grant("5", category=Category.INCLUDED, effective_at=NOW + 90 * DAY)
    world.record(*(world.event() for _ in range(8)))
    world.grant("4", at=NOW)
    ledger.hold(
        account=world.account,
        reference=uuid.uuid4(),
        parts=[ledger.Part("video_minutes", Decimal("0.5"))],
        expires_at=NOW + 365 * DAY,
        at=NOW,
    )
    ledger.reverse(entry=_usage(grant=None), at=NOW)
    ledger.reverse(entry=_usage(grant__category=Category.INCLUDED), at=NOW)
    sweeping.settle_due_accounts(at=NOW + DAY)
    closing.close_due_periods(at=NOW + 30 * DAY)
    closing.build_due_invoices(at=NOW + 30 * DAY)
    _authorize(world, at=NOW + 30 * DAY)
    return world


def _authorize(world: VideoWorld, *, at: dt.datetime) -> None:
    """Let work be captured, expire with all it holds, and still be under way a day later."""
    caps.set_cap(
        customer=world.customer, limit=Decimal(100), window=Window.MONTH, asset=world.usd, at=at
    )
    terms: dict[str, Any] = {"customer": world.customer, "at": at}
    drafts = [world.minutes_of("fast", "0.25")]
    taken = authorizations.authorize(drafts=drafts, expires_in=HOUR, **terms).authorization.row
    event = world.minutes_of("fast", "0.2", authorization=str(taken.id))
    authorizations.capture(authorization=taken, drafts=[event], at=at)
    authorizations.authorize(drafts=drafts, expires_in=HOUR, on_expiry="capture_full", **terms)
    sweeping.settle_due_accounts(at=at + DAY)
    authorizations.authorize(drafts=drafts, expires_in=HOUR, **{**terms, "at": at + DAY})


def _usage(**of: object) -> LedgerEntry:
    return LedgerEntry.objects.filter(kind="usage", **of).earliest("account_version")


def test_books_in_which_everything_happened_once_are_right(busy: VideoWorld) -> None:
    assert self_check.differences() == []
    assert busy.balance() == Decimal("2.55")
    call_command("audit_ledger")
    check_ledger()


@pytest.mark.parametrize(("promise", "statement"), BREAKS, ids=[name for name, _ in BREAKS])
def test_each_broken_promise_is_found(busy: VideoWorld, promise: str, statement: str) -> None:
    with guarded_tables.unguarded(), connection.cursor() as cursor:
        cursor.execute(statement)
    found = {difference.promise for difference in self_check.differences()}
    assert promise in found


# What concerns no customer alone.
CONCERNS_NOBODY = {"invoice numbers run from 1 to the counter without a gap"}


@pytest.mark.parametrize(("promise", "statement"), BREAKS, ids=[name for name, _ in BREAKS])
def test_each_break_parks_that_customer_within_one_run(
    busy: VideoWorld, promise: str, statement: str
) -> None:
    check_ledger()
    with guarded_tables.unguarded(), connection.cursor() as cursor:
        cursor.execute(statement)
    # Whoever has no part in it, beside the customer and elsewhere, is left alone.
    busy.add_customer()
    other = open_video_world()
    with pytest.raises(BooksBroken):
        check_ledger()
    told = _proof_page(busy.organization)
    assert promise in told
    assert ">What is wrong</h2>" in told
    parked = set(Parking.objects.values_list("customer_id", flat=True))
    assert parked == (set() if promise in CONCERNS_NOBODY else {busy.customer.id})
    assert "All books are right" in _proof_page(other.organization)


def _proof_page(organization: Organization) -> str:
    """Return what an operator reads, without the list of what is promised."""
    client = Client()
    client.force_login(MembershipFactory.create(organization=organization).user)
    page = client.get(reverse("proof", args=[organization.slug])).content.decode()
    return page.partition("What is promised")[0]


def test_every_check_was_seen_to_fail() -> None:
    assert [each.promise for each in self_check.CHECKS if each.promise not in dict(BREAKS)] == []


def test_another_customers_debit_does_not_pay_for_an_event(busy: VideoWorld) -> None:
    stranger = busy.add_customer()
    with guarded_tables.unguarded(), connection.cursor() as cursor:
        cursor.execute("UPDATE metering_event SET customer_id = %s", [stranger.customer.id])
    found = {difference.promise for difference in self_check.differences()}
    assert (
        "an event or a closed period has taken what it cost, less what credit did not pay" in found
    )


def test_a_grant_of_another_account_is_no_grant(busy: VideoWorld) -> None:
    foreign = CreditGrantFactory.create()
    with guarded_tables.unguarded():
        LedgerEntry.objects.filter(grant__isnull=False).update(grant=foreign)
    assert any(str(foreign.account_id) in each.detail for each in self_check.differences())


def test_the_command_prints_differences_and_exits_with_1(
    busy: VideoWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    with guarded_tables.unguarded():
        CreditAccount.objects.update(balance=Decimal(7))
    with pytest.raises(SystemExit) as exit_:
        call_command("audit_ledger")
    assert exit_.value.code == 1
    assert f"account {busy.account.id} (has 7" in capsys.readouterr().out


def test_the_scheduled_check_fails_loudly(busy: VideoWorld) -> None:
    with guarded_tables.unguarded():
        CreditAccount.objects.update(balance=Decimal(7))
    with pytest.raises(BooksBroken, match=str(busy.account.id)):
        check_ledger()
