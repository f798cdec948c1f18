"""The API of authorizations: may this work go ahead, and what became of it."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import customers, idempotency, pagination
from accounts.api import customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import Customer, Scope
from metering import authorization_statements, authorizations, tasks
from metering.api import authorization_doors as doors
from metering.api.authorization_serializers import (
    AuthorizationDetailSerializer,
    AuthorizationRequest,
    AuthorizationSerializer,
    CapturedSerializer,
    CaptureRequest,
    ExtensionRequest,
    ReportRequest,
)
from metering.authorizations import Done
from metering.models import Authorization

_PERMISSION = HasScope.of(GET=Scope.READ, POST=Scope.EVENTS_WRITE)
_REFUSALS = {
    402: OpenApiResponse(description="It may not go ahead; nothing was held."),
    409: OpenApiResponse(description="The authorization has ended; `state` says how."),
}


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
    said, now = doors.read_work(request.data), timezone.now()
    work = doors.work_to_come(said, customer=_customer_or_422(request, said["customer"]), at=now)
    done = _done(
        authorizations.authorize,
        customer=work.customer,
        drafts=work.drafts,
        expires_in=work.expires_in,
        on_expiry=work.on_expiry,
        at=now,
    )
    return doors.made(done).as_response()


def _listed(request: Request) -> Response:
    external_id, state = request.query_params.get("customer"), request.query_params.get("state")
    if state is not None and state not in authorization_statements.STATES:
        known = ", ".join(authorization_statements.STATES)
        raise doors.INVALID(errors=[("state", f"must be one of {known}")])
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
    return Response(doors.written(described))


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
    said = doors.read_capture(request.data)
    authorization, now = _found(request, authorization_id), timezone.now()
    work = doors.work_done(said, authorization=authorization, at=now)
    done = _done(
        authorizations.capture,
        authorization=authorization,
        drafts=work.drafts,
        final=work.final,
        at=now,
    )
    return doors.captured(done).as_response()


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
    said = doors.read_extension(request.data)
    authorization, now = _found(request, authorization_id), timezone.now()
    terms = doors.terms_of_extension(said, authorization=authorization, at=now)
    done = _done(authorizations.extend, **terms, at=now)
    return doors.stands(done).as_response()


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
    drafts = doors.drafts_of(
        "items", asked.get("items", ()), customer=authorization.customer, at=now
    )
    done = _done(
        authorizations.report,
        authorization=authorization,
        amounts=asked.get("amounts"),
        drafts=drafts,
        at=now,
    )
    return doors.stands(done).as_response()


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
    return doors.stands(done).as_response()


# What the views are made of.


def _found(request: Request, authorization_id: uuid.UUID) -> Authorization:
    try:
        return authorization_statements.find(
            organization_id=organization_of(request).id, id_=authorization_id
        )
    except authorization_statements.UnknownAuthorization as error:
        raise doors.unknown_authorization() from error


def _customer_or_422(request: Request, external_id: str) -> Customer:
    try:
        return customers.find(organization_id=organization_of(request).id, external_id=external_id)
    except customers.UnknownCustomer as error:
        raise doors.unknown_customer() from error


def _done[Result: Done](verb: Callable[..., Result], **terms: Any) -> Result:
    """Call a verb and turn what it refuses into a problem."""
    try:
        done = verb(**terms)
    except authorizations.REFUSALS as error:
        raise doors.refusal(error) from error
    if done.firings:
        # Under a key the work is not committed yet.
        transaction.on_commit(tasks.wake_delivery)
    return done
