"""What the database refuses of usage, typed by hand at a prompt."""

import pytest

from metering.models import BillingPeriod, Event, UsageTotal
from tests.clock import DAY, HOUR, NOW
from tests.factories import (
    AlertFiringFactory,
    AuthorizationFactory,
    BillingPeriodFactory,
    CustomerFactory,
    DeadLetterFactory,
    EventFactory,
    PlanVersionFactory,
    RatedEventFactory,
    SpendAlertFactory,
    UsageTotalFactory,
)
from tests.guarded_tables import refused, run
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


class TestEvents:
    @pytest.mark.parametrize("table", ["metering_event", "metering_ratedevent"])
    @pytest.mark.parametrize(
        "statement",
        ["UPDATE {0} SET organization_id = organization_id", "DELETE FROM {0}", "TRUNCATE {0}"],
    )
    def test_events_are_only_appended_to(self, table: str, statement: str) -> None:
        RatedEventFactory.create()
        with refused("Cannot (update|delete)|never truncated"):
            run(statement.format(table))

    def test_a_key_is_used_once_in_an_organization(self) -> None:
        event = EventFactory.create()
        EventFactory.create(key=event.key)
        with refused("metering_event_pkey"):
            EventFactory.create(key=event.key, period=event.period)

    def test_no_event_goes_into_a_closed_period(self) -> None:
        with refused("goes into an open period"):
            EventFactory.create(period=BillingPeriodFactory.create(closed=True))

    def test_an_event_goes_into_a_period_of_its_own_customer(self) -> None:
        period = BillingPeriodFactory.create()
        sibling = CustomerFactory.create(organization=period.organization)
        with refused("of its own customer"):
            EventFactory.create(period=period, customer=sibling)

    def test_a_price_rates_an_event_once(self) -> None:
        rated = RatedEventFactory.create()
        with refused("metering_ratedevent_pkey"):
            rated.save(force_insert=True)

    @pytest.mark.parametrize(
        ("overage", "uncollected"),
        [("-0.01", "0"), ("0.02", "0"), ("0", "-0.01"), ("0", "0.02"), ("0.006", "0.005")],
    )
    def test_what_credit_did_not_pay_is_part_of_the_amount(
        self, overage: str, uncollected: str
    ) -> None:
        with refused("overage_and_uncollected_within_amount"):
            RatedEventFactory.create(overage=overage, uncollected=uncollected)


class TestAuthorizations:
    @pytest.mark.parametrize(
        "column", ["organization_id", "customer_id", "on_expiry", "created_at"]
    )
    def test_terms_are_fixed(self, column: str) -> None:
        AuthorizationFactory.create()
        value = "now()" if column == "created_at" else "'x'"
        value = "gen_random_uuid()" if column.endswith("_id") else value
        with refused("authorization_terms_are_fixed|Cannot update"):
            run(f"UPDATE metering_authorization SET {column} = {value}")

    def test_an_end_is_the_last_change(self) -> None:
        AuthorizationFactory.create(released=True)
        with refused("Cannot update"):
            run("UPDATE metering_authorization SET ended_as = 'captured'")

    @pytest.mark.parametrize(
        "change", ["ended_as = 'released'", "ended_at = now()",
                   "ended_as = 'expired', ended_at = now()"]
    )  # fmt: skip
    def test_an_end_has_a_moment_and_a_known_way(self, change: str) -> None:
        AuthorizationFactory.create()
        with refused("authorization_ends_in_some_way"):
            run(f"UPDATE metering_authorization SET {change}")

    def test_none_is_ever_deleted(self) -> None:
        AuthorizationFactory.create()
        with refused("Cannot delete"):
            run("DELETE FROM metering_authorization")


class TestPeriods:
    def test_a_subscription_has_one_open_period(self) -> None:
        period = BillingPeriodFactory.create()
        with refused("one_open_period_per_subscription"):
            BillingPeriodFactory.create(
                subscription=period.subscription,
                starts_at=period.ends_at,
                ends_at=period.ends_at + DAY,
            )

    def test_periods_do_not_overlap(self) -> None:
        period = BillingPeriodFactory.create(closed=True)
        with refused("periods_do_not_overlap"):
            BillingPeriodFactory.create(
                subscription=period.subscription,
                starts_at=period.ends_at - HOUR,
                ends_at=period.ends_at + DAY,
            )

    def test_periods_meet(self) -> None:
        period = BillingPeriodFactory.create(closed=True)
        following = BillingPeriodFactory.create(
            subscription=period.subscription,
            starts_at=period.ends_at,
            ends_at=period.ends_at + DAY,
        )
        assert following.closed_at is None

    @pytest.mark.parametrize("ends_at", [NOW, NOW - HOUR])
    def test_a_period_has_a_length(self, ends_at: object) -> None:
        with refused("period_ends_after_start|range lower bound"):
            BillingPeriodFactory.create(starts_at=NOW, ends_at=ends_at)

    def test_a_period_is_closed_before_it_is_invoiced(self) -> None:
        with refused("period_closed_before_invoiced"):
            BillingPeriodFactory.create(invoiced_at=NOW)

    @pytest.mark.parametrize(
        "change",
        [
            "closed_at = NULL",
            "closed_at = now()",
            "starts_at = starts_at + interval '1 hour'",
            "ends_at = ends_at + interval '1 hour'",
            "subscription_id = gen_random_uuid()",
            "customer_id = gen_random_uuid()",
            "plan_version_id = gen_random_uuid()",
        ],
    )
    def test_a_period_closes_once_and_keeps_its_bounds(self, change: str) -> None:
        BillingPeriodFactory.create(closed=True)
        with refused("closes once and keeps its bounds"):
            run(f"UPDATE metering_billingperiod SET {change}")

    def test_an_open_period_is_repriced_until_it_is_used(self, video: VideoWorld) -> None:
        later = PlanVersionFactory.create(plan=video.plan_version.plan, number=2, published=True)
        video.record(video.event(properties={"minutes": "x"}))
        BillingPeriod.objects.update(plan_version=later)
        BillingPeriod.objects.update(plan_version=video.plan_version)
        video.record(video.event())
        with refused("once used, its prices"):
            BillingPeriod.objects.update(plan_version=later)

    def test_a_period_is_never_deleted(self) -> None:
        BillingPeriodFactory.create()
        with refused("Cannot delete"):
            run("DELETE FROM metering_billingperiod")


class TestTotals:
    def test_a_total_of_a_closed_period_stands_still(self) -> None:
        total = UsageTotalFactory.create()
        BillingPeriod.objects.update(closed_at=NOW)
        with refused("totalled in an open period"):
            UsageTotalFactory.create(period=total.period, price=total.price, cell="late")

    def test_a_total_moves_until_it_is_invoiced(self) -> None:
        UsageTotalFactory.create()
        BillingPeriod.objects.update(closed_at=NOW)
        UsageTotal.objects.update(events=1)
        BillingPeriod.objects.update(invoiced_at=NOW)
        with refused("totalled in an open period"):
            UsageTotal.objects.update(events=2)

    def test_a_total_is_kept_once_for_each_cell(self) -> None:
        total = UsageTotalFactory.create()
        with refused("usage_total_once_per_cell"):
            UsageTotalFactory.create(period=total.period, price=total.price)

    @pytest.mark.parametrize("column", ["organization_id", "period_id", "price_id", "cell"])
    def test_a_total_keeps_its_place(self, column: str) -> None:
        UsageTotalFactory.create()
        with refused("Cannot update"):
            run(f"UPDATE metering_usagetotal SET {column} = gen_random_uuid()")

    def test_a_total_is_never_deleted(self) -> None:
        UsageTotalFactory.create()
        with refused("Cannot delete"):
            run("DELETE FROM metering_usagetotal")


class TestAlerts:
    def test_a_threshold_is_watched_once(self) -> None:
        alert = SpendAlertFactory.create()
        with refused("one_alert_per_account_and_threshold"):
            SpendAlertFactory.create(account=alert.account)

    def test_a_crossing_fires_once(self) -> None:
        firing = AlertFiringFactory.create()
        with refused("one_firing_per_crossing"):
            AlertFiringFactory.create(alert=firing.alert, epoch=firing.epoch)

    def test_a_firing_is_never_deleted(self) -> None:
        AlertFiringFactory.create()
        with refused("Cannot delete"):
            run("DELETE FROM metering_alertfiring")


def test_an_event_is_dead_once() -> None:
    letter = DeadLetterFactory.create()
    with refused("one_dead_letter_per_event"):
        DeadLetterFactory.create(organization=letter.organization, key=letter.key)


def test_the_same_key_in_two_organizations_is_two_events() -> None:
    first = EventFactory.create()
    second = EventFactory.create(key=first.key)
    assert Event.objects.filter(key=first.key).count() == 2
    assert first.organization_id != second.organization_id
