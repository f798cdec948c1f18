"""Included credits of plans as customers meet them: a story for each, with a moving clock."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from accounts import ledger
from accounts.burndown import Category
from accounts.models import Asset, CreditAccount, CreditGrant, Customer
from billing_site import self_check
from metering import event_drafts, ingestion, sweeping
from metering.event_drafts import EventDraft
from metering.models import AlertFiring
from pricing import plan_import, publication, recurring_grants, subscriptions, templates_catalog
from pricing.models import Cadence, Expiry, PlanVersion, Rollover
from tests.clock import DAY, HOUR, SECOND
from tests.factories import (
    AssetFactory,
    CustomerFactory,
    IncludedCreditFactory,
    MeterFactory,
    PlanVersionFactory,
    PriceFactory,
    SpendAlertFactory,
)

pytestmark = pytest.mark.django_db

SIGN_UP = dt.datetime(2025, 3, 1, 12, tzinfo=dt.UTC)
APRIL = dt.datetime(2025, 4, 1, tzinfo=dt.UTC)
MAY = dt.datetime(2025, 5, 1, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _books_are_right_afterwards(_db: None) -> Iterator[None]:
    yield
    assert self_check.differences() == []


@pytest.fixture
def _db(db: None) -> None:
    """The database, before anything that looks at it at the end."""


class Seller:
    """A company that sells work at one credit a unit, and its one customer."""

    def __init__(self, *included: dict[str, Any], **customer: Any) -> None:
        self.customer: Customer = CustomerFactory.create(**customer)
        self.credits = AssetFactory.create(organization=self.customer.organization, own_unit=True)
        self.meter = MeterFactory.create(
            organization=self.customer.organization,
            event_type="work.done",
            quantity_property="units",
        )
        self.version = self.publish(*included)
        self._events = 0

    def publish(self, *included: dict[str, Any], at: dt.datetime = SIGN_UP) -> PlanVersion:
        """Publish the next version of the plan; whoever is on the plan moves to it."""
        draft = (
            PlanVersionFactory.create(
                plan=self.version.plan, number=self.version.plan.versions.count() + 1
            )
            if hasattr(self, "version")
            else PlanVersionFactory.create(plan__organization=self.customer.organization)
        )
        price = {"charge_model": "per_unit", "unit_amount": "1"}
        PriceFactory.create(
            plan_version=draft, meter=self.meter, asset=self.credits, definition=price
        )
        for place, terms in enumerate(included):
            IncludedCreditFactory.create(
                plan_version=draft, asset=self.credits, position=place, **terms
            )
        return publication.publish(version=draft, by=None, at=at, migrate="all")

    def subscribe(self, *, at: dt.datetime = SIGN_UP, **terms: Any) -> None:
        """Put the customer on the plan."""
        self.subscription = subscriptions.subscribe(
            customer=self.customer, plan_version=self.version, at=at, **terms
        )

    @property
    def account(self) -> CreditAccount:
        """Where the customer's credits are."""
        return CreditAccount.objects.get(customer=self.customer, asset=self.credits)

    def use(self, units: str, *, at: dt.datetime) -> str:
        """Record some work; returns what became of it."""
        self._events += 1
        raw = {
            "id": f"work-{self._events}",
            "type": "work.done",
            "customer": self.customer.external_id,
            "properties": {"units": units},
        }
        draft = event_drafts.parse(raw, at=at)
        assert isinstance(draft, EventDraft)
        recorded = ingestion.record_events(
            organization_id=self.customer.organization_id, drafts=[draft], at=at
        )
        return str(recorded.outcomes[0].status)

    def posted(self, *, at: dt.datetime) -> Decimal:
        """What the customer has, booked or not."""
        return ledger.read_balance(self.account, at=at).posted

    def left(self, *, at: dt.datetime) -> list[Decimal]:
        """What is left of each grant that may pay, in burn order."""
        [book] = ledger.read_books(
            organization_id=self.account.organization_id, account_ids=[self.account.id], at=at
        ).values()
        return [grant.remaining for grant in book.grants if grant.remaining]

    def waiting(self) -> list[CreditGrant]:
        """The grants that are to come."""
        coming = CreditGrant.objects.filter(posted_at=None, voided_at=None)
        return list(coming.order_by("effective_at"))


def sweep(at: dt.datetime) -> None:
    """What the workers do every few seconds."""
    sweeping.bring_included_credits(at=at)
    sweeping.settle_due_accounts(at=at)


def sweep_daily(since: dt.datetime, until: dt.datetime) -> None:
    moment = since
    while moment <= until:
        sweep(moment)
        moment += DAY


MONTHLY = {"amount": Decimal(500)}
ROLLING = {"amount": Decimal(1000), "rollover": Rollover.UNLIMITED}


class TestComing:
    def test_what_the_plan_includes_is_there_at_once(self) -> None:
        seller = Seller(MONTHLY)
        seller.subscribe()
        assert seller.posted(at=SIGN_UP) == 500
        grant = CreditGrant.objects.get()
        assert (grant.category, grant.expires_at) == ("included", APRIL)
        assert seller.use("500", at=SIGN_UP) == "recorded"
        assert seller.use("1", at=SIGN_UP) == "blocked"

    def test_each_seat_brings_its_own(self) -> None:
        seller = Seller({**MONTHLY, "per_seat": True})
        seller.subscribe(seats=3)
        assert seller.posted(at=SIGN_UP) == 1500

    def test_monthly_credit_burns_before_credit_for_life(self) -> None:
        """VECTORS I20-22."""
        seller = Seller(MONTHLY)
        seller.subscribe()
        ledger.grant_credit(
            account=seller.account, amount=Decimal(200), category=Category.PROMOTIONAL, at=SIGN_UP
        )
        seller.use("400", at=SIGN_UP + DAY)
        assert seller.left(at=SIGN_UP + DAY) == [100, 200]
        seller.use("200", at=SIGN_UP + DAY)
        assert seller.left(at=SIGN_UP + DAY) == [100]
        sweep(APRIL - DAY)
        assert seller.left(at=APRIL) == [500, 100]

    def test_an_event_one_second_after_midnight_finds_it(self) -> None:
        seller = Seller(MONTHLY)
        seller.subscribe()
        seller.use("500", at=SIGN_UP)
        sweep(APRIL - DAY)
        assert [grant.effective_at for grant in seller.waiting()] == [APRIL]
        assert seller.use("1", at=APRIL - SECOND) == "blocked"
        assert seller.use("1", at=APRIL + SECOND) == "recorded"
        assert seller.posted(at=APRIL + SECOND) == 499

    def test_no_balance_looks_low_at_the_turn_of_a_month(self) -> None:
        seller = Seller(MONTHLY)
        seller.subscribe()
        seller.use("300", at=SIGN_UP)
        for threshold in (100, 600):
            SpendAlertFactory.create(account=seller.account, threshold=Decimal(threshold))
        sweep(APRIL - DAY)
        sweep(APRIL)
        assert seller.posted(at=APRIL) == 500
        assert not AlertFiring.objects.exists()

    def test_it_comes_once_whoever_looks_how_often(self) -> None:
        seller = Seller(MONTHLY)
        seller.subscribe()
        for _ in range(3):
            sweep(APRIL - HOUR)
            seller.use("1", at=APRIL + HOUR)
            sweep(APRIL + HOUR)
        assert seller.posted(at=APRIL + HOUR) == 497
        assert CreditGrant.objects.count() == 2

    def test_events_find_it_though_no_worker_was_there_for_months(self) -> None:
        seller = Seller(MONTHLY, {"amount": Decimal(10), "expires": Expiry.NEVER})
        seller.subscribe()
        june = dt.datetime(2025, 6, 15, tzinfo=dt.UTC)
        assert seller.use("1", at=june) == "recorded"
        assert seller.left(at=june) == [499, 10, 10, 10, 10]

    def test_workers_make_up_for_it_too(self) -> None:
        seller = Seller(MONTHLY)
        seller.subscribe()
        june = dt.datetime(2025, 6, 15, tzinfo=dt.UTC)
        sweep(june)
        assert seller.left(at=june) == [500]
        assert CreditGrant.objects.count() == 2


class TestRollingOver:
    def test_all_of_it(self) -> None:
        """VECTORS I23."""
        seller = Seller(ROLLING)
        seller.subscribe()
        seller.use("600", at=SIGN_UP + DAY)
        sweep(APRIL - DAY)
        assert seller.posted(at=APRIL - SECOND) == 400
        assert seller.posted(at=APRIL) == 1400
        assert seller.use("1400", at=APRIL + SECOND) == "recorded"
        assert seller.use("1", at=APRIL + SECOND) == "blocked"

    def test_again_and_again_up_to_a_limit_the_oldest_first(self) -> None:
        seller = Seller({**ROLLING, "rollover": Rollover.LIMITED, "rollover_limit": Decimal(1500)})
        seller.subscribe()
        sweep_daily(SIGN_UP, MAY)
        assert seller.left(at=MAY) == [500, 1000, 1000]
        seller.use("700", at=MAY + DAY)
        assert seller.left(at=MAY + DAY) == [800, 1000]

    def test_it_ends_when_no_more_comes(self) -> None:
        seller = Seller(ROLLING)
        seller.subscribe()
        sweep(APRIL - DAY)
        seller.subscription.refresh_from_db()
        seller.subscription.ended_at = APRIL - HOUR
        seller.subscription.save()
        sweep(APRIL - HOUR)
        assert seller.posted(at=APRIL - SECOND) == 1000
        assert seller.posted(at=APRIL) == 0

    def test_what_a_hold_needs_stays_and_what_it_gives_back_is_carried(self) -> None:
        seller = Seller(ROLLING)
        seller.subscribe()
        sweep(APRIL - DAY)
        hold = ledger.hold(
            account=seller.account,
            reference=seller.customer.id,
            parts=[ledger.Part(seller.meter.code, Decimal(900))],
            expires_at=APRIL + DAY,
            at=APRIL - HOUR,
        )
        assert seller.posted(at=APRIL) == 2000
        ledger.release(account=seller.account, reference=hold.reference, at=APRIL + HOUR)
        assert seller.posted(at=APRIL + HOUR) == 2000


class TestTemplates:
    """What the notes of the templates promise."""

    @staticmethod
    def sell(template_id: str, asset: str, at: dt.datetime) -> CreditAccount:
        customer = CustomerFactory.create()
        draft = plan_import.import_plan(
            organization=customer.organization,
            document=templates_catalog.find(template_id).plan,
            at=at,
        )
        version = publication.publish(version=draft, by=None, at=at)
        subscriptions.subscribe(customer=customer, plan_version=version, at=at)
        return CreditAccount.objects.get(
            customer=customer,
            asset=Asset.objects.get(code=asset, organization=version.organization),
        )

    def test_lovable_brings_5_a_day_up_to_30_a_month(self) -> None:
        account = self.sell("lovable_free", "lovable_credits", SIGN_UP)
        found = []
        for day in range(33):
            sweep(SIGN_UP + day * DAY)
            found.append(ledger.read_balance(account, at=SIGN_UP + day * DAY).posted)
        assert found == [5] * 6 + [0] * 25 + [5] * 2

    def test_lovable_pro_burns_the_days_credits_first(self) -> None:
        account = self.sell("lovable_pro", "lovable_credits", SIGN_UP)
        sweep_daily(SIGN_UP, APRIL + 12 * HOUR)
        assert ledger.read_balance(account, at=SIGN_UP + HOUR).posted == 205
        sweep_daily(APRIL + DAY, MAY + 12 * HOUR)
        assert ledger.read_balance(account, at=MAY + 12 * HOUR).posted == 205

    def test_clay_carries_up_to_twice_the_allowance(self) -> None:
        account = self.sell("clay_launch", "data_credits", SIGN_UP)
        actions = CreditAccount.objects.get(customer=account.customer, asset__code="actions")
        for moment in (APRIL, MAY, MAY + 31 * DAY):
            sweep(moment - DAY)
            sweep(moment)
            assert ledger.read_balance(account, at=moment).posted == 5000
            assert ledger.read_balance(actions, at=moment).posted == 15000


class TestChanging:
    def test_a_new_version_counts_from_its_first_period(self) -> None:
        seller = Seller(MONTHLY)
        seller.subscribe()
        sweep(APRIL - DAY)
        seller.version = seller.publish({"amount": Decimal(800)}, at=APRIL - HOUR)
        sweep(APRIL - HOUR)
        assert [grant.amount for grant in seller.waiting()] == [800]
        assert seller.posted(at=APRIL - SECOND) == 500
        assert seller.use("1", at=APRIL) == "recorded"
        assert seller.posted(at=APRIL) == 799

    def test_the_first_event_after_it_makes_up_for_workers_that_were_away(self) -> None:
        seller = Seller(MONTHLY)
        seller.subscribe()
        sweep(APRIL - DAY)
        seller.version = seller.publish({"amount": Decimal(800)}, at=APRIL - HOUR)
        assert seller.use("1", at=APRIL + HOUR) == "recorded"
        assert seller.posted(at=APRIL + HOUR) == 799

    def test_what_stays_the_same_is_not_made_anew(self) -> None:
        seller = Seller(MONTHLY)
        seller.subscribe()
        sweep(APRIL - DAY)
        seller.version = seller.publish(MONTHLY, at=APRIL - HOUR)
        sweep(APRIL - HOUR)
        assert not CreditGrant.objects.exclude(voided_at=None).exists()
        assert seller.use("1", at=APRIL) == "recorded"
        assert seller.posted(at=APRIL) == 499

    def test_a_change_taken_back_brings_what_was_withdrawn(self) -> None:
        seller = Seller(MONTHLY)
        seller.subscribe()
        sweep(APRIL - DAY)
        for amount in (800, 500, 900, 500):
            seller.version = seller.publish({"amount": Decimal(amount)}, at=APRIL - HOUR)
            sweep(APRIL - HOUR)
        assert [grant.reference[-2:] for grant in seller.waiting()] == ["#5"]
        assert seller.posted(at=APRIL) == 500

    def test_a_version_without_any_brings_nothing_more(self) -> None:
        seller = Seller(MONTHLY)
        seller.subscribe()
        sweep(APRIL - DAY)
        seller.version = seller.publish(at=APRIL - HOUR)
        sweep(APRIL - HOUR)
        assert seller.waiting() == []
        assert seller.posted(at=APRIL) == 0
        assert seller.use("1", at=APRIL) == "blocked"
        assert not recurring_grants.due(at=MAY).exists()

    def test_the_end_of_a_subscription_withdraws_what_is_to_come(self) -> None:
        seller = Seller({**MONTHLY, "every": Cadence.DAY, "expires": Expiry.NEVER})
        seller.subscribe()
        assert len(seller.waiting()) == 3
        seller.subscription.ended_at = SIGN_UP + HOUR
        seller.subscription.save()
        sweep(SIGN_UP + HOUR)
        assert seller.waiting() == []
        assert seller.posted(at=MAY) == 500
        assert not recurring_grants.due(at=MAY).exists()

    def test_what_an_operator_took_back_does_not_come_again(self) -> None:
        seller = Seller(MONTHLY)
        seller.subscribe()
        sweep(APRIL - DAY)
        [coming] = seller.waiting()
        ledger.void_grant(grant=coming, at=APRIL - DAY, reason="fraud")
        seller.publish(MONTHLY, at=APRIL - HOUR)
        sweep(APRIL - HOUR)
        assert seller.waiting() == []
