"""The admin shows, offers and changes rows of one organization. The stranger here is Zulu."""

from http import HTTPStatus

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import (
    ApiKey,
    Asset,
    Customer,
    Membership,
    Organization,
    PortalMembership,
    Role,
    User,
)
from metering.models import SpendAlert
from pricing.models import Meter, Plan, PlanVersion, Price
from tests.accounts.admin_worlds import MODELS, Company, leaked, page, signed_in
from tests.factories import PortalMembershipFactory, UserFactory

pytestmark = pytest.mark.django_db

TENANT_MODELS = [model for model in MODELS if model is not User]


@pytest.fixture
def acme() -> Company:
    return Company("acme")


@pytest.fixture
def zulu() -> Company:
    return Company("zulu")


@pytest.fixture
def browser(acme: Company) -> Client:
    """An owner of Acme."""
    return signed_in(acme.owner)


class TestWhatIsShown:
    def test_lists_show_own_rows_only(self, acme: Company, zulu: Company, browser: Client) -> None:
        for model in TENANT_MODELS:
            for query in ("", "?q=ulu", "?q=cme", "?_facets=True"):
                response = browser.get(page(model, "changelist") + query)
                assert response.status_code == HTTPStatus.OK, model
                assert leaked(response.content, zulu) == [], (model, query)
                own = str(acme.rows[model].pk) in response.content.decode()
                assert own or query == "?q=ulu", (model, query)

    def test_own_pages_show_and_offer_own_rows_only(
        self, acme: Company, zulu: Company, browser: Client
    ) -> None:
        for model in TENANT_MODELS:
            for name in ("change", "delete", "history"):
                response = browser.get(page(model, name, acme.rows[model].pk))
                assert response.status_code in (HTTPStatus.OK, HTTPStatus.FORBIDDEN), model
                assert leaked(response.content, zulu) == [], (model, name)
            assert leaked(browser.get(page(model, "add")).content, zulu) == [], model

    def test_ids_of_others_are_not_found(self, zulu: Company, browser: Client) -> None:
        for model in TENANT_MODELS:
            row = zulu.rows[model]
            for name in ("change", "delete", "history"):
                address = page(model, name, row.pk)
                for response in (browser.get(address), browser.post(address, {"post": "yes"})):
                    assert response.status_code in (404, 403), (model, name)
                    body = response.content.replace(str(row.pk).encode(), b"")
                    assert leaked(body, zulu) == [], (model, name)
            assert model._default_manager.filter(pk=row.pk).exists()

    def test_ids_of_others_open_no_page_of_the_plan_editor(
        self, zulu: Company, browser: Client
    ) -> None:
        for address in (
            reverse("admin:pricing_plan_open_draft", args=[zulu.plan.pk]),
            reverse("admin:pricing_planversion_publish", args=[zulu.draft.pk]),
        ):
            for response in (browser.get(address), browser.post(address)):
                assert response.status_code == HTTPStatus.NOT_FOUND

    def test_autocompletes_find_own_rows_only(self, zulu: Company, browser: Client) -> None:
        for model in MODELS:
            for field in [each for each in model._meta.get_fields() if each.many_to_one]:
                for term in ("", "ulu"):
                    source = {
                        "app_label": model._meta.app_label,
                        "model_name": str(model._meta.model_name),
                        "field_name": field.name,
                        "term": term,
                    }
                    response = browser.get(reverse("admin:autocomplete"), source)
                    assert leaked(response.content, zulu) == [], (model, field)

    def test_actions_reach_own_rows_only(self, zulu: Company, browser: Client) -> None:
        for model in TENANT_MODELS:
            row = zulu.rows[model]
            before = model._default_manager.filter(pk=row.pk).values().get()
            for action in [*(admin.site.get_model_admin(model).actions or ()), "delete_selected"]:
                chosen = {
                    "action": action if isinstance(action, str) else action.__name__,
                    "_selected_action": str(row.pk),
                    "index": "0",
                }
                response = browser.post(page(model, "changelist"), chosen, follow=True)
                assert leaked(response.content, zulu) == [], (model, action)
            assert model._default_manager.filter(pk=row.pk).values().get() == before

    def test_the_list_of_all_people_is_for_platform_staff(
        self, acme: Company, browser: Client
    ) -> None:
        for name, args in (("changelist", []), ("add", []), ("change", [acme.owner.pk])):
            response = browser.get(page(User, name, *args))
            assert response.status_code == HTTPStatus.FORBIDDEN

    def test_no_page_shows_rows_by_unchecked_id(self) -> None:
        for model in MODELS:
            model_admin = admin.site.get_model_admin(model)
            assert not model_admin.raw_id_fields
            assert not any(inline.raw_id_fields for inline in model_admin.inlines)
            assert model_admin.view_on_site is False

    def test_index_names_the_organization(
        self, acme: Company, zulu: Company, browser: Client
    ) -> None:
        response = browser.get(reverse("admin:index"))
        assert b"acme company" in response.content
        assert leaked(response.content, zulu) == []

    def test_initial_values_from_the_address_cannot_pick_a_foreign_row(
        self, zulu: Company, browser: Client
    ) -> None:
        address = page(SpendAlert, "add")
        response = browser.get(f"{address}?account={zulu.account.pk}")
        assert "zulu" not in response.content.decode()


class TestWhatCanBeWritten:
    def test_a_new_row_belongs_to_the_organization_whatever_is_sent(
        self, acme: Company, zulu: Company, browser: Client
    ) -> None:
        browser.post(
            page(Asset, "add"),
            {"code": "EUR", "name": "Euro", "scale": "2", "organization": zulu.organization.pk},
        )
        assert Asset.objects.get(code="EUR").organization == acme.organization

    def test_a_foreign_row_cannot_be_referred_to(
        self, acme: Company, zulu: Company, browser: Client
    ) -> None:
        for address, data in (
            (page(SpendAlert, "add"), {"account": zulu.account.pk, "threshold": "5"}),
            (
                page(PortalMembership, "add"),
                {"customer": zulu.customer.pk, "email": "someone@acme.test"},
            ),
        ):
            response = browser.post(address, data)
            assert b"Select a valid choice" in response.content
        assert not SpendAlert.objects.filter(threshold=5).exists()
        assert not User.objects.filter(email="someone@acme.test").exists()

    def test_a_foreign_meter_cannot_be_priced(
        self, acme: Company, zulu: Company, browser: Client
    ) -> None:
        response = browser.post(
            page(PlanVersion, "change", acme.draft.pk),
            {
                "billing_interval": "month",
                "shortfall_policy": "block",
                "overdraft_limit": "0",
                "prices-TOTAL_FORMS": "2",
                "prices-INITIAL_FORMS": "1",
                "prices-0-id": zulu.price.pk,
                "prices-0-meter": acme.meter.pk,
                "prices-0-asset": acme.asset.pk,
                "prices-0-unit_amount": "9",
                "prices-0-unit_size": "1",
                "prices-0-rounding": "none",
                "prices-1-meter": zulu.meter.pk,
                "prices-1-asset": acme.asset.pk,
                "prices-1-unit_amount": "9",
                "prices-1-unit_size": "1",
                "prices-1-rounding": "none",
            },
        )
        assert response.status_code == HTTPStatus.OK
        assert leaked(response.content.replace(str(zulu.price.pk).encode(), b""), zulu) == []
        zulu.price.refresh_from_db()
        assert zulu.price.definition["unit_amount"] == "0.01"
        assert not Price.objects.filter(meter=zulu.meter, plan_version=acme.draft).exists()

    def test_the_same_name_is_free_in_every_organization_and_taken_in_ones_own(
        self, acme: Company, zulu: Company, browser: Client
    ) -> None:
        data = {"name": "", "time_zone": "UTC", "metadata": "{}"}
        theirs = browser.post(page(Customer, "add"), {**data, "external_id": "zulu-customer"})
        assert theirs.status_code == HTTPStatus.FOUND
        own = browser.post(page(Customer, "add"), {**data, "external_id": "acme-customer"})
        assert b"Another customer has this external ID." in own.content

    @pytest.mark.parametrize("threshold", ["abc", "NaN", "1e99", "١٢", "0.0000000000001"])
    def test_what_is_no_amount_is_refused(
        self, threshold: str, acme: Company, browser: Client
    ) -> None:
        data = {"account": acme.account.pk, "threshold": threshold}
        response = browser.post(page(SpendAlert, "add"), data)
        assert response.status_code == HTTPStatus.OK
        assert SpendAlert.objects.count() == 1

    @pytest.mark.parametrize("metadata", ['{"a": "\\u0000"}', "[1]", '"text"', "{"])
    def test_what_cannot_be_kept_of_a_customer_is_refused(
        self, metadata: str, acme: Company, browser: Client
    ) -> None:
        data = {"name": "", "time_zone": "UTC", "metadata": metadata}
        address = page(Customer, "change", acme.customer.pk)
        assert browser.post(address, data).status_code == HTTPStatus.OK
        acme.customer.refresh_from_db()
        assert acme.customer.metadata == {}

    def test_a_field_that_points_at_everybody_cannot_be_offered(
        self, acme: Company, rf: RequestFactory
    ) -> None:
        request = rf.get("/")
        request.user, request.session = acme.owner, SessionStore()
        site_admin = admin.site.get_model_admin(PortalMembership)
        with pytest.raises(ImproperlyConfigured, match="every organization"):
            site_admin.formfield_for_dbfield(PortalMembership._meta.get_field("user"), request)

    def test_a_form_opened_before_switching_is_refused(self, acme: Company, zulu: Company) -> None:
        staff = UserFactory.create(staff=True)
        browser = signed_in(staff, acme.organization)
        browser.post(reverse("admin:choose_organization"), {"organization": "zulu"})
        response = browser.post(
            page(Asset, "add"),
            {
                "_organization": acme.organization.pk,
                "code": "EUR",
                "name": "Euro",
                "scale": "2",
            },
        )
        assert response.status_code == HTTPStatus.CONFLICT
        assert not Asset.objects.filter(code="EUR").exists()

    def test_only_what_nothing_refers_to_is_deleted(self, acme: Company, browser: Client) -> None:
        assert browser.get(page(Customer, "delete", acme.customer.pk)).status_code == 403
        unused = Customer.objects.create(organization=acme.organization, external_id="unused")
        browser.post(page(Customer, "delete", unused.pk), {"post": "yes"})
        assert not Customer.objects.filter(pk=unused.pk).exists()


def test_every_page_runs_in_a_transaction_of_the_organization(
    acme: Company, browser: Client
) -> None:
    for address in (page(Customer, "changelist"), page(Customer, "change", acme.customer.pk)):
        with CaptureQueriesContext(connection) as queries:
            browser.get(address)
        statements = [query["sql"] for query in queries]
        acting = next(i for i, sql in enumerate(statements) if "set_config" in sql)
        assert str(acme.organization.pk) in statements[acting]
        assert not any('FROM "accounts_customer"' in sql for sql in statements[:acting])


class TestRoles:
    def test_an_analyst_looks_and_changes_nothing(self, acme: Company) -> None:
        browser = signed_in(acme.member(Role.ANALYST))
        for model in TENANT_MODELS:
            row = acme.rows[model]
            before = model._default_manager.filter(pk=row.pk).values().get()
            assert browser.get(page(model, "changelist")).status_code == HTTPStatus.OK
            response = browser.get(page(model, "change", row.pk))
            assert response.status_code == HTTPStatus.OK
            assert b'name="_save"' not in response.content
            for refused in (
                browser.post(page(model, "change", row.pk), {"name": "x"}),
                browser.get(page(model, "add")),
                browser.post(page(model, "delete", row.pk), {"post": "yes"}),
            ):
                assert refused.status_code == HTTPStatus.FORBIDDEN, model
            assert model._default_manager.filter(pk=row.pk).values().get() == before

    def test_an_analyst_can_run_no_action(self, acme: Company) -> None:
        browser = signed_in(acme.member(Role.ANALYST))
        key = acme.rows[ApiKey]
        browser.post(
            page(ApiKey, "changelist"),
            {"action": "revoke", "_selected_action": str(key.pk), "index": "0"},
        )
        key.refresh_from_db()
        assert key.revoked_at is None  # type: ignore[attr-defined]

    def test_an_analyst_opens_and_publishes_no_draft(self, acme: Company) -> None:
        browser = signed_in(acme.member(Role.ANALYST))
        for address in (
            reverse("admin:pricing_plan_open_draft", args=[acme.plan.pk]),
            reverse("admin:pricing_planversion_publish", args=[acme.draft.pk]),
        ):
            assert browser.post(address).status_code == HTTPStatus.FORBIDDEN

    @pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
    def test_owners_and_admins_change_what_people_change(self, role: Role, acme: Company) -> None:
        browser = signed_in(acme.member(role))
        for model in (Organization, Membership, Customer, Asset, Meter, Plan, SpendAlert):
            response = browser.get(page(model, "change", acme.rows[model].pk))
            assert b'name="_save"' in response.content, model

    def test_members_rename_their_organization_and_nothing_else_of_it(
        self, acme: Company, browser: Client
    ) -> None:
        address = page(Organization, "change", acme.organization.pk)
        browser.post(address, {"name": "Acme & Sons", "slug": "taken"})
        acme.organization.refresh_from_db()
        assert (acme.organization.name, acme.organization.slug) == ("Acme & Sons", "acme")
        assert browser.get(page(Organization, "add")).status_code == HTTPStatus.FORBIDDEN

    def test_a_role_taken_away_is_gone_at_the_next_click(self, acme: Company) -> None:
        person = acme.member(Role.ADMIN)
        browser = signed_in(person)
        assert browser.get(reverse("admin:index")).status_code == HTTPStatus.OK
        Membership.objects.filter(user=person).delete()
        assert browser.get(reverse("admin:index")).status_code == HTTPStatus.FOUND


class TestWhoComesIn:
    def test_nobody_is_sent_to_the_login_page(self) -> None:
        response = Client().get(reverse("admin:index"), follow=True)
        assert response.redirect_chain[-1][0].startswith(reverse("login"))
        assert "next=/admin/" in response.redirect_chain[-1][0]

    def test_people_of_customers_stay_outside(self, acme: Company) -> None:
        person = PortalMembershipFactory.create(customer=acme.customer).user
        response = signed_in(person).get(reverse("admin:index"), follow=True)
        assert response.status_code == HTTPStatus.FORBIDDEN
        assert leaked(response.content, acme) == []

    def test_someone_switched_off_stays_outside(self, acme: Company) -> None:
        browser = signed_in(acme.owner)
        User.objects.filter(pk=acme.owner.pk).update(is_active=False)
        response = browser.get(reverse("admin:index"))
        assert response.status_code == HTTPStatus.FOUND

    def test_login_sends_nobody_to_another_site(self, browser: Client) -> None:
        response = browser.get(reverse("admin:login") + "?next=https://elsewhere.test/")
        assert response["Location"] == reverse("admin:index")

    def test_there_is_no_page_that_opens_any_row_by_its_id(
        self, acme: Company, browser: Client
    ) -> None:
        assert browser.get(f"/admin/r/1/{acme.customer.pk}/").status_code == HTTPStatus.NOT_FOUND


class TestChoosing:
    def test_platform_staff_choose_first(self, acme: Company, zulu: Company) -> None:
        browser = signed_in(UserFactory.create(staff=True))
        response = browser.get(page(Customer, "changelist"))
        assert response["Location"].startswith(reverse("admin:choose_organization"))
        response = browser.post(
            reverse("admin:choose_organization"),
            {"organization": "acme", "next": page(Customer, "changelist")},
            follow=True,
        )
        assert b"acme-customer" in response.content
        assert leaked(response.content, zulu) == []

    def test_no_page_opens_before_the_choice(self, acme: Company) -> None:
        browser = signed_in(UserFactory.create(staff=True))
        for model in MODELS:
            for name in ("changelist", "change", "delete", "history"):
                args = [] if name == "changelist" else [acme.rows[model].pk]
                response = browser.get(page(model, name, *args))
                assert response.status_code == HTTPStatus.FOUND
                assert response["Location"].startswith(reverse("admin:choose_organization"))

    def test_a_member_of_two_chooses_between_those_two(self, acme: Company, zulu: Company) -> None:
        other = Company("other")
        person = acme.member(Role.ADMIN)
        Membership.objects.create(organization=zulu.organization, user=person, role=Role.ANALYST)
        browser = signed_in(person)
        response = browser.get(reverse("admin:index"), follow=True)
        assert b"acme company" in response.content
        assert b"zulu company" in response.content
        assert leaked(response.content, other) == []
        browser.post(reverse("admin:choose_organization"), {"organization": "zulu"})
        assert browser.get(page(Customer, "add")).status_code == HTTPStatus.FORBIDDEN
        browser.post(reverse("admin:choose_organization"), {"organization": "acme"})
        assert browser.get(page(Customer, "add")).status_code == HTTPStatus.OK

    def test_nobody_chooses_what_is_not_open_to_them(
        self, acme: Company, zulu: Company, browser: Client
    ) -> None:
        response = browser.post(reverse("admin:choose_organization"), {"organization": "zulu"})
        assert response.status_code == HTTPStatus.NOT_FOUND
        assert b"acme company" in browser.get(reverse("admin:index")).content

    def test_choosing_sends_nobody_to_another_site(self, acme: Company) -> None:
        response = signed_in(acme.owner).post(
            reverse("admin:choose_organization"),
            {"organization": "acme", "next": "https://elsewhere.test/"},
        )
        assert response["Location"] == reverse("admin:index")

    def test_staff_add_an_organization_and_sit_down_in_it(self) -> None:
        browser = signed_in(UserFactory.create(staff=True))
        response = browser.post(
            page(Organization, "add"), {"name": "New", "slug": "new"}, follow=True
        )
        assert response.redirect_chain[-1][0] == page(Membership, "add")
        assert Organization.objects.filter(slug="new").exists()

    def test_staff_see_everybody_who_can_sign_in(self, acme: Company) -> None:
        browser = signed_in(UserFactory.create(staff=True), acme.organization)
        assert b"owner@acme.test" in browser.get(page(User, "changelist")).content
        browser.post(
            page(User, "add"),
            {
                "email": "New@Acme.test",
                "usable_password": "true",
                "password1": "a long enough phrase",
                "password2": "a long enough phrase",
            },
        )
        assert User.objects.get(email="new@acme.test").check_password("a long enough phrase")


class TestLog:
    def test_recent_actions_are_those_of_the_organization(
        self, acme: Company, zulu: Company
    ) -> None:
        staff = UserFactory.create(staff=True)
        browser = signed_in(staff, zulu.organization)
        browser.post(
            page(Plan, "change", zulu.plan.pk),
            {"name": "zulu secret", "versions-TOTAL_FORMS": 0, "versions-INITIAL_FORMS": 0},
        )
        assert LogEntry.objects.get().user == staff
        assert b"zulu secret" in browser.get(reverse("admin:index")).content
        browser.post(reverse("admin:choose_organization"), {"organization": "acme"})
        assert leaked(browser.get(reverse("admin:index")).content, zulu) == []

    def test_the_history_of_a_row_tells_who_did_what(self, acme: Company, browser: Client) -> None:
        browser.post(
            page(Customer, "change", acme.customer.pk),
            {"name": "Renamed", "time_zone": "UTC", "metadata": "{}"},
        )
        history = browser.get(page(Customer, "history", acme.customer.pk)).content.decode()
        assert "owner@acme.test" in history
        assert "Changed Name" in history

    def test_a_typed_name_cannot_pass_for_another_organization(
        self, acme: Company, zulu: Company, browser: Client
    ) -> None:
        pretended = f'{{"organization": "{zulu.organization.pk}"}}'
        browser.post(page(Asset, "add"), {"code": "FAKE", "name": pretended, "scale": "2"})
        Membership.objects.create(
            organization=zulu.organization, user=acme.owner, role=Role.ANALYST
        )
        assert (
            b"FAKE"
            in browser.post(
                reverse("admin:choose_organization"), {"organization": "acme"}, follow=True
            ).content
        )
        browser.post(reverse("admin:choose_organization"), {"organization": "zulu"})
        assert b"FAKE" not in browser.get(reverse("admin:index")).content
