"""What stops an event beside the balance: caps, the switch, and what the plan does not include."""

from decimal import Decimal
from typing import Any

import pytest

from accounts import customers
from metering import caps
from metering.models import CapCounter, SpendCap
from metering.outcomes import Outcome, Status
from metering.spend_caps import Window
from pricing import publication, subscriptions
from pricing.models import Entitlement, EntitlementKind, ShortfallPolicy
from tests.clock import NOW, SINCE
from tests.factories import CustomerFactory, PlanVersionFactory, PriceFactory
from tests.worlds import VIDEO_PRICE, VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


def capped(video: VideoWorld, limit: str, **terms: Any) -> SpendCap:
    terms = {"window": Window.MONTH, "asset": video.usd, **terms}
    return caps.set_cap(customer=video.customer, limit=Decimal(limit), at=SINCE, **terms)


def reasons(outcome: Outcome) -> list[str]:
    assert outcome.status == Status.BLOCKED
    return [refusal["reason"] for refusal in outcome.refusals]


class TestCaps:
    def test_events_pass_up_to_the_cap_and_no_further(self, video: VideoWorld) -> None:
        cap = capped(video, "2.5")
        statuses = [each.status for each in video.record(*(video.event() for _ in range(3)))]
        assert statuses == [Status.RECORDED, Status.RECORDED, Status.BLOCKED]
        [blocked] = video.record(video.event())
        assert reasons(blocked) == ["spend_cap"]
        assert blocked.needed == {
            "asset": "USD", "limit": str(cap.id), "needed": "1", "available": "0.5",
        }  # fmt: skip
        assert video.balance() == 98

    def test_the_count_is_kept_between_sets(self, video: VideoWorld) -> None:
        capped(video, "2.5")
        for _ in range(3):
            video.record(video.event())
        assert CapCounter.objects.get().used == 2

    def test_a_refused_event_counts_nothing(self, video: VideoWorld) -> None:
        capped(video, "5")
        video.record(video.minutes_of("fast", "6"))
        assert not CapCounter.objects.exists()

    def test_a_cap_holds_under_every_policy(self) -> None:
        video = open_video_world(policy=ShortfallPolicy.OVERAGE)
        capped(video, "1")
        [_, blocked] = video.record(video.event(), video.event())
        assert reasons(blocked) == ["spend_cap"]

    def test_a_lifted_cap_limits_nothing(self, video: VideoWorld) -> None:
        caps.lift_cap(capped(video, "0"))
        assert video.record(video.event())[0].status == Status.RECORDED

    def test_two_reasons_are_both_told_the_greater_lack_first(self, video: VideoWorld) -> None:
        capped(video, "1")
        [blocked] = video.record(video.minutes_of("fast", "101"))
        assert reasons(blocked) == ["spend_cap", "insufficient_credit"]
        capped(video, "200", window=Window.DAY)
        [blocked] = video.record(video.minutes_of("fast", "300"))
        assert reasons(blocked) == ["spend_cap", "insufficient_credit", "spend_cap"]

    def test_another_customers_events_do_not_count(self, video: VideoWorld) -> None:
        capped(video, "1")
        neighbour = video.add_customer()
        video.record(video.event())
        assert neighbour.record(neighbour.event(id="theirs"))[0].status == Status.RECORDED


class TestSwitch:
    def test_a_stopped_customer_uses_nothing_until_resumed(self, video: VideoWorld) -> None:
        customers.stop_usage(customer=video.customer, at=NOW)
        assert reasons(video.record(video.event())[0]) == ["usage_stopped"]
        customers.resume_usage(customer=video.customer)
        assert video.record(video.event())[0].status == Status.RECORDED

    def test_work_that_is_invoiced_anyway_is_recorded(self) -> None:
        video = open_video_world(policy=ShortfallPolicy.OVERAGE)
        customers.stop_usage(customer=video.customer, at=NOW)
        assert video.record(video.event())[0].status == Status.RECORDED

    def test_stopping_again_keeps_the_first_moment(self, video: VideoWorld) -> None:
        customers.stop_usage(customer=video.customer, at=SINCE)
        assert customers.stop_usage(customer=video.customer, at=NOW).usage_stopped_at == SINCE


class TestEntitlements:
    def entitled(self, video: VideoWorld, *features: dict[str, Any], **terms: Any) -> VideoWorld:
        """Return the company with a customer on a plan that says `terms` of one feature or more."""
        draft = PlanVersionFactory.create(plan__organization=video.organization)
        PriceFactory.create(
            plan_version=draft, meter=video.minutes, asset=video.usd, definition=VIDEO_PRICE
        )
        for number, each in enumerate(features or [terms], start=1):
            feature = "video" if number == 1 else f"video_{number}"
            Entitlement.objects.create(
                organization=video.organization, plan_version=draft, feature=feature, **each
            )
        version = publication.publish(version=draft, by=None, at=SINCE)
        customer = CustomerFactory.create(organization=video.organization)
        subscriptions.subscribe(customer=customer, plan_version=version, at=SINCE)
        account = customer.accounts.get()
        world = VideoWorld(
            organization=video.organization, usd=video.usd, minutes=video.minutes,
            plan_version=version, customer=customer, account=account,
        )  # fmt: skip
        world.grant("100")
        return world

    def test_a_value_the_plan_does_not_include_is_refused(self, video: VideoWorld) -> None:
        world = self.entitled(
            video, kind=EntitlementKind.VALUES, property_name="speed", allowed_values=["standard"]
        )
        [blocked] = world.record(world.event())
        assert reasons(blocked) == ["not_entitled"]
        assert blocked.needed == {"limit": "video"}
        assert world.record(world.minutes_of("standard", "1"))[0].status == Status.RECORDED

    def test_every_feature_in_the_way_is_told(self, video: VideoWorld) -> None:
        world = self.entitled(
            video,
            {"kind": EntitlementKind.VALUES, "property_name": "speed", "allowed_values": ["slow"]},
            {"kind": EntitlementKind.VALUES, "property_name": "model", "allowed_values": ["old"]},
        )
        [blocked] = world.record(world.used(minutes="1", speed="fast", model="new"))
        assert reasons(blocked) == ["not_entitled", "not_entitled"]
        assert [refusal["limit"] for refusal in blocked.refusals] == ["video", "video_2"]

    def test_a_metered_limit_counts_within_and_between_sets(self, video: VideoWorld) -> None:
        world = self.entitled(
            video, kind=EntitlementKind.METERED, meter=video.minutes, limit_per_period=Decimal(3)
        )
        [first, second] = world.record(
            world.minutes_of("fast", "2"), world.minutes_of("standard", "2")
        )
        assert (first.status, reasons(second)) == (Status.RECORDED, ["limit_reached"])
        assert world.record(world.minutes_of("standard", "1"))[0].status == Status.RECORDED
        assert reasons(world.record(world.event())[0]) == ["limit_reached"]
