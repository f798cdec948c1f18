"""Problem details (RFC 9457): how the API says that something went wrong, everywhere the same."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response

CONTENT_TYPE = "application/problem+json"
ERRORS_MAX = 100

type FieldReason = tuple[str, str]


class Problem(exceptions.APIException):
    """A refusal with its HTTP status, a stable `kind`, and the fields that are wrong."""

    def __init__(
        self,
        status_code: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[FieldReason] = (),
        **extra: Any,
    ) -> None:
        super().__init__(detail, kind)
        self.status_code = status_code
        self.kind = kind
        self.text = detail
        self.errors = errors
        self.extra = extra


def body(
    status_code: int,
    kind: str,
    detail: str,
    *,
    errors: Sequence[FieldReason] = (),
    **extra: Any,
) -> dict[str, Any]:
    """Return the members of a problem; `errors` become [{field, reason}]."""
    return {
        "type": f"/problems/{kind}",
        "title": kind.replace("_", " ").capitalize(),
        "status": status_code,
        "detail": detail,
        "errors": [{"field": field, "reason": reason} for field, reason in errors[:ERRORS_MAX]],
        **extra,
    }


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer every expected exception of an API view as a problem; leave bugs to Django."""
    problem = body_of(error)
    if problem is None:
        return None
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    return Response(problem, status=problem["status"], headers=headers, content_type=CONTENT_TYPE)


def body_of(error: Exception) -> dict[str, Any] | None:
    """Return an expected exception as the members of a problem; None for a bug."""
    match error:
        case Problem():
            return body(
                error.status_code, error.kind, error.text, errors=error.errors, **error.extra
            )
        case exceptions.ValidationError():
            return body(
                status.HTTP_422_UNPROCESSABLE_ENTITY,
                "invalid",
                "The request is not valid.",
                errors=list(_flatten(error.detail)),
            )
        case exceptions.APIException():
            return body(error.status_code, str(error.get_codes()), str(error.detail))
        case Http404():
            return body(status.HTTP_404_NOT_FOUND, "not_found", "There is nothing here.")
        case PermissionDenied():
            return body(status.HTTP_403_FORBIDDEN, "permission_denied", "This is not allowed.")
        case _:
            return None


def _flatten(detail: Any, path: str = "") -> Iterator[FieldReason]:
    """Walk DRF's nested errors and name each by its path, such as `grants[0].amount`."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else str(name)
            yield from _flatten(inner, f"{path}.{step}".strip("."))
    elif isinstance(detail, list) and any(isinstance(item, dict) for item in detail):
        for index, inner in enumerate(detail):
            yield from _flatten(inner, f"{path}[{index}]")
    else:
        for reason in detail if isinstance(detail, list) else [detail]:
            yield path or "body", str(reason)


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a request that was refused before any view saw it, such as one for another host."""
    problem = body(status.HTTP_400_BAD_REQUEST, "bad_request", "This is not a request we can read.")
    return JsonResponse(problem, status=problem["status"], content_type=CONTENT_TYPE)


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer an unknown API path."""
    problem = body(status.HTTP_404_NOT_FOUND, "not_found", "There is nothing here.")
    return JsonResponse(problem, status=problem["status"], content_type=CONTENT_TYPE)


def server_error(request: HttpRequest) -> JsonResponse:
    """Answer a bug: says nothing of its inside."""
    problem = body(
        status.HTTP_500_INTERNAL_SERVER_ERROR,
        "internal_error",
        "Something went wrong on our side. Sending the same request again is safe.",
    )
    return JsonResponse(problem, status=problem["status"], content_type=CONTENT_TYPE)
