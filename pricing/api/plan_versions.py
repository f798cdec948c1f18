"""The API of plan versions: sending one, reading it, publishing it."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import pagination
from accounts.authentication import HasScope, organization_of
from accounts.models import Customer, Scope
from accounts.problems import Problem
from pricing import plan_form, plan_import, publication
from pricing.api import problem_fields
from pricing.api.serializers import (
    PlanDocumentSchema,
    PublicationOrder,
    VersionDetailSerializer,
    VersionSerializer,
)
from pricing.models import Plan, PlanVersion

_READ_OR_ADMIN = HasScope.of(GET=Scope.READ, POST=Scope.ADMIN, PUT=Scope.ADMIN)
_PUBLISHED = "A published version never changes; send the next one."


@extend_schema(
    methods=["GET"],
    operation_id="versions_list",
    summary="List a plan's versions",
    responses=VersionSerializer(many=True),
)
@extend_schema(
    methods=["POST"],
    operation_id="versions_create",
    summary="Send a plan's next version",
    request=PlanDocumentSchema,
    responses={
        201: VersionDetailSerializer,
        409: OpenApiResponse(description="The plan has a draft."),
    },
)
@pagination.documented
@api_view(["GET", "HEAD", "POST"])
@permission_classes([_READ_OR_ADMIN])
def version_list(request: Request, code: str) -> Response:
    """List a plan's versions, newest first, or store its next one as a draft."""
    plan = problem_fields.plan_or_404(request, code)
    if request.method != "POST":
        rows = plan.versions.filter(customer=None).select_related("plan")
        return pagination.page(request, rows, VersionSerializer)
    try:
        draft = _import(request, plan)
    except plan_import.DraftExists as error:
        detail = "The plan has a draft; publish it, or put another one in its place."
        raise Problem(409, "conflict", detail) from error
    return Response(VersionDetailSerializer(draft).data, status=201)


@extend_schema(
    methods=["GET"],
    operation_id="versions_get",
    summary="One version of a plan",
    responses=VersionDetailSerializer,
)
@extend_schema(
    methods=["PUT"],
    operation_id="versions_replace",
    summary="Put another draft in the place of a plan's draft",
    request=PlanDocumentSchema,
    responses={
        200: VersionDetailSerializer,
        409: OpenApiResponse(description="The version is published."),
    },
)
@api_view(["GET", "HEAD", "PUT"])
@permission_classes([_READ_OR_ADMIN])
def version_detail(request: Request, code: str, number: int) -> Response:
    """Read a version with all it says, or write a draft anew."""
    version = problem_fields.version_or_404(request, code, number)
    if request.method == "PUT":
        if not version.is_draft:
            raise Problem(409, "conflict", _PUBLISHED)
        version = _import(request, version.plan, replace_draft=True)
    return Response(VersionDetailSerializer(version).data)


def _import(request: Request, plan: Plan, **options: bool) -> PlanVersion:
    """Store the body as a draft of the plan in the address, whose code and name it may repeat."""
    document = request.data
    if isinstance(document, Mapping):
        document = {"code": plan.code, "name": plan.name, **document}
        if document["code"] != plan.code:
            raise problem_fields.invalid([("code", f"must be {plan.code}, as in the address")])
        if "prices" not in document:
            raise problem_fields.invalid([("prices", "is required; a list, which may be empty")])
    try:
        return plan_import.import_plan(
            organization=organization_of(request),
            document=document,
            at=timezone.now(),
            **options,
        )
    except plan_form.PlanInvalid as invalid:
        raise problem_fields.invalid(invalid.errors) from invalid


@extend_schema(
    operation_id="versions_publish",
    summary="Publish a draft",
    request=PublicationOrder,
    responses={
        200: VersionDetailSerializer,
        409: OpenApiResponse(description="The version is published."),
    },
)
@api_view(["POST"])
@permission_classes([_READ_OR_ADMIN])
def version_publish(request: Request, code: str, number: int) -> Response:
    """Freeze a draft and put it on sale, for new customers or for those on the plan as well."""
    version = problem_fields.version_or_404(request, code, number)
    form = PublicationOrder(data=request.data)
    form.is_valid(raise_exception=True)
    if not version.is_draft:
        raise Problem(409, "conflict", _PUBLISHED)
    order: dict[str, Any] = dict(form.validated_data)
    if isinstance(order["migrate"], list):
        order["migrate"] = _customers(request, order["migrate"])
    try:
        published = publication.publish(version=version, by=None, at=timezone.now(), **order)
    except publication.PublicationRefused as refusal:
        raise problem_fields.invalid(refusal.problems) from refusal
    return Response(VersionDetailSerializer(published).data)


def _customers(request: Request, external_ids: list[str]) -> list[Customer]:
    wanted = [each for each in external_ids if "\0" not in each]
    rows = Customer.objects.for_organization(organization_of(request))
    known = {each.external_id: each for each in rows.filter(external_id__in=wanted)}
    unknown = [
        (f"migrate[{number}]", "is not a customer of your organization")
        for number, external_id in enumerate(external_ids)
        if external_id not in known
    ]
    if unknown:
        raise problem_fields.invalid(unknown)
    return list(known.values())
