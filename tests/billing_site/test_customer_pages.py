"""A customer's statement, events and limits as pages: what they say, to whom, what they change."""

import csv
import io
import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts import ledger
from accounts.burndown import Category
from accounts.models import Role, User
from metering import caps, corrections
from metering.models import CapOwner, SpendCap
from metering.spend_caps import Window
from pricing.models import ShortfallPolicy
from tests.clock import DAY, HOUR, NOW, SINCE
from tests.factories import (
    AssetFactory,
    CostRateFactory,
    CustomerFactory,
    MembershipFactory,
    PortalMembershipFactory,
)
from tests.worlds import VideoWorld, open_video_world, open_world_selling

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    """Look at every page at the tests' own now."""
    with time_machine.travel(NOW, tick=False):
        yield


def member(world: VideoWorld, role: Role = Role.OWNER) -> User:
    return MembershipFactory.create(organization=world.organization, role=role).user


def portal_member(world: VideoWorld) -> User:
    return PortalMembershipFactory.create(customer=world.customer).user


def client_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def url(world: VideoWorld, name: str, *args: object) -> str:
    return reverse(f"customer-{name}", args=[world.customer.id, *args])


def page(
    world: VideoWorld,
    name: str,
    *args: object,
    person: User | None = None,
    asked: dict[str, str] | None = None,
) -> str:
    answer = client_of(person or portal_member(world)).get(url(world, name, *args), asked or {})
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


class TestStatement:
    def test_shows_every_entry_with_what_caused_it(self, video: VideoWorld) -> None:
        video.grant("5", name="Launch gift", category=Category.PROMOTIONAL, priority=1)
        event = video.minutes_of("fast", "7.5", id="render-1")
        video.record(event)
        shown = page(video, "statement")
        assert url(video, "event", event.key) in shown
        assert "render-1" in shown
        assert "from Launch gift" in shown
        assert shown.count("Credit added") - shown.count(">Credit added</option>") == 2
        for amount in ("−5.00", "−2.50", "100.00", "97.50"):
            assert f"{amount}<small>" in shown

    def test_a_span_says_what_was_there_before(self, video: VideoWorld) -> None:
        for days in (3, 2, 1):
            video.record(video.event(id=f"render-{days}"), at=NOW - days * DAY)
        day = f"{NOW - 2 * DAY:%Y-%m-%d}"
        shown = page(video, "statement", asked={"from": day, "through": day})
        assert "render-2" in shown
        assert "render-1" not in shown
        opening, closing = shown.split("Opening balance")[1], shown.split("Closing balance")[1]
        assert opening.startswith(', 8 Mar 2025</dt><dd><span class="amount">99.00')
        assert closing.startswith(', end of 8 Mar 2025</dt><dd><span class="amount">98.00')

    def test_days_are_those_of_the_customer(self) -> None:
        world = open_video_world(time_zone="Pacific/Auckland")
        world.record(world.event(id="late-in-utc"), at=NOW)
        assert "late-in-utc" in page(world, "statement", asked={"from": "2025-03-11"})
        assert "late-in-utc" not in page(world, "statement", asked={"through": "2025-03-10"})

    def test_pages_lead_to_the_first_entry(self, video: VideoWorld) -> None:
        video.record(*(video.event(id=f"render-{n}") for n in range(55)))
        first = page(video, "statement")
        assert "render-54" in first
        assert "render-4<" not in first
        second = page(video, "statement", asked={"before": "7"})
        assert "render-4<" in second
        assert "Newest entries" in second
        assert "Older entries" not in second

    def test_each_balance_has_its_own(self, video: VideoWorld) -> None:
        units = AssetFactory.create(organization=video.organization, code="A&B", scale=0)
        account = ledger.open_account(customer=video.customer, asset=units)
        video.record(video.event())
        ledger.grant_credit(account=account, amount=Decimal(7), category=Category.PAID, at=SINCE)
        assert '<option value="A&amp;B" selected>' not in page(video, "statement")
        shown = page(video, "statement", asked={"asset": "A&B", "kind": "grant"})
        assert '<option value="A&amp;B" selected>' in shown
        assert "+<span" in shown

    def test_is_sent_as_a_file_with_the_same_filters(self, video: VideoWorld) -> None:
        video.record(video.event())
        answer = client_of(portal_member(video)).get(
            url(video, "statement"), {"format": "csv", "kind": "usage"}
        )
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        content = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
        [row] = csv.DictReader(io.StringIO(content))
        assert (row["kind"], row["amount"]) == ("usage", "-1")

    def test_teaches_while_there_is_nothing(self, video: VideoWorld) -> None:
        newcomer = CustomerFactory.create(organization=video.organization)
        answer = client_of(member(video)).get(reverse("customer-statement", args=[newcomer.id]))
        assert "Nothing was entered yet" in answer.content.decode()


class TestEvents:
    def test_are_filtered_by_type_and_day(self, video: VideoWorld) -> None:
        video.record(video.used(minutes="1", speed="fast", note="new"))
        video.record(video.used(minutes="1", speed="fast", note="old"), at=NOW - DAY)
        assert "note old" not in page(video, "events", asked={"day": "2025-03-10"})
        assert "note old" in page(
            video, "events", asked={"day": "2025-03-09", "type": "video.rendered"}
        )
        assert "note old" in page(video, "events", asked={"day": "nonsense", "type": "nonsense"})
        assert "none that fits" in page(video, "events", asked={"day": "2020-01-01"})

    def test_come_in_pages(self, video: VideoWorld) -> None:
        video.record(*(video.used(minutes="1", speed="fast", note=f"n{n}") for n in range(53)))
        first = page(video, "events")
        cursor = first.split("?cursor=")[1].split('"')[0]
        second = page(video, "events", asked={"cursor": cursor})
        assert first.count('id="event-') + second.count('id="event-') == 53
        assert "Newest events" in second
        assert "Older events" not in second


class TestOneEvent:
    def test_is_explained_to_the_tier_and_the_grant(self) -> None:
        tiers = [{"up_to": "5", "unit_amount": "1"}, {"up_to": None, "unit_amount": "0.5"}]
        world = open_world_selling({"charge_model": "graduated", "included": "2", "tiers": tiers})
        world.grant("4", name="Launch gift", category=Category.PROMOTIONAL, priority=1)
        event = world.used(units="9", note="</script><b>")
        world.record(event)
        shown = page(world, "event", event.key)
        for words in (
            "Launch gift",
            "Promotional credit",
            "Paid credit",
            "The plan includes 2 of it",
            "Tier 1: 0 to 5",
            "Tier 2: above 5",
            "version 1",
            "&lt;/script&gt;&lt;b&gt;",
        ):
            assert words in shown
        assert '6.00<small></small></span> <span class="unit">USD' in shown

    def test_that_was_taken_back_says_so(self, video: VideoWorld) -> None:
        event = video.event()
        video.record(event)
        corrections.void_event(
            organization_id=video.organization.id, key=event.key, at=NOW, reason="Sent twice"
        )
        shown = page(video, "event", event.key)
        assert "Taken back on 10 Mar 2025, 12:00:00: Sent twice." in shown
        assert "of it was given back since" in shown
        assert '<span class="chip bad">Voided</span>' in page(video, "events")
        assert "Given back" in page(video, "statement")

    def test_says_what_will_be_invoiced(self) -> None:
        world = open_video_world(credit="1", policy=ShortfallPolicy.OVERAGE)
        event = world.minutes_of("fast", "3")
        world.record(event)
        assert "To be invoiced" in page(world, "event", event.key)

    def test_vendor_cost_is_for_the_sellers_eyes_only(self, video: VideoWorld) -> None:
        CostRateFactory.create(meter=video.minutes)
        event = video.event()
        video.record(event)
        assert "Vendor cost" in page(video, "event", event.key, person=member(video, Role.ANALYST))
        assert "Vendor cost" not in page(video, "event", event.key)

    def test_that_cost_nothing_has_a_page(self, video: VideoWorld) -> None:
        event = video.minutes_of("fast", "0")
        video.record(event)
        assert "Nothing was charged for it" in page(video, "event", event.key)

    def test_of_somebody_else_is_not_there(self, video: VideoWorld) -> None:
        other = video.add_customer()
        event = other.event(id="theirs")
        other.record(event)
        for key in (event.key, uuid.uuid4()):
            answer = client_of(member(video)).get(url(video, "event", key))
            assert answer.status_code == 404


class TestLimits:
    FORM = {"counts": "asset:USD", "limit": "2.5", "window": "day"}

    def test_a_customer_sets_one_of_their_own(self, video: VideoWorld) -> None:
        person = portal_member(video)
        answer = client_of(person).post(url(video, "limits"), self.FORM)
        assert (answer.status_code, answer["Location"]) == (302, url(video, "limits"))
        assert SpendCap.objects.get().owner == CapOwner.CUSTOMER
        video.record(video.minutes_of("fast", "2"))
        assert "2.00 of 2.50 USD used" in page(video, "limits", person=person)
        overview = client_of(person).get(reverse("customer", args=[video.customer.id]))
        assert "2.00 of 2.50 USD used" in overview.content.decode()

    def test_the_seller_sets_one_the_customer_only_sees(self, video: VideoWorld) -> None:
        form = {**self.FORM, "counts": "meter:video_minutes", "property_name": "team"}
        client_of(member(video)).post(url(video, "limits"), form)
        cap = SpendCap.objects.get()
        assert (cap.owner, cap.meter, cap.asset) == (CapOwner.ORGANIZATION, video.minutes, None)
        lift = url(video, "limit-lift", cap.id)
        shown = page(video, "limits")
        assert "At most 2.5 Video minutes a day, for each team apart." in shown
        assert lift not in shown
        assert client_of(portal_member(video)).post(lift).status_code == 403
        assert SpendCap.objects.filter(is_active=True).exists()

    def test_is_lifted_after_a_question(self, video: VideoWorld) -> None:
        cap = caps.set_cap(
            customer=video.customer, limit=Decimal(1), window=Window.DAY, asset=video.usd,
            owner=CapOwner.CUSTOMER, at=NOW,
        )  # fmt: skip
        client, lift = client_of(portal_member(video)), url(video, "limit-lift", cap.id)
        assert "Lift this limit?" in client.get(lift).content.decode()
        assert SpendCap.objects.filter(is_active=True).exists()
        client.post(lift)
        assert not SpendCap.objects.filter(is_active=True).exists()
        assert client.post(lift).status_code == 404

    @pytest.mark.parametrize(
        "changes",
        [{"limit": "-1"}, {"limit": ""}, {"limit": "NaN"}, {"counts": "asset:XXX"},
         {"counts": ""}, {"window": "year"}, {"property_name": "\0"}, {"name": "x" * 201}],
    )  # fmt: skip
    def test_what_makes_no_sense_is_said_beside_the_field(
        self, video: VideoWorld, changes: dict[str, str]
    ) -> None:
        client = client_of(portal_member(video))
        answer = client.post(url(video, "limits"), {**self.FORM, **changes})
        assert answer.status_code == 422
        assert 'role="alert"' in answer.content.decode()
        assert not SpendCap.objects.exists()

    def test_nobody_sets_more_than_anybody_needs(
        self, video: VideoWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("billing_site.dashboard.limit_pages.CAPS_MAX", 1)
        client = client_of(portal_member(video))
        statuses = [client.post(url(video, "limits"), self.FORM).status_code for _ in range(2)]
        assert statuses == [302, 422]

    def test_needs_a_token_from_our_own_page(self, video: VideoWorld) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(portal_member(video))
        for name in ("limits", "stop", "resume"):
            assert client.post(url(video, name), self.FORM).status_code == 403


class TestSwitch:
    @pytest.mark.parametrize("is_seller", [True, False])
    def test_stops_and_goes_on_after_a_question(
        self, video: VideoWorld, *, is_seller: bool
    ) -> None:
        client = client_of(member(video) if is_seller else portal_member(video))
        assert "Stop all usage of" in client.get(url(video, "stop")).content.decode()
        client.post(url(video, "stop"))
        assert video.record(video.event())[0].reason == "usage_stopped"
        overview = client.get(reverse("customer", args=[video.customer.id])).content.decode()
        assert "All usage is stopped since 10 Mar 2025, 12:00" in overview
        assert "Let usage go on" in client.get(url(video, "limits")).content.decode()
        client.post(url(video, "resume"))
        assert video.record(video.event())[0].status == "recorded"

    def test_is_noticed_by_an_open_page(self, video: VideoWorld) -> None:
        client, address = client_of(member(video)), reverse("customer", args=[video.customer.id])
        version = client.get(address, headers={"HX-Request": "true"})["HX-PTag"]
        client.post(url(video, "stop"))
        headers = {"HX-Request": "true", "HX-PTag": version}
        assert client.get(address, headers=headers).status_code == 200

    def test_a_count_that_begins_again_is_noticed_too(self, video: VideoWorld) -> None:
        caps.set_cap(
            customer=video.customer, limit=Decimal(1), window=Window.HOUR, asset=video.usd, at=NOW
        )
        client, address = client_of(member(video)), reverse("customer", args=[video.customer.id])
        version = client.get(address, headers={"HX-Request": "true"})["HX-PTag"]
        headers = {"HX-Request": "true", "HX-PTag": version}
        assert client.get(address, headers=headers).status_code == 304
        with time_machine.travel(NOW + HOUR, tick=False):
            assert client.get(address, headers=headers).status_code == 200

    def test_an_analyst_only_looks(self, video: VideoWorld) -> None:
        client = client_of(member(video, Role.ANALYST))
        shown = client.get(url(video, "limits")).content.decode()
        assert "Stop all usage" not in shown
        assert "Set a limit" not in shown
        for name in ("limits", "stop", "resume"):
            assert client.post(url(video, name), TestLimits.FORM).status_code == 403
        video.customer.refresh_from_db()
        assert video.customer.usage_stopped_at is None
