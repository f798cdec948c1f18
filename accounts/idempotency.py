"""Idempotency-Key: a request that moves money, sent again, moves it once and is answered the same.

The key is the client's, one namespace for each organization. The answer is stored in the
transaction that does the work, so neither exists without the other. Requests with one key wait for
each other; only a success is stored, because a refusal has changed nothing and may be tried again.
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, NamedTuple

from django.db import OperationalError, connection
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tenancy
from accounts.authentication import organization_of
from accounts.models import Organization, StoredAnswer
from accounts.problems import Problem
from accounts.renderers import ExactJSONRenderer

HEADER = "Idempotency-Key"
REPLAYED = {"Idempotent-Replayed": "true"}
SECONDS_TO_WAIT = 10
_LOCK_NOT_AVAILABLE = "55P03"
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,255}")

type View = Callable[..., Response]


class NewAnswer(NamedTuple):
    """What is answered under a key."""

    key: str
    fingerprint: uuid.UUID
    status: int
    content: bytes


documented = extend_schema(
    methods=["POST"],
    parameters=[
        OpenApiParameter(
            HEADER,
            str,
            location=OpenApiParameter.HEADER,
            description="Yours, unique for each request. Sent again, it is answered the same and "
            "does nothing twice.",
        )
    ],
)
"""Says in the schema that an operation's POST takes the header."""


def idempotent(view: View) -> View:
    """Let a view's POSTs carry an Idempotency-Key; goes right around the view function.

    Without one the view is called as it is. Refuses with 422 a key used for another request, and
    with 409 one whose first request is still under way after 10 seconds.
    """

    @wraps(view)
    def answer(request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        key = request.headers.get(HEADER)
        if request.method != "POST" or key is None:
            return view(request, *args, **kwargs)
        if not is_key(key):
            reason = "must be 1 to 255 printable ASCII characters without spaces"
            raise Problem(422, "invalid", "The request is not valid.", errors=[(HEADER, reason)])
        return _answer_once(
            organization_of(request),
            key,
            _fingerprint(request),
            lambda: view(request, *args, **kwargs),
        )

    return answer  # type: ignore[return-value]


def _fingerprint(request: Request) -> uuid.UUID:
    http = request._request
    return fingerprint(str(http.method), http.get_full_path(), http.body)


def fingerprint(method: str, address: str, body: bytes) -> uuid.UUID:
    """Return what tells one request from another; `address` is the path with its query."""
    text = f"{method} {address}\n".encode() + body
    return uuid.UUID(bytes=hashlib.blake2b(text, digest_size=16).digest())


def is_key(text: str) -> bool:
    """Whether this may be an Idempotency-Key."""
    return _PRINTABLE.fullmatch(text) is not None


def _answer_once(
    organization: Organization, key: str, fingerprint: uuid.UUID, work: Callable[[], Response]
) -> Response | HttpResponse:
    with tenancy.transaction_for(organization.id):
        take_turns(organization, key)
        stored = StoredAnswer.objects.for_organization(organization).filter(key=key).first()
        if stored is not None:
            return _repeated(stored, fingerprint)
        response = work()
        if response.status_code < 400:  # noqa: PLR2004
            StoredAnswer.objects.create(
                organization=organization,
                key=key,
                fingerprint=fingerprint,
                status=response.status_code,
                content=ExactJSONRenderer().render(response.data).decode(),
            )
        return response


def take_turns(organization: Organization, key: str) -> None:
    """Keep a key to this transaction until it ends.

    Raises Problem when another one has kept it for longer than SECONDS_TO_WAIT.
    """
    number = _number(organization.id, key)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{SECONDS_TO_WAIT}s"])
        try:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            raise Problem(
                409, "in_progress", "A request with this key is still under way; ask again later."
            ) from error


def _number(organization_id: uuid.UUID, key: str) -> int:
    digest = hashlib.blake2b(f"{organization_id} {key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


# Several keys in one transaction.


def take_free_turns(organization_id: uuid.UUID, keys: Collection[str]) -> set[str]:
    """Keep those of these keys to this transaction that nobody else keeps; waits for none."""
    names = list(keys)
    numbers = [_number(organization_id, key) for key in names]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key, pg_try_advisory_xact_lock(number) "
            "FROM unnest(%s::text[], %s::bigint[]) AS asked (key, number)",
            [names, numbers],
        )
        return {key for key, is_free in cursor.fetchall() if is_free}


def stored_answers(organization_id: uuid.UUID, keys: Collection[str]) -> dict[str, StoredAnswer]:
    """Return what was answered under these keys, which the caller keeps."""
    stored = StoredAnswer.objects.filter(organization=organization_id, key__in=keys)
    return {each.key: each for each in stored.order_by()}


def store(organization_id: uuid.UUID, answers: Collection[NewAnswer]) -> None:
    """Store what is answered under keys that the caller keeps."""
    StoredAnswer.objects.bulk_create(
        StoredAnswer(
            organization_id=organization_id,
            key=each.key,
            fingerprint=each.fingerprint,
            status=each.status,
            content=each.content.decode(),
        )
        for each in answers
    )


def refuse_reused(stored: StoredAnswer, fingerprint: uuid.UUID) -> None:
    """Raise Problem when the key was used for another request."""
    if stored.fingerprint != fingerprint:
        reason = "was used for another request; a new request needs a new key"
        raise Problem(422, "key_reused", "The key is taken.", errors=[(HEADER, reason)])


def _repeated(stored: StoredAnswer, fingerprint: uuid.UUID) -> HttpResponse:
    refuse_reused(stored, fingerprint)
    return HttpResponse(
        stored.content,
        status=stored.status,
        content_type=ExactJSONRenderer.media_type,
        headers=REPLAYED,
    )
