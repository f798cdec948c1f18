"""Whatever goes wrong is said the same way, and said by the right status."""

from unittest import mock

import pytest
from django.conf import settings
from django.test import Client

from accounts import customers
from tests.api.callers import ROOT, Caller
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

LARGEST_BODY = settings.DATA_UPLOAD_MAX_MEMORY_SIZE


@pytest.mark.parametrize(
    "path",
    ["nonsense", "", "events/", "customers/", "customers/a/b", "customers/a/balance/", "v2/events",
     "invoices/7", "plans/a/versions/x", "plans/a/versions/-1", "plans/a/b",
     "%00", "%ff", "../v1/events/", "x" * 10_000],
)  # fmt: skip
def test_an_unknown_path_is_not_found(db: None, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        answer = Caller().send(method, path)
        assert answer.status == 404
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("events", {"GET", "POST"}),
        ("events/x", {"GET"}),
        ("customers/x", {"GET", "PATCH"}),
        ("customers/x/balance", {"GET"}),
        ("plans", {"GET", "POST"}),
        ("plans/x", {"GET", "PATCH"}),
        ("plans/x/versions/1", {"GET", "PUT"}),
        ("plans/x/versions/1/publish", {"POST"}),
        ("customers/x/overrides", {"GET", "PUT"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(api: Caller, path: str, allowed: set[str]) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - allowed:
        answer = api.send(method, path, b"{}")
        answer.problem(405, "method_not_allowed")
        read = {"HEAD"} if "GET" in allowed else set()
        assert set(answer.headers["Allow"].split(", ")) == allowed | read | {"OPTIONS"}


def test_head_is_get_without_a_body(api: Caller, video: VideoWorld) -> None:
    for path in ("customers", "plans", f"customers/{video.customer.external_id}"):
        answer = api.send("HEAD", path)
        assert (answer.status, answer.content) == (200, b"")
        assert answer.headers["Content-Type"] == "application/json"
    assert api.send("HEAD", "customers/nobody").status == 404


def test_options_tell_the_methods(api: Caller) -> None:
    answer = api.send("OPTIONS", "invoices")
    assert answer.status == 200
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data",
     "application/xml", "application", "/", "\xff", ";", "application/json2", "a" * 9000],
)  # fmt: skip
def test_another_content_type_is_refused(api: Caller, content_type: str) -> None:
    for path in ("events", "customers", "subscriptions"):
        answer = api.send("POST", path, b'{"id": 1}', content_type=content_type)
        answer.problem(415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json;charset=utf-8", "APPLICATION/JSON", "application/json ;a=b"]
)
def test_parameters_of_the_content_type_are_allowed(api: Caller, content_type: str) -> None:
    answer = api.send("POST", "customers", b'{"external_id": "a"}', content_type=content_type)
    assert answer.status == 201


@pytest.mark.parametrize("path", ["events", "customers", "subscriptions"])
def test_a_body_over_the_limit_is_too_large(api: Caller, path: str) -> None:
    padding = b" " * LARGEST_BODY
    api.send("POST", path, padding + b"{}").problem(413, "too_large")
    assert api.send("POST", path, padding[2:] + b"{}").status == 422


def test_a_bug_is_admitted_without_its_inside(api: Caller, video: VideoWorld) -> None:
    client = Client(raise_request_exception=False, headers=dict(api.headers))
    with mock.patch.object(customers, "find", side_effect=RuntimeError("secret")):
        answer = client.get(f"{ROOT}customers/{video.customer.external_id}")
    assert answer.status_code == 500
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/internal_error"
    assert b"secret" not in answer.content
