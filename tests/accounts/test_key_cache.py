"""Keys that were live a moment ago."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import api_keys, key_cache
from accounts.models import Scope
from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db


def _secret(name: str = "k") -> str:
    _, secret = api_keys.issue(
        organization=OrganizationFactory.create(), name=name, scopes=[Scope.READ]
    )
    return secret


def test_a_key_is_asked_for_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    secret = _secret()
    assert key_cache.known(secret) is None
    with django_assert_num_queries(1):
        key = key_cache.find(secret)
        assert key is not None
        assert key.organization.slug
        assert key_cache.find(secret) is key
        assert key_cache.known(secret) is key


def test_a_revoked_key_is_forgotten_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_cache.KEY_SECONDS <= 5
    secret = _secret()
    key = key_cache.find(secret)
    assert key is not None
    api_keys.revoke(key, at=timezone.now())
    monkeypatch.setattr(key_cache, "KEY_SECONDS", 0.0)  # As if that time had passed.
    assert key_cache.known(secret) is None
    assert key_cache.find(secret) is None


def test_what_is_unknown_is_not_remembered(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(2):
        assert key_cache.find("dd_live_nobody") is None
        assert key_cache.find("dd_live_nobody") is None


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_cache, "KEYS_MAX", 2)
    secrets = [_secret(f"k{number}") for number in range(4)]
    assert all(key_cache.find(secret) for secret in secrets)
    assert sum(key_cache.known(secret) is not None for secret in secrets) <= 2
    assert key_cache.known(secrets[-1]) is not None


@pytest.mark.django_db(transaction=True)
def test_threads_may_ask_at_once() -> None:
    secret = _secret()

    def ask(_: int) -> object:
        try:
            key = key_cache.find(secret)
            return key and key.id
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(40)))) == 1
