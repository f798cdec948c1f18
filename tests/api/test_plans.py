"""Meters, plans, their versions, coupons, overrides and entitlements over the API."""

from typing import Any

import pytest

from accounts.models import Scope
from pricing.models import (
    Coupon,
    CouponRedemption,
    Meter,
    Plan,
    PlanVersion,
    PriceOverride,
    ScheduledChange,
    Subscription,
)
from tests.api.bodies import fast_minutes
from tests.api.callers import Caller, caller_of
from tests.factories import CouponFactory, CustomerFactory, PlanFactory
from tests.pricing.plan_documents import full_plan, meter, price
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

STUDIO = full_plan(
    shortfall_policy="block", overdraft_limit="0", meters=[meter(filters={}, unit="")]
)


class TestMeters:
    def test_is_created_and_listed(self, api: Caller) -> None:
        wanted = meter(code="tokens", expression="a + b * 3", quantity_property="")
        made = api.post("meters", wanted)
        assert made.status == 201
        assert {**made.json, "created_at": None} == {**wanted, "created_at": None}
        assert api.get("meters").json["results"][0] == made.json

    def test_has_a_code_of_its_own(self, api: Caller, video: VideoWorld) -> None:
        api.post("meters", meter()).problem(409, "conflict")
        assert Meter.objects.count() == 1

    def test_on_nonsense_is_refused(self, api: Caller) -> None:
        wanted = {"code": "A", "event_type": "", "expression": "1 +", "filters": 5, "x": 1}
        fields = api.post("meters", wanted).wrong_fields()
        assert sorted(fields) == ["code", "event_type", "expression", "filters", "x"]


class TestPlans:
    def test_is_created_read_and_renamed(self, api: Caller) -> None:
        made = api.post("plans", {"code": "team", "name": "Team"})
        assert (made.status, made.json["published_version"]) == (201, None)
        assert api.get("plans/team").json == made.json
        changed = api.patch("plans/team", {"name": "Teams"})
        assert changed.json == {**made.json, "name": "Teams"}

    def test_has_a_code_of_its_own(self, api: Caller) -> None:
        api.post("plans", {"code": "team", "name": "Team"})
        api.post("plans", {"code": "team", "name": "Other"}).problem(409, "conflict")

    def test_one_is_for_new_customers(self, api: Caller) -> None:
        for code in ("team", "solo"):
            assert api.post("plans", {"code": code, "name": code, "is_default": True}).status == 201
        assert Plan.objects.get(is_default=True).code == "solo"
        api.patch("plans/team", {"is_default": True})
        assert Plan.objects.get(is_default=True).code == "team"
        api.patch("plans/team", {"is_default": False})
        assert not Plan.objects.filter(is_default=True).exists()

    @pytest.mark.parametrize(
        ("field", "value"),
        [("code", "A B"), ("name", ""), ("name", 5), ("is_default", "yes"), ("x", 1)],
    )
    def test_on_nonsense_is_refused(self, api: Caller, field: str, value: object) -> None:
        wanted = {"code": "team", "name": "Team", field: value}
        assert api.post("plans", wanted).wrong_fields() == [field]


class TestNewCustomers:
    def test_are_put_on_the_plan_for_them(self, api: Caller, video: VideoWorld) -> None:
        api.patch(f"plans/{video.plan_version.plan.code}", {"is_default": True})
        made = api.post("customers", {"external_id": "new"})
        assert made.status == 201
        subscription = Subscription.objects.get(customer__external_id="new")
        assert subscription.plan_version == video.plan_version
        assert api.get("customers/new/balance").json["balances"][0]["asset"] == "USD"
        assert api.post("events", fast_minutes(video, customer="new")).problem(402)

    def test_are_on_none_until_it_is_published(self, api: Caller, video: VideoWorld) -> None:
        PlanFactory.create(organization=video.organization, is_default=True)
        assert api.post("customers", {"external_id": "new"}).status == 201
        assert Subscription.objects.count() == 1

    def test_are_taken_on_once(self, api: Caller, video: VideoWorld) -> None:
        api.patch(f"plans/{video.plan_version.plan.code}", {"is_default": True})
        for status in (201, 409):
            assert api.post("customers", {"external_id": "new"}).status == status
        assert Subscription.objects.filter(customer__external_id="new").count() == 1


class TestVersions:
    def test_is_sent_read_and_sent_again(self, api: Caller) -> None:
        api.post("plans", {"code": "studio", "name": "Studio"})
        made = api.post("plans/studio/versions", STUDIO)
        assert (made.status, made.json["number"], made.json["state"]) == (201, 1, "draft")
        assert made.json["document"] == STUDIO
        assert api.get("plans/studio/versions/1").json == made.json
        again = api.put("plans/studio/versions/1", made.json["document"])
        assert again.json == made.json
        [listed] = api.get("plans/studio/versions").json["results"]
        assert listed == {name: made.json[name] for name in listed}

    def test_needs_neither_code_nor_name(self, api: Caller, video: VideoWorld) -> None:
        path = f"plans/{video.plan_version.plan.code}/versions"
        made = api.post(path, {"prices": [price()]})
        assert (made.status, made.json["number"]) == (201, 2)
        assert api.post(path, {"code": "other"}).wrong_fields() == ["code"]
        assert api.post(path, {}).wrong_fields() == ["prices"]

    def test_does_not_overwrite_a_draft_by_itself(self, api: Caller, video: VideoWorld) -> None:
        path = f"plans/{video.plan_version.plan.code}/versions"
        api.post(path, {"prices": [price()]})
        api.post(path, {"prices": []}).problem(409, "conflict")
        assert api.put(f"{path}/2", {"prices": []}).json["document"]["prices"] == []

    def test_that_is_published_stays(self, api: Caller, video: VideoWorld) -> None:
        path = f"plans/{video.plan_version.plan.code}/versions/1"
        api.put(path, {"prices": []}).problem(409, "conflict")
        api.post(f"{path}/publish", {}).problem(409, "conflict")

    def test_with_mistakes_is_refused_by_field(self, api: Caller, video: VideoWorld) -> None:
        path = f"plans/{video.plan_version.plan.code}/versions"
        body = {"trial_days": -1, "prices": [price(meter="nothing", unit_amount="-1")]}
        assert api.post(path, body).wrong_fields() == ["trial_days", "prices[0].unit_amount"]
        body = {"prices": [price(meter="nothing")]}
        assert api.post(path, body).wrong_fields() == ["prices[0].meter"]
        assert PlanVersion.objects.count() == 1

    @pytest.mark.parametrize("path", ["plans/x", "plans/x/versions", "plans/x/versions/1"])
    def test_of_nothing_are_not_found(self, api: Caller, path: str) -> None:
        api.get(path).problem(404, "not_found")

    @pytest.mark.parametrize("number", ["2", "0", "99999999999999999999", "9" * 5000])
    def test_of_no_number_are_not_found(self, api: Caller, video: VideoWorld, number: str) -> None:
        api.get(f"plans/{video.plan_version.plan.code}/versions/{number}").problem(404)


class TestPublishing:
    def send(self, api: Caller, video: VideoWorld, **order: Any) -> Any:
        path = f"plans/{video.plan_version.plan.code}/versions"
        prices = order.pop("prices", [price(unit_amount="0.5")])
        number = api.post(path, {"prices": prices}).json["number"]
        return api.post(f"{path}/{number}/publish", order)

    def test_puts_a_draft_on_sale(self, api: Caller, video: VideoWorld) -> None:
        published = self.send(api, video)
        assert (published.status, published.json["state"]) == (200, "published")
        assert api.get("plans").json["results"][0]["published_version"] == 2
        assert not ScheduledChange.objects.exists()

    def test_moves_who_is_named(self, api: Caller, video: VideoWorld) -> None:
        other = video.add_customer()
        self.send(api, video, migrate=[other.customer.external_id])
        assert ScheduledChange.objects.get().customer == other.customer

    def test_moves_all_from_a_moment_on(self, api: Caller, video: VideoWorld) -> None:
        video.add_customer()
        moment = "2999-01-01T00:00:00Z"
        published = self.send(api, video, migrate="all", effective_from=moment)
        assert published.json["effective_from"] == moment
        assert ScheduledChange.objects.count() == 2
        customer = CustomerFactory.create(organization=video.organization).external_id
        wanted = {"customer": customer, "plan": video.plan_version.plan.code}
        assert api.post("subscriptions", wanted).json["version"] == 1

    @pytest.mark.parametrize(
        ("order", "field"),
        [
            ({"migrate": "some"}, "migrate"),
            ({"migrate": 5}, "migrate"),
            ({"migrate": ["nobody", "a\0"]}, "migrate[0]"),
            ({"effective_from": "tomorrow"}, "effective_from"),
            ({"prices": []}, "prices"),
            ({"x": 1}, "x"),
        ],
    )
    def test_is_refused_by_field(
        self, api: Caller, video: VideoWorld, order: dict[str, Any], field: str
    ) -> None:
        assert self.send(api, video, **order).wrong_fields()[0] == field
        assert PlanVersion.objects.get(number=2).is_draft


class TestOverrides:
    def path(self, video: VideoWorld) -> str:
        return f"customers/{video.customer.external_id}/overrides"

    def test_are_agreed_and_read_back(self, api: Caller, video: VideoWorld) -> None:
        wanted = {"plan": video.plan_version.plan.code, "prices": [price(unit_amount="0.5")]}
        agreed = api.put(self.path(video), wanted)
        assert agreed.status == 200
        assert agreed.json["overrides"] == [wanted]
        assert api.get(self.path(video)).json == agreed.json
        charged = api.post("events", fast_minutes(video, "2")).json
        assert charged["amount"] == "1"
        assert api.put(self.path(video), {**wanted, "prices": []}).json["overrides"] == []
        assert not PriceOverride.objects.exists()

    def test_on_nonsense_are_refused_by_field(self, api: Caller, video: VideoWorld) -> None:
        plan = video.plan_version.plan.code
        for body, fields in (
            ({"plan": plan, "prices": [price(meter="nothing")]}, ["prices[0].meter"]),
            ({"plan": plan, "prices": [price(unit_amount="x")]}, ["prices[0].unit_amount"]),
            ({"plan": plan, "prices": [price(), price()]}, ["prices[1].meter"]),
            ({"plan": plan, "prices": [price(settle="at_close"), 5]}, ["prices[1]"]),
            ({"plan": plan}, ["prices"]),
            ({"plan": "nothing", "prices": []}, ["plan"]),
            ({"plan": plan, "prices": [], "x": 1}, ["x"]),
            ([], ["overrides"]),
        ):
            assert api.put(self.path(video), body).wrong_fields() == fields


class TestEntitlements:
    def test_are_those_of_the_plan(self, api: Caller, video: VideoWorld) -> None:
        api.post("plans", {"code": "studio", "name": "Studio"})
        api.post("plans/studio/versions", STUDIO)
        api.post("plans/studio/versions/1/publish", {})
        customer = CustomerFactory.create(organization=video.organization).external_id
        path = f"customers/{customer}/entitlements"
        assert api.get(path).json["entitlements"] == []
        api.post("subscriptions", {"customer": customer, "plan": "studio"})
        shown = api.get(path).json
        assert (shown["plan"], shown["version"]) == ("studio", 1)
        assert shown["entitlements"] == STUDIO["entitlements"]


class TestCoupons:
    def test_is_created_redeemed_and_counted(self, api: Caller, video: VideoWorld) -> None:
        wanted = {"code": "LAUNCH", "percent": "25.0", "max_redemptions": 1}
        made = api.post("coupons", wanted)
        assert (made.status, made.json["percent"], made.json["redemptions"]) == (201, "25", 0)
        plan = video.plan_version.plan.code
        first, second = (
            CustomerFactory.create(organization=video.organization).external_id for _ in range(2)
        )
        order = {"customer": first, "plan": plan, "coupon": "LAUNCH", "seats": 3}
        assert api.post("subscriptions", order).json["seats"] == 3
        assert api.get("coupons").json["results"][0]["redemptions"] == 1
        again = api.post("subscriptions", {**order, "customer": second})
        assert again.wrong_fields() == ["coupon"]
        assert CouponRedemption.objects.count() == 1
        assert not Subscription.objects.filter(customer__external_id=second).exists()

    def test_has_a_code_of_its_own(self, api: Caller, video: VideoWorld) -> None:
        CouponFactory.create(organization=video.organization, code="LAUNCH")
        api.post("coupons", {"code": "LAUNCH", "percent": "5"}).problem(409, "conflict")

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"percent": "0"}, "percent"),
            ({"percent": "100.1"}, "percent"),
            ({"percent": "NaN"}, "percent"),
            ({"amount": "5", "asset": "USD"}, "percent"),
            ({"asset": "USD"}, "asset"),
            ({"duration": "periods"}, "duration_periods"),
            ({"duration": "once", "duration_periods": 2}, "duration_periods"),
            ({"duration": "weekly"}, "duration"),
            ({"max_redemptions": 0}, "max_redemptions"),
            ({"max_redemptions": 10**18}, "max_redemptions"),
            ({"redeemable_until": "soon"}, "redeemable_until"),
            ({"code": "a b"}, "code"),
            ({"x": 1}, "x"),
        ],
    )
    def test_on_nonsense_is_refused(self, api: Caller, change: dict[str, Any], field: str) -> None:
        wanted = {"code": "LAUNCH", "percent": "5", **change}
        assert api.post("coupons", wanted).wrong_fields() == [field]
        assert not Coupon.objects.exists()

    def test_takes_an_amount_of_an_asset(self, api: Caller, video: VideoWorld) -> None:
        made = api.post("coupons", {"code": "FIVE", "amount": "5", "asset": "USD"})
        assert (made.json["amount"], made.json["asset"], made.json["percent"]) == ("5", "USD", "0")
        unknown = {"code": "SIX", "amount": "5", "asset": "EUR"}
        assert api.post("coupons", unknown).wrong_fields() == ["asset"]


def test_a_subscription_takes_seats_within_reason(api: Caller, video: VideoWorld) -> None:
    customer = CustomerFactory.create(organization=video.organization).external_id
    wanted = {"customer": customer, "plan": video.plan_version.plan.code}
    for seats in (0, -1, "3", 10**9, None, 1.5):
        assert api.post("subscriptions", {**wanted, "seats": seats}).wrong_fields() == ["seats"]
    unknown = api.post("subscriptions", {**wanted, "coupon": "NOTHING"})
    assert unknown.wrong_fields() == ["coupon"]


def test_writing_the_catalogue_takes_the_scope_for_everything(video: VideoWorld) -> None:
    caller = caller_of(video.organization, Scope.CUSTOMERS_WRITE, Scope.READ)
    for path in ("meters", "plans", "coupons"):
        caller.post(path, {}).problem(403, "permission_denied")
