"""Grants by the API: giving credit, what became of it, and taking it back."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts import exact_json, ledger
from accounts.burndown import Category
from accounts.models import CreditGrant
from billing_site import self_check
from metering.models import AlertFiring
from tests.api.callers import Answer, Caller, caller_of
from tests.factories import AssetFactory, CreditAccountFactory, SpendAlertFactory
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


def give(api: Caller, video: VideoWorld, **terms: Any) -> Answer:
    body = {"asset": "USD", "amount": "10", **terms}
    return api.post(f"customers/{video.customer.external_id}/grants", body)


def first_grant(video: VideoWorld) -> CreditGrant:
    return CreditGrant.objects.get(account=video.account)


class TestGiving:
    def test_what_was_paid_for_it_is_kept(self, api: Caller, video: VideoWorld) -> None:
        points = AssetFactory.create(organization=video.organization, own_unit=True)
        paid = {"amount": "10.00", "asset": "USD"}
        given = give(api, video, asset=points.code, amount="1000", cost_basis=paid)
        assert given.status == 201
        listed = api.get(f"customers/{video.customer.external_id}/grants").json["results"]
        for answer in (given.json, listed[0]):
            assert answer["cost_basis"] == {"amount": "10", "asset": "USD"}
        assert listed[1]["cost_basis"] is None

    @pytest.mark.parametrize(
        ("field", "terms"),
        [
            ("cost_basis.amount", {"cost_basis": {"amount": "0", "asset": "USD"}}),
            ("cost_basis.asset", {"cost_basis": {"amount": "1", "asset": "EUR"}}),
            ("cost_basis.asset", {"cost_basis": {"amount": "1", "asset": "credits"}}),
            ("cost_basis.asset", {"cost_basis": {"amount": "1"}}),
            ("cost_basis.rate", {"cost_basis": {"amount": "1", "asset": "USD", "rate": "1"}}),
            (
                "cost_basis",
                {"cost_basis": {"amount": "1", "asset": "USD"}, "category": "promotional"},
            ),
            ("meters[1]", {"meters": ["video_minutes", "nonsense"]}),
            ("meters", {"meters": ["video_minutes"] * 101}),
            ("priority", {"priority": 101}),
            ("category", {"category": "bonus"}),
            ("effective_at", {"effective_at": "tomorrow"}),
            ("expires_at", {"expires_at": "2020-01-01T00:00:00Z"}),
            (
                "expires_at",
                {"effective_at": "2990-01-02T00:00:00Z", "expires_at": "2990-01-01T00:00:00Z"},
            ),
            ("reference", {"reference": "included:somebody"}),
        ],
    )
    def test_terms_that_cannot_be_are_named(
        self, api: Caller, video: VideoWorld, field: str, terms: dict[str, Any]
    ) -> None:
        AssetFactory.create(organization=video.organization, own_unit=True)
        refused = give(api, video, **terms).problem(422, "invalid")
        assert [error["field"] for error in refused["errors"]] == [field]
        assert CreditGrant.objects.count() == 1

    def test_every_term_is_told(self, api: Caller, video: VideoWorld) -> None:
        terms = {
            "category": "promotional",
            "priority": 7,
            "effective_at": "2990-01-01T00:00:00Z",
            "expires_at": "2990-02-01T00:00:00Z",
            "meters": ["video_minutes"],
            "reference": "pay-1",
            "name": "Welcome",
        }
        answer = give(api, video, **terms).json
        assert {name: answer[name] for name in terms} == terms
        assert (answer["posted_at"], answer["held"], answer["rolls_over"]) == (None, "0", False)


class TestReading:
    def test_it_tells_what_paid_what(self, api: Caller, video: VideoWorld) -> None:
        video.record(video.event(id="one"), at=timezone.now())
        ledger.hold(
            account=video.account,
            reference=uuid.UUID(int=5),
            parts=[ledger.Part("video_minutes", Decimal(7))],
            expires_at=timezone.now() + dt.timedelta(hours=1),
            at=timezone.now(),
        )
        answer = api.get(f"grants/{first_grant(video).id}").json
        assert (answer["grant"]["remaining"], answer["grant"]["held"]) == ("99", "7")
        usage, given = answer["entries"]
        assert (usage["kind"], usage["amount"]) == ("usage", "-1")
        assert usage["cause"] == {"kind": "event", "id": "one", "type": "video.rendered"}
        assert (given["kind"], given["amount"]) == ("grant", "100")
        [hold] = answer["holds"]
        assert (hold["authorization"], hold["amount"]) == (str(uuid.UUID(int=5)), "7")

    def test_a_long_one_comes_in_pages(self, api: Caller, video: VideoWorld) -> None:
        for _ in range(5):
            video.record(video.event())
        address = f"grants/{first_grant(video).id}?limit=2"
        versions = []
        while address:
            page = api.get(address).json
            versions += [entry["version"] for entry in page["entries"]]
            address = (page["next"] or "").partition("/api/v1/")[2]
        assert versions == [6, 5, 4, 3, 2, 1]

    @pytest.mark.parametrize("cursor", ["x", "", "-1", "Lg", "0" * 40])
    def test_a_cursor_is_one_that_a_page_gave(
        self, api: Caller, video: VideoWorld, cursor: str
    ) -> None:
        api.get(f"grants/{first_grant(video).id}?cursor={cursor}").problem(422, "invalid")

    def test_what_paid_a_debt_belongs_to_it(self, api: Caller) -> None:
        video = open_video_world(credit="1")
        account = CreditAccountFactory.create(
            customer=video.customer, overdraft=True, asset__code="EUR"
        )
        ledger.debit(
            account=account,
            reference=uuid.uuid4(),
            parts=[ledger.Part("video_minutes", Decimal(4))],
            at=timezone.now(),
        )
        caller = caller_of(video.organization)
        given = give(caller, video, asset="EUR").json
        entries = caller.get(f"grants/{given['id']}").json["entries"]
        assert [(each["amount"], each["grant"]) for each in entries] == [
            ("6", given["id"]),
            ("4", None),
        ]


class TestVoiding:
    def test_what_is_left_is_taken_back_and_the_reason_kept(
        self, api: Caller, video: VideoWorld
    ) -> None:
        SpendAlertFactory.create(account=video.account, threshold=Decimal(50))
        video.record(video.event())
        grant = first_grant(video)
        answer = api.post(f"grants/{grant.id}/void", {"reason": "charged back"}).json
        assert (answer["remaining"], answer["void_reason"]) == ("0", "charged back")
        assert answer["voided_at"] is not None
        assert AlertFiring.objects.get().balance == 0
        assert self_check.differences() == []

    def test_once(self, api: Caller, video: VideoWorld) -> None:
        address = f"grants/{first_grant(video).id}/void"
        key = {"Idempotency-Key": "one"}
        body = exact_json.encode({})
        first, again = (api.send("POST", address, body, headers=key) for _ in range(2))
        assert (first.status, again.status) == (200, 200)
        assert first.content == again.content
        api.post(address, {}).problem(409, "conflict")

    def test_not_after_it_expired(self, api: Caller, video: VideoWorld) -> None:
        soon = timezone.now() + dt.timedelta(milliseconds=50)
        grant = ledger.grant_credit(
            account=video.account,
            amount=Decimal(1),
            category=Category.PAID,
            expires_at=soon,
            at=soon - dt.timedelta(hours=1),
        )
        while timezone.now() < soon:
            pass
        answer = api.post(f"grants/{grant.id}/void", {}).problem(409, "conflict")
        assert answer["detail"] == "The grant has expired."

    @pytest.mark.parametrize("body", [[], {"reason": 5}, {"reason": "x" * 501}, {"why": "x"}])
    def test_a_reason_is_a_text(self, api: Caller, video: VideoWorld, body: object) -> None:
        api.post(f"grants/{first_grant(video).id}/void", body).problem(422, "invalid")
        assert video.balance() == 100

    def test_a_stranger_finds_nothing(self, video: VideoWorld) -> None:
        stranger = caller_of(open_video_world().organization)
        stranger.get(f"grants/{first_grant(video).id}").problem(404)
        stranger.post(f"grants/{first_grant(video).id}/void", {}).problem(404)
        assert video.balance() == 100


def test_a_subscription_is_made_once(api: Caller, video: VideoWorld) -> None:
    api.post("customers", {"external_id": "new"})
    body = exact_json.encode({"customer": "new", "plan": video.plan_version.plan.code})
    key = {"Idempotency-Key": "one"}
    first, again = (api.send("POST", "subscriptions", body, headers=key) for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert first.content == again.content


def test_a_customer_is_taken_on_once(api: Caller, video: VideoWorld) -> None:
    body = exact_json.encode({"external_id": "new"})
    key = {"Idempotency-Key": "one"}
    first, again = (api.send("POST", "customers", body, headers=key) for _ in range(2))
    assert (first.status, again.status) == (201, 201)
