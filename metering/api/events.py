"""The API of events: recording them, and looking at them again."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)
from rest_framework.decorators import (
    api_view,
    authentication_classes,
    parser_classes,
    permission_classes,
)
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import pagination
from accounts.api import customer_or_404
from accounts.authentication import ApiKeyAuthentication, HasScope, organization_of
from accounts.models import ApiKey, Organization, Scope
from accounts.parsers import ExactJSONParser
from accounts.problems import CONTENT_TYPE, Problem, body
from accounts.renderers import ExactJSONRenderer
from metering import event_drafts, explanations, ingestion, tasks
from metering.api import cloud_events
from metering.api.cloud_events import CloudEvents
from metering.api.explanations import EventDetailSerializer
from metering.api.serializers import (
    BatchOutcomeSerializer,
    EventBatchSchema,
    EventDraftSchema,
    EventSerializer,
    OutcomeSerializer,
    charges_as_answered,
)
from metering.models import Event
from metering.outcomes import Outcome, Status

CODES = {
    Status.RECORDED: 201,
    Status.REPLAYED: 200,
    Status.BLOCKED: 402,
    Status.CONFLICT: 409,
    Status.INVALID: 422,
    Status.UNPRICED: 422,
}
ACCEPTED = (Status.RECORDED, Status.REPLAYED)


type ParseEvent = Callable[..., event_drafts.EventDraft | event_drafts.InvalidDraft]


@extend_schema(
    methods=["POST"],
    operation_id="events_record",
    summary="Record one event, or up to 10,000",
    request={
        ExactJSONParser.media_type: PolymorphicProxySerializer(
            component_name="EventOrBatch",
            serializers=[EventDraftSchema, EventBatchSchema],
            resource_type_field_name=None,
        ),
        cloud_events.StructuredParser.media_type: cloud_events.SCHEMA,
        cloud_events.BatchParser.media_type: {"type": "array", "items": cloud_events.SCHEMA},
    },
    responses={
        201: OutcomeSerializer,
        200: PolymorphicProxySerializer(
            component_name="OutcomeOrBatch",
            serializers=[OutcomeSerializer, BatchOutcomeSerializer],
            resource_type_field_name=None,
        ),
        204: OpenApiResponse(description="CloudEvents, all of them accepted."),
        402: OpenApiResponse(description="The customer cannot pay; nothing was recorded."),
        409: OpenApiResponse(description="Another event was recorded under this id."),
    },
)
@extend_schema(
    methods=["GET"],
    operation_id="events_list",
    summary="List a customer's events, newest first",
    parameters=[
        OpenApiParameter("customer", str, required=True),
        OpenApiParameter("voided", bool, description="Only events that were voided, or were not."),
        OpenApiParameter("backfill", bool, description="Only backfilled events, or no such."),
    ],
    responses=EventSerializer(many=True),
)
@pagination.documented
@api_view(["GET", "HEAD", "POST"])
@parser_classes([ExactJSONParser, cloud_events.StructuredParser, cloud_events.BatchParser])
@authentication_classes([partial(ApiKeyAuthentication, may_be_remembered=True)])  # type: ignore[list-item]
@permission_classes([HasScope.of(GET=Scope.READ, POST=Scope.EVENTS_WRITE)])
def events(request: Request) -> Response:
    """Record events, or list those of a customer."""
    if request.method != "POST":
        return _list_events(request)
    organization = organization_of(request)
    sent: object = request.data
    if isinstance(sent, CloudEvents):
        return _record_cloud_events(organization, sent)
    if isinstance(sent, dict) and "events" in sent:
        return _record_batch(organization, sent)
    return _record_one(organization, sent)


def _record_one(organization: Organization, raw: object) -> Response:
    [outcome] = _record(organization, [raw], event_drafts.parse)
    return answer(outcome)


def answer(outcome: Outcome) -> Response:
    """Answer a request that was about one event: with what was recorded, or a problem."""
    return answer_one(outcome).as_response()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer before it is put into a response of one door or the other."""

    status: int
    payload: Mapping[str, Any]
    content_type: str = ExactJSONRenderer.media_type
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_response(self) -> Response:
        """Return it in the words of the framework."""
        return Response(
            self.payload,
            status=self.status,
            headers=dict(self.headers),
            content_type=self.content_type,
        )


def answer_one(outcome: Outcome) -> Answer:
    """Say how a request that was about one event is answered."""
    if outcome.status not in ACCEPTED:
        return Answer(
            status=CODES[outcome.status], payload=_problem_of(outcome), content_type=CONTENT_TYPE
        )
    return Answer(
        status=CODES[outcome.status], payload=_rendered(outcome), headers=_replay_headers(outcome)
    )


def answer_batch(outcomes: Sequence[Outcome]) -> Answer:
    """Say how a batch is answered: as a success, in which each event has its own outcome."""
    return Answer(status=200, payload=batch_results(outcomes))


def _replay_headers(outcome: Outcome) -> dict[str, str]:
    return {"Idempotent-Replayed": "true"} if outcome.status == Status.REPLAYED else {}


def _problem_of(outcome: Outcome) -> dict[str, Any]:
    extra = {"id": outcome.external_id, "event_status": outcome.status, "reason": outcome.reason}
    return body(
        CODES[outcome.status],
        outcome.reason,
        outcome.detail,
        errors=outcome.errors,
        **extra,
        **outcome.needed,
        **_all_refusals(outcome),
    )


def _all_refusals(outcome: Outcome) -> dict[str, Any]:
    return {"refusals": list(outcome.refusals)} if outcome.refusals else {}


def _record_batch(organization: Organization, data: dict[str, Any]) -> Response:
    unknown = [(name, "is not a field of a batch") for name in data if name != "events"]
    if unknown:
        raise Problem(422, "invalid", "The batch is not valid.", errors=unknown)
    raws = _checked_batch(data["events"], least=1)
    return answer_batch(_record(organization, raws, event_drafts.parse)).as_response()


def _checked_batch(raws: object, *, least: int) -> list[Any]:
    most = settings.EVENTS_PER_REQUEST_MAX
    if not isinstance(raws, list) or not least <= len(raws) <= most:
        reason = f"must be a list of {least} to {most} events"
        raise Problem(422, "invalid", "The batch is not valid.", errors=[("events", reason)])
    return raws


def batch_results(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the answers to several events, in their order, and how many came out how."""
    counts = {str(status): count for status, count in Counter(map(_status_of, outcomes)).items()}
    return {"results": [_rendered(outcome) for outcome in outcomes], "counts": counts}


_status_of = attrgetter("status")


def _record_cloud_events(organization: Organization, sent: CloudEvents) -> Response:
    """Record what came in the CloudEvents format.

    Its producers look at the status alone: a 2xx means that they may forget every event. So a
    batch is accepted only as a whole; else they are told to keep it, and sending it again is safe.
    """
    outcomes = _record(organization, _checked_batch(sent.raws, least=0), cloud_events.parse)
    refused = [outcome for outcome in outcomes if outcome.status not in ACCEPTED]
    if not refused:
        return Response(status=204, headers={} if sent.is_batch else _replay_headers(outcomes[0]))
    if not sent.is_batch:
        return answer_one(outcomes[0]).as_response()
    codes = {CODES[outcome.status] for outcome in refused}
    detail = f"{len(refused)} of {len(outcomes)} events were refused, the others are recorded."
    raise Problem(
        codes.pop() if len(codes) == 1 else 422, "partly_refused", detail, **batch_results(outcomes)
    )


def _record(organization: Organization, raws: list[Any], parse: ParseEvent) -> list[Outcome]:
    now = timezone.now()
    drafts = [parse(raw, at=now) for raw in raws]
    result = ingestion.record_events(organization_id=organization.id, drafts=drafts, at=now)
    if result.firings:
        tasks.wake_delivery()
    return result.outcomes


def _rendered(outcome: Outcome) -> dict[str, Any]:
    """Write one outcome; an event charged in one asset also says so at the top."""
    rendered: dict[str, Any] = {
        "id": outcome.external_id,
        "status": outcome.status,
        "code": CODES[outcome.status],
    }
    if outcome.status in ACCEPTED:
        charges = charges_as_answered(outcome.charges)
        if len(charges) == 1:
            rendered.update(charges[0])
        rendered["charges"] = charges
        return rendered
    errors = [{"field": field, "reason": reason} for field, reason in outcome.errors]
    return (
        rendered
        | {"reason": outcome.reason, "detail": outcome.detail, "errors": errors}
        | outcome.needed
        | _all_refusals(outcome)
    )


def _list_events(request: Request) -> Response:
    external_id = request.query_params.get("customer")
    if not external_id:
        raise Problem(
            422,
            "invalid",
            "Events are listed by customer.",
            errors=[("customer", "is required, as a query parameter")],
        )
    customer = customer_or_404(request, external_id)
    stored = Event.objects.filter(organization=organization_of(request), customer=customer)
    voided, backfill = _flag(request, "voided"), _flag(request, "backfill")
    if voided is not None:
        stored = stored.voided() if voided else stored.standing()
    if backfill is not None:
        stored = stored.filter(is_backfill=backfill)
    order = pagination.Order("occurred_at", "key")
    rows = stored.with_voids().select_related("customer")
    return pagination.page(request, rows, EventSerializer, order=order)


def _flag(request: Request, name: str) -> bool | None:
    """Return a query parameter that is true or false. Raises Problem."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if text not in ("true", "false"):
        errors = [(name, "must be true or false")]
        raise Problem(422, "invalid", "The list cannot be filtered so.", errors=errors)
    return text == "true"


@extend_schema(
    operation_id="events_get",
    summary="One event with its working",
    parameters=[OpenApiParameter("source", str, description="When it was sent with one.")],
    responses=EventDetailSerializer,
)
@api_view(["GET", "HEAD"])
@permission_classes([HasScope.of(GET=Scope.READ)])
def event_detail(request: Request, external_id: str) -> Response:
    """Explain one event: what it cost at which price, and which grants paid."""
    source = request.query_params.get("source", "")
    key = event_drafts.event_key(source=source, external_id=external_id)
    try:
        explanation = explanations.explain_event(
            organization_id=organization_of(request).id, key=key
        )
    except explanations.UnknownEvent as error:
        raise Problem(404, "not_found", "There is no event with this id.") from error
    shows_cost = isinstance(request.auth, ApiKey) and request.auth.allows(Scope.ADMIN)
    shown = EventDetailSerializer(
        explanation.event, context={"explanation": explanation, "shows_cost": shows_cost}
    )
    return Response(shown.data)
