"""A stranger walks through every door there is, and comes out knowing nothing and having nothing.

The stranger belongs to another organization, which uses the same names for its customers, events
and plans, or to none at all.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.contrib.admin import ModelAdmin
from django.db.models import UUIDField
from django.test import Client

from accounts.models import TenantQuerySet
from accounts.tenant_admin.model_admin import TenantScope
from billing_site.dashboard import access
from tests.pricing.plan_documents import meter, price
from tests.tenancy.addresses import Address, all_addresses
from tests.tenancy.neighbours import (
    MARK,
    OURS,
    OWN_ASSET,
    OWN_COUPON,
    OWN_CUSTOMER,
    OWN_EVENT,
    OWN_PLAN,
    SHARED_CUSTOMER,
    SHARED_PLAN,
    Neighbour,
)

pytestmark = pytest.mark.django_db

KEPT_OUT = {
    HTTPStatus.FOUND, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
}  # fmt: skip
BODIES: dict[str, dict[str, Any]] = {
    "events": {
        "id": OWN_EVENT,
        "type": "video.rendered",
        "customer": OWN_CUSTOMER,
        "properties": {"minutes": "1", "speed": "fast"},
    },
    "quotes": {
        "customer": OWN_CUSTOMER,
        "event": {"type": "video.rendered", "properties": {"minutes": "1", "speed": "fast"}},
    },
    "authorizations": {
        "customer": OWN_CUSTOMER,
        "items": [{"type": "video.rendered", "properties": {"minutes": "1", "speed": "fast"}}],
    },
    "authorization-extend": {"expires_in": 600},
    "authorization-report": {"amounts": {"USD": "1"}},
    "void-events": {"ids": [OWN_EVENT]},
    "replace": {
        "event": {
            "id": "new",
            "type": "video.rendered",
            "customer": OWN_CUSTOMER,
            "properties": {"minutes": "1", "speed": "fast"},
        }
    },
    "backtests": {"plan": OWN_PLAN, "from": "2025-01-01T00:00:00Z", "customers": [OWN_CUSTOMER]},
    "customers": {"external_id": SHARED_CUSTOMER, "name": "stolen"},
    "customer": {"name": "stolen"},
    "grants": {"asset": "USD", "amount": "1"},
    "alerts": {"asset": "USD", "threshold": "1"},
    "subscriptions": {"customer": OWN_CUSTOMER, "plan": SHARED_PLAN},
    "overrides": {"plan": SHARED_PLAN, "prices": [price()]},
    "meters": meter(code="stolen"),
    "plans": {"code": "stolen", "name": "stolen", "is_default": True},
    "plan": {"name": "stolen", "is_default": True},
    "versions": {"prices": [price()]},
    "version": {"prices": [price()]},
    "publish": {"migrate": "all"},
    "coupons": {"code": "STOLEN", "percent": "100"},
    "cost-policy": {"asset": OWN_ASSET},
    "cost-rates": {
        "meter": "video_minutes",
        "vendor": f"vendor-of-{OURS}",
        "effective_from": "2999-01-01T00:00:00Z",
        "definition": {"charge_model": "per_unit", "unit_amount": "1"},
    },
}
"""For each API address a body its own organization could send."""

OUR_WORDS = (MARK, "313373133", "31,337,313,3")
SAYS_NOTHING_OF_ANYBODY = {"livez", "readyz", "schema", "docs", "jsi18n"}

type Browser = Callable[[], Client]


def anonymous(theirs: Neighbour) -> Browser:
    return Client


def with_a_key(theirs: Neighbour) -> Browser:
    return lambda: Client(headers={"Authorization": f"Bearer {theirs.secret}"})


def as_owner(theirs: Neighbour) -> Browser:
    return lambda: _signed_in(theirs.owner)


def as_customer(theirs: Neighbour) -> Browser:
    return lambda: _signed_in(theirs.portal)


def _signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def reads(address: Address, client: Client) -> Iterator[Any]:
    """Ask for what an address shows, as it is and as lists are searched."""
    yield client.get(address.path)
    if not address.is_api:
        # All but the last letter finds it too, and is not mistaken for it when the page repeats it.
        yield client.get(address.path, {"q": MARK[:-1], "_facets": "True"})


def writes(address: Address, client: Client, ids: list[str]) -> Iterator[Any]:
    """Write to an address in JSON or as a form does."""
    if address.is_api:
        body = json.dumps(BODIES.get(address.name, {}))
        for method in ("post", "patch", "put", "delete"):
            yield getattr(client, method)(address.path, body, content_type="application/json")
        return
    form = {
        "name": "stolen", "post": "yes", "action": "delete_selected", "organization": OURS,
        "_selected_action": ids, "_save": "Save", "new_password1": "stolen", "email": "a@b.example",
    }  # fmt: skip
    yield client.post(address.path, form)


def ids_of(ours: Neighbour) -> list[str]:
    """Return the ids of all rows that have one."""
    return [
        str(pk)
        for model in apps.get_models()
        if isinstance(model._meta.pk, UUIDField)
        for pk in ours.rows(model).values_list("pk", flat=True)
    ]


def said(response: Any, address: Address, words: Iterable[str]) -> list[str]:
    """Return the words that are in an answer, but for those the address had in it already."""
    text = response.content.decode() + str(response.headers)
    for known in (address.path, quote(address.path, safe=""), *address.path.split("/")):
        text = text.replace(known, "") if known else text
    return [word for word in words if word in text]


def walk(ours: Neighbour, browser: Browser, *, under: str = "/") -> None:
    """Open every door under an address, and check that nothing comes out of it.

    All that can be read is read before anything is written.
    """
    ids = ids_of(ours)
    doors = [each for each in all_addresses(ours) if each.path.startswith(under)]
    for address in doors:
        for response in reads(address, browser()):
            check(response, address, ours, ids)
    for address in doors:
        for response in writes(address, browser(), ids):
            check(response, address, ours, ids)


def check(response: Any, address: Address, ours: Neighbour, ids: list[str]) -> None:
    """Fail unless an answer tells a stranger nothing."""
    where = f"{response.request['REQUEST_METHOD']} {address.path}"
    assert response.status_code < 500, where
    assert said(response, address, [*OUR_WORDS, ours.secret, *ids]) == [], where
    assert not address.is_private or response.status_code in KEPT_OUT, where


@pytest.mark.parametrize("stranger", [anonymous, with_a_key, as_owner, as_customer])
def test_a_stranger_sees_nothing_and_changes_nothing(
    ours: Neighbour, theirs: Neighbour, stranger: Callable[[Neighbour], Browser]
) -> None:
    before = ours.everything()
    walk(ours, stranger(theirs))
    assert ours.everything() == before


def test_a_forgotten_filter_is_found(
    ours: Neighbour, theirs: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk itself on trial: with one filter gone it must not come back content."""
    with monkeypatch.context() as patch:
        patch.setattr(TenantQuerySet, "for_organization", lambda rows, organization: rows.all())
        with pytest.raises(AssertionError, match="GET /api/v1/"):
            walk(ours, with_a_key(theirs), under="/api/")
    with monkeypatch.context() as patch:
        patch.setattr(TenantScope, "get_queryset", ModelAdmin.get_queryset)
        with pytest.raises(AssertionError, match="GET /admin/"):
            walk(ours, as_owner(theirs), under="/admin/pricing/")
    with monkeypatch.context() as patch:
        patch.setattr(access, "find_customer", lambda user, customer_id: (ours.customer, True))
        with pytest.raises(AssertionError, match="GET /customers/"):
            walk(ours, as_customer(theirs), under="/customers/")


def test_the_walk_would_notice(ours: Neighbour) -> None:
    """Whoever belongs there is told those words wherever a stranger is told nothing."""
    ids = ids_of(ours)
    with_key, with_session = with_a_key(ours)(), as_owner(ours)()
    opened, told = set(), set()
    for address in all_addresses(ours):
        response = (with_key if address.is_api else with_session).get(address.path)
        if response.status_code == HTTPStatus.OK:
            opened.add(address.name)
        if said(response, address, [*OUR_WORDS, *ids]):
            told.add(address.name)
    assert opened - told == SAYS_NOTHING_OF_ANYBODY
    assert len(told) > 80


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("events", {**BODIES["events"], "id": "mine"}, 422),
        ("quotes", BODIES["quotes"], 422),
        ("authorizations", BODIES["authorizations"], 422),
        ("backtests", BODIES["backtests"], 422),
        ("backtests", {**BODIES["backtests"], "plan": SHARED_PLAN}, 422),
        ("subscriptions", {"customer": OWN_CUSTOMER, "plan": SHARED_PLAN}, 404),
        ("subscriptions", {"customer": SHARED_CUSTOMER, "plan": OWN_PLAN}, 422),
        (
            "subscriptions",
            {"customer": SHARED_CUSTOMER, "plan": SHARED_PLAN, "coupon": OWN_COUPON},
            422,
        ),
        (f"plans/{OWN_PLAN}/versions", {"prices": []}, 404),
        (f"plans/{SHARED_PLAN}/versions/2/publish", {"migrate": [OWN_CUSTOMER]}, 422),
        ("coupons", {"code": "A", "amount": "1", "asset": OWN_ASSET}, 422),
        (f"customers/{SHARED_CUSTOMER}/grants", {"asset": OWN_ASSET, "amount": "1"}, 422),
        (f"customers/{SHARED_CUSTOMER}/alerts", {"asset": OWN_ASSET, "threshold": "1"}, 422),
    ],
)
def test_a_foreign_id_in_a_body_is_as_unknown_as_any(
    ours: Neighbour, theirs: Neighbour, path: str, body: dict[str, Any], status: int
) -> None:
    before = ours.everything()
    api = with_a_key(theirs)()
    answer = api.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")
    unknown = json.dumps(body).replace("only-", "no-").replace(OWN_ASSET, "NONE")
    same = api.post(f"/api/v1/{path}", unknown, content_type="application/json")
    assert (answer.status_code, answer.content) == (status, same.content)
    assert ours.everything() == before


def test_the_same_names_are_two_of_everything(ours: Neighbour, theirs: Neighbour) -> None:
    """A charge, a grant and a change of one organization leave the other's namesake alone."""
    before = ours.everything()
    api = with_a_key(theirs)()
    customer = f"/api/v1/customers/{SHARED_CUSTOMER}"
    event = {**BODIES["events"], "id": "new", "customer": SHARED_CUSTOMER}
    for method, path, body, status in (
        ("post", "/api/v1/events", event, 201),
        ("post", f"{customer}/grants", BODIES["grants"], 201),
        ("patch", customer, BODIES["customer"], 200),
    ):
        send = getattr(api, method)
        answer = send(path, json.dumps(body), content_type="application/json")
        assert answer.status_code == status
    assert api.get(customer).json()["name"] == "stolen"
    assert ours.everything() == before
