"""Customers, their balances, grants and alerts."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import CreditGrant, Customer
from metering.models import SpendAlert
from tests.api.bodies import fast_minutes
from tests.api.callers import Caller
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

ACME: dict[str, Any] = {
    "external_id": "acme",
    "name": "Acme",
    "email": "billing@acme.example",
    "time_zone": "Europe/Berlin",
    "metadata": {"crm": "17"},
}


def path(video: VideoWorld, rest: str) -> str:
    return f"customers/{video.customer.external_id}/{rest}"


class TestCustomers:
    def test_is_created_and_read_back(self, api: Caller) -> None:
        created = api.post("customers", ACME)
        assert created.status == 201
        given = {name: created.json[name] for name in ACME}
        assert (given, created.json["usage_stopped_at"]) == (ACME, None)
        assert api.get("customers/acme").json == created.json

    def test_needs_nothing_but_an_id(self, api: Caller) -> None:
        created = api.post("customers", {"external_id": "solo"}).json
        assert (created["name"], created["email"], created["time_zone"]) == ("", "", "UTC")

    def test_exists_once(self, api: Caller) -> None:
        api.post("customers", ACME)
        api.post("customers", {**ACME, "name": "Another"}).problem(409, "conflict")
        assert Customer.objects.get(external_id="acme").name == "Acme"

    @pytest.mark.parametrize(
        "external_id",
        ["", ".", "..", "a/b", "/", "a\0", "a\nb", "\x7f", "a" * 201, 5, None, True, ["a"], {}],
    )
    def test_needs_an_id_that_can_stand_in_a_path(self, api: Caller, external_id: object) -> None:
        wrong = api.post("customers", {"external_id": external_id}).wrong_fields()
        assert set(wrong) == {"external_id"}

    @pytest.mark.parametrize("external_id", [" a ", "...", "a b", "ä", "a\u0308", "%00", "🎬", "+"])
    def test_keeps_its_id_letter_for_letter(self, api: Caller, external_id: str) -> None:
        assert (
            api.post("customers", {"external_id": external_id}).json["external_id"] == external_id
        )
        escaped = "".join(f"%{byte:02X}" for byte in external_id.encode())
        assert api.get(f"customers/{escaped}").json["external_id"] == external_id

    def test_is_changed(self, api: Caller) -> None:
        api.post("customers", ACME)
        change = {"name": "Acme SE", "metadata": {}}
        changed = api.patch("customers/acme", change)
        assert changed.status == 200
        assert changed.json == {**api.get("customers/acme").json, **change}
        assert changed.json["email"] == ACME["email"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", 5),
            ("name", "x" * 201),
            ("name", "a\0"),
            ("email", "nobody"),
            ("email", 5),
            ("time_zone", "Mars/Base"),
            ("time_zone", "../UTC"),
            ("metadata", []),
            ("metadata", "x"),
            ("metadata", {"a" * 101: "x"}),
            ("metadata", {"\0": "x"}),
            ("metadata", {str(n): "x" for n in range(51)}),
            ("external_id", "other"),
            ("colour", "red"),
        ],
    )
    def test_is_never_changed_into_nonsense(self, api: Caller, field: str, value: object) -> None:
        before = api.post("customers", ACME).json
        assert api.patch("customers/acme", {field: value}).wrong_fields() == [field]
        assert api.get("customers/acme").json == before

    @pytest.mark.parametrize("value", [1, None, {}, "\0", "x" * 501])
    def test_metadata_are_texts(self, api: Caller, value: object) -> None:
        body = {**ACME, "metadata": {"key": value}}
        assert api.post("customers", body).wrong_fields() == ["metadata.key"]

    def test_are_listed_newest_first(self, api: Caller, video: VideoWorld) -> None:
        for n in range(3):
            api.post("customers", {"external_id": f"c{n}"})
        first = api.get("customers", limit=2).json
        second = api.get(first["next"]).json
        ids = [each["external_id"] for page in (first, second) for each in page["results"]]
        assert ids == ["c2", "c1", "c0", video.customer.external_id]


class TestBalance:
    def test_shows_each_asset_as_it_is_now(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video, "0.5"))
        shown = api.get(path(video, "balance")).json
        assert shown["customer"] == video.customer.external_id
        assert shown["balances"] == [
            {"asset": "USD", "posted": "99.5", "held": "0", "available": "99.5"}
        ]

    def test_counts_what_expired_although_nobody_booked_it(
        self, api: Caller, video: VideoWorld
    ) -> None:
        video.grant("7", expires_at=timezone.now() - dt.timedelta(seconds=1))
        assert api.get(path(video, "balance")).json["balances"][0]["available"] == "100"

    def test_of_nobody_is_not_found(self, api: Caller) -> None:
        api.get("customers/nobody/balance").problem(404, "not_found")


class TestGrants:
    def test_gives_credit(self, api: Caller, video: VideoWorld) -> None:
        order = {
            "asset": "USD",
            "amount": "12.50",
            "category": "promotional",
            "priority": 10,
            "effective_at": "2026-01-01T00:00:00Z",
            "expires_at": "2999-12-31T23:59:59Z",
            "meters": ["video_minutes"],
            "reference": "pay_1",
            "name": "Welcome",
        }
        given = api.post(path(video, "grants"), order)
        assert given.status == 201
        assert given.json == {**given.json, **order, "amount": "12.5", "remaining": "12.5"}
        assert video.balance() == 112.5
        assert api.get(path(video, "grants")).json["results"][0] == given.json

    def test_of_one_payment_is_given_once(self, api: Caller, video: VideoWorld) -> None:
        order = {"asset": "USD", "amount": "5", "reference": "pay_1"}
        assert api.post(path(video, "grants"), order).status == 201
        api.post(path(video, "grants"), order).problem(409, "conflict")
        other = video.add_customer()
        api.post(path(other, "grants"), order).problem(409, "conflict")
        assert video.balance() == 105
        assert other.balance() == 100

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("asset", "EUR"),
            ("asset", 5),
            ("amount", "0"),
            ("amount", "-1"),
            ("amount", "NaN"),
            ("amount", "Infinity"),
            ("amount", "1e500000"),
            ("amount", "0.0000000000001"),
            ("amount", "1" * 27),
            ("amount", "٥"),
            ("amount", "1_000"),
            ("amount", " 1"),
            ("amount", True),
            ("amount", None),
            ("amount", [1]),
            ("category", "gift"),
            ("category", {}),
            ("priority", 101),
            ("priority", -1),
            ("priority", "5"),
            ("priority", "٥"),
            ("priority", True),
            ("effective_at", "2026-01-01"),
            ("effective_at", "2026-01-01T00:00:00"),
            ("effective_at", "٢٠٢٦-01-01T00:00:00Z"),
            ("expires_at", "2016-12-31T23:59:60Z"),
            ("expires_at", "0000-01-01T00:00:00Z"),
            ("expires_at", "9999-12-31T23:59:59-23:59"),
            ("expires_at", "2020-01-01T00:00:00Z"),
            ("expires_at", 1767225600),
            ("meters", "video_minutes"),
            ("meters", ["x"] * 101),
            ("reference", "\0"),
            ("name", "x" * 201),
            ("colour", "red"),
        ],
    )
    def test_on_nonsense_terms_is_refused(
        self, api: Caller, video: VideoWorld, field: str, value: object
    ) -> None:
        order = {"asset": "USD", "amount": "5", field: value}
        assert api.post(path(video, "grants"), order).wrong_fields() == [field]
        assert CreditGrant.objects.count() == 1

    def test_that_no_balance_can_hold_is_refused(self, api: Caller, video: VideoWorld) -> None:
        huge = {"asset": "USD", "amount": "9" * 26}
        later = {**huge, "effective_at": "2999-01-01T00:00:00Z"}
        assert api.post(path(video, "grants"), huge).wrong_fields() == ["amount"]
        assert api.post(path(video, "grants"), later).wrong_fields() == ["amount"]
        assert video.balance() == 100


class TestAlerts:
    def test_is_created_once_for_each_threshold(self, api: Caller, video: VideoWorld) -> None:
        created = api.post(path(video, "alerts"), {"asset": "USD", "threshold": "20.00"})
        assert created.status == 201
        assert (created.json["threshold"], created.json["is_active"]) == ("20", True)
        body = {"asset": "USD", "threshold": 20}
        api.post(path(video, "alerts"), body).problem(409, "conflict")
        assert api.get(path(video, "alerts")).json["results"] == [created.json]

    @pytest.mark.parametrize(
        ("field", "value"), [("asset", "EUR"), ("threshold", "low"), ("threshold", None), ("x", 1)]
    )
    def test_on_nonsense_is_refused(
        self, api: Caller, video: VideoWorld, field: str, value: object
    ) -> None:
        body = {"asset": "USD", "threshold": "5", field: value}
        assert api.post(path(video, "alerts"), body).wrong_fields() == [field]
        assert not SpendAlert.objects.exists()
