"""What a closed period is charged beside its events: once, and by credit before by invoice."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from accounts import ledger, tenancy
from accounts.models import CreditAccount, LedgerEntry
from billing_site import self_check
from invoicing import closing
from metering import billing_periods, settlement
from metering.models import BillingPeriod, PeriodCharge
from pricing.models import ShortfallPolicy
from pricing.period_charges import Kind
from tests.clock import DAY, NOW
from tests.factories import PeriodChargeFactory
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_world_selling

MONTH_END = NOW.replace(month=4, day=1, hour=0)
LATER = MONTH_END + DAY
PER_UNIT: dict[str, Any] = {"charge_model": "per_unit", "unit_amount": "2"}
AT_CLOSE: dict[str, Any] = {"settle": "at_close"}
VOLUME = {
    "charge_model": "volume_tiers",
    "tiers": [{"up_to": "10", "unit_amount": "2"}, {"up_to": None, "unit_amount": "1.5"}],
    **AT_CLOSE,
}


def level(aggregation: str, **price: Any) -> dict[str, Any]:
    return {**PER_UNIT, **AT_CLOSE, "meter": {"aggregation": aggregation}, **price}


def use(world: VideoWorld, *units: str) -> None:
    world.record(*(world.used(units=each) for each in units))


def close() -> None:
    closing.close_due_periods(at=LATER)
    closing.build_due_invoices(at=LATER)


def charges() -> dict[str, Decimal]:
    return {charge.kind: charge.amount for charge in PeriodCharge.objects.all()}


@pytest.mark.django_db
class TestUsage:
    """Prices that only the close can charge."""

    @pytest.mark.parametrize(
        ("price", "units", "due"),
        [
            (VOLUME, ["4", "6"], "20"),
            (VOLUME, ["4", "6", "0.000000000001"], "15.000000000002"),
            (level("latest"), ["10", "3"], "6"),
            (level("min"), ["10", "3", "7"], "6"),
            (level("average"), ["1", "2", "2"], "3.333333333333"),
            (level("average", included="1"), ["1", "2", "3"], "2"),
            ({**PER_UNIT, **AT_CLOSE}, ["4", "6"], "20"),
        ],
        ids=["volume", "volume above", "latest", "min", "average", "included", "left for later"],
    )
    def test_it_is_charged_when_the_period_closes(
        self, price: dict[str, Any], units: list[str], due: str
    ) -> None:
        world = open_world_selling(price)
        use(world, *units)
        assert world.balance() == 100
        close()
        assert charges() == {Kind.USAGE: Decimal(due)}
        assert world.balance(at=LATER) == 100 - Decimal(due)
        assert self_check.differences() == []

    def test_a_level_is_weighed_by_the_time_it_lasted(self) -> None:
        """A level of 10, at 2 a unit, for 5 of 31 days."""
        world = open_world_selling(level("weighted_sum"))
        for units, day in (("10", 2), ("-10", 7)):
            moment = NOW.replace(day=day).isoformat()
            world.record(world.event(properties={"units": units}, timestamp=moment))
        close()
        assert charges() == {Kind.USAGE: Decimal("3.225806451613")}
        assert self_check.differences() == []

    def test_its_working_is_kept_tier_by_tier(self) -> None:
        graduated = {
            "charge_model": "graduated",
            "tiers": [{"up_to": "10", "unit_amount": "1", "flat_amount": "5"},
                {"up_to": None, "unit_amount": "2", "flat_amount": "3"}],
        }  # fmt: skip
        world = open_world_selling(graduated | AT_CLOSE | {"meter": {"aggregation": "latest"}})
        use(world, "12")
        close()
        charge = PeriodCharge.objects.get()
        steps = [(step["label"], step["amount"]) for step in charge.working]
        assert steps == [("tier 1: 0 to 10", "15"), ("tier 2: above 10", "7")]
        assert charge.amount == 22

    def test_a_period_in_which_nothing_was_used_costs_its_standing_amounts(self) -> None:
        world = open_world_selling({"charge_model": "flat", "flat_amount": "20"}, VOLUME, PER_UNIT)
        billing_periods.open_periods([world.customer.subscriptions.get()], at=NOW)
        close()
        assert charges() == {Kind.STANDING: Decimal(20)}


@pytest.mark.django_db
class TestTrueUps:
    """What is missing to a commitment or a minimum."""

    @pytest.mark.parametrize(
        ("terms", "units", "due"),
        [
            ({"minimum_amount": "100"}, "20", {Kind.MINIMUM: 60}),
            ({"minimum_amount": "100"}, "50", {}),
            ({"commitment": {"units": "50"}}, "20", {Kind.COMMITMENT: 60}),
            ({"commitment": {"units": "50", "true_up": False}}, "20", {}),
            ({"commitment": {"amount": "60"}, "minimum_amount": "100"}, "20",
                {Kind.COMMITMENT: 20, Kind.MINIMUM: 40}),
        ],
    )  # fmt: skip
    def test_beside_what_events_were_charged(
        self, terms: dict[str, Any], units: str, due: dict[str, int]
    ) -> None:
        world = open_world_selling({**PER_UNIT, **terms}, credit="1000")
        use(world, units)
        close()
        assert charges() == {kind: Decimal(amount) for kind, amount in due.items()}
        spent = 2 * Decimal(units) + sum(due.values())
        assert world.balance(at=LATER) == 1000 - spent
        assert self_check.differences() == []

    def test_a_commitment_that_was_passed_costs_more_beyond_it(self) -> None:
        """Vector H2: 500 units at 2, then 1.5 times as much."""
        terms = {"commitment": {"units": "500", "overage_factor": "1.5"}}
        world = open_world_selling({**PER_UNIT, **terms}, credit="2000")
        use(world, "400", "300")
        assert world.balance() == 2000 - 1600
        close()
        assert charges() == {}


@pytest.mark.django_db
class TestPaying:
    """Credit pays what it can, whatever the plan does with events."""

    @pytest.mark.parametrize("policy", [ShortfallPolicy.OVERAGE, ShortfallPolicy.BLOCK])
    def test_credit_first_and_the_rest_is_overage(self, policy: ShortfallPolicy) -> None:
        world = open_world_selling(VOLUME, credit="12", policy=policy)
        use(world, "8")
        close()
        charge = PeriodCharge.objects.get()
        assert (charge.amount, charge.overage) == (Decimal(16), Decimal(4))
        assert world.balance(at=LATER) == 0
        assert self_check.differences() == []

    def test_several_charges_share_one_credit_in_turn(self) -> None:
        world = open_world_selling(
            VOLUME, {**PER_UNIT, "minimum_amount": "10"}, credit="30", policy=ShortfallPolicy.BLOCK
        )
        use(world, "4")
        close()
        paid = {charge.kind: charge.overage for charge in PeriodCharge.objects.all()}
        assert paid == {Kind.USAGE: 0, Kind.MINIMUM: 0}
        assert world.balance(at=LATER) == 30 - 8 - 8 - 2
        entries = LedgerEntry.objects.filter(reference=BillingPeriod.objects.get(
            closed_at__isnull=False).id)  # fmt: skip
        assert [entry.amount for entry in entries] == [-10]

    def test_a_grant_for_one_meter_pays_for_no_other(self) -> None:
        world = open_world_selling(VOLUME, {**PER_UNIT, "minimum_amount": "10"}, credit="0")
        world.grant("100", meters=["usage_1"])
        use(world, "1")
        close()
        paid = {charge.kind: charge.overage for charge in PeriodCharge.objects.all()}
        assert paid == {Kind.USAGE: 2, Kind.MINIMUM: 0}
        assert self_check.differences() == []


def _settle(period: BillingPeriod) -> list[PeriodCharge]:
    """Settle a closed period alone, as the closing does before it invoices."""
    with tenancy.transaction_for(period.organization_id):
        accounts = dict(
            CreditAccount.objects.filter(customer=period.customer).values_list("id", "asset_id")
        )
        books = ledger.lock_books(
            organization_id=period.organization_id, account_ids=accounts.keys(), at=LATER
        )
        by_asset = {accounts[account_id]: book for account_id, book in books.items()}
        written = settlement.settle(period=period, books=by_asset, at=LATER)
        ledger.post(books.values(), at=LATER)
        return written


@pytest.mark.django_db
class TestOnce:
    """A period is settled once, and what it was charged stays."""

    @pytest.fixture
    def period(self) -> BillingPeriod:
        world = open_world_selling(VOLUME)
        use(world, "8")
        closing.close_due_periods(at=LATER)
        return BillingPeriod.objects.get(closed_at__isnull=False)

    def test_settling_again_changes_nothing(self, period: BillingPeriod) -> None:
        assert [charge.amount for charge in _settle(period)] == [16]
        assert _settle(period) == []
        closing.build_due_invoices(at=LATER)
        assert PeriodCharge.objects.count() == 1
        assert self_check.differences() == []

    def test_the_database_takes_no_second_charge_of_a_kind(self, period: BillingPeriod) -> None:
        [charge] = _settle(period)
        with pytest.raises(IntegrityError), transaction.atomic():
            PeriodChargeFactory.create(period=period, price=charge.price, kind=charge.kind)

    @pytest.mark.parametrize("change", [{"amount": 1}, {"overage": 0}, {"working": []}])
    def test_a_charge_is_never_changed(self, period: BillingPeriod, change: dict[str, Any]) -> None:
        _settle(period)
        with pytest.raises(DatabaseError, match="Cannot update or delete"):
            PeriodCharge.objects.update(**change)


@pytest.mark.django_db(transaction=True)
class TestRaces:
    """Two workers that settle at once."""

    def _at_once(self, size: int, work: Callable[[int], object]) -> None:
        with crowd_of(size) as crowd:
            crowd.at_once(work)

    def test_a_period_is_charged_once(self) -> None:
        world = open_world_selling(VOLUME)
        use(world, "8")
        closing.close_due_periods(at=LATER)
        self._at_once(6, lambda _: closing.build_due_invoices(at=LATER))
        assert charges() == {Kind.USAGE: Decimal(16)}
        assert world.balance(at=LATER) == 84
        assert self_check.differences() == []

    def test_events_of_the_next_period_go_on_meanwhile(self) -> None:
        world = open_world_selling(VOLUME, PER_UNIT, credit="1000")
        use(world, "8")
        closing.close_due_periods(at=LATER)

        def work(number: int) -> None:
            if number == 0:
                closing.build_due_invoices(at=LATER)
            world.record(world.used(units="1"), at=LATER)

        self._at_once(5, work)
        assert charges() == {Kind.USAGE: Decimal(16)}
        assert world.balance(at=LATER) == 1000 - 16 - 16 - 5 * 2
        assert self_check.differences() == []
