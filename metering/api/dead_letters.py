"""The API of dead letters: looking at them, and sending them once more."""

import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import idempotency, pagination
from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import Problem
from accounts.serializers import StrictSerializer, TextField, WholeNumberField
from metering import dead_letters, tasks
from metering.api import events
from metering.api.serializers import (
    BatchOutcomeSerializer,
    DeadLetterSerializer,
    OutcomeSerializer,
)
from metering.models import DeadLetter

_PERMISSION = HasScope.of(GET=Scope.READ, POST=Scope.EVENTS_WRITE)


class _Sent(serializers.Field[Any, Any, Any, Any]):
    """Whatever was sent; `metering.event_drafts` checks it with the rest of the event."""

    def to_internal_value(self, data: Any) -> Any:
        """Return it."""
        return data


class LetterReplay(StrictSerializer):
    """What is right where the dead letter is wrong."""

    type = _Sent(required=False)
    customer = _Sent(required=False)
    timestamp = _Sent(required=False)
    properties = _Sent(required=False)


class LetterReplaySchema(serializers.Serializer[Any]):
    """Fields in place of those the event came with; all of the others stay."""

    type = serializers.CharField(max_length=200, required=False)
    customer = serializers.CharField(max_length=200, required=False)
    timestamp = serializers.DateTimeField(required=False)
    properties = serializers.DictField(required=False)


class LettersReplay(StrictSerializer):
    """Which dead letters to send once more; all of them when nothing is said."""

    reason = TextField(max_length=50, required=False)
    customer = TextField(max_length=200, required=False, help_text="The customer's external id.")
    limit = WholeNumberField(
        min_value=1, max_value=dead_letters.AT_ONCE_MAX, required=False, help_text="At most."
    )


class LettersReplayedSerializer(BatchOutcomeSerializer):
    """The answers, oldest letter first."""

    left = serializers.IntegerField(help_text="How many of these letters are still dead.")


@extend_schema(
    operation_id="dead_letters_list",
    summary="List events that could not be priced",
    parameters=[
        OpenApiParameter("reason", str, description="Only those of this reason."),
        OpenApiParameter("customer", str, description="Only those sent for this external id."),
    ],
    responses=DeadLetterSerializer(many=True),
)
@pagination.documented
@api_view(["GET", "HEAD"])
@permission_classes([_PERMISSION])
def dead_letter_list(request: Request) -> Response:
    """List unresolved dead letters, newest first."""
    letters = DeadLetter.objects.for_organization(organization_of(request)).filter(resolved_at=None)
    for parameter, field in (("reason", "reason"), ("customer", "customer_external_id")):
        value = request.query_params.get(parameter)
        if value is not None:
            # No row has a text that PostgreSQL cannot hold.
            letters = letters.none() if "\0" in value else letters.filter(**{field: value})
    order = pagination.Order("received_at", "id")
    return pagination.page(request, letters, DeadLetterSerializer, order=order)


@extend_schema(
    operation_id="dead_letters_replay",
    summary="Record a dead letter once more, mended if need be",
    description=(
        "It is recorded under its own source and id, and answered as an event. When your software "
        "sends the original event again, that is answered as a replay of this one."
    ),
    request=LetterReplaySchema,
    responses={
        201: OutcomeSerializer,
        200: OutcomeSerializer,
        402: OpenApiResponse(description="The customer cannot pay; the letter stays."),
        404: OpenApiResponse(description="There is no such dead letter."),
        422: OpenApiResponse(description="It still cannot be priced; the letter says why."),
    },
)
@idempotency.documented
@api_view(["POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def dead_letter_replay(request: Request, letter_id: uuid.UUID) -> Response:
    """Send one dead letter once more."""
    form = LetterReplay(data=request.data)
    form.is_valid(raise_exception=True)
    try:
        replayed = dead_letters.replay(
            organization_id=organization_of(request).id,
            letter_id=letter_id,
            mended=form.validated_data,
            at=timezone.now(),
        )
    except dead_letters.UnknownLetter as error:
        raise Problem(404, "not_found", "There is no such dead letter.") from error
    if replayed.firings:
        tasks.wake_delivery()
    return events.answer(replayed.outcomes[0])


@extend_schema(
    operation_id="dead_letters_replay_many",
    summary=f"Record up to {dead_letters.AT_ONCE_MAX:,} dead letters once more, oldest first",
    description="Those that still cannot be priced go to the end, so ask again while any are left.",
    request=LettersReplay,
    responses=LettersReplayedSerializer,
)
@idempotency.documented
@api_view(["POST"])
@permission_classes([_PERMISSION])
@idempotency.idempotent
def dead_letters_replay(request: Request) -> Response:
    """Send many dead letters once more."""
    form = LettersReplay(data=request.data)
    form.is_valid(raise_exception=True)
    replayed = dead_letters.replay_all(
        organization_id=organization_of(request).id, at=timezone.now(), **form.validated_data
    )
    if replayed.firings:
        tasks.wake_delivery()
    return Response(events.batch_results(replayed.outcomes) | {"left": replayed.left})
