"""Idempotency-Key: a request that moves money, sent again, moves it once and is answered the same.

The key is the client's, one namespace for each organization. The answer is stored in the
transaction that does the work, so neither exists without the other. Requests with one key wait for
each other; only a success is stored, because a refusal has changed nothing and may be tried again.
"""

import hashlib
import re
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

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
        if not _PRINTABLE.fullmatch(key):
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
    text = f"{http.method} {http.get_full_path()}\n".encode() + http.body
    return uuid.UUID(bytes=hashlib.blake2b(text, digest_size=16).digest())


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
    digest = hashlib.blake2b(f"{organization.id} {key}".encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "big", signed=True)
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


def _repeated(stored: StoredAnswer, fingerprint: uuid.UUID) -> HttpResponse:
    if stored.fingerprint != fingerprint:
        reason = "was used for another request; a new request needs a new key"
        raise Problem(422, "key_reused", "The key is taken.", errors=[(HEADER, reason)])
    return HttpResponse(
        stored.content,
        status=stored.status,
        content_type=ExactJSONRenderer.media_type,
        headers=REPLAYED,
    )
