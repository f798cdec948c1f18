"""One event explained: what each price made of it, who paid, and what became of that."""

import uuid
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import ledger
from accounts.burndown import Category
from accounts.models import EntryKind
from metering import caps, corrections, explanations
from metering.explanations import Explanation
from metering.spend_caps import Window
from pricing.models import Settle, ShortfallPolicy
from tests.clock import DAY, NOW
from tests.worlds import VideoWorld, open_video_world, open_world_selling

pytestmark = pytest.mark.django_db

TIERS = {
    "charge_model": "graduated",
    "included": "10",
    "tiers": [
        {"up_to": "5", "unit_amount": "1", "flat_amount": "3"},
        {"up_to": None, "unit_amount": "0.5"},
    ],
}


def explained(world: VideoWorld, key: uuid.UUID) -> Explanation:
    return explanations.explain_event(organization_id=world.organization.id, key=key)


class TestPrices:
    def test_tiers_included_units_and_what_stood_before_are_told(self) -> None:
        world = open_world_selling(TIERS)
        world.record(world.used(units="4"))
        event = world.used(units="12")
        world.record(event)
        [price] = explained(world, event.key).prices
        assert [price.before, price.rated.quantity, price.included] == [4, 12, 6]
        assert [(step.label, step.units, step.amount) for step in price.steps] == [
            ("tier 1: 0 to 5", Decimal(5), Decimal(5)),
            ("tier 2: above 5", Decimal(1), Decimal("0.5")),
        ]
        assert (price.metered, price.is_due_at_close, price.where) == (Decimal("5.5"), False, "")

    def test_the_cell_of_a_matrix_is_named(self, video: VideoWorld) -> None:
        event = video.minutes_of("fast", "2")
        video.record(event)
        [price] = explained(video, event.key).prices
        assert price.where == "speed = fast"
        assert str(price.rated.price.plan_version) == str(video.plan_version)

    def test_what_the_close_charges_is_metered_and_due_later(self) -> None:
        world = open_world_selling(
            {"charge_model": "per_unit", "unit_amount": "2", "settle": Settle.AT_CLOSE}
        )
        event = world.used(units="3")
        world.record(event)
        [price] = explained(world, event.key).prices
        assert price.is_due_at_close
        assert [price.rated.amount, price.metered] == [0, 6]

    def test_what_only_the_close_knows_has_no_working(self) -> None:
        tiers = [{"up_to": None, "unit_amount": "1"}]
        world = open_world_selling(
            {"charge_model": "volume_tiers", "tiers": tiers, "settle": Settle.AT_CLOSE}
        )
        event = world.used(units="3")
        world.record(event)
        [price] = explained(world, event.key).prices
        assert (price.metered, price.steps) == (None, [])


class TestPayments:
    def test_each_grant_is_named_with_what_it_paid(self, video: VideoWorld) -> None:
        video.grant("1.5", priority=1, name="Launch gift", category=Category.PROMOTIONAL)
        event = video.minutes_of("fast", "5")
        video.record(event)
        gift, paid = explained(video, event.key).payments
        assert gift.grant is not None
        assert (gift.grant.title, gift.grant.category) == ("Launch gift", "promotional")
        assert [gift.amount, paid.amount, paid.returned] == [Decimal("1.5"), Decimal("3.5"), 0]
        assert paid.grant is not None
        assert paid.grant.title == "Paid credit"

    def test_what_went_below_zero_has_no_grant(self) -> None:
        world = open_video_world(credit="1", policy=ShortfallPolicy.OVERDRAFT, overdraft_limit="10")
        event = world.minutes_of("fast", "3")
        world.record(event)
        _, owed = explained(world, event.key).payments
        assert owed.grant is None
        assert owed.amount == 2

    def test_a_reversal_is_among_the_entries_and_told_as_returned(self, video: VideoWorld) -> None:
        video.grant("1", priority=1)
        event = video.minutes_of("fast", "3")
        video.record(event, video.event())
        small, large = explained(video, event.key).entries
        ledger.reverse(entry=large, at=NOW + DAY)
        explanation = explained(video, event.key)
        assert [entry.kind for entry in explanation.entries] == [
            EntryKind.USAGE, EntryKind.USAGE, EntryKind.REVERSAL,
        ]  # fmt: skip
        assert explanation.entries[2].reverses_version == large.account_version
        assert [payment.returned for payment in explanation.payments] == [0, 2]
        assert explanation.payments[0].amount == -small.amount


def test_what_is_not_there_is_unknown(video: VideoWorld) -> None:
    event = video.event()
    video.record(event)
    other = video.add_customer()
    with pytest.raises(explanations.UnknownEvent):
        explained(video, uuid.uuid4())
    with pytest.raises(explanations.UnknownEvent):
        explanations.explain_event(
            organization_id=video.organization.id, key=event.key, customer_id=other.customer.id
        )


def test_an_event_that_was_just_recorded_is_counted_by_nothing_and_stands(
    video: VideoWorld,
) -> None:
    event = video.event()
    video.record(event)
    explanation = explained(video, event.key)
    assert (explanation.counted, explanation.authorization, explanation.voided) == ([], None, None)


def test_what_it_counted_towards_is_told_with_the_cap(video: VideoWorld) -> None:
    cap = caps.set_cap(
        customer=video.customer, limit=Decimal(50), window=Window.DAY, asset=video.usd,
        property_name="speed", at=NOW,
    )  # fmt: skip
    event = video.minutes_of("fast", "2")
    video.record(event)
    [counted] = explained(video, event.key).counted
    assert (counted.cap, counted.bucket, counted.amount) == (cap, "fast", Decimal(2))
    assert counted.window_starts_at == NOW.replace(hour=0)


def test_a_void_is_told_with_its_reason_and_what_came_back(video: VideoWorld) -> None:
    event, better = video.minutes_of("fast", "3"), video.minutes_of("fast", "2")
    video.record(event)
    corrections.replace_event(
        organization_id=video.organization.id, key=event.key, draft=better, at=NOW, reason="Typo"
    )
    explanation = explained(video, event.key)
    assert explanation.voided is not None
    assert (explanation.voided.at, explanation.voided.reason) == (NOW, "Typo")
    assert explanation.voided.replacement_key == better.key
    assert [payment.returned for payment in explanation.payments] == [3]


def test_what_replaced_it_at_another_customer_is_not_told(video: VideoWorld) -> None:
    event = video.event()
    video.record(event)
    elsewhere = video.add_customer().event(id="elsewhere")
    corrections.replace_event(
        organization_id=video.organization.id, key=event.key, draft=elsewhere, at=NOW
    )
    explanation = explained(video, event.key)
    assert explanation.voided is not None
    assert explanation.voided.replacement_key is None


def test_an_explanation_costs_few_queries(video: VideoWorld) -> None:
    event = video.event()
    video.record(event)
    explained(video, event.key)
    with CaptureQueriesContext(connection) as queries:
        explained(video, event.key)
    assert len(queries) <= 7
