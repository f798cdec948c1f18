"""Authorizations and balances through both doors, byte for byte, and many of them at once."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from django.utils import timezone

from accounts import api_keys, key_cache
from accounts.models import Hold, Scope, StoredAnswer
from billing_site import self_check
from metering import authorization_sets, fast_lane
from metering.models import Authorization, Event
from tests.api.doors import Door, Given, asgi_door, call, headers_of, reference_door
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = "/api/v1/"
_VARIES = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|20\d\d-\d\d-\d\dT[0-9:.]+Z", re.ASCII
)


def minutes(*each: str, **more: Any) -> list[dict[str, Any]]:
    """Fast minutes, an item each."""
    return [
        {"type": "video.rendered", "properties": {"minutes": one, "speed": "fast"}, **more}
        for one in each
    ]


def work(*each: str, **terms: Any) -> bytes:
    """Ask for work of customer-1's."""
    return json.dumps({"customer": "customer-1", "items": minutes(*each), **terms}).encode()


def done(name: str, *each: str, **terms: Any) -> bytes:
    """Tell of work done."""
    return json.dumps({"events": minutes(*each, id=name), **terms}).encode()


@pytest.fixture
def shop() -> VideoWorld:
    """A company whose customer-1 has 100 USD."""
    return open_video_world(external_id="customer-1")


def secret_of(world: VideoWorld, *scopes: Scope) -> str:
    scopes = scopes or (Scope.EVENTS_WRITE, Scope.READ)
    return api_keys.issue(organization=world.organization, name="k", scopes=scopes)[1]


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError(f"{scope['path']} was left to the other door")


def story(ask: Door) -> list[tuple[str, Given]]:
    """Ask for work, capture, extend and release it, and make every kind of mistake."""
    heard: list[tuple[str, Given]] = []

    def say(path: str, body: bytes = b"", method: str = "POST", **headers: str) -> Given:
        answer = ask(body, ROOT + path, method, **headers)
        heard.append((f"{method} {path} {body[:80]!r}", answer))
        return answer

    first, keyed = (
        f"authorizations/{json.loads(answer.body)['id']}"
        for answer in (
            say("authorizations", work("10", "2.5")),
            say("authorizations", work("3"), idempotency_key="one"),
        )
    )
    say("authorizations", work("3"), idempotency_key="one")
    say("authorizations", work("4"), idempotency_key="one")
    say("authorizations", work("4"), idempotency_key="no key")
    say("authorizations", work("4", expires_in=60, on_expiry="capture_full"))
    say("customers/customer-1/balance", method="GET")
    for body in MISTAKEN:
        say("authorizations", body)
        say(f"{first}/extend", body)
        say(f"{first}/capture", body)
    say(f"{first}/capture", done("a", "2", final=False))
    say(f"{first}/capture", done("a", "2", final=False))
    say(f"{first}/capture", done("a", "3", final=False))
    say(f"{first}/extend", json.dumps({"items": minutes("5"), "expires_in": 700}).encode())
    say(f"{first}/extend", json.dumps({"items": minutes("500")}).encode())
    say(f"{first}/extend", b'{"expires_in": 86400}')
    say(f"{first}/capture", done("b", "4"), idempotency_key="two")
    say(f"{first}/capture", done("b", "4"), idempotency_key="two")
    say(f"{first}/capture", done("c", "4"))
    say(f"{first}/release")
    say(f"{first}/extend", b'{"expires_in": 60}')
    say(f"{keyed}/release", idempotency_key="three")
    say(f"{keyed}/release", idempotency_key="three")
    say(f"{keyed}/release")
    say(f"{keyed}/capture", b"{}")
    say(f"{NOBODY}/release")
    say(f"{NOBODY}/capture", done("d", "1"))
    say(f"{NOBODY}/extend", b'{"expires_in": 60}')
    say("customers/customer-1/balance", method="GET")
    say("customers/nobody/balance", method="GET")
    return heard


NOBODY = "authorizations/00000000-0000-7000-8000-000000000000"
MISTAKEN: Sequence[bytes] = [
    b"", b"{", b"[]", b"3", b"{}", b'{"final": false}', b'{"final": 1}', b'{"hold": true}',
    work("1", customer="nobody"), work("1", customer=""), work("1", customer=" "),
    work("1", customer="\0"), work("1", customer="\ud800"), work("1", customer=7),
    work("1", customer="é"), work("1", customer="x" * 201), work(), work("1", items=None),
    work("1", items="a"), work("1", items=["a"]), work("1", items=[{"type": "other"}]),
    work("1", expires_in=0), work("1", expires_in=86_401), work("1", expires_in="600"),
    work("1", expires_in=True), work("1", expires_in=6.5), work("1", expires_in=None),
    work("1", on_expiry="capture"), work("1", on_expiry=None), work("1", on_expiry=[]),
    work("1", more=1), work("1000"), work("60", "60"), work("x"),
    json.dumps({"events": minutes("1")}).encode(),
    json.dumps({"events": minutes("1", id="z", customer="other")}).encode(),
    json.dumps({"events": [{"type": "other", "id": "unpriced"}], "final": False}).encode(),
]  # fmt: skip


def alike(answer: Given) -> Given:
    """Return an answer with identifiers and moments, which no two runs share, left out."""
    body, location = (
        _VARIES.sub("*", text) for text in (answer.body.decode(), str(answer.location))
    )
    return answer._replace(body=body.encode(), location=location)


def test_both_doors_answer_the_same_byte_for_byte() -> None:
    told = [
        story(door(secret_of(open_video_world(external_id="customer-1"))))
        for door in (reference_door, asgi_door)
    ]
    for (asked, reference), (_, fast) in zip(*told, strict=True):
        assert alike(fast) == alike(reference), asked
    assert [answer.status for _, answer in told[1][:5]] == [201, 201, 201, 422, 422]
    assert self_check.differences() == []


def test_the_lane_takes_every_verb_itself(shop: VideoWorld) -> None:
    ask = asgi_door(secret_of(shop), fast_lane.FastLane(_nobody))
    made = ask(work("5"), f"{ROOT}authorizations", idempotency_key="a")
    path = f"{ROOT}authorizations/{json.loads(made.body)['id']}"
    assert made.location == path
    assert ask(b'{"expires_in": 900}', f"{path}/extend").status == 200
    assert ask(done("a", "2", final=False), f"{path}/capture").status == 200
    assert ask(b"", f"{path}/release").status == 200
    balance = json.loads(ask(b"", f"{ROOT}customers/customer-1/balance", "GET").body)
    assert balance["balances"] == [{"asset": "USD", "posted": "98", "held": "0", "available": "98"}]


def together(secret: str, requests: Sequence[tuple[str, bytes, Mapping[str, str]]]) -> list[Given]:
    """Send all of these at once to a lane, and wait for the answers."""
    lane = fast_lane.FastLane(_nobody)

    async def everybody() -> list[Given]:
        return await asyncio.gather(
            *(
                call(
                    lane,
                    body,
                    {**headers_of(secret, headers), "content-length": str(len(body))},
                    ROOT + path,
                )
                for path, body, headers in requests
            )
        )

    return asyncio.run(everybody())


def counting(monkeypatch: pytest.MonkeyPatch, name: str, argument: str) -> list[int]:
    """Note how large each set is that this function of the domain is given."""
    sizes: list[int] = []
    original: Callable[..., Any] = getattr(authorization_sets, name)

    def counted(**asked: Any) -> Any:
        sizes.append(len(asked[argument]))
        return original(**asked)

    monkeypatch.setattr(authorization_sets, name, counted)
    return sizes


def test_what_comes_at_once_is_authorized_and_captured_together(
    shop: VideoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    authorized = counting(monkeypatch, "authorize_set", "asked")
    captured = counting(monkeypatch, "capture_set", "done")
    secret = secret_of(shop)
    # 100 USD: the dear ones and the unpriced one are refused, and do not touch their neighbours.
    asked = [work("2")] * 30 + [work("90")] * 3 + [work("x")] + [work("4")] * 10
    made = together(secret, [("authorizations", body, {}) for body in asked])
    assert [answer.status for answer in made] == [201] * 30 + [402] * 3 + [422] + [201] * 10
    assert (sum(authorized), len(authorized) < 12) == (44, True)
    assert shop_available(shop) == 0
    paths = [each.location.removeprefix(ROOT) for each in made if each.location]
    taken = together(
        secret,
        [(f"{path}/capture", done(f"e{n}", "1"), {}) for n, path in enumerate(paths)]
        + [(f"{path}/release", b"", {}) for path in paths[:5]],
    )
    statuses = [answer.status for answer in taken]
    assert statuses == [200] * 40 + [409] * 5
    assert (sum(captured), len(captured) < 20) == (45, True)
    assert Event.objects.count() == 40
    assert shop.balance(at=timezone.now()) == shop_available(shop) == 60
    assert self_check.differences() == []


def shop_available(shop: VideoWorld) -> int:
    """Return what customer-1 may still use, as the API tells it."""
    ask = reference_door(secret_of(shop))
    told = json.loads(ask(b"", f"{ROOT}customers/customer-1/balance", "GET").body)
    return int(told["balances"][0]["available"])


def test_a_key_sent_many_times_at_once_authorizes_once(shop: VideoWorld) -> None:
    keyed = [("authorizations", work("3"), {"idempotency-key": f"k{n % 4}"}) for n in range(24)]
    answers = together(secret_of(shop), keyed)
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 4
    assert (
        Authorization.objects.count() == Hold.objects.count() == StoredAnswer.objects.count() == 4
    )
    assert sum(answer.replayed == "true" for answer in answers) == 20


def test_neighbours_in_a_set_do_not_see_each_others_tiers_but_each_others_caps(
    shop: VideoWorld,
) -> None:
    ask = reference_door(secret_of(shop, Scope.ADMIN))
    cap = {"window": "day", "limit": "10", "asset": "USD"}
    assert ask(json.dumps(cap).encode(), f"{ROOT}customers/customer-1/caps").status == 201
    secret = secret_of(shop)
    sent = [work("6"), work("6"), work("4", "4"), work("4")]
    answers = together(secret, [("authorizations", body, {}) for body in sent])
    assert [answer.status for answer in answers] == [201, 402, 402, 201]
    assert self_check.differences() == []


def test_a_revoked_key_is_refused_within_five_seconds(
    shop: VideoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = api_keys.issue(
        organization=shop.organization, name="k", scopes=[Scope.EVENTS_WRITE]
    )
    ask = asgi_door(secret)
    assert ask(work("1"), f"{ROOT}authorizations").status == 201
    api_keys.revoke(key, at=timezone.now())
    monkeypatch.setattr(key_cache, "KEY_SECONDS", 0.0)  # As if that time had passed.
    assert ask(work("1"), f"{ROOT}authorizations").status == 401
    assert Authorization.objects.count() == 1
