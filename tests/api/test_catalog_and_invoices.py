"""Plans, subscriptions, invoices and dead letters."""

import uuid
from typing import Any

import pytest

from invoicing import closing
from metering.models import BillingPeriod
from pricing.models import PlanVersion, ShortfallPolicy, Subscription
from tests.api.bodies import fast_minutes
from tests.api.callers import Caller, caller_of
from tests.clock import DAY
from tests.factories import CustomerFactory, PlanVersionFactory
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


class TestPlans:
    def test_are_listed_with_the_version_on_sale(self, api: Caller, video: VideoWorld) -> None:
        draft: PlanVersion = PlanVersionFactory.create(plan__organization=video.organization)
        listed = {each["code"]: each for each in api.get("plans").json["results"]}
        assert listed[video.plan_version.plan.code]["published_version"] == 1
        assert listed[draft.plan.code]["published_version"] is None


class TestSubscriptions:
    def test_puts_a_customer_on_a_plan(self, api: Caller, video: VideoWorld) -> None:
        customer = CustomerFactory.create(organization=video.organization)
        wanted = {"customer": customer.external_id, "plan": video.plan_version.plan.code}
        made = api.post("subscriptions", wanted)
        assert made.status == 201
        assert (made.json["version"], made.json["ended_at"]) == (1, None)
        assert api.get("subscriptions").json["results"][0] == made.json
        balance = api.get(f"customers/{customer.external_id}/balance").json["balances"]
        assert [each["asset"] for each in balance] == ["USD"]

    def test_is_one_at_a_time(self, api: Caller, video: VideoWorld) -> None:
        wanted = {
            "customer": video.customer.external_id,
            "plan": video.plan_version.plan.code,
        }
        api.post("subscriptions", wanted).problem(409, "conflict")
        assert Subscription.objects.count() == 1

    def test_needs_a_plan_on_sale(self, api: Caller, video: VideoWorld) -> None:
        draft: PlanVersion = PlanVersionFactory.create(plan__organization=video.organization)
        customer = CustomerFactory.create(organization=video.organization).external_id
        for plan in (draft.plan.code, "no-such-plan"):
            wanted = {"customer": customer, "plan": plan}
            assert api.post("subscriptions", wanted).wrong_fields() == ["plan"]

    def test_needs_a_customer(self, api: Caller, video: VideoWorld) -> None:
        wanted = {"customer": "nobody", "plan": video.plan_version.plan.code}
        api.post("subscriptions", wanted).problem(404, "not_found")

    @pytest.mark.parametrize("body", [{}, [], None, {"customer": 1, "plan": []}])
    def test_on_nonsense_is_refused(self, api: Caller, body: object) -> None:
        assert api.post("subscriptions", body).wrong_fields()


class TestInvoices:
    @pytest.fixture
    def shop(self) -> VideoWorld:
        """A company that invoices what credit does not cover, and one customer with none."""
        return open_video_world(credit="0", policy=ShortfallPolicy.OVERAGE)

    @staticmethod
    def invoiced(shop: VideoWorld) -> dict[str, Any]:
        shop.record(shop.minutes_of("fast", "12.345"))
        end = BillingPeriod.objects.get().ends_at
        closing.close_due_periods(at=end)
        closing.build_due_invoices(at=end + DAY)
        [invoice] = caller_of(shop.organization).get("invoices").json["results"]
        return dict(invoice)

    def test_is_shown_with_its_lines(self, shop: VideoWorld) -> None:
        invoice = self.invoiced(shop)
        assert (invoice["number"], invoice["state"]) == ("INV-000001", "finalized")
        assert (invoice["asset"], invoice["subtotal"], invoice["total"]) == (
            "USD",
            "12.35",
            "12.35",
        )
        assert invoice["lines"] == [
            {
                "kind": "usage",
                "description": "Video minutes",
                "quantity": "12.345",
                "usage_amount": "12.345",
                "credits_applied": "0",
                "uncollected": "0",
                "amount": "12.35",
                "note": "",
            }
        ]
        shown = caller_of(shop.organization).get(f"invoices/{invoice['id']}")
        assert shown.json == invoice

    def test_are_listed_by_customer(self, shop: VideoWorld) -> None:
        other = shop.add_customer()
        self.invoiced(shop)
        api = caller_of(shop.organization)
        mine = api.get("invoices", customer=shop.customer.external_id).json["results"]
        theirs = api.get("invoices", customer=other.customer.external_id).json["results"]
        assert (len(mine), theirs) == (1, [])
        api.get("invoices", customer="nobody").problem(404, "not_found")

    def test_of_an_unknown_id_is_not_found(self, api: Caller) -> None:
        api.get(f"invoices/{uuid.uuid4()}").problem(404, "not_found")
        api.get("invoices/1").problem(404, "not_found")


class TestDeadLetters:
    def test_are_listed_until_the_event_is_priced(self, api: Caller, video: VideoWorld) -> None:
        lost = fast_minutes(video, id="lost", customer="nobody", source="eu")
        api.post("events", lost)
        [letter] = api.get("dead-letters").json["results"]
        assert (letter["event"], letter["source"], letter["customer"]) == ("lost", "eu", "nobody")
        assert letter["reason"] == "no_subscription"
        assert letter["properties"] == lost["properties"]
        assert api.post("events", fast_minutes(video, id="lost", source="eu")).status == 201
        assert api.get("dead-letters").json["results"] == []

    def test_of_one_event_is_one_however_often_it_is_sent(
        self, api: Caller, video: VideoWorld
    ) -> None:
        for _ in range(3):
            api.post("events", fast_minutes(video, customer="nobody")).problem(422)
        assert len(api.get("dead-letters").json["results"]) == 1
