"""Who may call what: keys, scopes, and what is said to those who may not."""

import itertools

import pytest
from django.utils import timezone

from accounts import api_keys
from accounts.models import ApiKey, Scope
from tests.api import contract
from tests.api.bodies import fast_minutes
from tests.api.callers import ROOT, Caller, caller_of
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

EVENTS, CUSTOMERS, READ = Scope.EVENTS_WRITE, Scope.CUSTOMERS_WRITE, Scope.READ
NEEDED = {
    ("GET", "events"): READ,
    ("POST", "events"): EVENTS,
    ("GET", "events/{external_id}"): READ,
    ("POST", "events/void"): EVENTS,
    ("POST", "events/{external_id}/void"): EVENTS,
    ("POST", "events/{external_id}/replace"): EVENTS,
    ("POST", "quotes"): READ,
    ("GET", "authorizations"): READ,
    ("POST", "authorizations"): EVENTS,
    ("GET", "authorizations/{authorization_id}"): READ,
    ("POST", "authorizations/{authorization_id}/capture"): EVENTS,
    ("POST", "authorizations/{authorization_id}/extend"): EVENTS,
    ("POST", "authorizations/{authorization_id}/report"): EVENTS,
    ("POST", "authorizations/{authorization_id}/release"): EVENTS,
    ("GET", "customers"): READ,
    ("POST", "customers"): CUSTOMERS,
    ("GET", "customers/{external_id}"): READ,
    ("PATCH", "customers/{external_id}"): CUSTOMERS,
    ("GET", "customers/{external_id}/balance"): READ,
    ("GET", "customers/{external_id}/ledger"): READ,
    ("GET", "customers/{external_id}/grants"): READ,
    ("POST", "customers/{external_id}/grants"): CUSTOMERS,
    ("GET", "grants/{grant_id}"): READ,
    ("POST", "grants/{grant_id}/void"): CUSTOMERS,
    ("GET", "customers/{external_id}/alerts"): READ,
    ("POST", "customers/{external_id}/alerts"): CUSTOMERS,
    ("GET", "customers/{external_id}/caps"): READ,
    ("POST", "customers/{external_id}/caps"): CUSTOMERS,
    ("DELETE", "customers/{external_id}/caps/{cap_id}"): CUSTOMERS,
    ("POST", "customers/{external_id}/stop"): CUSTOMERS,
    ("POST", "customers/{external_id}/resume"): CUSTOMERS,
    ("GET", "customers/{external_id}/entitlements"): READ,
    ("GET", "customers/{external_id}/overrides"): READ,
    ("PUT", "customers/{external_id}/overrides"): CUSTOMERS,
    ("GET", "meters"): READ,
    ("POST", "meters"): Scope.ADMIN,
    ("GET", "plans"): READ,
    ("POST", "plans"): Scope.ADMIN,
    ("GET", "plans/{code}"): READ,
    ("PATCH", "plans/{code}"): Scope.ADMIN,
    ("GET", "plans/{code}/versions"): READ,
    ("POST", "plans/{code}/versions"): Scope.ADMIN,
    ("GET", "plans/{code}/versions/{number}"): READ,
    ("PUT", "plans/{code}/versions/{number}"): Scope.ADMIN,
    ("POST", "plans/{code}/versions/{number}/publish"): Scope.ADMIN,
    ("GET", "coupons"): READ,
    ("POST", "coupons"): Scope.ADMIN,
    ("GET", "subscriptions"): READ,
    ("POST", "subscriptions"): CUSTOMERS,
    ("GET", "cost-policy"): Scope.ADMIN,
    ("PUT", "cost-policy"): Scope.ADMIN,
    ("GET", "cost-rates"): Scope.ADMIN,
    ("POST", "cost-rates"): Scope.ADMIN,
    ("GET", "cost-rates/{rate_id}"): Scope.ADMIN,
    ("DELETE", "cost-rates/{rate_id}"): Scope.ADMIN,
    ("GET", "margins"): Scope.ADMIN,
    ("GET", "invoices"): READ,
    ("GET", "invoices/{invoice_id}"): READ,
    ("GET", "invoices/upcoming"): READ,
    ("POST", "invoices/{invoice_id}/void"): Scope.ADMIN,
    ("GET", "invoice-items"): READ,
    ("POST", "invoice-items"): Scope.ADMIN,
    ("GET", "credit-notes"): READ,
    ("POST", "credit-notes"): Scope.ADMIN,
    ("POST", "subscriptions/{subscription_id}/seats"): CUSTOMERS,
    ("GET", "dead-letters"): READ,
    ("POST", "dead-letters/replay"): EVENTS,
    ("POST", "dead-letters/{letter_id}/replay"): EVENTS,
    ("GET", "backtests"): Scope.ADMIN,
    ("POST", "backtests"): Scope.ADMIN,
    ("GET", "backtests/{backtest_id}"): Scope.ADMIN,
    ("GET", "backtests/{backtest_id}/customers"): Scope.ADMIN,
}
EVERY_OPERATION = pytest.mark.parametrize(("method", "template"), NEEDED)


def address(template: str) -> str:
    nothing = "00000000-0000-7000-8000-000000000000"
    return template.format(
        external_id="nobody",
        authorization_id=nothing,
        backtest_id=nothing,
        invoice_id=nothing,
        subscription_id=nothing,
        cap_id=nothing,
        letter_id=nothing,
        grant_id=nothing,
        rate_id=nothing,
        code="nothing",
        number=1,
    )


def test_every_operation_of_the_schema_is_in_the_table() -> None:
    published = {
        (method.upper(), path.removeprefix(ROOT))
        for path, operations in contract.schema()["paths"].items()
        for method in operations
    }
    assert published == set(NEEDED)


@EVERY_OPERATION
def test_a_key_opens_what_its_scope_allows_and_nothing_else(
    video: VideoWorld, method: str, template: str
) -> None:
    for scope in Scope:
        answer = caller_of(video.organization, scope).send(method, address(template), b"{}")
        if scope in {Scope.ADMIN, NEEDED[method, template]}:
            assert answer.status not in {401, 403}
        else:
            answer.problem(403, "permission_denied")


@pytest.mark.parametrize(
    "credentials",
    ["", "Bearer", "Bearer ", "Bearer dd_live_unknown", "Bearer \xe4\xff", "Bearer " + "x" * 9000,
     "Basic ZGQ6ZGQ=", "Token x", "bearer a b c", "Bearer\tx", "\0"],
)  # fmt: skip
def test_without_a_key_nothing_opens(db: None, credentials: str) -> None:
    headers = {"Authorization": credentials} if credentials else {}
    for method, template in NEEDED:
        answer = Caller().send(method, address(template), b"{}", headers=headers)
        assert answer.problem(401)["type"] in {
            "/problems/not_authenticated",
            "/problems/authentication_failed",
        }
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="drawdown"'


def test_a_revoked_key_is_no_key(video: VideoWorld) -> None:
    key, secret = api_keys.issue(organization=video.organization, name="old", scopes=["admin"])
    assert Caller(secret).get("plans").status == 200
    api_keys.revoke(key, at=timezone.now())
    Caller(secret).get("plans").problem(401, "authentication_failed")


def test_several_scopes_add_up(video: VideoWorld) -> None:
    for scopes in itertools.combinations([EVENTS, CUSTOMERS, READ], 2):
        caller = caller_of(video.organization, *scopes)
        may = {"events": EVENTS in scopes, "customers": CUSTOMERS in scopes}
        for path, allowed in may.items():
            assert (caller.post(path, {}).status == 422) is allowed
        assert (caller.get("plans").status == 200) is (READ in scopes)


def test_the_scheme_is_read_in_any_case_and_the_secret_is_not(video: VideoWorld) -> None:
    _, secret = api_keys.issue(organization=video.organization, name="k", scopes=["read"])
    for scheme, status in [(f"bearer {secret}", 200), (f"BEARER  {secret} ", 200)]:
        assert Caller().send("GET", "plans", headers={"Authorization": scheme}).status == status
    Caller(secret.swapcase()).get("plans").problem(401)


def test_a_secret_is_kept_nowhere(video: VideoWorld) -> None:
    _, secret = api_keys.issue(organization=video.organization, name="k", scopes=["admin"])
    Caller(secret).post("events", fast_minutes(video))
    row = ApiKey.objects.values().get()
    assert secret not in str(row)
    assert secret.encode() not in bytes(row["key_hash"])
