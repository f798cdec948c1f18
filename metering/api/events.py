"""The API of events: recording them, and looking at them again."""

from collections import Counter
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import pagination
from accounts.api import customer_or_404
from accounts.authentication import HasScope, organization_of
from accounts.models import LedgerEntry, Organization, Scope
from accounts.problems import CONTENT_TYPE, Problem, body
from metering import event_drafts, ingestion, tasks
from metering.api.serializers import (
    BatchOutcomeSerializer,
    EventBatchSchema,
    EventDetailSerializer,
    EventDraftSchema,
    EventSerializer,
    OutcomeSerializer,
    charges_as_answered,
)
from metering.ingestion import Outcome, Status
from metering.models import Event, RatedEvent

CODES = {
    Status.RECORDED: 201,
    Status.REPLAYED: 200,
    Status.BLOCKED: 402,
    Status.CONFLICT: 409,
    Status.INVALID: 422,
    Status.UNPRICED: 422,
}
ACCEPTED = (Status.RECORDED, Status.REPLAYED)


class NewestEventsFirst(pagination.NewestFirst):
    """Events of one customer by the time they happened."""

    ordering = ("-occurred_at", "-key")


@extend_schema(
    methods=["POST"],
    operation_id="events_record",
    summary="Record one event, or up to 10,000",
    request=PolymorphicProxySerializer(
        component_name="EventOrBatch",
        serializers=[EventDraftSchema, EventBatchSchema],
        resource_type_field_name=None,
    ),
    responses={
        201: OutcomeSerializer,
        200: PolymorphicProxySerializer(
            component_name="OutcomeOrBatch",
            serializers=[OutcomeSerializer, BatchOutcomeSerializer],
            resource_type_field_name=None,
        ),
        (402, CONTENT_TYPE): OpenApiTypes.OBJECT,
        (409, CONTENT_TYPE): OpenApiTypes.OBJECT,
        (422, CONTENT_TYPE): OpenApiTypes.OBJECT,
    },
)
@extend_schema(
    methods=["GET"],
    operation_id="events_list",
    summary="List a customer's events, newest first",
    parameters=[OpenApiParameter("customer", str, required=True)],
    responses=EventSerializer(many=True),
)
@pagination.documented
@api_view(["GET", "POST"])
@permission_classes([HasScope.of(GET=Scope.READ, POST=Scope.EVENTS_WRITE)])
def events(request: Request) -> Response:
    """Record events, or list those of a customer."""
    if request.method == "GET":
        return _list_events(request)
    organization = organization_of(request)
    if isinstance(request.data, dict) and "events" in request.data:
        return _record_batch(organization, request.data)
    return _record_one(organization, request.data)


def _record_one(organization: Organization, raw: object) -> Response:
    [outcome] = _record(organization, [raw])
    code = CODES[outcome.status]
    if outcome.status in ACCEPTED:
        replayed = {"Idempotent-Replayed": "true"} if outcome.status == Status.REPLAYED else {}
        return Response(_rendered(outcome), status=code, headers=replayed)
    extra = {"id": outcome.external_id, "event_status": outcome.status, "reason": outcome.reason}
    problem = body(
        code, outcome.reason, outcome.detail, errors=outcome.errors, **extra, **outcome.needed
    )
    return Response(problem, status=code, content_type=CONTENT_TYPE)


def _record_batch(organization: Organization, data: dict[str, Any]) -> Response:
    raws = data["events"]
    errors = [(name, "is not a field of a batch") for name in data if name != "events"]
    if not isinstance(raws, list) or not raws:
        errors.append(("events", "must be a list of at least one event"))
    elif len(raws) > settings.EVENTS_PER_REQUEST_MAX:
        errors.append(("events", f"must have at most {settings.EVENTS_PER_REQUEST_MAX} events"))
    if errors:
        raise Problem(422, "invalid", "The batch is not valid.", errors=errors)
    outcomes = _record(organization, raws)
    counts = Counter(str(outcome.status) for outcome in outcomes)
    return Response({"results": [_rendered(each) for each in outcomes], "counts": counts})


def _record(organization: Organization, raws: list[Any]) -> list[Outcome]:
    now = timezone.now()
    drafts = [event_drafts.parse(raw, at=now) for raw in raws]
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
        return rendered | (charges[0] if len(charges) == 1 else {}) | {"charges": charges}
    errors = [{"field": field, "reason": reason} for field, reason in outcome.errors]
    return (
        rendered
        | {"reason": outcome.reason, "detail": outcome.detail, "errors": errors}
        | outcome.needed
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
    return pagination.page(
        request, stored.select_related("customer"), EventSerializer, paginator=NewestEventsFirst
    )


@extend_schema(
    operation_id="events_get",
    summary="One event with its working",
    parameters=[OpenApiParameter("source", str, description="When it was sent with one.")],
    responses=EventDetailSerializer,
)
@api_view(["GET"])
@permission_classes([HasScope.of(GET=Scope.READ)])
def event_detail(request: Request, external_id: str) -> Response:
    """Explain one event: what it cost at which price, and which grants paid."""
    organization = organization_of(request)
    source = request.query_params.get("source", "")
    key = event_drafts.event_key(source=source, external_id=external_id)
    event = (
        Event.objects.filter(organization=organization, key=key, external_id=external_id)
        .select_related("customer")
        .first()
    )
    if event is None:
        raise Problem(404, "not_found", "There is no event with this id.")
    rated = RatedEvent.objects.filter(organization=organization, event_key=key)
    entries = LedgerEntry.objects.filter(organization=organization, reference=key)
    shown = EventDetailSerializer(
        event,
        context={
            "rated": rated.select_related("price__plan_version__plan", "price__asset"),
            "ledger": entries.select_related("account__asset").order_by("account_version"),
        },
    )
    return Response(shown.data)
