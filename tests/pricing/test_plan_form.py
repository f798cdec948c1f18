"""The JSON form of a plan: read, every mistake named, and written back the same."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from pricing import plan_form
from pricing.plan_form import PlanInvalid
from tests.pricing.plan_documents import credit, full_plan, meter, price


def wrong_fields(document: object) -> list[str]:
    with pytest.raises(PlanInvalid) as invalid:
        plan_form.read(document)
    return [error.field for error in invalid.value.errors]


class TestRead:
    def test_a_plan_that_says_everything_is_written_back_the_same(self) -> None:
        assert plan_form.write(plan_form.read(full_plan())) == full_plan()

    def test_what_is_written_is_read_the_same(self) -> None:
        plan = plan_form.read(full_plan(effective_from="2026-01-31T12:00:00+01:00"))
        assert plan.effective_from == dt.datetime(2026, 1, 31, 11, tzinfo=dt.UTC)
        assert plan_form.read(plan_form.write(plan)) == plan

    def test_needs_a_code_and_a_name_only(self) -> None:
        plan = plan_form.read({"code": "free", "name": "Free"})
        assert (plan.billing_interval, plan.shortfall_policy) == ("month", "block")
        assert (plan.base_fee, plan.seats, plan.trial_days) == (None, None, 0)
        assert (plan.prices, plan.included_credits, plan.entitlements) == ((), (), ())

    def test_numbers_of_a_price_are_kept_digit_for_digit(self) -> None:
        inner = {"charge_model": "per_unit", "unit_amount": Decimal("0.000000000001")}
        plan = plan_form.read(full_plan(prices=[price(definition=inner)]))
        assert plan.prices[0].definition["unit_amount"] == "0.000000000001"


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("colour", {"colour": "red"}),
    ("code", {"code": "Studio"}),
    ("code", {"code": None}),
    ("name", {"name": ""}),
    ("name", {"name": "x" * 201}),
    ("name", {"name": "a\0"}),
    ("name", {"name": "\ud800"}),
    ("billing_interval", {"billing_interval": "fortnight"}),
    ("billing_interval", {"billing_interval": []}),
    ("shortfall_policy", {"shortfall_policy": "beg", "overdraft_limit": "0"}),
    ("overdraft_limit", {"shortfall_policy": "block"}),
    ("overdraft_limit", {"overdraft_limit": "0"}),
    ("overdraft_limit", {"overdraft_limit": "-1"}),
    ("overdraft_limit", {"overdraft_limit": "NaN"}),
    ("effective_from", {"effective_from": "tomorrow"}),
    ("trial_days", {"trial_days": -1}),
    ("trial_days", {"trial_days": "1.5"}),
    ("trial_days", {"trial_days": 5000}),
    ("base_fee", {"base_fee": "20"}),
    ("base_fee.amount", {"base_fee": {"asset": "USD"}}),
    ("base_fee.asset", {"base_fee": {"amount": "1"}}),
    ("base_fee.asset", {"base_fee": {"amount": "1", "asset": "U\nS"}}),
    ("base_fee.timing", {"base_fee": {"amount": "1", "asset": "USD", "timing": "late"}}),
    ("base_fee.included", {"base_fee": {"amount": "1", "asset": "USD", "included": 1}}),
    ("seats.included", {"seats": {"amount": "1", "asset": "USD", "included": -1}}),
    ("included_credits", {"included_credits": {}}),
    ("included_credits[0]", {"included_credits": [5]}),
    ("included_credits[0].amount", {"included_credits": [credit(amount="0")]}),
    ("included_credits[0].every", {"included_credits": [credit(every="hour")]}),
    ("included_credits[0].per_seat", {"included_credits": [credit(per_seat="yes")]}),
    ("included_credits[0].expires", {"included_credits": [credit(expires="soon")]}),
    ("included_credits[0].expires_after_days",
     {"included_credits": [credit(expires="after_days")]}),
    ("included_credits[0].expires_after_days",
     {"included_credits": [credit(expires_after_days=1)]}),
    ("included_credits[0].rollover_limit", {"included_credits": [credit(rollover_limit="some")]}),
    ("included_credits[0].rollover_limit", {"included_credits": [credit(rollover_limit="0")]}),
    ("included_credits[0].limit_per_month", {"included_credits": [credit(limit_per_month="0")]}),
    ("included_credits[0].priority", {"included_credits": [credit(priority=101)]}),
    ("included_credits[0].meters", {"included_credits": [credit(meters="x")]}),
    ("included_credits[0].meters[1]", {"included_credits": [credit(meters=["x", "x"])]}),
    ("included_credits[0].meters[0]", {"included_credits": [credit(meters=[5])]}),
    ("entitlements[0].kind", {"entitlements": [{"feature": "sso"}]}),
    ("entitlements[0].feature", {"entitlements": [{"kind": "boolean"}]}),
    ("entitlements[0].value", {"entitlements": [{"feature": "a", "kind": "static"}]}),
    ("entitlements[0].limit", {"entitlements": [{"feature": "a", "kind": "boolean", "limit": 1}]}),
    ("entitlements[0].values",
     {"entitlements": [{"feature": "a", "kind": "values", "property": "b", "values": []}]}),
    ("entitlements[0].limit",
     {"entitlements": [{"feature": "a", "kind": "metered", "meter": "b", "limit": "-1"}]}),
    ("entitlements[1].feature", {"entitlements": [{"feature": "a", "kind": "boolean"}] * 2}),
    ("assets[0].scale", {"assets": [{"code": "USD"}]}),
    ("assets[0].scale", {"assets": [{"code": "USD", "scale": 13}]}),
    ("assets[1].code", {"assets": [{"code": "USD", "scale": 2}] * 2}),
    ("meters[0].event_type", {"meters": [meter(event_type=None)]}),
    ("meters[0].aggregation", {"meters": [meter(aggregation="product")]}),
    ("meters[0].quantity_property", {"meters": [meter(quantity_property=None)]}),
    ("meters[0].quantity_property", {"meters": [meter(aggregation="count")]}),
    ("meters[0].expression", {"meters": [meter(expression="minutes * 2")]}),
    ("meters[0].expression", {"meters": [meter(expression="minutes *", quantity_property=None)]}),
    ("meters[0].expression", {"meters": [meter(expression=5, quantity_property=None)]}),
    ("meters[0].expression",
     {"meters": [meter(expression="a + b", quantity_property="", aggregation="unique_count")]}),
    ("meters[0].weighted_by", {"meters": [meter(weighted_by="hour")]}),
    ("meters[0].weighted_by", {"meters": [meter(weighted_by="day")]}),
    ("meters[0].filters", {"meters": [meter(filters=[])]}),
    ("meters[0].filters.status", {"meters": [meter(filters={"status": None})]}),
    ("meters[1].code", {"meters": [meter(), meter()]}),
    ("prices[0].meter", {"prices": [price(meter=5)]}),
    ("prices[0].settle", {"prices": [price(settle="never")]}),
    ("prices[0].unit_amount", {"prices": [price(unit_amount="-1")]}),
    ("prices[0].colour", {"prices": [price(colour="red")]}),
    ("prices[1].meter", {"prices": [price(), price()]}),
]  # fmt: skip


class TestMistakes:
    @pytest.mark.parametrize(
        ("field", "change"), WRONG, ids=[f"{n}-{field}" for n, (field, _) in enumerate(WRONG)]
    )
    def test_are_named_by_their_field(self, field: str, change: dict[str, Any]) -> None:
        assert set(wrong_fields(full_plan(**change))) == {field}

    def test_are_named_all_at_once(self) -> None:
        document = {"code": "studio", "trial_days": -1, "prices": [price(unit_amount=None)]}
        assert wrong_fields(document) == ["name", "trial_days", "prices[0].unit_amount"]

    @pytest.mark.parametrize("document", [None, [], "plan", 5, True])
    def test_of_shape_are_named(self, document: object) -> None:
        assert wrong_fields(document) == ["plan"]

    def test_too_many_rows_are_refused(self) -> None:
        assert wrong_fields(full_plan(prices=[price()] * 501)) == ["prices"]
