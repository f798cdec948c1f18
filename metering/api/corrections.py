"""The API of corrections: events taken back, one, many, or for another in their place."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import idempotency
from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import Problem
from accounts.serializers import AmountField, StrictSerializer, TextField
from metering import corrections, event_drafts, tasks
from metering.api import events
from metering.api.serializers import EventDraftSchema, OutcomeSerializer
from metering.corrections import Voided
from metering.event_drafts import InvalidDraft

IDS_MAX = 1_000
_REASON = "Why, for whoever looks at the event later."
_SOURCE = OpenApiParameter("source", str, description="When the event was sent with one.")
_PERMISSION = HasScope.of(GET=Scope.READ, POST=Scope.EVENTS_WRITE)


class VoidRequest(StrictSerializer):
    """An event to be taken back."""

    reason = TextField(max_length=500, required=False, allow_blank=True, help_text=_REASON)


class VoidsRequest(VoidRequest):
    """Events to be taken back, all of one source."""

    ids = serializers.ListField(child=TextField(max_length=200), min_length=1, max_length=IDS_MAX)
    source = TextField(  # type: ignore[assignment]
        max_length=200, required=False, help_text="When they were sent with one."
    )


class ReplacementSchema(VoidRequest):
    """An event to be taken back, and the one that takes its place."""

    event = EventDraftSchema(help_text="The corrected event, under an id of its own.")


class EffectSerializer(serializers.Serializer[Any]):
    """What a void has done in one asset."""

    asset = serializers.CharField()
    returned = AmountField(help_text="Credit that came back, also where it expired at once.")
    charged = AmountField(
        help_text="Credit taken for later usage that has become dearer, for example because it "
        "falls into a lower tier now."
    )
    overage = AmountField(help_text="What the invoice asks for more, mostly below 0.")
    uncollected = AmountField(
        required=False, help_text="What nobody pays more. Only there when it is not 0."
    )
    balance = AmountField()
    available = AmountField()


class _VoidHead(serializers.Serializer[Any]):
    id = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    voided_at = serializers.DateTimeField()


class VoidSerializer(_VoidHead):
    """An event that was taken back."""

    reason = serializers.CharField()
    effects = EffectSerializer(many=True)


class ManyVoidsSerializer(serializers.Serializer[Any]):
    """The answers, in the order of the ids."""

    results = serializers.ListField(child=serializers.DictField())
    counts = serializers.DictField(child=serializers.IntegerField())


class ReplacementSerializer(serializers.Serializer[Any]):
    """What was taken back, and what was recorded."""

    voided = VoidSerializer()
    event = OutcomeSerializer()


@extend_schema(methods=["GET"], exclude=True)
@extend_schema(
    methods=["POST"],
    operation_id="events_void",
    summary="Take an event back, whatever its age",
    description=(
        "Everything is as if the event had never been there: its credit returns to the grants that "
        "paid (what an expired grant gets back expires again), its overage is asked for no more, "
        "spend caps and unique counts forget it, and later usage is charged or given the "
        "difference that makes to it. When its period was invoiced already, a credit note makes "
        "up for it. Voiding an event again changes nothing and is answered the same."
    ),
    parameters=[_SOURCE],
    request=VoidRequest,
    responses={200: VoidSerializer, 404: OpenApiResponse(description="There is no such event.")},
)
@idempotency.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def event_void(request: Request, external_id: str) -> Response:
    """Take one event back."""
    if request.method != "POST":
        # An id may be a path, so this is the address of an event as well.
        return events.event_detail(request._request, f"{external_id}/void")
    form = VoidRequest(data=request.data)
    form.is_valid(raise_exception=True)
    try:
        voided = corrections.void_event(
            organization_id=organization_of(request).id,
            key=_key(request, external_id),
            reason=form.validated_data.get("reason", ""),
            at=timezone.now(),
        )
    except corrections.UnknownEvent as error:
        raise _unknown() from error
    except corrections.NotCorrectable as error:
        raise _not_correctable(error) from error
    if voided.firings:
        tasks.wake_delivery()
    return Response(_rendered(voided), headers=_headers(is_new=voided.is_new))


@extend_schema(methods=["GET"], exclude=True)
@extend_schema(
    methods=["POST"],
    operation_id="events_void_many",
    summary=f"Take back up to {IDS_MAX:,} events",
    description="Each is answered on its own: `voided`, also when it was before, or `not_found`.",
    request=VoidsRequest,
    responses=ManyVoidsSerializer,
)
@idempotency.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def event_voids(request: Request) -> Response:
    """Take many events back."""
    if request.method != "POST":
        return events.event_detail(request._request, "void")
    form = VoidsRequest(data=request.data)
    form.is_valid(raise_exception=True)
    ids, source = form.validated_data["ids"], form.validated_data.get("source", "")
    try:
        found = corrections.void_events(
            organization_id=organization_of(request).id,
            keys=[event_drafts.event_key(source=source, external_id=each) for each in ids],
            reason=form.validated_data.get("reason", ""),
            at=timezone.now(),
        )
    except corrections.NotCorrectable as error:
        raise _not_correctable(error) from error
    if any(voided.firings for voided in found if voided is not None):
        tasks.wake_delivery()
    results = [
        {"id": external_id, "status": "not_found", "code": 404}
        if voided is None
        else {"status": "voided", "code": 200} | _rendered(voided)
        for external_id, voided in zip(ids, found, strict=True)
    ]
    missing = found.count(None)
    counts = {"voided": len(found) - missing, "not_found": missing}
    return Response({"results": results, "counts": {k: n for k, n in counts.items() if n}})


@extend_schema(methods=["GET"], exclude=True)
@extend_schema(
    methods=["POST"],
    operation_id="events_replace",
    summary="Take an event back and record another in its place, both or neither",
    description=(
        "The corrected event has an id of its own, may be another customer's, and is paid with "
        "what the wrong one gives back. It is refused like any event, and then the wrong one "
        "stands. Sent again, the replacement is answered as a replay."
    ),
    parameters=[_SOURCE],
    request=ReplacementSchema,
    responses={
        201: ReplacementSerializer,
        200: ReplacementSerializer,
        402: OpenApiResponse(description="The customer cannot pay; nothing was changed."),
        404: OpenApiResponse(description="There is no such event."),
        409: OpenApiResponse(description="It was voided before, or the new id is taken."),
    },
)
@idempotency.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def event_replacement(request: Request, external_id: str) -> Response:
    """Take one event back and record another."""
    if request.method != "POST":
        return events.event_detail(request._request, f"{external_id}/replace")
    form = ReplacementRequest(data=request.data)
    form.is_valid(raise_exception=True)
    key, now = _key(request, external_id), timezone.now()
    draft = event_drafts.parse(form.validated_data["event"], at=now)
    if isinstance(draft, InvalidDraft):
        errors = [(f"event.{field}", reason) for field, reason in draft.errors]
        raise Problem(422, "invalid", "The event is not valid.", errors=errors)
    if draft.key == key:
        reason = "must be another one: what was recorded under an id stays"
        raise Problem(422, "invalid", "The event is not valid.", errors=[("event.id", reason)])
    try:
        replaced = corrections.replace_event(
            organization_id=organization_of(request).id,
            key=key,
            draft=draft,
            reason=form.validated_data.get("reason", ""),
            at=now,
        )
    except corrections.UnknownEvent as error:
        raise _unknown() from error
    except corrections.AlreadyVoided as error:
        detail = "The event was voided before; record the corrected one as a new event."
        raise Problem(409, "already_voided", detail) from error
    except corrections.NotReplaced as error:
        return events.answer(error.outcome)
    except corrections.NotCorrectable as error:
        raise _not_correctable(error) from error
    if replaced.firings:
        tasks.wake_delivery()
    is_new = replaced.voided.is_new
    [event] = events.batch_results([replaced.outcome])["results"]
    return Response(
        {"voided": _rendered(replaced.voided), "event": event},
        status=201 if is_new else 200,
        headers=_headers(is_new=is_new),
    )


class _AsSent(serializers.Field[Any, Any, Any, Any]):
    """Whatever was sent; `metering.event_drafts` checks it."""

    def to_internal_value(self, data: Any) -> Any:
        """Return it."""
        return data


class ReplacementRequest(VoidRequest):
    """The body of a replacement; documented by `ReplacementSchema`."""

    event = _AsSent()


def _key(request: Request, external_id: str) -> uuid.UUID:
    source = request.query_params.get("source", "")
    return event_drafts.event_key(source=source, external_id=external_id)


def _unknown() -> Problem:
    return Problem(404, "not_found", "There is no event with this id.")


def _not_correctable(error: corrections.NotCorrectable) -> Problem:
    return Problem(422, "amount_too_large", f"Without it, others could not be kept: {error}")


def _headers(*, is_new: bool) -> dict[str, str]:
    return {} if is_new else {"Idempotent-Replayed": "true"}


def effects_as_answered(effects: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return stored effects in the order of their fields, which the database does not keep."""
    fields = list(EffectSerializer().fields.keys())
    return [{name: effect[name] for name in fields if name in effect} for effect in effects]


def _rendered(voided: Voided) -> dict[str, Any]:
    event, void = voided.event, voided.void
    head = {"id": event.external_id, "source": event.source, "voided_at": void.voided_at}
    return {
        **_VoidHead(head).data,
        "reason": void.reason,
        # Amounts were written down as they are answered.
        "effects": effects_as_answered(void.effects),
    }
