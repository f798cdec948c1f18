"""The ledger of a customer, in pages and as a file."""

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import api_keys, ledger
from accounts.burndown import Category
from accounts.models import OnExpiry
from metering import corrections
from tests.api.callers import Caller, caller_of
from tests.clock import DAY, HOUR, NOW, SINCE
from tests.factories import AssetFactory
from tests.worlds import VideoWorld, open_world_selling

pytestmark = pytest.mark.django_db


def read(api: Caller, video: VideoWorld, **query: object) -> Any:
    answer = api.get(f"customers/{video.customer.external_id}/ledger", **query)
    assert answer.status == 200, answer.json
    return answer.json


def rows_of(video: VideoWorld, *, accept: str = "*/*", **query: str) -> list[Any]:
    """Return the file, read as a CSV reader does."""
    _, secret = api_keys.issue(organization=video.organization, name="files", scopes=["read"])
    response = Client().get(
        f"/api/v1/customers/{video.customer.external_id}/ledger",
        query,
        headers={"Authorization": f"Bearer {secret}", "Accept": accept},
    )
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="statement-')
    content = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(content)))


class TestPages:
    def test_every_entry_says_what_caused_it(self, api: Caller, video: VideoWorld) -> None:
        video.record(video.minutes_of("fast", "2.5", id="e-1", source="eu"))
        usage, grant = read(api, video)["results"]
        credit = video.account.grants.get()
        assert usage == {
            "asset": "USD",
            "version": 2,
            "at": "2025-03-10T12:00:00Z",
            "kind": "usage",
            "amount": "-2.5",
            "balance_after": "97.5",
            "grant": str(credit.id),
            "reference": usage["reference"],
            "cause": {"kind": "event", "id": "e-1", "source": "eu", "type": "video.rendered"},
        }
        assert (grant["version"], grant["kind"], grant["amount"]) == (1, "grant", "100")
        name = "Paid credit"
        assert grant["cause"] == {"kind": "grant", "id": str(credit.id), "name": name}

    def test_a_hold_that_was_taken_is_told_as_its_authorization(
        self, api: Caller, video: VideoWorld
    ) -> None:
        reference = video.event().key
        ledger.hold(
            account=video.account, parts=[ledger.Part("video_minutes", Decimal(7))],
            reference=reference, expires_at=NOW + HOUR, on_expiry=OnExpiry.CAPTURE_FULL, at=NOW,
        )  # fmt: skip
        ledger.expire(
            organization_id=video.organization.id, account_ids=[video.account.id], at=NOW + HOUR
        )
        [taken, _] = read(api, video)["results"]
        assert taken["cause"] == {"kind": "authorization", "id": str(reference)}

    def test_what_a_void_charges_others_is_told_by_the_event_it_took_back(self) -> None:
        tiers = [{"up_to": "10", "unit_amount": "1"}, {"up_to": None, "unit_amount": "0.5"}]
        world = open_world_selling({"charge_model": "graduated", "tiers": tiers})
        first = world.used(units="10")
        world.record(first, world.used(units="10"))
        corrections.void_event(organization_id=world.organization.id, key=first.key, at=NOW)
        entries = read(caller_of(world.organization), world)["results"]
        causes = {each["cause"]["kind"]: each["cause"]["id"] for each in entries}
        assert causes["void"] == first.external_id

    def test_pages_lead_through_all_assets(self, api: Caller, video: VideoWorld) -> None:
        units = AssetFactory.create(organization=video.organization, code="ACME", scale=0)
        other = ledger.open_account(customer=video.customer, asset=units)
        for number in range(3):
            video.grant("1", at=SINCE + number * DAY)
            ledger.grant_credit(
                account=other, amount=Decimal(5), category=Category.PAID, at=SINCE + number * DAY
            )
        page, seen = read(api, video, limit=2), []
        while True:
            seen += [(each["asset"], each["version"]) for each in page["results"]]
            if page["next"] is None:
                break
            page = api.get(page["next"]).json
        assert seen == [
            *(("ACME", version) for version in (3, 2, 1)),
            *(("USD", version) for version in (4, 3, 2, 1)),
        ]

    def test_filters_narrow_and_the_span_says_what_was_there_before(
        self, api: Caller, video: VideoWorld
    ) -> None:
        for days in (3, 2, 1):
            video.record(video.event(), at=NOW - days * DAY)
        asked = {
            "from": (NOW - 2 * DAY).isoformat(), "to": (NOW - DAY).isoformat(), "asset": "USD",
        }  # fmt: skip
        page = read(api, video, **asked)
        assert [each["balance_after"] for each in page["results"]] == ["98"]
        assert page["spans"] == [{"asset": "USD", "opening_balance": "99", "closing_balance": "98"}]
        assert len(read(api, video, kind="grant")["results"]) == 1
        assert len(read(api, video, kind="grant,usage")["results"]) == 4
        assert read(api, video, kind="expiry")["results"] == []

    @pytest.mark.parametrize(
        ("query", "fields"),
        [
            ({"asset": "XXX"}, ["asset"]),
            ({"asset": "\0"}, ["asset"]),
            ({"kind": "gift"}, ["kind"]),
            ({"kind": ""}, ["kind"]),
            ({"from": "2026-01-31"}, ["from"]),
            ({"to": "\0"}, ["to"]),
            ({"from": "2026-01-31T00:00:00Z", "to": "2026-01-31T00:00:00Z"}, ["to"]),
            ({"since": "x", "form": "csv"}, ["since", "form"]),
        ],
    )
    @pytest.mark.parametrize("accept", ["application/json", "text/csv"])
    def test_what_cannot_be_asked_is_refused(
        self,
        api: Caller,
        video: VideoWorld,
        accept: str,
        query: dict[str, object],
        fields: list[str],
    ) -> None:
        path = f"customers/{video.customer.external_id}/ledger"
        answer = api.send("GET", path, query=query, headers={"Accept": accept})
        assert answer.wrong_fields() == fields

    @pytest.mark.parametrize(
        "cursor",
        ["nonsense", "\0", "", "MDE5MGEwZjAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAwIDE", "9" * 500],
    )
    def test_takes_its_own_cursors_only(self, api: Caller, video: VideoWorld, cursor: str) -> None:
        path = f"customers/{video.customer.external_id}/ledger"
        assert api.get(path, cursor=cursor).wrong_fields() == ["cursor"]
        assert api.get(path, limit="0").wrong_fields() == ["limit"]

    def test_a_page_costs_the_same_however_much_there_is(
        self, api: Caller, video: VideoWorld
    ) -> None:
        path = f"customers/{video.customer.external_id}/ledger?from={SINCE:%Y-%m-%dT%H:%M:%SZ}"
        video.record(video.event())
        with CaptureQueriesContext(connection) as few:
            api.get(path)
        video.record(*(video.event() for _ in range(60)))
        with CaptureQueriesContext(connection) as many:
            api.get(path)
        assert len(many) <= len(few) <= 9


class TestFile:
    def test_adds_up_from_row_to_row(self, video: VideoWorld) -> None:
        video.record(video.minutes_of("fast", "0.000000000001"), video.minutes_of("fast", "2"))
        rows = rows_of(video, accept="text/csv")
        assert [row["amount"] for row in rows] == ["100", "-0.000000000001", "-2"]
        balance = Decimal(0)
        for row in rows:
            balance += Decimal(row["amount"])
            assert Decimal(row["balance_after"]) == balance
        assert rows == rows_of(video, format="csv")

    def test_takes_the_same_filters(self, video: VideoWorld) -> None:
        video.record(video.event(), at=NOW - DAY)
        video.record(video.event(id="last"), at=NOW)
        asked = {"from": (NOW - HOUR).isoformat(), "format": "csv"}
        assert [row["id"] for row in rows_of(video, **asked)] == ["last"]
        assert [row["cause"] for row in rows_of(video, kind="grant", format="csv")] == ["grant"]

    @pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "＝"])
    def test_a_text_never_becomes_a_formula(self, video: VideoWorld, begin: str) -> None:
        hostile = f'{begin}HYPERLINK("x"),2'
        video.grant("1", name=f"{hostile}\n")
        *_, grant = rows_of(video, format="csv")
        assert grant["grant_name"] == f"'{hostile}\n"

    def test_nor_does_the_id_of_an_event(self, video: VideoWorld) -> None:
        video.record(video.event(id='=1+1,"x"', source="@eu"))
        *_, usage = rows_of(video, format="csv")
        assert (usage["id"], usage["source"]) == ('\'=1+1,"x"', "'@eu")
        assert usage["amount"] == "-1"

    def test_a_strangers_ledger_is_not_found(self, api: Caller, db: None) -> None:
        for query in ({}, {"format": "csv"}):
            api.get("customers/nobody/ledger", **query).problem(404, "not_found")

    def test_an_unknown_form_is_refused(self, api: Caller, video: VideoWorld) -> None:
        path = f"customers/{video.customer.external_id}/ledger"
        assert api.send("GET", path, query={"format": "pdf"}).status == 404
        assert api.send("GET", path, headers={"Accept": "image/png"}).status == 406

    def test_says_when_it_was_written(self, video: VideoWorld) -> None:
        [row] = rows_of(video, format="csv")
        assert dt.datetime.fromisoformat(row["at"]) == SINCE
