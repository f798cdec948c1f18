"""The plan editor: prices as fields, what an event would cost, and publication."""

from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from pricing import publication
from pricing.admin.price_forms import PriceForm, fields_of
from pricing.models import Meter, Plan, PlanVersion, Price
from tests.accounts.admin_worlds import page, signed_in
from tests.clock import NOW
from tests.factories import MembershipFactory, PlanFactory, PlanVersionFactory
from tests.worlds import VIDEO_PRICE, VideoWorld

pytestmark = pytest.mark.django_db

OPUS_TABLE = """\
model\tspeed\tunit_amount
opus\tfast\t2.00
opus\t*\t1.50
*\tfast\t1.20
*\t*\t0.50
"""


@pytest.fixture
def owner(video: VideoWorld) -> User:
    return MembershipFactory.create(organization=video.organization).user


@pytest.fixture
def browser(owner: User) -> Client:
    return signed_in(owner)


@pytest.fixture
def draft(video: VideoWorld) -> PlanVersion:
    """The draft after the published version: the same video price, to be edited."""
    return publication.open_draft(plan=video.plan_version.plan, at=NOW)


def price_fields(number: int, price: Price | None = None, **typed: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"unit_amount": "", "unit_size": "1", "rounding": "none", "matrix": ""}
    if price is not None:
        fields |= {"id": price.pk, "meter": price.meter_id, "asset": price.asset_id}
        fields |= fields_of(price.definition)
    return {f"prices-{number}-{name}": value for name, value in {**fields, **typed}.items()}


def typed(
    *prices: dict[str, Any], saved: int = 0, more: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return what the browser sends for a draft with these prices, `saved` of them stored."""
    form = {
        "billing_interval": "month",
        "shortfall_policy": "block",
        "overdraft_limit": "0",
        "prices-TOTAL_FORMS": len(prices),
        "prices-INITIAL_FORMS": saved,
    }
    for price in prices:
        form |= price
    return {**form, **(more or {})}


def edit(browser: Client, draft: PlanVersion, data: dict[str, Any]) -> Any:
    return browser.post(page(PlanVersion, "change", draft.pk), data)


def saved_definition(browser: Client, draft: PlanVersion, **fields: str) -> Any:
    price = draft.prices.get()
    response = edit(browser, draft, typed(price_fields(0, price, **fields), saved=1))
    assert response.status_code == HTTPStatus.FOUND, response.context["errors"]
    price.refresh_from_db()
    return price.definition


class TestPriceFields:
    def test_a_definition_becomes_fields(self) -> None:
        assert fields_of({"charge_model": "per_unit", "unit_amount": "0.50"}) == {
            "unit_amount": "0.50",
            "unit_size": "1",
            "rounding": "none",
            "matrix": "",
        }
        assert fields_of(VIDEO_PRICE)["matrix"] == (
            "speed    | unit_amount\nfast     | 1.00\nstandard | 0.40"
        )

    @pytest.mark.parametrize(
        "definition",
        [
            {"unit_amount": "0.000002", "unit_size": "1000000", "rounding": "up"},
            {"unit_amount": "0", "unit_size": "1", "rounding": "none"},
            {"unit_size": "60", "rounding": "none", "matrix": VIDEO_PRICE["matrix"]},
        ],
        ids=["blocks", "free", "matrix"],
    )
    def test_fields_become_the_same_definition(
        self, definition: dict[str, Any], browser: Client, draft: PlanVersion
    ) -> None:
        definition = {"charge_model": "per_unit", **definition}
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
            ({"matrix": ""}, "unit_amount", "This field must be a decimal number in a string"),
            ({"unit_size": "0"}, "unit_size", "This field must be above zero and"),
            ({"unit_size": ""}, "unit_size", "This field is required."),
            ({"matrix": "speed|unit_amount\nfast"}, "matrix", "Row 2 has 1 columns"),
            (
                {"matrix": "speed|unit_amount\nslow|1\nfast|abc"},
                "matrix",
                "Row 3, column unit_amount: “abc” must be a decimal number",
            ),
            (
                {"matrix": "speed|unit_amount\nslow|-1"},
                "matrix",
                "Row 2, column unit_amount: “-1” must be zero or more.",
            ),
            (
                {"matrix": "speed|unit_amount\nslow|1\n\nfast|2\nslow|3"},
                "matrix",
                "Row 5 prices the same values as row 2.",
            ),
            (
                {"matrix": f"speed|unit_amount\n{'x' * 81}|1"},
                "matrix",
                "must be a text of 1 to 80 characters",
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
        (formset,) = response.context["inline_admin_formsets"]
        errors = formset.formset.forms[0].errors
        assert list(errors) == [field]
        assert error in str(errors[field])
        price.refresh_from_db()
        assert price.definition == VIDEO_PRICE

    def test_prices_are_added_and_taken_away(
        self, video: VideoWorld, browser: Client, draft: PlanVersion
    ) -> None:
        tokens = Meter.objects.create(
            organization=video.organization,
            code="tokens",
            event_type="llm.called",
            quantity_property="tokens",
        )
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


class TestPreview:
    def preview(
        self, browser: Client, draft: PlanVersion, properties: str, **price: Any
    ) -> dict[str, str]:
        """Return amount, or the refusal, by meter."""
        sample = {
            "_preview": "1",
            "sample-event_type": "video.rendered",
            "sample-properties": properties,
        }
        fields = price_fields(0, draft.prices.get(), **price)
        response = edit(browser, draft, typed(fields, saved=1, more=sample))
        assert response.status_code == HTTPStatus.OK
        return {
            line.meter.code: line.amount or line.refusal for line in response.context["preview"]
        }

    @pytest.mark.parametrize(
        ("properties", "amount"),
        [
            ("minutes = 3\nspeed = fast", "3.00"),
            ('{"minutes": 3, "speed": "fast"}', "3.00"),
            ("minutes = 3\nspeed = standard", "1.20"),
            ("minutes = 0.1\nspeed = standard", "0.04"),
        ],
    )
    def test_what_video_minutes_would_cost(
        self, properties: str, amount: str, browser: Client, draft: PlanVersion
    ) -> None:
        assert self.preview(browser, draft, properties) == {"video_minutes": amount}

    @pytest.mark.parametrize(
        ("model", "speed", "amount"),
        [
            ("opus", "fast", "2.00"),
            ("opus", "slow", "1.50"),
            ("haiku", "fast", "1.20"),
            ("haiku", "slow", "0.50"),
        ],
    )
    def test_prices_as_typed_count_not_as_saved(
        self, model: str, speed: str, amount: str, browser: Client, draft: PlanVersion
    ) -> None:
        event = f"minutes = 1\nmodel = {model}\nspeed = {speed}"
        preview = self.preview(browser, draft, event, matrix=OPUS_TABLE)
        assert preview == {"video_minutes": amount}
        assert draft.prices.get().definition == VIDEO_PRICE

    def test_why_there_is_no_price(self, browser: Client, draft: PlanVersion) -> None:
        assert "no price for these values of speed" in str(
            self.preview(browser, draft, "minutes = 1\nspeed = warp")
        )
        assert "which the event does not have" in str(self.preview(browser, draft, "speed = fast"))

    def test_an_event_no_meter_counts(self, browser: Client, draft: PlanVersion) -> None:
        sample = {"_preview": "1", "sample-event_type": "other", "sample-properties": ""}
        response = edit(browser, draft, typed(more=sample))
        assert b"No meter priced here counts this event" in response.content

    def test_a_wrong_price_is_left_out_and_named(self, browser: Client, draft: PlanVersion) -> None:
        sample = {
            "_preview": "1",
            "sample-event_type": "video.rendered",
            "sample-properties": "minutes = 1",
        }
        fields = price_fields(0, draft.prices.get(), matrix="speed|unit_amount\nfast|abc")
        response = edit(browser, draft, typed(fields, saved=1, more=sample))
        assert response.context["preview"] == []
        assert b"1 price with a mistake left out" in response.content
        assert "“abc”" in response.content.decode()

    def test_a_wrong_sample_is_named(self, browser: Client, draft: PlanVersion) -> None:
        sample = {
            "_preview": "1",
            "sample-event_type": "video.rendered",
            "sample-properties": "minutes",
        }
        response = edit(browser, draft, typed(more=sample))
        assert b"Line 1 must read name = value." in response.content


class TestPublishing:
    def test_the_page_shows_what_changes_and_who_is_where(
        self, browser: Client, draft: PlanVersion
    ) -> None:
        saved_definition(browser, draft, matrix="speed|unit_amount\nfast|1.10\nstandard|0.40")
        address = reverse("admin:pricing_planversion_publish", args=[draft.pk])
        text = browser.get(address).content.decode()
        assert "1.00 USD per unit" in text
        assert "1.10 USD per unit" in text
        assert "0.40 USD" not in text
        assert "1 live subscription on other versions" in text
        draft.refresh_from_db()
        assert draft.is_draft

    def test_a_confirmed_draft_is_published_by_the_person(
        self, owner: User, browser: Client, draft: PlanVersion
    ) -> None:
        address = reverse("admin:pricing_planversion_publish", args=[draft.pk])
        response = browser.post(address, follow=True)
        draft.refresh_from_db()
        assert not draft.is_draft
        assert draft.published_by == owner
        text = response.content.decode()
        assert "neither its terms nor its prices ever change" in text
        assert "speed = fast: 1.00 USD per unit" in text
        assert 'name="_save"' not in text

    def test_problems_are_shown_instead_of_the_button(
        self, video: VideoWorld, browser: Client
    ) -> None:
        empty = PlanVersionFactory.create(plan__organization=video.organization)
        address = reverse("admin:pricing_planversion_publish", args=[empty.pk])
        for response in (browser.get(address), browser.post(address)):
            assert b"a plan needs at least one price" in response.content
            assert b'value="Publish' not in response.content
        empty.refresh_from_db()
        assert empty.is_draft

    def test_saving_can_lead_straight_to_the_page(
        self, browser: Client, draft: PlanVersion
    ) -> None:
        data = typed(price_fields(0, draft.prices.get()), saved=1, more={"_review": "1"})
        response = edit(browser, draft, data)
        assert response["Location"] == reverse("admin:pricing_planversion_publish", args=[draft.pk])

    def test_a_published_version_takes_no_edit(self, video: VideoWorld, browser: Client) -> None:
        version = video.plan_version
        price = version.prices.get()
        for address, data in (
            (page(PlanVersion, "change", version.pk), typed(price_fields(0, price), saved=1)),
            (page(PlanVersion, "delete", version.pk), {"post": "yes"}),
            (reverse("admin:pricing_planversion_publish", args=[version.pk]), {}),
        ):
            assert browser.post(address, data).status_code == HTTPStatus.FORBIDDEN
        assert version.prices.get().definition == VIDEO_PRICE

    def test_a_draft_is_thrown_away(self, browser: Client, draft: PlanVersion) -> None:
        browser.post(page(PlanVersion, "delete", draft.pk), {"post": "yes"})
        assert not PlanVersion.objects.filter(pk=draft.pk).exists()


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
