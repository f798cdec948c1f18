"""Keys that were live a moment ago: who calls, without asking the database each time.

The doors that events come in by are asked thousands of times a second by the same few keys. So a
process may take a key for live for as long as `KEY_SECONDS` after the database has said so, and a
revoked key opens these doors for that long at most. What is not found is never remembered: a new
key works at once, and guessing costs a question each time.
"""

import time

from accounts import api_keys
from accounts.models import ApiKey

KEY_SECONDS = 5.0
"""For how long a key is taken for live after the database has said so."""

KEYS_MAX = 10_000

_known: dict[str, tuple[float, ApiKey]] = {}


def known(secret: str) -> ApiKey | None:
    """Return the key if it was live a moment ago; looks into memory alone and never waits."""
    found = _known.get(secret)
    if found is None or time.monotonic() - found[0] >= KEY_SECONDS:
        return None
    return found[1]


def find(secret: str) -> ApiKey | None:
    """Return the key that `secret` proves, with its organization, or None.

    Any thread may ask. The row is shared by everybody who asks: it is to be read, not changed.
    """
    key = known(secret)
    if key is not None:
        return key
    asked_at = time.monotonic()  # Before the question: the answer may be as old as that.
    key = api_keys.find_live(secret)
    if key is None:
        _known.pop(secret, None)
        return None
    if len(_known) >= KEYS_MAX:
        _known.clear()
    _known[secret] = asked_at, key
    return key
