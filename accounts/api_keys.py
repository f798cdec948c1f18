"""API keys: made, checked and revoked. The secret is shown once; only its SHA-256 is kept.

A key is 256 random bits, so a plain fast hash is enough: there is nothing to guess.
"""

import datetime as dt
import hashlib
import secrets
from collections.abc import Collection

from accounts.models import ApiKey, Organization, Scope

PREFIX_LIVE = "dd_live_"
PREFIX_LENGTH = 16


def issue(
    *, organization: Organization, name: str, scopes: Collection[Scope | str]
) -> tuple[ApiKey, str]:
    """Make a key; returns its row and the secret, which cannot be shown again.

    Raises ValueError for no scope or an unknown one.
    """
    wanted = sorted({Scope(scope) for scope in scopes})
    if not wanted:
        raise ValueError("a key needs at least one scope")
    secret = PREFIX_LIVE + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        organization=organization,
        name=name,
        prefix=secret[:PREFIX_LENGTH],
        key_hash=_hash(secret),
        scopes=wanted,
    )
    return key, secret


def find_live(secret: str) -> ApiKey | None:
    """Return the key that `secret` proves, or None if there is none or it was revoked."""
    return (
        ApiKey.objects.filter(key_hash=_hash(secret), revoked_at=None)
        .select_related("organization")
        .first()
    )


def revoke(key: ApiKey, *, at: dt.datetime) -> None:
    """Close the key for good; revoking it again changes nothing."""
    ApiKey.objects.filter(id=key.id, revoked_at=None).update(revoked_at=at)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
