"""The API of a customer's ledger: its entries in pages, or all of them as a CSV file."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes, renderer_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import pagination, timestamps
from accounts.api import asset_or_422, customer_or_404
from accounts.authentication import HasScope
from accounts.models import Asset, EntryKind, Scope
from accounts.problems import Problem
from accounts.renderers import ExactJSONRenderer
from accounts.serializers import AmountField
from accounts.statements import Span
from metering import statement_files, statements
from metering.statements import Cause, CauseKind, Place

_PARAMETERS = {"asset", "from", "to", "kind", "cursor", "limit", "format"}
_VERSION_DIGITS = 18


class CSVRenderer(ExactJSONRenderer):
    """Lets `text/csv` be asked for. The file itself is streamed; only problems come here."""

    media_type = "text/csv"
    format = "csv"


class CauseSerializer(serializers.Serializer[Any]):
    """What made an entry; an event's own id with its source, or a UUID.

    A void is told by the event that was taken back.
    """

    kind = serializers.ChoiceField(choices=[str(kind) for kind in CauseKind])
    id = serializers.CharField()
    source = serializers.CharField(required=False, help_text="Of an event that had one.")  # type: ignore[assignment]
    type = serializers.CharField(required=False, help_text="Of an event.")
    name = serializers.CharField(required=False, help_text="Of a grant.")
    starts_at = serializers.DateTimeField(required=False, help_text="Of a billing period.")
    ends_at = serializers.DateTimeField(required=False, help_text="Of a billing period.")

    def to_representation(self, instance: Cause) -> dict[str, Any]:
        """Leave out what does not apply."""
        written: Mapping[str, Any] = super().to_representation(instance)
        return {name: value for name, value in written.items() if value not in ("", None)}


class LedgerEntrySerializer(serializers.Serializer[Any]):
    """One change of a balance."""

    asset = serializers.CharField(source="asset.code")
    version = serializers.IntegerField(help_text="Counts the entries of this asset from 1.")
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=EntryKind.values)
    amount = AmountField(help_text="Signed: below zero it left the balance.")
    balance_after = AmountField()
    grant = serializers.UUIDField(
        source="grant.id",
        default=None,
        allow_null=True,
        help_text="The grant that changed; null for credit that was owed.",
    )
    reference = serializers.UUIDField(source="cause.key")
    cause = CauseSerializer()


class SpanSerializer(serializers.Serializer[Any]):
    """What one asset held before the first and after the last entry asked for, of any kind."""

    asset = serializers.CharField(source="account.asset.code")
    opening_balance = AmountField(source="opening")
    closing_balance = AmountField(source="closing")


class LedgerSerializer(serializers.Serializer[Any]):
    """A page of a customer's ledger."""

    next = serializers.URLField(
        allow_null=True, help_text="The address of the next page, or null on the last one."
    )
    spans = SpanSerializer(many=True)
    results = LedgerEntrySerializer(many=True)


class _Question(NamedTuple):
    """What was asked for."""

    asset: Asset | None
    since: dt.datetime | None
    until: dt.datetime | None
    kinds: list[str]


@extend_schema(
    operation_id="customers_ledger",
    summary="Every change of a customer's balances",
    description=(
        "Asset by asset, the newest entry first. With `Accept: text/csv` or `format=csv` all "
        "entries come as one file, the oldest first; balances then add up from row to row."
    ),
    parameters=[
        OpenApiParameter("asset", str, description="A code: only this asset."),
        OpenApiParameter("from", OpenApiTypes.DATETIME, description="The first moment."),
        OpenApiParameter("to", OpenApiTypes.DATETIME, description="The moment after the last."),
        OpenApiParameter(
            "kind", str, description=f"One or more of {', '.join(EntryKind)}; commas between."
        ),
        OpenApiParameter("cursor", str, description="From `next` of the page before."),
        OpenApiParameter("limit", int, description="Entries a page, 50 unless told, up to 500."),
    ],
    responses={
        (200, "application/json"): LedgerSerializer,
        (200, "text/csv"): OpenApiTypes.STR,
    },
)
@api_view(["GET", "HEAD"])
@renderer_classes([ExactJSONRenderer, CSVRenderer])
@permission_classes([HasScope.of(GET=Scope.READ)])
def customer_ledger(request: Request, external_id: str) -> HttpResponseBase:
    """Answer with a page of the ledger, or with all of it as CSV."""
    customer = customer_or_404(request, external_id)
    asked = _question(request)
    spans = statements.read_spans(customer, asset=asked.asset, since=asked.since, until=asked.until)
    if request.accepted_renderer.format == CSVRenderer.format:
        return csv_file(spans, kinds=asked.kinds, name=customer.external_id)
    return _page(request, spans, kinds=asked.kinds)


def csv_file(spans: Sequence[Span], *, kinds: Sequence[str], name: str) -> StreamingHttpResponse:
    """Answer with a statement as a file that is written while it is sent."""
    return StreamingHttpResponse(
        statement_files.rows(spans, kinds=kinds),
        content_type=statement_files.CONTENT_TYPE,
        headers={
            "Content-Disposition": f'attachment; filename="{statement_files.name_of(name)}"',
            "Cache-Control": "private, no-store",
        },
    )


def _page(request: Request, spans: Sequence[Span], *, kinds: Sequence[str]) -> Response:
    limit = pagination.limit_of(request)
    try:
        page = statements.read_page(spans, kinds=kinds, after=_place(request), limit=limit)
    except (ValueError, LookupError) as error:
        raise pagination.not_a_cursor() from error
    following = None
    if page.following is not None:
        text = f"{page.following.account_id} {page.following.version}"
        following = pagination.link_to(request, pagination.cursor_of(text))
    answer = {"next": following, "spans": spans, "results": page.lines}
    return Response(LedgerSerializer(answer).data)


def _place(request: Request) -> Place | None:
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return None
    account_id, _, version = pagination.text_of(cursor).partition(" ")
    if len(version) > _VERSION_DIGITS:
        raise ValueError(version)
    return Place(account_id=uuid.UUID(account_id), version=int(version))


def _question(request: Request) -> _Question:
    query = request.query_params
    errors = [
        (name[:100], "is not a parameter of a ledger") for name in query if name not in _PARAMETERS
    ]
    moments: dict[str, dt.datetime] = {}
    for name in {"from", "to"} & query.keys():
        try:
            moments[name] = timestamps.parse(query[name])
        except timestamps.TimestampInvalid as error:
            errors.append((name, str(error)))
    if len(moments) == len(("from", "to")) and moments["from"] >= moments["to"]:
        errors.append(("to", "must be after from"))
    kinds = query["kind"].split(",") if "kind" in query else []
    if not set(kinds) <= set(EntryKind.values):
        errors.append(("kind", f"must be of {', '.join(EntryKind)}, with commas between"))
    if errors:
        raise Problem(422, "invalid", "The request is not valid.", errors=errors[:20])
    code = query.get("asset")
    return _Question(
        asset=asset_or_422(request, code) if code is not None else None,
        since=moments.get("from"),
        until=moments.get("to"),
        kinds=kinds,
    )
