"""The API of backtests, for the organization's own eyes: only keys that may do everything see."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import pagination
from accounts.authentication import HasScope, organization_of
from accounts.models import Customer, Organization, Scope
from accounts.problems import Problem
from accounts.serializers import (
    AmountField,
    StrictSerializer,
    TextField,
    TimestampField,
    WholeNumberField,
)
from metering import backtest_reports, backtests, tasks
from metering.models import BacktestResult, BacktestRun
from pricing.api.serializers import FlagField
from pricing.models import PlanVersion

CUSTOMERS_MAX = 1_000
_VERSIONS_MAX = 2**31 - 1


class BacktestRequest(StrictSerializer):
    """Which version is tried on whose past."""

    plan = TextField(max_length=100)
    version = WholeNumberField(
        required=False,
        min_value=1,
        max_value=_VERSIONS_MAX,
        help_text="Default: the draft, or the newest one that is published.",
    )
    to = TimestampField(required=False, help_text="Until when; by default now.")
    customers = serializers.ListField(
        child=TextField(max_length=200),
        required=False,
        min_length=1,
        max_length=CUSTOMERS_MAX,
        help_text="External ids of the only customers, whatever plan they were on.",
    )
    everyone = FlagField(default=False, help_text="Also customers who were on other plans.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the one field whose name Python keeps for itself."""
        since = TimestampField(help_text="From when on events count, by when they were received.")
        return {**super().get_fields(), "from": since}

    def validate(self, attrs: Any) -> Any:
        """Refuse a range that ends before it starts, and two answers to one question."""
        attrs.setdefault("to", self.context["now"])
        if attrs["to"] <= attrs["from"]:
            raise serializers.ValidationError({"to": ["must be later than from"]})
        if attrs["everyone"] and attrs.get("customers"):
            raise serializers.ValidationError({"everyone": ["name customers, or take everyone"]})
        return attrs


class RefusalSerializer(serializers.Serializer[Any]):
    """Why events could not be priced."""

    reason = serializers.CharField()
    detail = serializers.CharField()
    events = serializers.IntegerField()
    example = serializers.CharField(help_text="The id of one of them.")


class ComparedSerializer(serializers.Serializer[Any]):
    """What was charged in one asset, and what would have been."""

    asset = serializers.CharField(source="asset.code")
    charged = AmountField()
    would_be = AmountField()
    difference = AmountField()
    percent = AmountField(allow_null=True, help_text="Null when nothing was charged.")
    events = serializers.IntegerField(help_text="Events priced in the asset, then or now.")
    unpriced = serializers.IntegerField(help_text="Those the version has no price for.")
    cost = AmountField(allow_null=True, help_text="What vendors took; null when unknown.")
    margin_before = AmountField(allow_null=True)
    margin_after = AmountField(allow_null=True)
    unknown_cost = serializers.IntegerField(
        source="uncosted", help_text="Events without a known cost; they are in no margin."
    )


class TotalSerializer(ComparedSerializer):
    """The sum over all customers."""

    customers = serializers.IntegerField()
    paying_more = serializers.IntegerField()
    paying_less = serializers.IntegerField()


class RunSerializer(serializers.ModelSerializer[BacktestRun]):
    """A backtest and how far it has come."""

    plan = serializers.CharField(source="plan_version.plan.code")
    version = serializers.IntegerField(source="plan_version.number")
    to = serializers.DateTimeField(source="range_ends_at")
    customers = serializers.SerializerMethodField(
        help_text="How many customers were named; null for all."
    )
    percent_done = serializers.SerializerMethodField()

    class Meta:
        model = BacktestRun
        fields = [
            "id", "plan", "version", "to", "customers", "everyone", "state", "events_done",
            "events_total", "percent_done", "events_unpriced", "error", "requested_at",
            "started_at", "finished_at",
        ]  # fmt: skip

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the one field whose name Python keeps for itself."""
        since = serializers.DateTimeField(source="range_starts_at")
        return {**super().get_fields(), "from": since}

    def get_customers(self, run: BacktestRun) -> int | None:
        """Return how many were named."""
        return len(run.customer_ids) or None

    def get_percent_done(self, run: BacktestRun) -> int:
        """Return how much is done."""
        return backtest_reports.percent_done(run)


class RunDetailSerializer(RunSerializer):
    """A backtest with what it has found so far."""

    totals = serializers.SerializerMethodField(help_text="By asset; as far as it has come.")
    refusals = RefusalSerializer(many=True)

    class Meta(RunSerializer.Meta):
        fields = [*RunSerializer.Meta.fields, "totals", "refusals"]

    @extend_schema_field(TotalSerializer(many=True))
    def get_totals(self, run: BacktestRun) -> list[dict[str, Any]]:
        """Return the sums over all customers."""
        return [
            {
                **ComparedSerializer(total.figures).data,
                "customers": total.customers,
                "paying_more": total.more,
                "paying_less": total.less,
            }
            for total in backtest_reports.totals(run)
        ]


class ResultSerializer(ComparedSerializer):
    """One customer's difference."""

    customer = serializers.CharField()

    def to_representation(self, instance: BacktestResult) -> dict[str, Any]:
        """Write the figures, and whose they are."""
        figures = backtest_reports.figures_of(instance)
        compared = ComparedSerializer(figures).data
        return {"customer": instance.customer.external_id, **compared}


@extend_schema(
    methods=["GET"],
    operation_id="backtests_list",
    summary="List backtests",
    responses=RunSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="backtests_create",
    summary="Replay past usage at another plan version",
    request=BacktestRequest,
    responses={
        202: RunDetailSerializer,
        409: OpenApiResponse(description="Too many of them wait already."),
    },
)
@pagination.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([HasScope.of(GET=Scope.ADMIN, POST=Scope.ADMIN)])
def backtest_list(request: Request) -> Response:
    """List backtests, newest first, or ask for one, which a worker then does."""
    organization = organization_of(request)
    if request.method != "POST":
        runs = BacktestRun.objects.for_organization(organization)
        return pagination.page(
            request,
            runs.select_related("plan_version__plan"),
            RunSerializer,
            order=pagination.Order("requested_at", "id"),
        )
    # One moment for both: a range that reaches to the asking counts what is still open.
    now = timezone.now()
    form = BacktestRequest(data=request.data, context={"now": now})
    form.is_valid(raise_exception=True)
    run = _requested(organization, form.validated_data, at=now)
    tasks.wake_backtests()
    return Response(RunDetailSerializer(run).data, status=202)


def _requested(
    organization: Organization, wanted: dict[str, Any], *, at: dt.datetime
) -> BacktestRun:
    version = _version(organization, wanted["plan"], wanted.get("version"))
    customers = _customers(organization, wanted.get("customers", ()))
    try:
        return backtests.request_backtest(
            plan_version=version,
            range_starts_at=wanted["from"],
            range_ends_at=wanted["to"],
            customers=customers,
            everyone=wanted["everyone"],
            at=at,
        )
    except backtests.VersionRefused as refusal:
        detail = "The draft has problems that would keep it from being published."
        raise Problem(422, "invalid", detail, errors=refusal.problems) from refusal
    except backtests.TooManyRuns as error:
        detail = f"{backtests.UNFINISHED_MAX} backtests wait already; try again when some are done."
        raise Problem(409, "too_many_backtests", detail) from error


def _version(organization: Organization, code: str, number: int | None) -> PlanVersion:
    try:
        return backtests.find_version(organization_id=organization.id, plan=code, number=number)
    except backtests.UnknownVersion as error:
        raise _invalid("plan" if number is None else "version", str(error)) from error


def _customers(organization: Organization, asked: Sequence[str]) -> list[Customer]:
    known = Customer.objects.for_organization(organization).filter(external_id__in=asked)
    by_id = {customer.external_id: customer for customer in known}
    for place, external_id in enumerate(asked):
        if external_id not in by_id:
            raise _invalid(f"customers[{place}]", "is not a customer of your organization")
    return list(by_id.values())


def _invalid(field: str, reason: str) -> Problem:
    return Problem(422, "invalid", "The request is not valid.", errors=[(field, reason)])


def _run_or_404(request: Request, backtest_id: uuid.UUID) -> BacktestRun:
    run = (
        BacktestRun.objects.for_organization(organization_of(request))
        .select_related("plan_version__plan")
        .filter(id=backtest_id)
        .first()
    )
    if run is None:
        raise Problem(404, "not_found", "There is no backtest with this id.")
    return run


@extend_schema(
    operation_id="backtests_get",
    summary="One backtest: how far it is and what it has found",
    responses=RunDetailSerializer,
)
@api_view(["GET", "HEAD"])
@permission_classes([HasScope.of(GET=Scope.ADMIN)])
def backtest_detail(request: Request, backtest_id: uuid.UUID) -> Response:
    """Return one backtest."""
    return Response(RunDetailSerializer(_run_or_404(request, backtest_id)).data)


@extend_schema(
    operation_id="backtests_customers",
    summary="What a backtest has found, customer by customer",
    responses=ResultSerializer(many=True),
)
@pagination.documented
@api_view(["GET", "HEAD"])
@permission_classes([HasScope.of(GET=Scope.ADMIN)])
def backtest_customers(request: Request, backtest_id: uuid.UUID) -> Response:
    """List the differences, those found last first."""
    results = BacktestResult.objects.filter(run=_run_or_404(request, backtest_id))
    return pagination.page(
        request,
        results.select_related("customer", "asset"),
        ResultSerializer,
        order=pagination.Order("replayed_at", "id"),
    )
