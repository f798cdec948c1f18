"""The API of authorizations: may this work go ahead, and what became of it."""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import customers, idempotency, pagination
from accounts.api import customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Customer, Scope
from accounts.problems import Problem
from metering import authorization_statements, authorizations, event_drafts, tasks
from metering.api.authorization_serializers import (
    AuthorizationDetailSerializer,
    AuthorizationRequest,
    AuthorizationSerializer,
    CapturedSerializer,
    CaptureRequest,
    ExtensionRequest,
    ReportRequest,
)
from metering.api.events import batch_results
from metering.authorizations import AuthorizationEnded, Done, NotHeld, Refused, TooLong, Unpriced
from metering.event_drafts import EventDraft, InvalidDraft
from metering.models import Authorization

_PERMISSION = HasScope.of(GET=Scope.READ, POST=Scope.EVENTS_WRITE)
_REFUSALS = {
    402: OpenApiResponse(description="It may not go ahead; nothing was held."),
    409: OpenApiResponse(description="The authorization has ended; `state` says how."),
}
_INVALID = partial(Problem, 422, "invalid", "The request is not valid.")


@extend_schema(
    methods=["POST"],
    operation_id="authorizations_create",
    summary="Ask whether work may go ahead, and hold what it will cost",
    request=AuthorizationRequest,
    responses={201: AuthorizationDetailSerializer, 402: _REFUSALS[402]},
)
@extend_schema(
    methods=["GET"],
    operation_id="authorizations_list",
    summary="List authorizations, newest first",
    parameters=[
        OpenApiParameter("customer", str, description="Only this customer's."),
        OpenApiParameter("state", str, enum=authorization_statements.STATES),
    ],
    responses=AuthorizationSerializer(many=True),
)
@pagination.documented
@idempotency.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def authorization_list(request: Request) -> Response:
    """Authorize the work of one or many events, all or none, or list authorizations."""
    if request.method != "POST":
        return _listed(request)
    form = AuthorizationRequest(data=request.data)
    form.is_valid(raise_exception=True)
    asked = form.validated_data
    customer, now = _customer_or_422(request, asked["customer"]), timezone.now()
    drafts = _drafts("items", asked["items"], customer=customer, at=now)
    try:
        done = authorizations.authorize(
            customer=customer,
            drafts=drafts,
            expires_in=dt.timedelta(seconds=asked["expires_in"]),
            on_expiry=asked["on_expiry"],
            at=now,
        )
    except (Refused, Unpriced) as error:
        raise _problem(error) from error
    answer = _answer(done, status=201)
    answer["Location"] = reverse("api:authorization", args=[done.authorization.row.id])
    return answer


def _listed(request: Request) -> Response:
    external_id, state = request.query_params.get("customer"), request.query_params.get("state")
    if state is not None and state not in authorization_statements.STATES:
        known = ", ".join(authorization_statements.STATES)
        raise _INVALID(errors=[("state", f"must be one of {known}")])
    now = timezone.now()
    rows = authorization_statements.list_of(
        organization_id=organization_of(request).id,
        customer=customer_or_404(request, external_id) if external_id is not None else None,
        state=state,
        at=now,
    )
    shown: Any = partial(AuthorizationSerializer, context={"at": now})
    return pagination.page(request, rows, shown)


@extend_schema(
    operation_id="authorizations_get",
    summary="One authorization: what it holds, what was taken, what pays",
    responses=AuthorizationDetailSerializer,
)
@api_view(["GET", "HEAD"])
@permission_classes([_PERMISSION])
def authorization_detail(request: Request, authorization_id: uuid.UUID) -> Response:
    """Return an authorization as it stands now."""
    described = authorization_statements.look_at(
        _found(request, authorization_id), at=timezone.now()
    )
    return Response(AuthorizationDetailSerializer(described).data)


@extend_schema(
    operation_id="authorizations_capture",
    summary="Record what the work came to, and give back the rest",
    request=CaptureRequest,
    responses={200: CapturedSerializer, 409: _REFUSALS[409]},
)
@idempotency.documented
@api_view(["POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def authorization_capture(request: Request, authorization_id: uuid.UUID) -> Response:
    """Record real events of the work, which are never refused for want of money: it is done."""
    form = CaptureRequest(data=request.data)
    form.is_valid(raise_exception=True)
    authorization, now = _found(request, authorization_id), timezone.now()
    drafts = _drafts(
        "events",
        form.validated_data["events"],
        customer=authorization.customer,
        captured_from=authorization,
        at=now,
    )
    done = _done(
        authorizations.capture,
        authorization=authorization,
        drafts=drafts,
        final=form.validated_data["final"],
        at=now,
    )
    return _answer(done, **batch_results(done.outcomes))


@extend_schema(
    operation_id="authorizations_extend",
    summary="Hold more, or for longer",
    request=ExtensionRequest,
    responses={200: AuthorizationDetailSerializer, **_REFUSALS},
)
@idempotency.documented
@api_view(["POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def authorization_extend(request: Request, authorization_id: uuid.UUID) -> Response:
    """Authorize further work, or give it more time; all of that or nothing."""
    form = ExtensionRequest(data=request.data)
    form.is_valid(raise_exception=True)
    asked = form.validated_data
    authorization, now = _found(request, authorization_id), timezone.now()
    drafts = _drafts("items", asked.get("items", ()), customer=authorization.customer, at=now)
    seconds = asked.get("expires_in")
    done = _done(
        authorizations.extend,
        authorization=authorization,
        drafts=drafts,
        expires_in=dt.timedelta(seconds=seconds) if seconds is not None else None,
        at=now,
    )
    return _answer(done)


@extend_schema(
    operation_id="authorizations_report",
    summary="Say how far the work has come",
    request=ReportRequest,
    responses={200: AuthorizationDetailSerializer, 409: _REFUSALS[409]},
)
@idempotency.documented
@api_view(["POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def authorization_report(request: Request, authorization_id: uuid.UUID) -> Response:
    """Note what the work has come to so far, for streams that may end without a word."""
    form = ReportRequest(data=request.data)
    form.is_valid(raise_exception=True)
    asked = form.validated_data
    authorization, now = _found(request, authorization_id), timezone.now()
    drafts = _drafts("items", asked.get("items", ()), customer=authorization.customer, at=now)
    done = _done(
        authorizations.report,
        authorization=authorization,
        amounts=asked.get("amounts"),
        drafts=drafts,
        at=now,
    )
    return _answer(done)


@extend_schema(
    operation_id="authorizations_release",
    summary="Give back what is held",
    request=None,
    responses={200: AuthorizationDetailSerializer, 409: _REFUSALS[409]},
)
@idempotency.documented
@api_view(["POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def authorization_release(request: Request, authorization_id: uuid.UUID) -> Response:
    """End an authorization whose work will not happen, or go no further."""
    authorization = _found(request, authorization_id)
    done = _done(authorizations.release, authorization=authorization, at=timezone.now())
    return _answer(done)


# What the views are made of.


def _found(request: Request, authorization_id: uuid.UUID) -> Authorization:
    try:
        return authorization_statements.find(
            organization_id=organization_of(request).id, id_=authorization_id
        )
    except authorization_statements.UnknownAuthorization as error:
        raise Problem(404, "not_found", "There is no authorization with this id.") from error


def _customer_or_422(request: Request, external_id: str) -> Customer:
    try:
        return customers.find(organization_id=organization_of(request).id, external_id=external_id)
    except customers.UnknownCustomer as error:
        raise _INVALID(errors=[("customer", "is not a customer of your organization")]) from error


def _drafts(
    name: str,
    raws: Sequence[object],
    *,
    customer: Customer,
    at: dt.datetime,
    captured_from: Authorization | None = None,
) -> list[EventDraft]:
    """Check events, of work to come or of work captured. Raises Problem that names each mistake."""
    parsed: list[EventDraft | InvalidDraft] = []
    for raw in raws:
        if captured_from is None:
            parsed.append(event_drafts.parse_question(raw, customer=customer.external_id, at=at))
        else:
            parsed.append(
                event_drafts.parse_captured(
                    raw, customer=customer.external_id, authorization=captured_from.id, at=at
                )
            )
    errors = [
        (f"{name}[{place}].{error.field}", error.reason)
        for place, draft in enumerate(parsed)
        if isinstance(draft, InvalidDraft)
        for error in draft.errors
    ]
    if errors:
        raise _INVALID(errors=errors)
    return [draft for draft in parsed if isinstance(draft, EventDraft)]


def _done[Result: Done](verb: Callable[..., Result], **terms: Any) -> Result:
    """Call a verb and turn what it refuses into a problem."""
    try:
        return verb(**terms)
    except AuthorizationEnded as error:
        raise Problem(
            409, "authorization_ended", f"The authorization is {error.state}.", state=error.state
        ) from error
    except TooLong as error:
        raise _INVALID(errors=[("expires_in", str(error))]) from error
    except NotHeld as error:
        raise _INVALID(errors=[(f"amounts.{error.asset}"[:100], str(error)[:200])]) from error
    except (Refused, Unpriced) as error:
        raise _problem(error) from error


def _problem(error: Refused | Unpriced) -> Problem:
    if isinstance(error, Unpriced):
        first = error.reasons[0][1]
        reasons = [(name, reason.detail) for name, reason in error.reasons]
        return Problem(422, first.reason, first.detail, errors=reasons)
    reasons_told = [refusal.to_wire() for refusal in error.refusals]
    binding: dict[str, Any] = dict(reasons_told[0])
    kind, detail = binding.pop("reason"), binding.pop("detail")
    errors = [(each.field, each.detail) for each in error.refusals if each.field]
    return Problem(402, kind, detail, errors=errors, **binding, refusals=reasons_told)


def _answer(done: Done, *, status: int = 200, **more: Any) -> Response:
    if done.firings:
        # Under a key the work is not committed yet.
        transaction.on_commit(tasks.wake_delivery)
    shown: Mapping[str, Any] = AuthorizationDetailSerializer(done.authorization).data
    return Response({**shown, **more}, status=status)
