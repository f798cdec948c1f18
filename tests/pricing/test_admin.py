"""The plan editor: prices as fields, terms, plans and meters."""

from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pricing.admin.price_fields import fields_of
from pricing.admin.price_forms import PriceForm
from pricing.models import Meter, Plan, PlanVersion
from tests.accounts.admin_worlds import page
from tests.factories import MeterFactory, PlanFactory
from tests.pricing.editor_forms import edit, price_fields, typed
from tests.worlds import VIDEO_PRICE, VideoWorld

pytestmark = pytest.mark.django_db

OPUS_TABLE = """\
model\tspeed\tprice
opus\tfast\t2.00
opus\t*\t1.50
*\tfast\t1.20
*\t*\t0.50
"""
TIERS = "up to|price|flat\n1000|0.01|5\nabove|0.008|"


def saved_definition(browser: Client, draft: PlanVersion, **fields: str) -> Any:
    price = draft.prices.get()
    response = edit(browser, draft, typed(price_fields(0, price, **fields), saved=1))
    assert response.status_code == HTTPStatus.FOUND, response.context["errors"]
    price.refresh_from_db()
    return price.definition


class TestPriceFields:
    @pytest.mark.parametrize(
        "definition",
        [
            {"charge_model": "per_unit", "unit_amount": "0.000002", "rounding": "up"},
            {"charge_model": "package", "unit_amount": "1", "package_size": "100"},
            {"charge_model": "flat", "flat_amount": "20"},
            {"charge_model": "percentage", "percentage": "1.2", "fixed_amount": "0.1"},
            {"charge_model": "dynamic", "multiplier": "1.3", "amount_property": "cost"},
            {
                "charge_model": "graduated",
                "unit_size": "60",
                "included": "100",
                "minimum_amount": "5",
                "commitment": {"amount": "1000", "overage_factor": "1.5"},
                "tiers": [
                    {"up_to": "1000", "unit_amount": "0.01", "flat_amount": "5"},
                    {"up_to": None, "unit_amount": "0.008"},
                ],
            },
            VIDEO_PRICE,
        ],
        ids=lambda definition: definition["charge_model"],
    )
    def test_fields_become_the_same_definition(
        self, definition: dict[str, Any], browser: Client, draft: PlanVersion
    ) -> None:
        assert saved_definition(browser, draft, **fields_of(definition)) == definition

    def test_a_paste_from_a_spreadsheet_is_a_matrix(
        self, browser: Client, draft: PlanVersion
    ) -> None:
        matrix = saved_definition(browser, draft, matrix=OPUS_TABLE)["matrix"]
        assert matrix["dimensions"] == ["model", "speed"]
        assert [cell["unit_amount"] for cell in matrix["cells"]] == ["2.00", "1.50", "1.20", "0.50"]

    @pytest.mark.parametrize(
        ("fields", "field", "error"),
        [
            ({"matrix": ""}, "unit_amount", "This is required."),
            ({"unit_amount": "abc"}, "unit_amount", "This must be a number such as 12.50."),
            ({"unit_size": "0"}, "unit_size", "This must be above zero"),
            ({"charge_model": "cheap"}, "charge_model", "Select a valid choice."),
            ({"matrix": "speed|price\nfast"}, "matrix", "Row 2, column price: is empty"),
            (
                {"matrix": "speed|price\nslow|1\nfast|abc"},
                "matrix",
                "Row 3, column price: must be a number such as 12.50.",
            ),
            ({"matrix": "speed|price\nslow|-1"}, "matrix", "Row 2, column price: must be zero or"),
            (
                {"matrix": "speed|price\nslow|1\n\nfast|2\nslow|3"},
                "matrix",
                "Row 5: matches the same values as row 2.",
            ),
            ({"matrix": f"speed|price\n{'x' * 81}|1"}, "matrix", "a text of 1 to 80 characters"),
            (
                {"charge_model": "graduated", "matrix": "", "tiers": "5|1\n3|1\nabove|1"},
                "tiers",
                "Row 2, column up to:",
            ),
            (
                {"charge_model": "volume_tiers", "matrix": "", "tiers": TIERS},
                "settle",
                "Volume tiers reprice everything",
            ),
            (
                {"commitment_units": "5"},
                "commitment_units",
                "These have no price of their own here",
            ),
        ],
    )
    def test_mistakes_stand_next_to_their_field(
        self,
        fields: dict[str, str],
        field: str,
        error: str,
        browser: Client,
        draft: PlanVersion,
    ) -> None:
        price = draft.prices.get()
        response = edit(browser, draft, typed(price_fields(0, price, **fields), saved=1))
        formset = response.context["inline_admin_formsets"][0]
        errors = formset.formset.forms[0].errors
        assert list(errors) == [field]
        assert error in "".join(errors[field])
        price.refresh_from_db()
        assert price.definition == VIDEO_PRICE

    def test_the_grid_is_told_where_a_mistake_is(self, browser: Client, draft: PlanVersion) -> None:
        fields = price_fields(0, draft.prices.get(), matrix="speed|price\nfast|abc")
        response = edit(browser, draft, typed(fields, saved=1))
        form = response.context["inline_admin_formsets"][0].formset.forms[0]
        assert '"row": 2, "column": "price"' in form.fields["matrix"].widget.attrs["data-mistakes"]

    def test_prices_are_added_and_taken_away(
        self, video: VideoWorld, browser: Client, draft: PlanVersion
    ) -> None:
        tokens = MeterFactory.create(organization=video.organization, code="tokens")
        old = price_fields(0, draft.prices.get(), DELETE="on")
        new = price_fields(1, meter=tokens.pk, asset=video.usd.pk, unit_amount="3")
        edit(browser, draft, typed(old, new, saved=1))
        price = draft.prices.get()
        assert (price.meter, price.organization) == (tokens, video.organization)

    def test_a_price_left_blank_is_no_price(self, browser: Client, draft: PlanVersion) -> None:
        blank = price_fields(1, meter="", asset="")
        response = edit(browser, draft, typed(price_fields(0, draft.prices.get()), blank, saved=1))
        assert response.status_code == HTTPStatus.FOUND
        assert draft.prices.count() == 1

    def test_a_meter_is_priced_once_in_an_asset(
        self, video: VideoWorld, browser: Client, draft: PlanVersion
    ) -> None:
        again = price_fields(1, meter=video.minutes.pk, asset=video.usd.pk, unit_amount="3")
        response = edit(browser, draft, typed(price_fields(0, draft.prices.get()), again, saved=1))
        assert b"This version already prices that meter in that asset." in response.content

    def test_every_input_has_a_label(self) -> None:
        assert all(field.label for field in PriceForm.base_fields.values())


class TestPlans:
    def test_a_new_plan_leads_to_its_first_draft(self, video: VideoWorld, browser: Client) -> None:
        response = browser.post(page(Plan, "add"), {"code": "pro", "name": "Pro"})
        draft = PlanVersion.objects.get(plan__code="pro")
        assert response["Location"] == page(PlanVersion, "change", draft.pk)
        assert draft.organization == video.organization

    def test_opening_a_draft_twice_leads_to_the_same(
        self, video: VideoWorld, browser: Client
    ) -> None:
        address = reverse("admin:pricing_plan_open_draft", args=[video.plan_version.plan_id])
        first, second = browser.post(address), browser.post(address)
        assert first["Location"] == second["Location"]
        assert browser.get(address).status_code == HTTPStatus.METHOD_NOT_ALLOWED

    def test_a_plan_lists_its_versions_and_their_customers(
        self, video: VideoWorld, browser: Client, draft: PlanVersion
    ) -> None:
        text = browser.get(page(Plan, "change", draft.plan_id)).content.decode()
        for version in (draft, video.plan_version):
            assert page(PlanVersion, "change", version.pk) in text

    def test_the_same_code_is_refused(self, video: VideoWorld, browser: Client) -> None:
        PlanFactory.create(organization=video.organization, code="pro")
        response = browser.post(page(Plan, "add"), {"code": "pro", "name": "Pro"})
        assert b"Another plan has this code." in response.content


class TestMeters:
    def test_filters_are_typed_as_lines(self, video: VideoWorld, browser: Client) -> None:
        meter = {
            "code": "good_calls",
            "name": "Calls",
            "event_type": "called",
            "aggregation": "count",
            "filters": "status = ok\r\nregion = eu",
            "weighted_by": "period",
        }
        browser.post(page(Meter, "add"), meter)
        saved = Meter.objects.get(code="good_calls")
        assert saved.filters == {"status": "ok", "region": "eu"}
        form = browser.get(page(Meter, "change", saved.pk)).content.decode()
        assert "region = eu\nstatus = ok" in form

    def test_a_sum_needs_a_property(self, browser: Client) -> None:
        meter = {"code": "m", "name": "M", "event_type": "called", "aggregation": "sum"}
        response = browser.post(page(Meter, "add"), meter)
        assert b"Must name a property, or an expression must be given." in response.content

    def test_what_a_published_price_counts_stays(self, video: VideoWorld, browser: Client) -> None:
        browser.post(
            page(Meter, "change", video.minutes.pk),
            {"name": "Minutes of video", "event_type": "x", "quantity_property": "y"},
        )
        video.minutes.refresh_from_db()
        assert video.minutes.name == "Minutes of video"
        assert video.minutes.event_type == "video.rendered"
        assert video.minutes.quantity_property == "minutes"


def test_an_overdraft_limit_is_exact(browser: Client, draft: PlanVersion) -> None:
    fields = price_fields(0, draft.prices.get())
    terms = {"shortfall_policy": "overdraft", "overdraft_limit": "0.000000000001"}
    edit(browser, draft, typed(fields, saved=1, more=terms))
    draft.refresh_from_db()
    assert draft.overdraft_limit == Decimal("0.000000000001")
