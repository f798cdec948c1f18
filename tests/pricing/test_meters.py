"""What a meter may be, in the database, in a form and on its page."""

from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import Organization
from pricing import catalog
from pricing.models import Meter, Price
from tests.accounts.admin_worlds import page, signed_in
from tests.factories import MembershipFactory, MeterFactory, OrganizationFactory
from tests.guarded_tables import refused, run, unguarded
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

EVERY_OTHER = ["sum", "max", "min", "average", "latest", "weighted_sum"]


class TestGuards:
    @pytest.mark.parametrize("aggregation", EVERY_OTHER)
    def test_a_value_is_a_property_or_an_expression(self, aggregation: str) -> None:
        MeterFactory.create(aggregation=aggregation)
        MeterFactory.create(aggregation=aggregation, quantity_property="", expression="a * 2")
        for both in ("", "a * 2"):
            with refused("meter_counts_or_measures_one_value"):
                MeterFactory.create(
                    aggregation=aggregation,
                    expression=both,
                    quantity_property="minutes" if both else "",
                )

    @pytest.mark.parametrize(
        ("aggregation", "value"),
        [
            ("count", {"quantity_property": "minutes"}),
            ("count", {"expression": "a", "quantity_property": ""}),
            ("unique_count", {"expression": "a", "quantity_property": ""}),
            ("unique_count", {"quantity_property": ""}),
        ],
    )
    def test_what_counts_takes_no_expression(self, aggregation: str, value: dict[str, str]) -> None:
        with refused("meter_counts_or_measures_one_value"):
            MeterFactory.create(aggregation=aggregation, **value)

    @pytest.mark.parametrize("aggregation", ["sum", "average"])
    def test_only_a_weighted_sum_is_weighted(self, aggregation: str) -> None:
        MeterFactory.create(aggregation="weighted_sum", weighted_by="hour")
        with refused("meter_weighted_by_goes_with_weighted_sum"):
            MeterFactory.create(aggregation=aggregation, weighted_by="hour")

    @pytest.mark.parametrize(
        "change",
        [
            "quantity_property = '', expression = 'minutes * 2'",
            "aggregation = 'max'",
            "aggregation = 'weighted_sum', weighted_by = 'hour'",
            'filters = \'{"status": {"not_equals": "ok"}}\'',
        ],
    )
    def test_what_is_sold_never_changes(self, video: VideoWorld, change: str) -> None:
        with refused("what a published price counts never changes"):
            run(f"UPDATE pricing_meter SET {change}")


class TestCleaning:
    def mistakes(self, **fields: Any) -> dict[str, list[str]]:
        fields = {"aggregation": "sum", "quantity_property": "", **fields}
        meter = MeterFactory.build(organization=OrganizationFactory.create(), **fields)
        with pytest.raises(ValidationError) as invalid:
            meter.full_clean()
        return invalid.value.message_dict

    @pytest.mark.parametrize(
        ("fields", "field", "message"),
        [
            ({}, "quantity_property", "Must name a property, or an expression must be given."),
            (
                {"quantity_property": "a", "expression": "a"},
                "expression",
                "Must be empty when a property is given.",
            ),
            (
                {"aggregation": "count", "quantity_property": "a"},
                "quantity_property",
                "Must be empty, because a number of events takes no value.",
            ),
            (
                {"aggregation": "unique_count"},
                "quantity_property",
                "Must name a property.",
            ),
            (
                {"aggregation": "unique_count", "expression": "a"},
                "expression",
                "Must be empty, because different values are told apart by a property.",
            ),
            (
                {"expression": "a + * 3"},
                "expression",
                'At character 5, “a + ▸* 3”: a number, a property or "(" is expected here, not',
            ),
            ({"expression": "a" * 501}, "expression", "Must have at most 500"),
            (
                {"quantity_property": "a", "weighted_by": "hour"},
                "weighted_by",
                "Must be period unless a sum is weighted by time.",
            ),
            (
                {"quantity_property": "a", "filters": {"a": {"gt": "x"}}},
                "filters",
                "a.gt must be a decimal number",
            ),
            ({"aggregation": "median", "quantity_property": "a"}, "aggregation", "not a valid"),
        ],
    )
    def test_the_field_that_is_wrong_is_named(
        self, fields: dict[str, Any], field: str, message: str
    ) -> None:
        mistakes = self.mistakes(**fields)
        assert list(mistakes) == [field]
        [said] = mistakes[field]
        assert message in said

    def test_filters_of_a_new_meter_take_their_one_form(self) -> None:
        meter = MeterFactory.build(
            organization=OrganizationFactory.create(),
            filters={"ratio": Decimal("1.50"), "cached": {"equals": True}},
        )
        meter.full_clean()
        assert meter.filters == {"ratio": "1.5", "cached": "true"}

    def test_a_meter_that_was_written_otherwise_keeps_its_form(self) -> None:
        meter = MeterFactory.create(filters={"size": 3})
        meter.full_clean()
        assert meter.filters == {"size": 3}


def spec_of(price: Price, **terms: Any) -> Any:
    price.meter = MeterFactory.create(organization=price.organization, **terms)
    return catalog.meter_spec(price)


class TestSpec:
    def test_a_row_becomes_what_rating_needs(self, video: VideoWorld) -> None:
        price = video.plan_version.prices.get()
        spec = spec_of(
            price,
            quantity_property="",
            expression="input + output * 3",
            filters={"status": {"in": ["ok", "late"]}},
        )
        assert spec.measure({"input": 500, "output": 120}) == 860
        assert spec.counts({"status": "late"})
        assert not spec.counts({"status": "failed"})

    def test_a_weighted_sum_keeps_what_it_is_weighted_by(self, video: VideoWorld) -> None:
        price = video.plan_version.prices.get()
        spec = spec_of(price, aggregation="weighted_sum", weighted_by="hour")
        assert (spec.aggregation, spec.weighted_by, spec.value) == (
            "weighted_sum",
            "hour",
            "minutes",
        )


@pytest.fixture
def organization() -> Organization:
    return OrganizationFactory.create()


@pytest.fixture
def browser(organization: Organization) -> Client:
    return signed_in(MembershipFactory.create(organization=organization).user)


TYPED = {
    "code": "weighed_tokens",
    "name": "Tokens",
    "event_type": "llm.called",
    "aggregation": "sum",
    "weighted_by": "period",
}


class TestPage:
    def test_a_meter_is_described_without_json(self, browser: Client) -> None:
        browser.post(
            page(Meter, "add"),
            {
                **TYPED,
                "filters": "status = ok\r\nmodel in opus, haiku\r\nspeed != slow\r\n",
                "expression": " input + output * 3 ",
            },
        )
        meter = Meter.objects.get()
        assert meter.expression == "input + output * 3"
        assert meter.filters == {
            "status": "ok",
            "model": {"in": ["haiku", "opus"]},
            "speed": {"not_equals": "slow"},
        }
        assert "input + output * 3" in browser.get(page(Meter, "changelist")).content.decode()
        form = browser.get(page(Meter, "change", meter.pk)).content.decode()
        assert "model in haiku, opus\nspeed != slow\nstatus = ok" in form

    def test_mistakes_stand_next_to_their_field(self, browser: Client) -> None:
        typed = {**TYPED, "expression": "input + * 3", "filters": "status = ok\nfast"}
        response = browser.post(page(Meter, "add"), typed)
        errors = response.context["adminform"].form.errors
        assert list(errors) == ["filters", "expression"]
        assert errors["filters"][0].startswith("Line 2 must read name = value")
        assert errors["expression"][0].startswith("At character 9, “input + ▸* 3”")
        assert not Meter.objects.exists()

    def test_what_is_sold_is_shown_and_not_edited(self, video: VideoWorld) -> None:
        browser = signed_in(MembershipFactory.create(organization=video.organization).user)
        typed = {
            "name": "M",
            "expression": "minutes * 9",
            "weighted_by": "hour",
            "filters": "a = b",
        }
        browser.post(page(Meter, "change", video.minutes.pk), typed)
        before, meter = video.minutes, Meter.objects.get()
        assert meter.name == "M"
        assert (meter.expression, meter.weighted_by) == ("", "period")
        assert meter.filters == before.filters
        text = browser.get(page(Meter, "change", meter.pk)).content.decode()
        assert 'name="expression"' not in text
        assert "Only events with" in text

    def test_conditions_are_shown_to_whoever_may_only_look(
        self, organization: Organization
    ) -> None:
        meter = MeterFactory.create(organization=organization, filters={"size": {"gte": "5"}})
        analyst = signed_in(MembershipFactory.create(organization=organization, analyst=True).user)
        text = analyst.get(page(Meter, "change", meter.pk)).content.decode()
        assert "size &gt;= 5" in text

    def test_a_row_written_past_the_form_is_explained(self, video: VideoWorld) -> None:
        with unguarded():
            run("UPDATE pricing_meter SET filters = '[1]'")
        browser = signed_in(MembershipFactory.create(organization=video.organization).user)
        response = browser.post(page(Meter, "change", video.minutes.pk), {"name": "M"})
        assert response.status_code == HTTPStatus.OK
        assert "Must be an object" in response.content.decode()

    def test_every_input_has_a_label_and_says_what_it_is_for(self, browser: Client) -> None:
        form = browser.get(page(Meter, "add")).context["adminform"].form
        assert all(field.label for field in form.fields.values())
        assert [name for name, field in form.fields.items() if not field.help_text] == ["name"]
