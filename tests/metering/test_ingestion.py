"""What becomes of an event: recorded, replayed, blocked, in conflict, unpriced."""

from decimal import Decimal
from typing import Any

import pytest

from accounts import ledger
from accounts.burndown import Category
from accounts.models import Asset, CreditAccount, LedgerEntry
from billing_site import self_check
from metering import explanations
from metering.models import BillingPeriod, DeadLetter, Event, RatedEvent, UsageTotal
from metering.outcomes import Status
from pricing import publication, subscriptions
from pricing.models import Meter, Plan, Price, ShortfallPolicy
from tests import guarded_tables
from tests.clock import DAY, HOUR, NOW, SINCE
from tests.factories import CustomerFactory
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


class TestRecorded:
    """An event that was paid."""

    def test_it_is_stored_rated_and_paid_together(self, video: VideoWorld) -> None:
        [outcome] = video.record(video.minutes_of("fast", "3"))
        assert outcome.status == Status.RECORDED
        assert outcome.charges == [
            {"asset": "USD", "amount": "3", "overage": "0", "balance": "97", "available": "97"}
        ]
        [entry] = LedgerEntry.objects.filter(account=video.account, kind="usage")
        assert (entry.amount, entry.balance_after) == (Decimal(-3), Decimal(97))
        assert RatedEvent.objects.get(event_key=entry.reference).amount == Decimal(3)

    def test_fast_and_standard_minutes_cost_what_the_matrix_says(self, video: VideoWorld) -> None:
        """Vector G1: 1.00 a fast minute, 0.40 a standard one; 3 and 5 minutes cost 5.00."""
        video.record(video.minutes_of("fast", "3"), video.minutes_of("standard", "5"))
        assert video.balance() == Decimal(95)

    def test_totals_grow_by_cell(self, video: VideoWorld) -> None:
        video.record(video.minutes_of("fast", "3"), video.minutes_of("fast", "2.5"))
        total = UsageTotal.objects.get(cell='["fast"]')
        assert (total.quantity, total.amount, total.events) == (Decimal("5.5"), Decimal("5.5"), 2)

    def test_an_event_that_the_filter_excludes_is_free(self, video: VideoWorld) -> None:
        with guarded_tables.unguarded():  # On sale already, so what it counts is frozen.
            Meter.objects.filter(id=video.minutes.id).update(filters={"status": "ok"})
        excluded = video.event(properties={"status": "failed", "minutes": "9", "speed": "fast"})
        [outcome] = video.record(excluded)
        assert (outcome.status, outcome.charges) == (Status.RECORDED, [])
        assert video.balance() == Decimal(100)

    def test_the_working_tells_how_the_amount_came_about(self, video: VideoWorld) -> None:
        draft = video.minutes_of("standard", "2.5")
        video.record(draft)
        rated = RatedEvent.objects.select_related("price").get(event_key=draft.key)
        [step] = explanations.explain(rated)
        assert (step["units"], step["unit_amount"], step["amount"]) == ("2.5", "0.4", "1")
        assert (rated.working["quantity"], rated.working["before"]) == ("2.5", "0")


class TestRepeated:
    """The same key again."""

    def test_the_same_payload_is_answered_as_the_first_time(self, video: VideoWorld) -> None:
        draft = video.minutes_of("fast", "3")
        [first] = video.record(draft)
        video.record(video.event())
        [again] = video.record(draft)
        assert again.status == Status.REPLAYED
        assert list(again.charges) == list(first.charges)
        assert video.balance() == Decimal(96)

    def test_another_payload_is_a_conflict(self, video: VideoWorld) -> None:
        video.record(video.minutes_of("fast", "3", id="same"))
        [outcome] = video.record(video.minutes_of("fast", "4", id="same"))
        assert outcome.status == Status.CONFLICT
        assert video.balance() == Decimal(97)

    def test_another_source_is_another_event(self, video: VideoWorld) -> None:
        video.record(video.event(id="same", source="a"), video.event(id="same", source="b"))
        assert Event.objects.filter(external_id="same").count() == 2

    def test_keys_are_known_for_ever(self, video: VideoWorld) -> None:
        draft = video.event(timestamp=NOW.isoformat())
        video.record(draft)
        [outcome] = video.record(draft, at=NOW + 4000 * DAY)
        assert outcome.status == Status.REPLAYED

    def test_two_organizations_may_use_the_same_id(self, video: VideoWorld) -> None:
        other = open_video_world()
        identifier = "0192f1ac-7b1c-7c3a-9a64-2f6f0c6d7a11"
        [mine] = video.record(video.event(id=identifier))
        [theirs] = other.record(other.event(id=identifier))
        assert mine.status == theirs.status == Status.RECORDED


class TestBlocked:
    """An event the customer cannot pay."""

    def test_nothing_is_stored_and_nothing_moves(self) -> None:
        """Vector I33: a balance of 99.99 does not pay for 100."""
        world = open_video_world(credit="99.99")
        [outcome] = world.record(world.minutes_of("fast", "100"))
        assert outcome.status == Status.BLOCKED
        assert outcome.needed == {"asset": "USD", "needed": "100", "available": "99.99"}
        assert world.balance() == Decimal("99.99")
        assert not Event.objects.filter(customer=world.customer).exists()

    def test_the_same_key_is_taken_after_a_top_up(self) -> None:
        world = open_video_world(credit="1")
        draft = world.minutes_of("fast", "2")
        assert world.record(draft)[0].status == Status.BLOCKED
        world.grant("5", at=NOW)
        assert world.record(draft)[0].status == Status.RECORDED
        assert world.balance() == Decimal(4)

    def test_exactly_the_last_credit_may_be_spent(self) -> None:
        world = open_video_world(credit="2")
        assert world.record(world.minutes_of("fast", "2"))[0].status == Status.RECORDED
        assert world.record(world.minutes_of("fast", "0.000000000001"))[0].status == Status.BLOCKED

    def test_a_neighbour_that_can_be_paid_is_not_touched(self) -> None:
        world = open_video_world(credit="2")
        outcomes = world.record(
            world.minutes_of("fast", "1"),
            world.minutes_of("fast", "5"),
            world.minutes_of("fast", "1"),
        )
        assert [o.status for o in outcomes] == [Status.RECORDED, Status.BLOCKED, Status.RECORDED]


class TestShortfall:
    """What a plan says when credit runs out."""

    def test_overage_is_recorded_and_left_for_the_invoice(self) -> None:
        """Vector I31: charge 100 on a balance of 40: 40 consumed, 60 to be invoiced."""
        world = open_video_world(credit="40", policy=ShortfallPolicy.OVERAGE)
        [outcome] = world.record(world.minutes_of("fast", "100"))
        assert outcome.charges[0]["overage"] == "60"
        assert world.balance() == 0
        assert UsageTotal.objects.get(period__customer=world.customer).overage == Decimal(60)

    def test_an_overdraft_goes_down_to_its_limit_and_no_further(self) -> None:
        world = open_video_world(
            credit="10", policy=ShortfallPolicy.OVERDRAFT, overdraft_limit="50"
        )
        assert world.record(world.minutes_of("fast", "60"))[0].status == Status.RECORDED
        assert world.balance() == Decimal(-50)
        assert world.record(world.minutes_of("fast", "0.01"))[0].status == Status.BLOCKED


class TestUnpriced:
    """An event that is kept until somebody can price it."""

    def test_no_cell_and_no_fallback(self, video: VideoWorld) -> None:
        """Vector G4: a dead letter with reason no_price; the balance does not move."""
        [outcome] = video.record(video.minutes_of("draft", "5"))
        assert (outcome.status, outcome.reason) == (Status.UNPRICED, "no_price")
        assert DeadLetter.objects.get().properties == {"minutes": "5", "speed": "draft"}
        assert video.balance() == Decimal(100)

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"properties": {"speed": "fast"}}, "missing_property"),
            ({"properties": {"speed": "fast", "minutes": "many"}}, "bad_quantity"),
            ({"properties": {"speed": "fast", "minutes": "-1"}}, "bad_quantity"),
            ({"type": "unheard.of"}, "no_price"),
            ({"customer": "nobody"}, "no_subscription"),
        ],
    )
    def test_reasons(self, video: VideoWorld, fields: dict[str, Any], reason: str) -> None:
        [outcome] = video.record(video.event(**fields))
        assert (outcome.status, outcome.reason) == (Status.UNPRICED, reason)

    def test_a_period_holds_no_more_than_an_amount_can(self) -> None:
        world = open_video_world(policy=ShortfallPolicy.OVERAGE)
        huge = {"speed": "fast", "minutes": "9" * 26}
        first, second = world.record(world.event(properties=huge), world.event(properties=huge))
        assert first.status == Status.RECORDED
        assert (second.status, second.reason) == (Status.UNPRICED, "amount_too_large")

    def test_sent_again_corrected_it_is_recorded_and_the_letter_is_resolved(
        self, video: VideoWorld
    ) -> None:
        video.record(video.minutes_of("draft", "5", id="mended"))
        [outcome] = video.record(video.minutes_of("fast", "5", id="mended"), at=NOW + HOUR)
        assert outcome.status == Status.RECORDED
        assert DeadLetter.objects.get().resolved_at == NOW + HOUR

    def test_sent_again_unmended_it_stays_one_letter(self, video: VideoWorld) -> None:
        for minutes in ("5", "6"):
            video.record(video.minutes_of("draft", minutes, id="again"))
        assert DeadLetter.objects.get().properties["minutes"] == "6"


class TestSeveralAssets:
    """An event charged in two assets: both or none."""

    @pytest.fixture
    def world(self, video: VideoWorld) -> VideoWorld:
        house_credits = Asset.objects.create(
            organization=video.organization, code="credits", name="Credits", scale=0,
            is_currency=False,
        )  # fmt: skip
        plan = Plan.objects.create(organization=video.organization, code="both", name="Both")
        draft = publication.open_draft(plan=plan, at=SINCE)
        for asset in (video.usd, house_credits):
            Price.objects.create(
                organization=video.organization, plan_version=draft, meter=video.minutes,
                asset=asset, definition={"charge_model": "per_unit", "unit_amount": "1"},
            )  # fmt: skip
        customer = CustomerFactory.create(organization=video.organization)
        version = publication.publish(version=draft, by=None, at=SINCE)
        subscriptions.subscribe(customer=customer, plan_version=version, at=SINCE)
        video.customer = customer
        video.account = CreditAccount.objects.get(customer=customer, asset=video.usd)
        video.grant("10")
        return video

    def _credits(self, world: VideoWorld) -> CreditAccount:
        return CreditAccount.objects.get(customer=world.customer, asset__code="credits")

    def test_one_that_is_short_refuses_both(self, world: VideoWorld) -> None:
        [outcome] = world.record(world.event())
        assert outcome.status == Status.BLOCKED
        assert world.balance() == Decimal(10)

    def test_both_are_charged(self, world: VideoWorld) -> None:
        ledger.grant_credit(
            account=self._credits(world), amount=Decimal(3), category=Category.PAID, at=SINCE
        )
        [outcome] = world.record(world.event())
        assert {charge["asset"]: charge["balance"] for charge in outcome.charges} == {
            "USD": "9",
            "credits": "2",
        }


class TestPeriods:
    """Which period an event belongs to."""

    def test_an_event_from_before_the_period_is_late(self, video: VideoWorld) -> None:
        draft = video.event(timestamp=(SINCE - 40 * DAY).isoformat())
        video.record(draft)
        assert Event.objects.get(key=draft.key).is_late

    def test_an_event_closes_the_period_that_is_over_and_opens_the_next(
        self, video: VideoWorld
    ) -> None:
        video.record(video.event(), at=NOW)
        video.record(video.event(), at=NOW + 31 * DAY)
        old, new = BillingPeriod.objects.filter(customer=video.customer).order_by("starts_at")
        assert old.closed_at == NOW + 31 * DAY
        assert new.closed_at is None
        assert old.ends_at == new.starts_at

    def test_each_period_counts_from_zero(self, video: VideoWorld) -> None:
        for moment in (NOW, NOW + 31 * DAY):
            video.record(video.minutes_of("fast", "2"), at=moment)
        quantities = UsageTotal.objects.values_list("quantity", flat=True)
        assert list(quantities) == [Decimal(2), Decimal(2)]


def test_the_books_are_right_after_all_of_it(video: VideoWorld) -> None:
    video.record(
        video.minutes_of("fast", "3"),
        video.minutes_of("draft", "3"),
        video.minutes_of("fast", "300"),
        video.minutes_of("standard", "7.77"),
    )
    assert self_check.differences() == []
