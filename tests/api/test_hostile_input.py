"""Input that was made to break something: refused by a clear 4xx, and nothing of it is stored."""

import json
from collections.abc import Iterator

import pytest
from django.utils import timezone

from metering.models import Authorization, Event
from tests.api.bodies import cloud_event, fast_minutes
from tests.api.callers import Answer, Caller
from tests.api.tables import row_counts
from tests.authorized_work import authorize
from tests.clock import DAY
from tests.pricing.plan_documents import credit, full_plan, meter, price
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

HOSTILE_JSON = {
    "nothing": b"",
    "spaces": b"  \n",
    "invalid UTF-8": b"\xff\xfe",
    "an encoded surrogate": b'"\xed\xa0\x80"',
    "a lone surrogate": rb'"\ud800"',
    "a lone surrogate as a name": rb'{"\udfff": 1}',
    "a NUL character": rb'"\u0000"',
    "a NUL character as a name": rb'{"\u0000": 1}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "an open depth": b"[" * 100_000,
    "a deep array": b"[" * 100_000 + b"]" * 100_000,
    "a deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a depth of 17": b'{"a":' * 17 + b"1" + b"}" * 17,
    "a huge exponent": b"1e500000",
    "a huge negative exponent": b"-1e-500000",
    "an exponent without end": b"1e" + b"9" * 5000,
    "5,000 digits": b"1" * 5000,
    "5,000 places": b"0." + b"1" * 5000,
    "not a number": b"NaN",
    "infinity": b"-Infinity",
    "Arabic digits": "٥".encode(),
    "hexadecimal": b"0x10",
    "a leading zero": b"01",
    "a leading plus": b"+1",
    "a name twice": b'{"a": 1, "a": 1}',
    "a trailing comma": b'{"a": 1,}',
    "a comment": b"{} // x",
    "two values": b"{} {}",
    "single quotes": b"{'a': 1}",
    "true": b"true",
    "a 3 MiB text": b'"' + b"x" * 3_000_000 + b'"',
    "20,000 members": json.dumps({f"m{n}": n for n in range(20_000)}).encode(),
}
EVERY_HOSTILE = pytest.mark.parametrize(
    "hostile", HOSTILE_JSON.values(), ids=[name.replace(" ", "-") for name in HOSTILE_JSON]
)
MARK = "HERE"
ASKED_OF_A_PAST = ("plan", "version", "from", "to", "customers", "everyone")


@pytest.fixture
def work(video: VideoWorld) -> None:
    """Let some work of the customer's be authorized for a day by the real clock."""
    authorize(video, video.event(), expires_in=DAY, at=timezone.now())


@pytest.fixture
def nothing_is_stored(api: Caller) -> Iterator[None]:
    before = row_counts()
    yield
    assert row_counts() == before


def refused(answer: Answer) -> None:
    """Check that it is a problem, and the caller's, and that it does not echo megabytes."""
    answer.problem(answer.status)
    assert 400 <= answer.status < 500
    assert len(answer.content) < 20_000


def writes(video: VideoWorld) -> dict[str, tuple[str, list[object]]]:
    """For each address: the method, and valid bodies with `MARK` where something hostile goes."""
    customer = f"customers/{video.customer.external_id}"
    plan = video.plan_version.plan.code
    past = {"plan": plan, "from": "2025-01-01T00:00:00Z"}
    return {
        "events": (
            "POST",
            [
                MARK,
                {"events": MARK},
                *(fast_minutes(video, **{name: MARK}) for name in fast_minutes(video)),
                fast_minutes(video, MARK),
                fast_minutes(video, timestamp=MARK),
                fast_minutes(video, source={"in": MARK}),
                fast_minutes(video, properties={"minutes": "x", "speed": MARK}),
            ],
        ),
        "backtests": ("POST", [MARK, *({**past, name: {"in": MARK}} for name in ASKED_OF_A_PAST)]),
        "quotes": (
            "POST",
            [
                MARK,
                {"customer": MARK, "event": fast_minutes(video)},
                {"customer": video.customer.external_id, "events": MARK},
                {"customer": video.customer.external_id, "event": MARK},
                {"customer": video.customer.external_id, "event": fast_minutes(video, MARK)},
                {
                    "customer": video.customer.external_id,
                    "event": fast_minutes(video, timestamp=MARK),
                },
            ],
        ),
        **(authorization_writes(video) | invoicing_writes(video)),
        "customers": (
            "POST",
            [MARK, {"external_id": "new", "name": {"in": MARK}}, {"external_id": [MARK]}],
        ),
        customer: ("PATCH", [[MARK], {"email": MARK}, {"metadata": {"a": [MARK]}}]),
        f"{customer}/grants": (
            "POST",
            [
                MARK,
                {"asset": "USD", "amount": [MARK]},
                {"asset": "USD", "amount": "1", "priority": [MARK]},
                {"asset": MARK, "amount": "1"},
                {"asset": "USD", "amount": "1", "expires_at": MARK},
                {"asset": "USD", "amount": "1", "cost_basis": {"amount": "1", "asset": MARK}},
                {"asset": "USD", "amount": "1", "meters": [[MARK]]},
            ],
        ),
        "events/nothing/void": ("POST", [MARK, {"reason": [MARK]}]),
        "events/void": (
            "POST",
            [MARK, {"ids": MARK}, {"ids": [[MARK]]}, {"ids": ["a"], "source": [MARK]}],
        ),
        "events/nothing/replace": (
            "POST",
            [
                MARK,
                {"event": MARK},
                {"event": fast_minutes(video), "reason": [MARK]},
                *({"event": fast_minutes(video, **{name: MARK})} for name in fast_minutes(video)),
            ],
        ),
        "dead-letters/replay": ("POST", [[MARK], {"reason": [MARK]}, {"limit": MARK}]),
        f"grants/{video.account.grants.get().id}/void": ("POST", [{"reason": [MARK]}]),
        f"{customer}/alerts": ("POST", [MARK, {"asset": MARK, "threshold": "1"}]),
        **catalogue_writes(customer, plan),
    }


def invoicing_writes(video: VideoWorld) -> dict[str, tuple[str, list[object]]]:
    """Return the same for invoices."""
    customer, nobody = video.customer.external_id, str(video.customer.id)
    item = {"customer": customer, "asset": "USD", "amount": "1", "description": "Help"}
    note = {"invoice": nobody, "amount": "1", "reason": "Sorry"}
    subscription = video.customer.subscriptions.get().id
    return {
        "invoice-items": ("POST", [MARK, *({**item, name: [MARK]} for name in item)]),
        "credit-notes": ("POST", [MARK, *({**note, name: [MARK]} for name in note)]),
        f"invoices/{nobody}/void": ("POST", [MARK, {"reason": [MARK]}, {"reissue": [MARK]}]),
        f"subscriptions/{subscription}/seats": ("POST", [MARK, {"seats": [MARK]}]),
    }


def authorization_writes(video: VideoWorld) -> dict[str, tuple[str, list[object]]]:
    """Return the same for authorizations, of which there is one."""
    customer = video.customer.external_id
    item, asked = fast_minutes(video), {"customer": customer, "items": [fast_minutes(video)]}
    there = Authorization.objects.get(customer=video.customer)
    own = {"authorization": str(there.id)}
    hostile_items: list[object] = [
        MARK, *({"items": each} for each in (MARK, [MARK], [fast_minutes(video, MARK)])),
        {"items": [{**item, "timestamp": MARK}]}, {"items": [{**item, "customer": MARK}]},
        {"items": [{**item, "authorization": {"in": MARK}}]},
    ]  # fmt: skip
    return {
        "authorizations": (
            "POST",
            [MARK, *({**asked, **each} for each in hostile_items if isinstance(each, dict)),
             *({**asked, name: [MARK]} for name in ("customer", "expires_in", "on_expiry"))],
        ),
        f"authorizations/{there.id}/extend": ("POST", [*hostile_items, {"expires_in": [MARK]}]),
        f"authorizations/{there.id}/report": (
            "POST",
            [*hostile_items, {"amounts": MARK}, {"amounts": {"USD": [MARK]}}],
        ),
        f"authorizations/{there.id}/capture": (
            "POST",
            [{"events": MARK}, {"events": [item, MARK]}, {"events": [], "final": [MARK]},
             {"all": MARK},
             *({"events": [{**item, **own, name: [MARK]}]} for name in {**item, **own})],
        ),
    }  # fmt: skip


def catalogue_writes(customer: str, plan: str) -> dict[str, tuple[str, list[object]]]:
    """Return the same for what is sold, and to whom."""
    return {
        "subscriptions": (
            "POST",
            [
                MARK,
                {"customer": MARK, "plan": plan},
                {"customer": plan, "plan": MARK},
                {"customer": "new", "plan": plan, "coupon": [MARK]},
                {"customer": "new", "plan": plan, "seats": [MARK]},
            ],
        ),
        f"{customer}/overrides": (
            "PUT",
            [MARK, {"plan": MARK, "prices": []}, {"plan": plan, "prices": MARK},
             *({"plan": plan, "prices": [row]} for row in hostile_prices())],
        ),
        "meters": (
            "POST",
            [MARK, *(meter(**{name: {"in": MARK}}) for name in meter() if name != "filters"),
             meter(filters={"a": {"in": [[MARK]]}})],
        ),
        "plans": ("POST", [MARK, {"code": MARK, "name": "A"}, {"code": "a", "name": [MARK]}]),
        f"plans/{plan}": ("PATCH", [[MARK], {"name": [MARK]}, {"is_default": [MARK]}]),
        f"plans/{plan}/versions": (
            "POST",
            [MARK, *({name: {"in": MARK}} for name in full_plan()),
             *({"prices": [row]} for row in hostile_prices()),
             *({"included_credits": [credit(**{name: {"in": MARK}})]} for name in credit()),
             {"entitlements": [{"feature": "a", "kind": "static", "value": [MARK]}]}],
        ),
        f"plans/{plan}/versions/1/publish": (
            "POST",
            [[MARK], {"migrate": {"a": MARK}}, {"effective_from": [MARK]}, {"a": MARK}],
        ),
        "coupons": (
            "POST",
            [MARK, {"code": "A", "percent": [MARK]}, {"code": [MARK], "percent": "5"},
             {"code": "A", "amount": "5", "asset": MARK}],
        ),
    }  # fmt: skip


def hostile_prices() -> list[dict[str, object]]:
    """Return prices with something hostile in one place each."""
    cell = {"match": {"speed": [MARK]}, "unit_amount": "1"}
    return [
        price(meter=[MARK]),
        price(unit_amount=[MARK]),
        price(charge_model=[MARK]),
        price(definition={"matrix": {"dimensions": ["speed"], "cells": [cell]}}),
    ]


@EVERY_HOSTILE
def test_a_hostile_value_anywhere_is_refused(
    api: Caller, video: VideoWorld, work: None, nothing_is_stored: None, hostile: bytes
) -> None:
    for path, (method, bodies) in writes(video).items():
        for body in bodies:
            content = json.dumps(body).encode().replace(f'"{MARK}"'.encode(), hostile)
            refused(api.send(method, path, content))


@EVERY_HOSTILE
def test_a_hostile_cloud_event_is_refused(
    api: Caller, video: VideoWorld, nothing_is_stored: None, hostile: bytes
) -> None:
    for name in ("id", "source", "specversion", "subject", "data", "time", "datacontenttype"):
        body = json.dumps(cloud_event(video, **{name: [MARK]}))
        content = body.encode().replace(f'"{MARK}"'.encode(), hostile)
        for envelope in (content, b"[" + content + b"]"):
            kind = "cloudevents" if envelope == content else "cloudevents-batch"
            answer = api.send("POST", "events", envelope, content_type=f"application/{kind}+json")
            refused(answer)


@pytest.mark.parametrize(
    "number",
    ["Infinity", "NaN", "٥", "５", "1_000", "1,5", ".", " 1", "1 ", "", "--1", "+1", "0x10", "1e",
     "1e500000", "1e-500000", "0.0000000000001", "1" * 27, "9" * 5000, "1\n", "½", "−1", "-0.1"],
)  # fmt: skip
def test_a_text_that_is_no_amount_is_refused(
    api: Caller, video: VideoWorld, nothing_is_stored: None, number: str
) -> None:
    customer = f"customers/{video.customer.external_id}"
    refused(api.post("events", fast_minutes(video, number)))
    refused(api.post(f"{customer}/grants", {"asset": "USD", "amount": number}))
    if number != "-0.1":
        refused(api.post(f"{customer}/alerts", {"asset": "USD", "threshold": number}))


@pytest.mark.parametrize(
    "moment",
    ["2016-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
     "1999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z",
     "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00Z", "2026-01-31T12:00:00+25:00",
     "2026-01-31T12:00:00+0100", "2026-02-30T12:00:00Z", "2026-01-31T24:00:01Z",
     "٢٠٢٦-01-31T12:00:00Z", "2026-W05-6T12:00:00Z", "20260131T120000Z", "now", "", " ",
     "2026-01-31T12:00:00Z\n", "2026-01-31T12:00:00.1234567890Z", 0, 1767225600, 1e9, [], True],
)  # fmt: skip
def test_a_moment_that_is_none_is_refused(
    api: Caller, video: VideoWorld, nothing_is_stored: None, moment: object
) -> None:
    body = json.dumps(fast_minutes(video, timestamp=moment)).encode()
    assert api.send("POST", "events", body).wrong_fields() == ["timestamp"]


def test_a_name_twice_is_refused_wherever_it_is(
    api: Caller, video: VideoWorld, nothing_is_stored: None
) -> None:
    body = json.dumps(fast_minutes(video))
    for twice in (
        body.replace('"id"', '"id": "other", "id"'),
        body.replace('"minutes"', '"minutes": "9", "minutes"'),
        f'{{"events": [{body}], "events": [{body}]}}',
        body.replace('"minutes"', '"min\\u0075tes": "9", "minutes"'),
    ):
        problem = api.send("POST", "events", twice.encode()).problem(400, "parse_error")
        assert "more than once" in problem["detail"]


def test_ids_that_only_look_alike_are_two(api: Caller, video: VideoWorld) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for name in (composed, decomposed):
        assert api.post("events", fast_minutes(video, id=name)).status == 201
        assert api.post("customers", {"external_id": name}).status == 201
    assert {event.external_id for event in Event.objects.all()} == {composed, decomposed}


@pytest.mark.parametrize(
    "trick",
    ["%00", "a%00b", "%2F", "..%2F..", "..", "%2e%2e", "%252e", "%ED%A0%80", "%FF", "%", "%u0041",
     "a%0d%0aX:1", ";", "?", "*", "'", '"', "%27%20OR%201=1--", "{}", "x" * 10_000, "٥",
     "%E2%80%AE"],
)  # fmt: skip
def test_a_trick_in_the_path_finds_nothing(
    api: Caller, nothing_is_stored: None, trick: str
) -> None:
    for path in (
        f"customers/{trick}",
        f"customers/{trick}/balance",
        f"customers/{trick}/grants",
        f"customers/{trick}/alerts",
        f"events/{trick}",
        f"invoices/{trick}",
        f"events?customer={trick}",
        f"invoices?customer={trick}",
        f"events/x?source={trick}",
        f"customers/{trick}/overrides",
        f"customers/{trick}/entitlements",
        f"plans/{trick}",
        f"plans/{trick}/versions",
        f"plans/x/versions/{trick}",
    ):
        answer = api.send("GET", path)
        assert answer.status in {200, 404, 422}, (path, answer.status)
        assert answer.status != 200 or path.startswith(("customers/?", "plans/?"))
        for method in ("POST", "PATCH", "DELETE"):
            refused(api.send(method, path, b'{"asset": "USD", "amount": "1"}'))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "a b"},
        {"Host": "\x00"},
        {"X-Forwarded-Host": "evil.example"},
        {"Accept": "text/html"},
        {"Accept": "\xff"},
        {"Accept": ";;;,,,"},
        {"Accept": "application/json;q=x"},
        {"Accept-Language": "x" * 5000},
        {"Accept-Encoding": "\xff"},
        {"Content-Length": "-1"},
        {"Content-Length": "x"},
        {"Content-Encoding": "gzip"},
        {"Cookie": "sessionid=\xff; csrftoken=\x00"},
        {"Cookie": "=;=;" * 1000},
        {"If-Modified-Since": "yesterday"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"X-CSRFToken": "x"},
        {"Range": "bytes=x"},
        {"Expect": "100-continue"},
    ],
    ids="-".join,
)
def test_odd_headers_break_nothing(
    api: Caller, nothing_is_stored: None, headers: dict[str, str]
) -> None:
    for method in ("GET", "POST", "HEAD", "OPTIONS", "TRACE"):
        answer = api.send(method, "customers", b"[]", headers=headers)
        assert answer.status < 500
        if answer.status >= 400 and method != "HEAD":
            refused(answer)


def test_a_thousand_parameters_are_refused(api: Caller) -> None:
    query = "&".join(f"p{n}=1" for n in range(1001))
    refused(api.send("GET", f"customers?{query}"))


def test_a_link_stays_on_our_own_host(api: Caller, video: VideoWorld) -> None:
    video.add_customer()
    listed = api.get("customers", limit=1, next="https://evil.example/", cursor_="x").json
    assert listed["next"].startswith("http://testserver/api/v1/customers?")
