"""Plans made of templates: by command, and by a button in the admin."""

from http import HTTPStatus
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import Asset, Organization, User
from pricing import plan_export, plan_form, plan_import, publication, templates_catalog
from pricing.models import Meter, Plan, PlanVersion, VersionState
from pricing.templates_catalog import Template
from tests.accounts.admin_worlds import signed_in
from tests.clock import NOW
from tests.factories import AssetFactory, MembershipFactory, OrganizationFactory

pytestmark = pytest.mark.django_db

TEMPLATES = templates_catalog.all_templates()
PAGE = reverse("admin:pricing_plan_templates")


@pytest.fixture
def organization() -> Organization:
    return OrganizationFactory.create(slug="acme")


@pytest.fixture
def owner(organization: Organization) -> User:
    return MembershipFactory.create(organization=organization).user


@pytest.fixture
def browser(owner: User) -> Client:
    return signed_in(owner)


def create(**options: Any) -> None:
    call_command("create_plan_from_template", organization="acme", **options)


class TestImport:
    @pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.id)
    def test_a_template_becomes_a_draft_that_says_the_same(
        self, template: Template, organization: Organization
    ) -> None:
        draft = plan_import.import_plan(organization=organization, document=template.plan, at=NOW)
        wanted = plan_form.write(plan_form.read(template.plan))
        found = plan_export.write(draft)
        for listed in ("assets", "meters", "prices"):
            assert _by_code(found.pop(listed)) == _by_code(wanted.pop(listed))
        assert found == wanted

    def test_all_of_them_go_on_sale_in_one_organization(self, organization: Organization) -> None:
        for template in sorted(TEMPLATES, key=lambda each: each.plan.get("effective_from", "z")):
            draft = plan_import.import_plan(
                organization=organization, document=template.plan, at=NOW
            )
            publication.publish(version=draft, by=None, at=NOW)
        published = PlanVersion.objects.filter(state=VersionState.PUBLISHED)
        assert published.count() == len(TEMPLATES)
        assert Plan.objects.count() == len({template.plan["code"] for template in TEMPLATES})


def _by_code(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row.get("code", row.get("meter")), row.get("asset", "")))


class TestCommand:
    def test_the_list_names_every_template(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("create_plan_from_template", list=True)
        listed = capsys.readouterr().out
        assert all(f"{template.id}: {template.title}" in listed for template in TEMPLATES)
        assert "OpenAI, as of 2026-10-26" in listed

    def test_it_makes_a_draft(
        self, organization: Organization, capsys: pytest.CaptureFixture[str]
    ) -> None:
        create(template="video_by_speed")
        assert "(video_by_speed) is a draft." in capsys.readouterr().out
        draft = PlanVersion.objects.get(plan__code="video_by_speed")
        assert (draft.organization, draft.is_draft) == (organization, True)

    def test_it_puts_the_plan_on_sale(
        self, organization: Organization, capsys: pytest.CaptureFixture[str]
    ) -> None:
        create(template="intercom_fin", publish=True)
        assert "is on sale." in capsys.readouterr().out
        assert not PlanVersion.objects.get(plan__organization=organization).is_draft

    def test_a_second_time_makes_the_next_version(self, organization: Organization) -> None:
        create(template="aws_lambda", publish=True)
        create(template="aws_lambda")
        versions = PlanVersion.objects.filter(plan__organization=organization)
        assert sorted(versions.values_list("number", "state")) == [(1, "published"), (2, "draft")]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"organization": "acme"}, "--organization and --template"),
            ({"template": "aws_lambda"}, "--organization and --template"),
            ({"organization": "nobody", "template": "aws_lambda"}, "no organization nobody"),
            ({"organization": "acme", "template": "nonsense"}, "no template nonsense; --list"),
        ],
    )
    def test_it_says_what_is_missing(
        self, options: dict[str, str], message: str, organization: Organization
    ) -> None:
        with pytest.raises(CommandError, match=message):
            call_command("create_plan_from_template", **options)

    def test_a_draft_is_not_written_over(self, organization: Organization) -> None:
        create(template="aws_lambda")
        with pytest.raises(CommandError, match="plan aws_lambda has a draft already"):
            create(template="aws_lambda")

    def test_an_asset_that_is_another_thing_here_is_named(self, organization: Organization) -> None:
        AssetFactory.create(organization=organization, code="USD", scale=4)
        with pytest.raises(CommandError, match=r"assets\[0\]\.scale: is 4"):
            create(template="aws_lambda")
        assert not Plan.objects.exists()


class TestAdmin:
    def test_the_list_of_plans_leads_to_the_templates(self, browser: Client) -> None:
        assert PAGE in browser.get(reverse("admin:pricing_plan_changelist")).text

    def test_the_page_shows_every_template_with_its_source(self, browser: Client) -> None:
        shown = browser.get(PAGE).text
        for template in TEMPLATES:
            assert template.title in shown
            assert f'value="{template.id}"' in shown
        assert "as of <time" in shown

    def test_a_button_makes_a_draft_and_leads_to_it(
        self, browser: Client, organization: Organization
    ) -> None:
        response = browser.post(PAGE, {"template": "google_cloud_run"})
        draft = PlanVersion.objects.get(plan__organization=organization)
        address = reverse("admin:pricing_planversion_change", args=[draft.id])
        assert (response.status_code, response["Location"]) == (HTTPStatus.FOUND, address)
        assert Meter.objects.filter(organization=organization).count() == 3
        assert browser.get(address).status_code == HTTPStatus.OK

    def test_a_plan_that_exists_is_named_on_its_card(
        self, browser: Client, organization: Organization
    ) -> None:
        create(template="google_cloud_run", publish=True)
        plan = Plan.objects.get(organization=organization)
        shown = browser.get(PAGE).text
        assert reverse("admin:pricing_plan_change", args=[plan.id]) in shown

    def test_a_draft_is_not_written_over(self, browser: Client, organization: Organization) -> None:
        create(template="aws_lambda")
        response = browser.post(PAGE, {"template": "aws_lambda"})
        assert "The plan has a draft already" in response.text
        assert PlanVersion.objects.count() == 1

    def test_what_does_not_fit_is_said(self, browser: Client, organization: Organization) -> None:
        Asset.objects.create(organization=organization, code="USD", name="Dollar", scale=4)
        response = browser.post(PAGE, {"template": "aws_lambda"})
        assert "assets[0].scale is 4 for the USD that exists" in response.text

    @pytest.mark.parametrize("data", [{}, {"template": "nonsense"}])
    def test_an_unknown_template(self, browser: Client, data: dict[str, str]) -> None:
        assert "There is no such template." in browser.post(PAGE, data).text

    def test_an_analyst_may_look_but_not_create(self, organization: Organization) -> None:
        analyst = MembershipFactory.create(organization=organization, analyst=True).user
        browser = signed_in(analyst)
        assert "<button" not in browser.get(PAGE).text.split('class="plan-templates"')[1]
        response = browser.post(PAGE, {"template": "aws_lambda"})
        assert response.status_code == HTTPStatus.FORBIDDEN
        assert not Plan.objects.exists()
