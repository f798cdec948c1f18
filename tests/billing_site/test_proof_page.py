"""The proof page: what the operator is told of the books, and what may be done about it."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import proofs
from accounts.models import CreditAccount, Parking, User
from billing_site import self_check
from billing_site.dashboard import proof_page
from tests.billing_site.test_proof_runs import check
from tests.clock import DAY, HOUR, NOW, SECOND
from tests.factories import (
    MembershipFactory,
    OrganizationFactory,
    ParkingFactory,
    PortalMembershipFactory,
    ProofRunFactory,
)
from tests.guarded_tables import unguarded
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(minutes=1)
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOW + MINUTE, tick=False):
        yield


@pytest.fixture
def owner(video: VideoWorld) -> User:
    return member(video)


def member(world: VideoWorld, role: str = "owner") -> User:
    return MembershipFactory.create(organization=world.organization, role=role).user


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def url(world: VideoWorld, name: str = "proof", *args: object) -> str:
    return reverse(name, args=[world.organization.slug, *args])


def page(world: VideoWorld, person: User | None = None) -> str:
    return signed_in(person or member(world)).get(url(world)).content.decode()


def break_balance(world: VideoWorld) -> None:
    with unguarded():
        CreditAccount.objects.filter(id=world.account.id).update(balance=7)


def post(world: VideoWorld, name: str, *args: object, person: User, **data: str) -> Any:
    client = signed_in(person)
    response = client.post(url(world, name, *args), data)
    if response.status_code != 302:
        return response
    assert response["Location"] == url(world)
    return client.get(url(world))


class TestVerdict:
    def test_before_the_first_run_nothing_is_claimed(self, video: VideoWorld) -> None:
        text = page(video)
        assert "Not checked yet" in text
        assert "All books are right" not in text

    def test_right_books_are_called_right(self, video: VideoWorld) -> None:
        check(NOW)
        text = page(video)
        assert "All books are right" in text
        assert "1 minute ago" in text or "Less than a minute ago" in text
        for promise in (each.promise for each in self_check.CHECKS):
            assert f"{promise[:1].upper()}{promise[1:]}" in text.replace("&#x27;", "'")

    def test_a_difference_is_shown_with_its_customer_and_its_detail(
        self, video: VideoWorld
    ) -> None:
        break_balance(video)
        check(NOW)
        text = page(video)
        assert "2 differences in the books" in text
        assert "has 7.000000000000, its entries add up to 100.000000000000" in text
        assert "1 customer is parked" in text
        assert "Broken: an account stands at its newest entry." in text

    def test_another_organization_hears_nothing_of_it(self, video: VideoWorld) -> None:
        other = open_video_world()
        break_balance(video)
        check(NOW)
        text = page(other)
        assert "All books are right" in text
        assert video.customer.name not in text

    def test_a_short_pass_does_not_hide_what_a_full_one_found(self, video: VideoWorld) -> None:
        here = {"organization": video.organization}
        ProofRunFactory.create(**here, started_at=NOW - HOUR, differences=3)
        ProofRunFactory.create(**here, started_at=NOW, since=NOW - HOUR)
        assert "3 differences in the books" in page(video)

    def test_mended_books_are_right_again(self, video: VideoWorld) -> None:
        break_balance(video)
        check(NOW - 10 * MINUTE)
        with unguarded():
            CreditAccount.objects.filter(id=video.account.id).update(balance=100)
        check(NOW)
        text = page(video)
        assert "All books are right" in text
        assert "Parked customers" in text

    def test_a_run_that_died_is_told(self, video: VideoWorld) -> None:
        check(NOW - 20 * MINUTE)
        proofs.start(at=NOW - 10 * MINUTE)
        text = page(video)
        assert "did not finish" in text
        assert "All books are right" in text

    def test_a_run_at_work_is_told(self, video: VideoWorld, owner: User) -> None:
        check(NOW - 20 * MINUTE)
        proofs.start(at=NOW)
        text = page(video, owner)
        assert "A check is running since" in text
        assert "Check now" not in text

    def test_checks_that_stopped_coming_are_told(self, video: VideoWorld) -> None:
        check(NOW - DAY)
        assert "is the worker running?" in page(video)

    def test_hostile_names_stay_text(self, video: VideoWorld) -> None:
        video.customer.name = "<script>alert(1)</script>"
        video.customer.save()
        break_balance(video)
        check(NOW)
        assert "<script>alert" not in page(video)


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (59 * SECOND, "less than a minute ago"),
        (MINUTE, "1 minute ago"),
        (HOUR - SECOND, "59 minutes ago"),
        (3 * HOUR, "3 hours ago"),
        (2 * DAY, "2 days ago"),
        (-SECOND, "less than a minute ago"),
    ],
)
def test_ages_are_told_as_people_do(passed: dt.timedelta, words: str) -> None:
    assert proof_page.age(NOW - passed, at=NOW) == words


class TestActing:
    def test_check_now_asks_the_worker(self, video: VideoWorld, owner: User) -> None:
        answer = post(video, "proof-check", person=owner)
        assert "A check was asked for" in answer.content.decode()

    def test_one_check_at_a_time(self, video: VideoWorld, owner: User) -> None:
        proofs.start(at=NOW)
        answer = post(video, "proof-check", person=owner)
        assert "A check is running already" in answer.content.decode()

    def test_letting_go_needs_a_reason_and_keeps_it(self, video: VideoWorld, owner: User) -> None:
        break_balance(video)
        check(NOW)
        parking = Parking.objects.get()
        refused = post(video, "proof-let-go", parking.id, person=owner, reason=" ")
        assert "Say why" in refused.content.decode()
        text = post(
            video, "proof-let-go", parking.id, person=owner, reason="It was <b>me</b>"
        ).content.decode()
        assert "is billed again" in text
        assert "It was &lt;b&gt;me&lt;/b&gt;" in text
        parking.refresh_from_db()
        assert (parking.let_go_by, parking.let_go_reason) == (owner, "It was <b>me</b>")

    def test_letting_go_twice_says_so(self, video: VideoWorld, owner: User) -> None:
        gone = ParkingFactory.create(customer=video.customer, let_go_at=NOW, let_go_reason="done")
        answer = post(video, "proof-let-go", gone.id, person=owner, reason="again")
        assert "had been let go before" in answer.content.decode()
        gone.refresh_from_db()
        assert gone.let_go_reason == "done"

    def test_a_parking_of_somebody_else_does_not_exist(
        self, video: VideoWorld, owner: User
    ) -> None:
        foreign = ParkingFactory.create()
        answer = post(video, "proof-let-go", foreign.id, person=owner, reason="mine")
        assert answer.status_code == 404
        foreign.refresh_from_db()
        assert foreign.let_go_at is None

    def test_an_analyst_looks_and_does_nothing(self, video: VideoWorld) -> None:
        break_balance(video)
        check(NOW)
        analyst = member(video, "analyst")
        text = page(video, analyst)
        assert "Check now" not in text
        assert "Let go<" not in text
        parking = Parking.objects.get()
        assert post(video, "proof-check", person=analyst).status_code == 403
        refused = post(video, "proof-let-go", parking.id, person=analyst, reason="x")
        assert refused.status_code == 403
        parking.refresh_from_db()
        assert parking.let_go_at is None

    def test_nobody_else_finds_the_page(self, video: VideoWorld) -> None:
        portal = PortalMembershipFactory.create(customer=video.customer).user
        stranger = member(open_video_world())
        for person in (portal, stranger):
            client = signed_in(person)
            assert client.get(url(video)).status_code == 404
            assert client.post(url(video, "proof-check")).status_code == 404


class TestElsewhere:
    def test_operators_see_who_is_parked(self, video: VideoWorld, owner: User) -> None:
        ParkingFactory.create(customer=video.customer)
        neighbour = video.add_customer()
        client = signed_in(owner)
        listed = client.get(url(video, "customer-list")).content.decode()
        assert listed.count("Parked</span>") == 1
        for world, is_parked in ((video, True), (neighbour, False)):
            own_page = client.get(reverse("customer", args=[world.customer.id])).content.decode()
            assert ("Parked since" in own_page) == is_parked

    def test_the_customer_does_not_see_it(self, video: VideoWorld) -> None:
        ParkingFactory.create(customer=video.customer)
        portal = PortalMembershipFactory.create(customer=video.customer).user
        text = signed_in(portal).get(reverse("customer", args=[video.customer.id]))
        assert "Parked" not in text.content.decode()

    def test_an_open_customer_page_moves_when_its_customer_is_parked(
        self, video: VideoWorld, owner: User
    ) -> None:
        client = signed_in(owner)
        own_page = reverse("customer", args=[video.customer.id])
        version = client.get(own_page, headers=HTMX)["HX-PTag"]
        ParkingFactory.create(customer=video.customer)
        answer = client.get(own_page, headers={**HTMX, "HX-PTag": version})
        assert "Parked since" in answer.content.decode()

    def test_the_page_is_linked(self, video: VideoWorld, owner: User) -> None:
        listed = signed_in(owner).get(url(video, "customer-list")).content.decode()
        assert f'href="{url(video)}"' in listed


class TestPolling:
    def poll(self, client: Client, world: VideoWorld, version: str = "") -> Any:
        return client.get(url(world), headers={**HTMX, "HX-PTag": version})

    def test_an_unchanged_page_is_cheap(self, video: VideoWorld, owner: User) -> None:
        check(NOW)
        client = signed_in(owner)
        version = self.poll(client, video)["HX-PTag"]
        with CaptureQueriesContext(connection) as queries:
            assert self.poll(client, video, version).status_code == 304
        asked = [each["sql"] for each in queries.captured_queries if "SAVEPOINT" not in each["sql"]]
        assert len(asked) <= 8, asked

    @pytest.mark.parametrize("later", [MINUTE, HOUR])
    def test_the_age_moves(self, video: VideoWorld, owner: User, later: dt.timedelta) -> None:
        check(NOW)
        client = signed_in(owner)
        version = self.poll(client, video)["HX-PTag"]
        with time_machine.travel(NOW + MINUTE + later, tick=False):
            assert self.poll(client, video, version).status_code == 200

    def test_a_new_run_and_a_parking_show(self, video: VideoWorld, owner: User) -> None:
        check(NOW - 20 * MINUTE)
        client = signed_in(owner)
        version = self.poll(client, video)["HX-PTag"]
        proofs.start(at=NOW)
        running = self.poll(client, video, version)
        assert "A check is running" in running.content.decode()
        ParkingFactory.create(customer=video.customer)
        assert self.poll(client, video, running["HX-PTag"]).status_code == 200

    def test_a_fragment_is_no_page(self, video: VideoWorld, owner: User) -> None:
        text = self.poll(signed_in(owner), video).content.decode()
        assert "<html" not in text
        assert "Not checked yet" in text


def test_a_page_of_an_organization_without_customers(db: None) -> None:
    organization = OrganizationFactory.create()
    person = MembershipFactory.create(organization=organization).user
    check(NOW)
    answer = signed_in(person).get(reverse("proof", args=[organization.slug]))
    assert "All books are right" in answer.content.decode()
