"""Running totals in the database: what events of one batch, and of many, add up to."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from billing_site import self_check
from metering import explanations
from metering.event_drafts import EventDraft
from metering.models import DistinctValue, RatedEvent, UsageTotal
from metering.outcomes import Status
from pricing import publication
from pricing.models import Price, ShortfallPolicy
from tests import guarded_tables
from tests.api.callers import caller_of
from tests.clock import DAY, NOW
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_world_selling

GRADUATED = {
    "charge_model": "graduated",
    "tiers": [
        {"up_to": "100", "unit_amount": "1.00"},
        {"up_to": "200", "unit_amount": "0.50"},
        {"up_to": None, "unit_amount": "0.10"},
    ],
}
USERS = {"aggregation": "unique_count", "quantity_property": "user"}
PER_USER = {"charge_model": "per_unit", "unit_amount": "5", "meter": USERS}


def charged(world: VideoWorld, *drafts: EventDraft, **terms: Any) -> list[Decimal]:
    """Record events as one batch; returns what each was charged."""
    outcomes = world.record(*drafts, **terms)
    assert {outcome.status for outcome in outcomes} == {Status.RECORDED}
    return [Decimal(outcome.charges[0]["amount"]) for outcome in outcomes]


def units(world: VideoWorld, *amounts: str) -> list[EventDraft]:
    return [world.used(units=amount) for amount in amounts]


@pytest.mark.django_db
class TestTiers:
    """Vector A12: 60, 60, 100 and 50 units cost 60.00, 50.00, 42.00 and 5.00."""

    @pytest.mark.parametrize(
        "batches",
        [
            [["60", "60", "100", "50"]],
            [["60"], ["60"], ["100"], ["50"]],
            [["60", "60"], ["100", "50"]],
        ],
        ids=["one batch", "one by one", "two batches"],
    )
    def test_they_are_walked_through_however_events_are_sent(
        self, batches: Sequence[Sequence[str]]
    ) -> None:
        world = open_world_selling(GRADUATED, credit="1000")
        amounts = [each for batch in batches for each in charged(world, *units(world, *batch))]
        assert amounts == [60, 50, 42, 5]
        assert world.balance() == 1000 - 157
        assert self_check.differences() == []

    def test_an_event_that_is_refused_takes_no_step(self) -> None:
        world = open_world_selling(GRADUATED, credit="70", policy=ShortfallPolicy.BLOCK)
        outcomes = world.record(*units(world, "60", "60", "5"))
        assert [outcome.status for outcome in outcomes] == [
            Status.RECORDED,
            Status.BLOCKED,
            Status.RECORDED,
        ]
        assert world.balance() == 5

    def test_a_new_period_starts_at_the_first_tier(self) -> None:
        world = open_world_selling(GRADUATED, credit="1000")
        assert charged(world, *units(world, "150")) == [125]
        assert charged(world, *units(world, "60"), at=NOW + 31 * DAY) == [60]

    def test_the_api_shows_the_steps_of_an_event(self) -> None:
        world = open_world_selling(GRADUATED, credit="1000")
        charged(world, *units(world, "60"))
        draft = world.event(id="the second", properties={"units": "160"})
        charged(world, draft)
        api = caller_of(world.organization)
        [rated] = api.get("events/the second").json["rated"]
        assert [(step["label"], step["units"], step["amount"]) for step in rated["steps"]] == [
            ("tier 1: 0 to 100", "40", "40"),
            ("tier 2: 100 to 200", "100", "50"),
            ("tier 3: above 200", "20", "2"),
        ]
        assert rated["amount"] == "92"

    def test_what_was_rated_when_every_price_was_per_unit_is_still_explained(self) -> None:
        rounded = {"unit_size": "1000", "rounding": "up"}
        world = open_world_selling({"charge_model": "per_unit", "unit_amount": "10", **rounded})
        charged(world, *units(world, "1400"))
        charged(world, world.event(id="old", properties={"units": "1300"}))
        working = {"quantity": "1300", "before": "1400", "amount": "10", "unit_size": "1000"}
        with guarded_tables.unguarded():
            RatedEvent.objects.filter(amount=10).update(working=working)
        [rated] = caller_of(world.organization).get("events/old").json["rated"]
        assert [(step["units"], step["amount"]) for step in rated["steps"]] == [("1", "10")]

    def test_it_also_shows_what_a_maximum_took_off(self) -> None:
        world = open_world_selling(GRADUATED | {"maximum_amount": "70"})
        charged(world, world.event(id="dear", properties={"units": "150"}))
        [rated] = caller_of(world.organization).get("events/dear").json["rated"]
        assert [step["amount"] for step in rated["steps"]] == ["100", "25", "-55"]
        assert rated["amount"] == "70"


@pytest.mark.django_db
class TestUniqueCount:
    """A value counts once in a period, whatever batch brings it again."""

    def test_in_one_batch_and_over_batches(self) -> None:
        world = open_world_selling(PER_USER)
        first = [world.used(user=user) for user in ("ann", "bob", "ann")]
        assert charged(world, *first) == [5, 5, 0]
        assert charged(world, world.used(user="bob"), world.used(user="cleo")) == [0, 5]
        total = UsageTotal.objects.get()
        assert (total.quantity, total.amount, total.events) == (Decimal(3), Decimal(15), 5)
        assert DistinctValue.objects.count() == 3
        assert self_check.differences() == []

    def test_each_period_meets_its_values_again(self) -> None:
        world = open_world_selling(PER_USER)
        assert charged(world, world.used(user="ann")) == [5]
        assert charged(world, world.used(user="ann"), at=NOW + 31 * DAY) == [5]

    def test_each_customer_has_values_of_its_own(self) -> None:
        world = open_world_selling(PER_USER)
        other = world.add_customer()
        assert charged(world, world.used(user="ann")) == [5]
        assert charged(other, other.event(id="another", properties={"user": "ann"})) == [5]

    def test_a_value_counts_once_in_each_cell(self) -> None:
        cells = [{"match": {"team": "red"}, "unit_amount": "5"}, {"match": {}, "unit_amount": "7"}]
        matrix = {"dimensions": ["team"], "cells": cells}
        world = open_world_selling({"charge_model": "per_unit", "matrix": matrix, "meter": USERS})
        teams = ("red", "blue", "green", "red")
        drafts = [world.used(user="ann", team=team) for team in teams]
        assert charged(world, *drafts) == [5, 7, 0, 0]
        assert charged(world, world.used(user="ann", team="blue")) == [0]

    def test_numbers_are_told_apart_by_what_they_are(self) -> None:
        world = open_world_selling(PER_USER)
        drafts = [world.used(user=user) for user in (7, "7", Decimal("7.0"), Decimal("7.5"))]
        assert charged(world, *drafts) == [5, 0, 0, 5]

    def test_a_value_that_could_not_be_paid_was_not_met(self) -> None:
        world = open_world_selling(PER_USER, credit="4", policy=ShortfallPolicy.BLOCK)
        refused = world.record(world.used(user="ann"), world.used(user="ann"))
        assert {outcome.status for outcome in refused} == {Status.BLOCKED}
        assert not DistinctValue.objects.exists()
        world.grant("6", at=NOW)
        assert charged(world, world.used(user="ann"), world.used(user="ann")) == [5, 0]

    def test_an_event_sent_again_meets_nothing_anew(self) -> None:
        world = open_world_selling(PER_USER)
        draft = world.used(user="ann")
        charged(world, draft)
        assert world.record(draft)[0].status == Status.REPLAYED
        assert charged(world, world.used(user="ann")) == [0]

    @pytest.mark.parametrize(
        ("user", "reason"), [(None, "missing_property"), (["ann"], "bad_quantity")]
    )
    def test_what_is_no_value_has_no_price(self, user: object, reason: str) -> None:
        world = open_world_selling(PER_USER)
        good, bad = world.record(world.used(user="ann"), world.used(user=user))
        assert (good.status, bad.status, bad.reason) == (
            Status.RECORDED,
            Status.UNPRICED,
            reason,
        )


@pytest.mark.django_db
class TestMax:
    """Only a new peak costs."""

    def test_over_batches(self) -> None:
        meter = {"aggregation": "max"}
        world = open_world_selling({"charge_model": "per_unit", "unit_amount": "2", "meter": meter})
        assert charged(world, *units(world, "5", "3")) == [10, 0]
        assert charged(world, *units(world, "4", "8")) == [0, 6]
        assert UsageTotal.objects.get().quantity == 8
        assert self_check.differences() == []


@pytest.mark.django_db
class TestPoolOfIncludedUnits:
    """Included units are used up over cells and batches."""

    def test_first_come_first_served(self) -> None:
        cells = [
            {"match": {"model": "opus"}, "unit_amount": "2"},
            {"match": {}, "unit_amount": "1"},
        ]
        price = {
            "charge_model": "per_unit",
            "included": "10",
            "matrix": {"dimensions": ["model"], "cells": cells},
        }
        world = open_world_selling(price)
        assert charged(world, world.used(model="opus", units="6")) == [0]
        drafts = [world.used(model=model, units="6") for model in ("haiku", "opus")]
        assert charged(world, *drafts) == [2, 12]
        totals = UsageTotal.objects.order_by("-cell").values_list("billable", flat=True)
        assert sorted(totals) == [2, 6]
        assert self_check.differences() == []


@pytest.mark.django_db
class TestLevels:
    """What can fall is kept as it is and charged at the close."""

    @pytest.mark.parametrize(
        ("aggregation", "quantities"),
        [
            ("latest", ["10", "3"]),
            ("min", ["10", "3", "7"]),
            ("average", ["1", "2", "0"]),
            ("weighted_sum", ["2", "-1"]),
        ],
    )
    def test_events_are_recorded_and_cost_nothing_yet(
        self, aggregation: str, quantities: list[str]
    ) -> None:
        price = {"charge_model": "per_unit", "unit_amount": "1", "settle": "at_close"}
        world = open_world_selling(price | {"meter": {"aggregation": aggregation}})
        for quantity in quantities:
            assert charged(world, world.used(units=quantity)) == [0]
        total = UsageTotal.objects.get()
        increments = RatedEvent.objects.values_list("quantity", flat=True)
        assert (total.quantity, total.events) == (sum(increments), len(quantities))
        assert self_check.differences() == []

    def test_the_newest_value_is_the_one_that_occurred_last(self) -> None:
        price = {"charge_model": "per_unit", "unit_amount": "1", "settle": "at_close"}
        world = open_world_selling(price | {"meter": {"aggregation": "latest"}})
        newer = world.event(properties={"units": "9"}, timestamp=NOW.isoformat())
        older = world.event(properties={"units": "5"}, timestamp=(NOW - DAY).isoformat())
        charged(world, newer)
        charged(world, older)
        assert UsageTotal.objects.get().quantity == 9

    def test_a_total_that_swings_too_far_has_no_price(self) -> None:
        price = {"charge_model": "per_unit", "unit_amount": "0", "settle": "at_close"}
        world = open_world_selling(price | {"meter": {"aggregation": "latest"}})
        high, low = world.record(world.used(units="9e25"), world.used(units="-9e25"))
        assert high.status == Status.RECORDED
        assert (low.status, low.reason) == (Status.UNPRICED, "amount_too_large")


@pytest.mark.django_db
class TestNewVersion:
    """Law 11: publishing a new version never changes an event that was rated."""

    def test_what_was_rated_stays_and_is_explained_as_before(self) -> None:
        world = open_world_selling(GRADUATED)
        charged(world, *units(world, "60", "60"))
        before = list(RatedEvent.objects.order_by("event_key").values())
        steps = [
            explanations.explain(rated) for rated in RatedEvent.objects.select_related("price")
        ]
        draft = publication.open_draft(plan=world.plan_version.plan, at=NOW)
        Price.objects.filter(plan_version=draft).update(
            definition={"charge_model": "per_unit", "unit_amount": "99"}
        )
        publication.publish(version=draft, by=None, at=NOW)
        assert list(RatedEvent.objects.order_by("event_key").values()) == before
        assert steps == [
            explanations.explain(rated) for rated in RatedEvent.objects.select_related("price")
        ]
        assert charged(world, *units(world, "100")) == [42]
        assert self_check.differences() == []


@pytest.mark.django_db(transaction=True)
class TestRaces:
    """Batches that come at the same moment."""

    def test_each_value_counts_once(self) -> None:
        world = open_world_selling(PER_USER, credit="1000")
        users = [f"user {number}" for number in range(10)]

        def send(sender: int) -> list[Decimal]:
            return charged(world, *(world.used(user=user) for user in users[sender % 3 :]))

        with crowd_of(8) as crowd:
            amounts = crowd.at_once(send)
        assert sum(amount for sender in amounts for amount in sender) == 50
        assert UsageTotal.objects.get().quantity == DistinctValue.objects.count() == 10
        assert self_check.differences() == []

    def test_tiers_are_walked_through_once(self) -> None:
        world = open_world_selling(GRADUATED, credit="1000")
        with crowd_of(6) as crowd:
            amounts = crowd.at_once(lambda _: charged(world, *units(world, "25", "25")))
        assert sum(amount for sender in amounts for amount in sender) == 100 + 50 + 10
        assert world.balance() == 1000 - 160
        assert self_check.differences() == []
