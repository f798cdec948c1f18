"""A past full of corrections: what a replay makes of it, and what the database lets nobody do."""

import uuid

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME

from accounts.models import Role
from billing_site import self_check
from metering import corrections
from metering.models import DeadLetter, Event, EventVoid
from tests.accounts.admin_worlds import Company, page, signed_in
from tests.factories import (
    AdjustmentFactory,
    CustomerFactory,
    DistinctValueFactory,
    EventFactory,
    EventVoidFactory,
)
from tests.guarded_tables import refused, run
from tests.metering.past import TODAY, amounts, backtest, sold
from tests.price_menu import MENU
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


def test_replayed_from_zero_a_corrected_past_is_what_was_charged() -> None:
    shop = sold(sorted(MENU.keys() - {"credits"}), customers=2)
    keys = list(Event.objects.order_by("position").values_list("key", flat=True))
    corrections.void_events(organization_id=shop.organization.id, keys=keys[::4], at=TODAY)
    run_ = backtest(shop.plan_version)
    assert run_.events_done == len(keys) - len(keys[::4]) > 40
    for charged, would_be in amounts(run_).values():
        assert charged == would_be > 0
    assert self_check.differences() == []


class TestGuards:
    def test_an_event_is_voided_once(self) -> None:
        void = EventVoidFactory.create()
        with refused("one_void_per_event"):
            EventVoid.objects.create(
                organization=void.organization, event_key=void.event_key, customer=void.customer
            )

    def test_only_an_event_is_voided_and_as_its_own_customers(self) -> None:
        event = EventFactory.create()
        other = CustomerFactory.create(organization=event.organization)
        for changed in ({"event_key": uuid.uuid4()}, {"customer": other}):
            fields = {"event_key": event.key, "customer": event.customer, **changed}
            with refused("as of its own customer"):
                EventVoid.objects.create(organization=event.organization, **fields)

    def test_a_void_needs_another_event_in_its_place(self) -> None:
        event = EventFactory.create()
        with refused("void_replaced_by_another_event"):
            EventVoidFactory.create(event=event, replacement_key=event.key)

    @pytest.mark.parametrize("table", ["metering_eventvoid", "metering_adjustment"])
    def test_a_correction_is_neither_changed_nor_removed(self, table: str) -> None:
        AdjustmentFactory.create()
        for statement in (f"UPDATE {table} SET organization_id = organization_id",
                          f"DELETE FROM {table}"):  # fmt: skip
            with refused("Cannot update or delete"):
                run(statement)
        with refused("never truncated"):
            run(f"TRUNCATE {table} CASCADE")

    def test_an_adjustment_says_whether_it_comes_after_the_invoice(self) -> None:
        with refused("says whether its period was invoiced"):
            AdjustmentFactory.create(is_after_invoice=True)
        with refused("adjustment_of_a_close_comes_after_it"):
            AdjustmentFactory.create(kind="minimum")

    def test_a_counted_value_is_forgotten_until_the_invoice_only(self) -> None:
        DistinctValueFactory.create()
        invoiced = DistinctValueFactory.create()
        run(
            "UPDATE metering_billingperiod SET closed_at = now(), invoiced_at = now() "
            "WHERE id = %s",
            invoiced.period_id,
        )
        with refused("has counted is kept"):
            run("DELETE FROM metering_distinctvalue")
        run("DELETE FROM metering_distinctvalue WHERE period_id <> %s", invoiced.period_id)
        with refused("Cannot update"):
            run("UPDATE metering_distinctvalue SET value_hash = gen_random_uuid()")


class TestAdmin:
    @pytest.mark.parametrize(("role", "left"), [(Role.ADMIN, 0), (Role.ANALYST, 1)])
    def test_dead_letters_are_recorded_by_those_who_may(
        self, video: VideoWorld, role: Role, left: int
    ) -> None:
        company = Company("acme")
        world = video
        world.record(world.event(customer="late-comer"))
        letter = DeadLetter.objects.get(organization=world.organization)
        world.add_customer(external_id="late-comer")
        person = company.member(role)
        person.memberships.update(organization=world.organization)
        signed_in(person).post(
            page(DeadLetter, "changelist"),
            {"action": "replay", ACTION_CHECKBOX_NAME: [str(letter.id)]},
        )
        letter.refresh_from_db()
        waiting = DeadLetter.objects.filter(organization=world.organization, resolved_at=None)
        assert waiting.count() == left
