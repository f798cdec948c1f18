"""The API of margins, for the organization's own eyes: only keys that may do everything see it."""

import datetime as dt
import re
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import HasScope, organization_of
from accounts.models import Scope
from accounts.problems import Problem
from accounts.serializers import AmountField
from metering import margins
from metering.margins import NoCostAsset, ReportInvalid, TooManyRows

_PARAMETERS = ("group_by", "from", "to")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EARLIEST, _LATEST = dt.date(2000, 1, 1), dt.date(2999, 12, 31)


class UnknownCostSerializer(serializers.Serializer[Any]):
    """Events whose cost is not known."""

    events = serializers.IntegerField(source="unknown_cost_events")
    revenue = AmountField(source="unknown_cost_revenue")


class ElsewhereSerializer(serializers.Serializer[Any]):
    """Events charged in other assets only."""

    events = serializers.IntegerField(source="elsewhere_events")
    cost = AmountField(source="elsewhere_cost")


class FiguresSerializer(serializers.Serializer[Any]):
    """What events earned and cost, in the asset of costs."""

    events = serializers.IntegerField()
    revenue = AmountField()
    cost = AmountField()
    margin = AmountField(help_text="Below zero it is a loss.")
    margin_percent = AmountField(allow_null=True, help_text="Null without any revenue.")
    unknown_cost = UnknownCostSerializer(source="*", help_text="Not part of the figures beside it.")
    other_assets_only = ElsewhereSerializer(
        source="*", help_text="Not part of the figures beside it."
    )


class MarginSerializer(FiguresSerializer):
    """One group of events."""

    group = serializers.DictField(
        child=serializers.CharField(allow_null=True), help_text="Null: no such property."
    )


class OtherRevenueSerializer(serializers.Serializer[Any]):
    """What events earned in an asset that cannot be compared with costs."""

    group = serializers.DictField(child=serializers.CharField(allow_null=True))
    asset = serializers.CharField()
    events = serializers.IntegerField()
    revenue = AmountField()


# "from" is a word of the language, so it cannot be the name of a field in a class.
class MarginReportSerializer(serializers.Serializer[Any]):
    """Margins of the events that occurred from a day on and before another, by UTC days."""

    to = serializers.DateField(source="end")
    asset = serializers.CharField(source="asset.code")
    group_by = serializers.ListField(child=serializers.CharField())
    total = FiguresSerializer()
    results = serializers.SerializerMethodField()
    other_revenue = OtherRevenueSerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Put the first day before the last."""
        return {"from": serializers.DateField(source="start"), **super().get_fields()}

    @extend_schema_field(MarginSerializer(many=True))
    def get_results(self, report: margins.Report) -> list[dict[str, Any]]:
        """Return the rows, each with its group."""
        return [{"group": row.group, **FiguresSerializer(row.figures).data} for row in report.rows]


@extend_schema(
    operation_id="margins_get",
    summary="What events earned and cost, by customer, model, day or meter",
    parameters=[
        OpenApiParameter(
            "group_by",
            str,
            required=True,
            description=(
                "Up to four of customer, day, meter, model and properties.<name>, separated by "
                "commas. By meter, an event counts with each meter that priced or paid for it."
            ),
        ),
        OpenApiParameter("from", OpenApiTypes.DATE, required=True, description="A UTC day."),
        OpenApiParameter(
            "to", OpenApiTypes.DATE, required=True, description="The UTC day after the last one."
        ),
    ],
    responses={
        200: MarginReportSerializer,
        409: OpenApiResponse(description="No cost policy says in which asset costs are."),
    },
)
@api_view(["GET", "HEAD"])
@permission_classes([HasScope.of(GET=Scope.ADMIN)])
def margin_report(request: Request) -> Response:
    """Compare what events earned with what they cost."""
    start, end, group_by = _terms(request)
    try:
        report = margins.report(
            organization_id=organization_of(request).id, start=start, end=end, group_by=group_by
        )
    except ReportInvalid as error:
        raise _invalid([(error.field, error.reason)]) from error
    except TooManyRows as error:
        reason = f"makes more than {margins.ROWS_MAX} rows; take fewer days or attributes"
        raise _invalid([("group_by", reason)]) from error
    except NoCostAsset as error:
        detail = "The organization has no cost policy, which says in which asset its costs are."
        raise Problem(409, "no_cost_policy", detail) from error
    return Response(MarginReportSerializer(report).data)


def _terms(request: Request) -> tuple[dt.date, dt.date, list[str]]:
    query = request.query_params
    errors = [
        (name[:100], "is not a parameter of this report")
        for name in query
        if name not in (*_PARAMETERS, "format")
    ]
    errors += [(name, "is required") for name in _PARAMETERS if not query.get(name)]
    days: dict[str, dt.date] = {}
    for name in ("from", "to"):
        day = _day(query.get(name, ""))
        if day is not None:
            days[name] = day
        elif query.get(name):
            errors.append((name, "must be a day of the years 2000 to 2999, like 2026-01-31"))
    if errors:
        raise _invalid(errors)
    return days["from"], days["to"], query["group_by"].split(",")


def _day(text: str) -> dt.date | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return day if _EARLIEST <= day <= _LATEST else None


def _invalid(errors: list[tuple[str, str]]) -> Problem:
    return Problem(422, "invalid", "The request is not valid.", errors=errors[:20])
