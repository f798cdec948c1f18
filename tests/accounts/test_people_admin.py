"""Members, people of customers, and API keys, as the admin handles them."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client

from accounts import api_keys
from accounts.models import ApiKey, Membership, PortalMembership, Role, User
from tests.accounts.admin_worlds import Company, page, signed_in
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Company:
    return Company("acme")


@pytest.fixture
def browser(acme: Company) -> Client:
    return signed_in(acme.owner)


def place_of(person: User) -> Membership:
    return Membership.objects.get(user=person)


def role_of(person: User) -> str | None:
    return Membership.objects.filter(user=person).values_list("role", flat=True).first()


class TestOwners:
    def test_the_last_owner_cannot_step_down(self, acme: Company, browser: Client) -> None:
        response = browser.post(
            page(Membership, "change", place_of(acme.owner).pk), {"role": "admin"}
        )
        assert b"An organization needs at least one owner." in response.content
        assert role_of(acme.owner) == Role.OWNER

    def test_the_last_owner_cannot_leave(self, acme: Company, browser: Client) -> None:
        address = page(Membership, "delete", place_of(acme.owner).pk)
        assert browser.post(address, {"post": "yes"}).status_code == HTTPStatus.FORBIDDEN
        assert role_of(acme.owner) == Role.OWNER

    def test_an_owner_steps_down_when_there_is_another(
        self, acme: Company, browser: Client
    ) -> None:
        acme.member(Role.OWNER)
        browser.post(page(Membership, "change", place_of(acme.owner).pk), {"role": "admin"})
        assert role_of(acme.owner) == Role.ADMIN

    def test_only_owners_make_owners(self, acme: Company) -> None:
        admin, analyst = acme.member(Role.ADMIN), acme.member(Role.ANALYST)
        browser = signed_in(admin)
        for person in (admin, analyst):
            response = browser.post(
                page(Membership, "change", place_of(person).pk), {"role": "owner"}
            )
            assert b"Only an owner makes or unmakes owners." in response.content
        response = browser.post(
            page(Membership, "add"), {"email": "new@acme.test", "role": "owner"}
        )
        assert b"Only an owner makes or unmakes owners." in response.content
        assert Membership.objects.filter(role=Role.OWNER).count() == 1
        assert not User.objects.filter(email="new@acme.test").exists()

    def test_only_owners_unmake_owners(self, acme: Company) -> None:
        second = acme.member(Role.OWNER)
        browser = signed_in(acme.member(Role.ADMIN))
        browser.post(page(Membership, "change", place_of(second).pk), {"role": "analyst"})
        browser.post(page(Membership, "delete", place_of(second).pk), {"post": "yes"})
        assert role_of(second) == Role.OWNER

    def test_admins_move_and_remove_everybody_else(self, acme: Company) -> None:
        analyst = acme.member(Role.ANALYST)
        browser = signed_in(acme.member(Role.ADMIN))
        browser.post(page(Membership, "change", place_of(analyst).pk), {"role": "admin"})
        assert role_of(analyst) == Role.ADMIN
        browser.post(page(Membership, "delete", place_of(analyst).pk), {"post": "yes"})
        assert role_of(analyst) is None


class TestInvitations:
    @pytest.fixture
    def invite(
        self, browser: Client, django_capture_on_commit_callbacks: Any
    ) -> Callable[[str], None]:
        def send(email: str) -> None:
            with django_capture_on_commit_callbacks(execute=True):
                browser.post(page(Membership, "add"), {"email": email, "role": "analyst"})

        return send

    def test_somebody_new_chooses_a_password_by_mail(self, invite: Callable[[str], None]) -> None:
        invite("New@Acme.test")
        (message,) = mail.outbox
        assert message.to == ["new@acme.test"]
        (path,) = re.findall(r"http://testserver(/\S+)", str(message.body))
        newcomer = Client()
        form = newcomer.get(path, follow=True)
        chosen = {"new_password1": "a long enough phrase", "new_password2": "a long enough phrase"}
        newcomer.post(form.redirect_chain[-1][0], chosen)
        assert newcomer.login(username="new@acme.test", password="a long enough phrase")
        assert b"acme company" in newcomer.get("/admin/").content
        assert b"used before" in Client().get(path, follow=True).content

    def test_somebody_known_gets_no_link_to_a_password(self, invite: Callable[[str], None]) -> None:
        person = UserFactory.create(email="known@elsewhere.test")
        invite("known@elsewhere.test")
        assert role_of(person) == Role.ANALYST
        assert "/invitation/" not in str(mail.outbox[0].body)

    def test_nobody_is_a_member_twice(self, acme: Company, invite: Callable[[str], None]) -> None:
        invite("OWNER@acme.test")
        assert mail.outbox == []
        assert Membership.objects.filter(user=acme.owner).count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_mail_that_fails_is_told_and_the_place_stays(
        self, browser: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(backend: EmailBackend, messages: Any) -> int:
            raise ConnectionRefusedError

        monkeypatch.setattr(EmailBackend, "send_messages", refuse)
        browser.post(page(Membership, "add"), {"email": "new@acme.test", "role": "analyst"})
        assert role_of(User.objects.get(email="new@acme.test")) == Role.ANALYST
        shown = browser.get(page(Membership, "changelist")).content
        assert b"has access, but the mail could not be sent." in shown

    def test_an_invitation_is_sent_again(
        self, acme: Company, browser: Client, django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            browser.post(
                page(Membership, "changelist"),
                {
                    "action": "send_again",
                    "_selected_action": str(place_of(acme.owner).pk),
                    "index": "0",
                },
            )
        assert mail.outbox[0].to == ["owner@acme.test"]

    def test_a_person_of_a_customer_is_invited_once(
        self, acme: Company, browser: Client, django_capture_on_commit_callbacks: Any
    ) -> None:
        place = {"customer": acme.customer.pk, "email": "Buyer@Acme.test"}
        for _ in range(2):
            with django_capture_on_commit_callbacks(execute=True):
                response = browser.post(page(PortalMembership, "add"), place)
        assert b"sees that customer" in response.content
        assert len(mail.outbox) == 1
        assert PortalMembership.objects.filter(user__email="buyer@acme.test").count() == 1


class TestApiKeys:
    def test_a_key_is_shown_once_and_works(self, acme: Company, browser: Client) -> None:
        response = browser.post(
            page(ApiKey, "add"), {"name": "Server", "scopes": ["events:write", "read"]}
        )
        (secret,) = re.findall(r"dd_live_[\w-]{30,}", response.content.decode())
        assert "no-store" in response["Cache-Control"]
        key = api_keys.find_live(secret)
        assert key is not None
        assert key.organization == acme.organization
        assert key.scopes == ["events:write", "read"]
        for address in (page(ApiKey, "changelist"), page(ApiKey, "change", key.pk), "/admin/"):
            assert secret not in browser.get(address).content.decode()

    def test_a_key_needs_a_scope(self, acme: Company, browser: Client) -> None:
        browser.post(page(ApiKey, "add"), {"name": "Server"})
        assert not ApiKey.objects.filter(name="Server").exists()

    def test_a_key_is_never_edited_or_deleted(self, acme: Company, browser: Client) -> None:
        key = acme.rows[ApiKey]
        changed = browser.post(page(ApiKey, "change", key.pk), {"name": "x", "scopes": ["admin"]})
        deleted = browser.post(page(ApiKey, "delete", key.pk), {"post": "yes"})
        assert {changed.status_code, deleted.status_code} == {HTTPStatus.FORBIDDEN}

    @pytest.mark.parametrize("place", ["list", "page"])
    def test_a_revoked_key_opens_nothing(self, place: str, acme: Company, browser: Client) -> None:
        key, secret = api_keys.issue(organization=acme.organization, name="Old", scopes=["read"])
        chosen = {"_selected_action": str(key.pk), "index": "0"}
        if place == "list":
            browser.post(page(ApiKey, "changelist"), {**chosen, "action": "revoke"})
        else:
            browser.post(page(ApiKey, "change", key.pk), {**chosen, "CHANGE_FORM-action": "revoke"})
        assert api_keys.find_live(secret) is None
