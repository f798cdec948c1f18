"""The pages: who sees what, what polling costs, and that nothing foreign or unescaped gets out."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Customer, User
from billing_site.dashboard import customer_page
from pricing.models import ShortfallPolicy, Subscription
from tests.clock import DAY, HOUR, NOW
from tests.factories import (
    PASSWORD,
    CustomerFactory,
    MembershipFactory,
    OrganizationFactory,
    PortalMembershipFactory,
    UserFactory,
)
from tests.worlds import VideoWorld, open_video_world

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    """Look at every page at the tests' own now."""
    with time_machine.travel(NOW, tick=False):
        yield


def customer_url(customer: Customer) -> str:
    return reverse("customer", args=[customer.id])


def list_url(world: VideoWorld) -> str:
    return reverse("customer-list", args=[world.organization.slug])


def member(world: VideoWorld, role: str = "owner") -> User:
    return MembershipFactory.create(organization=world.organization, role=role).user


def portal_member(world: VideoWorld) -> User:
    return PortalMembershipFactory.create(customer=world.customer).user


def staff(_: VideoWorld) -> User:
    return UserFactory.create(staff=True)


def member_elsewhere(_: VideoWorld) -> User:
    return MembershipFactory.create().user


def portal_member_elsewhere(_: VideoWorld) -> User:
    return PortalMembershipFactory.create().user


def portal_member_next_door(world: VideoWorld) -> User:
    return PortalMembershipFactory.create(customer__organization=world.organization).user


def nobody(_: VideoWorld) -> User:
    return UserFactory.create()


INSIDERS = {
    "owner": member,
    "admin": lambda world: member(world, "admin"),
    "analyst": lambda world: member(world, "analyst"),
    "staff": staff,
}
STRANGERS = {
    "member elsewhere": member_elsewhere,
    "portal member elsewhere": portal_member_elsewhere,
    "portal member next door": portal_member_next_door,
    "nobody": nobody,
}


def params(people: dict[str, Callable[[VideoWorld], User]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("person", people.values(), ids=people.keys())


def get_as(person: User, url: str, **extra: Any) -> Any:
    client = Client()
    client.force_login(person)
    return client.get(url, **extra)


class TestAccess:
    @params(INSIDERS)
    def test_insiders_see_both_pages(
        self, video: VideoWorld, person: Callable[[VideoWorld], User]
    ) -> None:
        user = person(video)
        for url in (customer_url(video.customer), list_url(video)):
            assert video.customer.name in get_as(user, url).content.decode()

    def test_the_customers_own_people_see_their_page_and_no_list(self, video: VideoWorld) -> None:
        user = portal_member(video)
        assert get_as(user, customer_url(video.customer)).status_code == 200
        assert get_as(user, list_url(video)).status_code == 404

    @params(STRANGERS)
    @pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
    def test_strangers_get_404_and_no_foreign_byte(
        self, video: VideoWorld, person: Callable[[VideoWorld], User], headers: dict[str, str]
    ) -> None:
        user = person(video)
        secrets = [video.customer.name, video.customer.external_id, video.organization.name]
        for url in (customer_url(video.customer), list_url(video)):
            response = get_as(user, url, headers=headers)
            assert response.status_code == 404
            assert not [secret for secret in secrets if secret in response.content.decode()]

    def test_foreign_and_unknown_ids_are_answered_alike(self, video: VideoWorld) -> None:
        user = member_elsewhere(video)
        unknown = reverse("customer", args=[uuid.uuid4()])
        foreign = get_as(user, customer_url(video.customer))
        assert get_as(user, unknown).content == foreign.content

    def test_a_member_who_left_sees_nothing(self, video: VideoWorld) -> None:
        user = member(video)
        user.memberships.all().delete()
        assert get_as(user, customer_url(video.customer)).status_code == 404

    def test_whoever_is_not_signed_in_is_asked_to(self, video: VideoWorld, client: Client) -> None:
        url = customer_url(video.customer)
        response = client.get(url)
        assert response.status_code == 302
        assert response["Location"] == f"{reverse('login')}?next={url}"

    def test_a_fragment_sends_the_whole_page_to_the_login(
        self, video: VideoWorld, client: Client
    ) -> None:
        response = client.get(customer_url(video.customer), headers=HTMX)
        assert response["HX-Redirect"].startswith(reverse("login"))
        assert response.content == b""

    def test_pages_are_never_kept_by_a_cache(self, video: VideoWorld) -> None:
        response = get_as(member(video), customer_url(video.customer))
        assert "no-store" in response["Cache-Control"]
        assert "HX-Request" in response["Vary"]


class TestSigningIn:
    def sign_in(self, email: str, password: str = PASSWORD, target: str = "") -> Any:
        data = {"username": email, "password": password, "next": target}
        return Client().post(reverse("login"), data)

    def test_by_email_in_any_case(self, db: None) -> None:
        UserFactory.create(email="ana@example.com")
        assert self.sign_in("Ana@Example.COM")["Location"] == "/"

    def test_goes_on_to_the_page_that_was_asked_for(self, db: None) -> None:
        user = UserFactory.create()
        assert self.sign_in(user.email, target="/customers/")["Location"] == "/customers/"

    @pytest.mark.parametrize(
        "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"]
    )
    def test_never_leads_to_another_site(self, db: None, target: str) -> None:
        user = UserFactory.create()
        assert self.sign_in(user.email, target=target)["Location"] == "/"

    @pytest.mark.parametrize("email", ["ana@example.com", "unknown@example.com"])
    def test_says_the_same_whether_the_person_exists(self, db: None, email: str) -> None:
        UserFactory.create(email="ana@example.com")
        response = self.sign_in(email, "wrong")
        assert "do not match" in response.content.decode()

    def test_signing_out_takes_a_post_from_our_own_page(self, db: None) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(UserFactory.create())
        assert client.get(reverse("logout")).status_code == 405
        refused = client.post(reverse("logout"))
        assert refused.status_code == 403
        assert "Please try again" in refused.content.decode()

    def test_signing_out_ends_the_session(self, db: None, client: Client) -> None:
        client.force_login(UserFactory.create())
        client.post(reverse("logout"))
        assert client.get("/").status_code == 302


class TestFrontDoor:
    def test_a_member_is_sent_to_the_customers(self, video: VideoWorld) -> None:
        assert get_as(member(video), "/")["Location"] == list_url(video)

    def test_a_customers_person_is_sent_to_their_page(self, video: VideoWorld) -> None:
        assert get_as(portal_member(video), "/")["Location"] == customer_url(video.customer)

    def test_whoever_has_several_places_chooses(self, video: VideoWorld) -> None:
        user = member(video)
        MembershipFactory.create(organization__name="Second place", user=user)
        PortalMembershipFactory.create(customer=video.customer, user=user)
        page = get_as(user, "/").content.decode()
        assert page.count('class="panel"') == 3
        assert "Second place" in page

    def test_staff_see_every_organization(self, video: VideoWorld) -> None:
        OrganizationFactory.create(name="Another one")
        page = get_as(staff(video), "/").content.decode()
        assert "Another one" in page
        assert list_url(video) in page

    def test_whoever_has_no_place_is_told_what_to_do(self, db: None) -> None:
        user = UserFactory.create()
        assert user.email in get_as(user, "/").content.decode()


class TestCustomerPage:
    def test_shows_what_is_left_and_what_was_spent(self, video: VideoWorld) -> None:
        video.record(video.minutes_of("fast", "2.5"), at=NOW - HOUR)
        page = get_as(portal_member(video), customer_url(video.customer)).content.decode()
        assert "97.50" in page
        assert "2.50" in page
        assert "Video minutes" in page

    def test_shows_every_digit(self, video: VideoWorld) -> None:
        video.record(video.minutes_of("fast", "0.000000000001"))
        page = get_as(portal_member(video), customer_url(video.customer)).content.decode()
        assert '<span class="amount">99.99<small>9999999999</small></span>' in page

    def test_counts_a_grant_whose_time_came_before_anybody_booked_it(
        self, video: VideoWorld
    ) -> None:
        video.grant("11", effective_at=NOW - HOUR, name="Launch promotion")
        page = get_as(portal_member(video), customer_url(video.customer)).content.decode()
        assert "111.00" in page
        assert "Launch promotion" in page

    def test_says_what_will_be_invoiced_instead_of_asking_for_credit(self, db: None) -> None:
        world = open_video_world(credit="1", policy=ShortfallPolicy.OVERAGE)
        world.record(world.minutes_of("fast", "3"))
        page = get_as(portal_member(world), customer_url(world.customer)).content.decode()
        assert "To be invoiced" in page
        assert '<span class="amount">2.00<small></small></span>' in page
        assert "Top up" not in page
        assert "Invoiced" in get_as(member(world), list_url(world)).content.decode()

    def test_shows_times_in_the_customers_own_zone(self, db: None) -> None:
        world = open_video_world(time_zone="Asia/Tokyo")
        world.record(world.event())
        page = get_as(portal_member(world), customer_url(world.customer)).content.decode()
        assert "21:00:00" in page

    def test_teaches_while_there_is_nothing_to_show(self, video: VideoWorld) -> None:
        newcomer = CustomerFactory.create(organization=video.organization)
        page = get_as(member(video), customer_url(newcomer)).content.decode()
        assert "No balance yet" in page
        assert f"customers/{newcomer.external_id}/grants" in page

    def test_the_customers_people_see_no_way_into_the_organization(self, video: VideoWorld) -> None:
        page = get_as(portal_member(video), customer_url(video.customer)).content.decode()
        assert list_url(video) not in page
        assert "/admin/" not in page

    def test_hostile_names_stay_text(self, db: None) -> None:
        hostile = "<script>alert(1)</script>"
        world = open_video_world(name=hostile, external_id='"><img src=x>')
        properties = {"minutes": "1", "speed": "fast", "model": hostile}
        world.record(world.event(type="video.rendered", properties=properties))
        for url in (customer_url(world.customer), list_url(world)):
            page = get_as(member(world), url).content.decode()
            assert hostile not in page
            assert "<img" not in page
            assert "&lt;script&gt;" in page


class TestPolling:
    def poll(self, client: Client, world: VideoWorld, version: str = "") -> Any:
        headers = {**HTMX, "HX-PTag": version}
        return client.get(customer_url(world.customer), headers=headers)

    @pytest.fixture
    def watcher(self, video: VideoWorld, client: Client) -> Client:
        client.force_login(portal_member(video))
        return client

    def test_an_unchanged_page_is_not_sent_again(self, video: VideoWorld, watcher: Client) -> None:
        version = self.poll(watcher, video)["HX-PTag"]
        response = self.poll(watcher, video, version)
        assert response.status_code == 304
        assert response.content == b""

    def test_an_event_changes_the_fragment(self, video: VideoWorld, watcher: Client) -> None:
        version = self.poll(watcher, video)["HX-PTag"]
        video.record(video.event())
        response = self.poll(watcher, video, version)
        assert response.status_code == 200
        assert "99.00" in response.content.decode()
        assert "<html" not in response.content.decode()

    def test_an_event_that_costs_nothing_shows_too(
        self, video: VideoWorld, watcher: Client
    ) -> None:
        version = self.poll(watcher, video)["HX-PTag"]
        video.record(video.minutes_of("fast", "0"))
        assert self.poll(watcher, video, version).status_code == 200

    @pytest.mark.parametrize("terms", [{"effective_at": NOW + HOUR}, {"expires_at": NOW + HOUR}])
    def test_what_time_alone_brings_shows_too(
        self, video: VideoWorld, watcher: Client, terms: dict[str, object]
    ) -> None:
        video.grant("5", **terms)
        version = self.poll(watcher, video)["HX-PTag"]
        with time_machine.travel(NOW + HOUR, tick=False):
            assert self.poll(watcher, video, version).status_code == 200

    def test_another_plan_shows_too(self, video: VideoWorld, watcher: Client) -> None:
        version = self.poll(watcher, video)["HX-PTag"]
        Subscription.objects.filter(customer=video.customer).update(ended_at=NOW)
        assert self.poll(watcher, video, version).status_code == 200

    def test_a_new_day_shows_too(self, video: VideoWorld, watcher: Client) -> None:
        version = self.poll(watcher, video)["HX-PTag"]
        with time_machine.travel(NOW + DAY, tick=False):
            assert self.poll(watcher, video, version).status_code == 200

    def test_an_unchanged_page_costs_few_queries(self, video: VideoWorld, watcher: Client) -> None:
        version = self.poll(watcher, video)["HX-PTag"]
        with CaptureQueriesContext(connection) as queries:
            self.poll(watcher, video, version)
        assert len(work(queries)) <= 9, work(queries)

    def test_a_changed_page_costs_the_same_however_much_there_is(
        self, video: VideoWorld, watcher: Client
    ) -> None:
        video.record(video.event())
        self.poll(watcher, video)
        with CaptureQueriesContext(connection) as few:
            self.poll(watcher, video)
        for days in range(8):
            video.grant("1", effective_at=NOW - HOUR * days)
            video.record(video.event(), video.event(), at=NOW - days * HOUR)
        with CaptureQueriesContext(connection) as many:
            self.poll(watcher, video)
        assert len(work(many)) == len(work(few)) <= 21


def work(queries: CaptureQueriesContext) -> list[str]:
    """The statements that ask something; savepoints stand for transactions in tests."""
    return [query["sql"] for query in queries.captured_queries if "SAVEPOINT" not in query["sql"]]


class TestCustomerList:
    def page(self, world: VideoWorld, query: str = "") -> str:
        return str(get_as(member(world), list_url(world) + query).content.decode())

    def test_shows_balance_spend_and_last_event(self, video: VideoWorld) -> None:
        video.record(video.minutes_of("fast", "3"), at=NOW - HOUR)
        page = self.page(video)
        assert "97.00" in page
        assert "3.00" in page
        assert "11:00:00" in page

    @pytest.mark.parametrize(
        ("minutes", "state"), [("1", "99% left"), ("91", "9% left"), ("100", "Used up")]
    )
    def test_says_how_near_the_end_is(self, video: VideoWorld, minutes: str, state: str) -> None:
        video.record(video.minutes_of("fast", minutes))
        assert state in self.page(video)

    @pytest.mark.parametrize("search", ["acme", "CUS-7", "acme cus"])
    def test_finds_by_name_and_external_id(self, video: VideoWorld, search: str) -> None:
        CustomerFactory.create(
            organization=video.organization, name="Acme Ltd.", external_id="cus-7"
        )
        page = self.page(video, f"?q={search}")
        assert "Acme Ltd." in page
        assert video.customer.name not in page

    @pytest.mark.parametrize("search", ["nothing like it", "%00", "%25", "_", "\\"])
    def test_says_when_nothing_is_found(self, video: VideoWorld, search: str) -> None:
        page = self.page(video, f"?q=zzz{search}")
        assert "Nothing found" in page

    def test_knows_only_its_own_organization(self, video: VideoWorld) -> None:
        other = CustomerFactory.create(name="Somebody else's")
        assert other.name not in self.page(video)

    def test_teaches_while_there_is_no_customer(self, db: None) -> None:
        membership = MembershipFactory.create()
        url = reverse("customer-list", args=[membership.organization.slug])
        assert "No customers yet" in get_as(membership.user, url).content.decode()

    def test_turns_pages_and_keeps_the_search(self, video: VideoWorld) -> None:
        CustomerFactory.create_batch(30, organization=video.organization, name="Many")
        assert "?q=many&amp;page=2" in self.page(video, "?q=many")
        assert "26–30 of 30" in self.page(video, "?q=many&page=2")

    @pytest.mark.parametrize("number", ["0", "-1", "999", "x", ""])
    def test_a_page_that_is_not_there_gives_one_that_is(
        self, video: VideoWorld, number: str
    ) -> None:
        assert video.customer.name in self.page(video, f"?page={number}")

    def test_costs_the_same_however_many_customers(self, video: VideoWorld) -> None:
        user = member(video)
        with CaptureQueriesContext(connection) as few:
            get_as(user, list_url(video))
        for number in range(5):
            other = video.add_customer()
            other.record(other.event(id=f"other-{number}"))
        with CaptureQueriesContext(connection) as many:
            get_as(user, list_url(video))
        assert len(work(many)) == len(work(few))


class TestErrorPages:
    def test_a_bug_is_answered_without_its_details(
        self, video: VideoWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("secret detail")

        monkeypatch.setattr(customer_page, "read", broken)
        client = Client(raise_request_exception=False)
        client.force_login(member(video))
        response = client.get(customer_url(video.customer))
        assert response.status_code == 500
        assert "Something broke" in response.content.decode()
        assert "secret detail" not in response.content.decode()

    def test_an_unknown_address_is_answered_calmly(self, db: None, client: Client) -> None:
        response = client.get("/no/such/page/")
        assert response.status_code == 404
        assert "Not here" in response.content.decode()
